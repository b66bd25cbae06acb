"""Why a client is answered as it is: the chain run once more, with every step and derivation kept.

Explaining takes no turn, so asking does not change what the next query gets. It runs the chain on
the client's own place, where answering may reuse what was decided for a client of the same class;
DESIGN law 6 is that the two agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_network
from typing import NamedTuple

import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from gslb.engine.body import Body
from gslb.engine.desk import Decision, Desk
from gslb.engine.engine import Engine, refuse_type
from gslb.engine.groups import Client
from gslb.engine.resolve import Served, find_zone, resolve
from gslb.model.place import Address, Location
from gslb.wire import codes
from gslb.wire.compose import Owned
from gslb.wire.ecs import ClientSubnet
from gslb.wire.names import to_text
from gslb.zone.tree import Node, Outcome


class StepTold(NamedTuple):
    """One step of a chain: its name, the candidates it kept, and why."""

    name: str
    kept: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """An answer and its reasons.

    answer, authority: records as master file lines. location, steps, ttl_why, scope_why: empty or
    None when no service decided. decision_id: names the configuration, geography, health,
    measurements (where there are any) and turn.
    """

    name: str
    rtype: str
    client: str
    rcode: str
    is_authoritative: bool
    answer: tuple[str, ...]
    authority: tuple[str, ...]
    why: str
    location: Location | None = None
    steps: tuple[StepTold, ...] = ()
    ttl_why: str = ""
    scope: int = 0
    scope_why: str = ""
    decision_id: str = ""
    alerts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Case:
    """A service's part in an answer."""

    desk: Desk
    client: Client
    place: Location
    turn: int
    decision: Decision


def explain(
    engine: Engine, qname: bytes, qtype: int, *, source: Address, subnet: ClientSubnet | None
) -> Explanation:
    """The answer to a question of class IN, as UDP would give it to this client now, and why.

    qname: octets, any case. source: the address a query comes from. subnet: the client subnet it
    carries, None without.
    """
    cases: list[_Case] = []

    def serve(node: Node, qtype: int) -> Served | None:
        desk = engine.desk(node, qtype)
        if desk is None:
            return None
        client = desk.group.client(source.packed, subnet)
        plan = engine.plans.plan(desk, client.key)
        turn = plan.uses % plan.period
        place = desk.group.classes.table.locate(client.address)
        decision = desk.decide(engine.plans.conditions, client.key, place, turn)
        cases.append(_Case(desk, client, place, turn, decision))
        return Served(plan, turn, client.scope)

    body = refuse_type(qtype, is_tcp=False)
    if body is None:
        body = resolve(engine.ground.zones, qname.lower(), qtype, serve)
    told = Explanation(
        name=to_text(qname),
        rtype=type_text(qtype),
        client=describe_client(source, subnet),
        rcode=dns.rcode.to_text(dns.rcode.Rcode(body.rcode)),
        is_authoritative=body.is_authoritative,
        answer=tuple(line for rrset in body.answer for line in record_lines(rrset)),
        authority=tuple(line for rrset in body.authority for line in record_lines(rrset)),
        why=_why_static(engine, qname.lower(), qtype, body),
    )
    return told if not cases else _tell_case(told, engine, cases[-1], subnet)


def _tell_case(
    told: Explanation, engine: Engine, case: _Case, subnet: ClientSubnet | None
) -> Explanation:
    conditions = engine.plans.conditions
    return replace(
        told,
        why=f"service {case.desk.service.name!r} decides",
        location=case.place,
        steps=tuple(
            StepTold(name, tuple(one.name for one in step.kept), step.why)
            for name, step in case.decision.chosen.steps
        ),
        ttl_why=case.decision.ttl_why,
        scope=case.client.scope,
        scope_why=_why_scope(case, subnet),
        decision_id=f"{conditions.generation}-t{case.turn}",
        alerts=conditions.health.alerts,
    )


def _why_scope(case: _Case, subnet: ClientSubnet | None) -> str:
    if subnet is None:
        return "no client subnet in the query, so none in the answer"
    if subnet.source == 0:
        return "0: the subnet is empty, the source address decided"
    if case.desk.group.is_uniform:
        return "0: the client makes no difference"
    if not case.desk.group.is_told_by(subnet):
        return (
            f"/{case.client.scope}: the block of private addresses around the subnet that no map"
            " names; the source address decided"
        )
    return (
        f"/{case.client.scope}: the largest block around the subnet in which everybody is offered"
        " the same candidates"
    )


def _why_static(engine: Engine, qname: bytes, qtype: int, body: Body) -> str:
    """What answered when no service decided."""
    if body.rcode in (codes.FORMERR, codes.NOTIMP):
        return f"{type_text(qtype)} is refused before any zone is asked: no zone can hold it"
    zone = find_zone(engine.ground.zones, qname, qtype)
    if zone is None:
        return "no zone of this server holds the name"
    walk = zone.walk(qname, qtype)
    where = f"zone {to_text(zone.origin)}"
    if walk.outcome is Outcome.REFERRAL:
        return f"{where}: delegated at {to_text(walk.node.name)}"
    if walk.outcome is Outcome.NXDOMAIN:
        return f"{where}: no such name; its closest encloser is {to_text(walk.node.name)}"
    if not body.answer:
        return f"{where}: the name exists, but has no {type_text(qtype)}"
    return f"{where}: static records at {to_text(walk.node.name)}"


def describe_client(source: Address, subnet: ClientSubnet | None) -> str:
    """The client as a network in text form."""
    if subnet is None or subnet.address is None:
        return str(source)
    return str(ip_network((subnet.address, subnet.source), strict=False))


def type_text(rtype: int) -> str:
    """The mnemonic of a type, TYPE65280 for those that have none."""
    return dns.rdatatype.to_text(dns.rdatatype.RdataType.make(rtype))


def record_lines(rrset: Owned) -> Iterator[str]:
    """The records of an RRset as lines of a master file."""
    rtype = dns.rdatatype.RdataType.make(rrset.rtype)
    for rdata in rrset.rdatas:
        octets = b"".join(rdata)
        parsed = dns.rdata.from_wire(dns.rdataclass.IN, rtype, octets, 0, len(octets))
        yield f"{to_text(rrset.owner)} {rrset.ttl} IN {type_text(rrset.rtype)} {parsed.to_text()}"
