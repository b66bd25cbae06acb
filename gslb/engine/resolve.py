"""The walk of RFC 1034 4.3.2 over all zones, from a question to the sections of its answer.

Laws:
1. The deepest zone that holds the name answers; DS at a zone's own name belongs to the zone above
   it, if that is ours too (RFC 4035 3.1.4.1).
2. CNAMEs are followed inside the zone only, over static records only, at most MAX_CHAIN of them:
   where an answer would depend on the client or on health, the chain ends with the CNAME (RFC 7871
   7.2.1) and the resolver asks again.
3. The RCODE of a chain is that of its last step (RFC 6604 3). AA speaks for the first owner.
4. ANY gets one small record (RFC 8482 4.2), a CNAME where there is one; names that do not exist
   stay so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from gslb.engine.body import REFUSED_NOT_OURS, Body, owned
from gslb.engine.desk import Plan
from gslb.wire import codes
from gslb.wire.compose import Owned
from gslb.wire.names import ROOT, is_under, parent
from gslb.zone.records import RRset
from gslb.zone.tree import Node, Outcome, Zone

MAX_CHAIN: Final = 9  # BIND follows 11; a chain of more is a mistake
_ANY_TTL: Final = 3600
_ANY_ANSWER: Final = RRset(codes.HINFO, _ANY_TTL, ((b"\x07RFC8482\x00",),))


@dataclass(frozen=True, slots=True)
class Served:
    """What a service answers: the decision of a plan's turn, and the scope."""

    plan: Plan
    turn: int
    scope: int


Serve = Callable[[Node, int], Served | None]
"""(node with a service, qtype) -> its answer, or None when the service has no such type."""


@dataclass(slots=True)
class _Chain:
    """The CNAMEs followed so far."""

    answer: list[Owned] = field(default_factory=list)
    seen: set[bytes] = field(default_factory=set)

    @property
    def is_started(self) -> bool:
        return bool(self.answer)


def find_zone(zones: Mapping[bytes, Zone], qname: bytes, qtype: int) -> Zone | None:
    """The zone that answers for a name (law 1), or None when none does."""
    if qtype == codes.DS and qname in zones and qname != ROOT:
        above = find_zone(zones, parent(qname), codes.ANY)
        if above is not None:
            return above
    name = qname
    while name not in zones:
        if name == ROOT:
            return None
        name = parent(name)
    return zones[name]


def resolve(zones: Mapping[bytes, Zone], qname: bytes, qtype: int, serve: Serve) -> Body:
    """The sections that answer a question of class IN. qname: lower case octets."""
    zone = find_zone(zones, qname, qtype)
    if zone is None:
        return REFUSED_NOT_OURS
    chain = _Chain()
    name = qname
    while True:
        body, target = _step(zone, name, qtype, chain, serve)
        if target is None:
            return _finish(body, chain)
        chain.seen.add(name)
        ends_here = target in chain.seen or len(chain.answer) > MAX_CHAIN
        if ends_here or find_zone(zones, target, qtype) is not zone:
            return _finish(Body(), chain)
        name = target


def _finish(body: Body, chain: _Chain) -> Body:
    is_authoritative = body.is_authoritative or chain.is_started
    return replace(body, answer=(*chain.answer, *body.answer), is_authoritative=is_authoritative)


def _step(
    zone: Zone, name: bytes, qtype: int, chain: _Chain, serve: Serve
) -> tuple[Body, bytes | None]:
    """One name of a chain: the body that ends it, or the next name (and its CNAME put on the
    chain).
    """
    walk = zone.walk(name, qtype)
    if walk.outcome is Outcome.REFERRAL:
        return _refer(zone, walk.node), None
    if walk.outcome is Outcome.NXDOMAIN:
        return negative(zone, codes.NXDOMAIN), None
    node = walk.node
    if node.service is not None:
        if chain.is_started:
            return Body(), None
        body = _serve(zone, node, name, qtype, serve)
        if body is not None:
            return body, None
    cname = node.rrsets.get(codes.CNAME)
    if cname is not None and qtype not in (codes.CNAME, codes.ANY):
        chain.answer.append(owned(name, cname))
        return Body(), cname.rdatas[0][0].lower()
    return _static(zone, node, name, qtype), None


def _static(zone: Zone, node: Node, name: bytes, qtype: int) -> Body:
    rrset = _any(node) if qtype == codes.ANY else node.rrsets.get(qtype)
    if rrset is None:
        return negative(zone, codes.NOERROR)
    extra = tuple(_additional(zone, rrset))
    return Body(is_authoritative=True, answer=(owned(name, rrset),), extra=extra)


def _any(node: Node) -> RRset | None:
    """Law 4."""
    if node.is_empty:
        return None
    return node.rrsets.get(codes.CNAME, _ANY_ANSWER)


def _serve(zone: Zone, node: Node, name: bytes, qtype: int, serve: Serve) -> Body | None:
    served = serve(node, qtype)
    if served is None:
        return None
    rrset = served.plan.choices.at(served.turn).rrset
    body = negative(zone, codes.NOERROR)  # for everybody, so its scope is 0 (RFC 7871 7.4)
    if rrset is not None:
        answer = (owned(name, rrset),)
        body = Body(is_authoritative=True, answer=answer, scope=served.scope)
    return replace(body, plan=served.plan, turn=served.turn)


def negative(zone: Zone, rcode: int) -> Body:
    """The answer for a name (NXDOMAIN) or a type (NOERROR) that does not exist (RFC 2308 2)."""
    authority = (owned(zone.origin, zone.negative_soa),)
    return Body(rcode, is_authoritative=True, authority=authority)


def _refer(zone: Zone, cut: Node) -> Body:
    servers = cut.rrsets[codes.NS]
    glue: list[Owned] = []
    extra: list[Owned] = []
    for (target,) in servers.rdatas:
        # Without its address a server inside the delegated zone is out of reach (RFC 9471).
        needed = is_under(target.lower(), cut.name)
        (glue if needed else extra).extend(owned(target, r) for r in zone.addresses_of(target))
    authority = (owned(cut.name, servers),)
    return Body(authority=authority, glue=tuple(glue), extra=tuple(extra))


_TARGET_TYPES: Final = {codes.NS: 0, codes.MX: 1}


def _additional(zone: Zone, rrset: RRset) -> Iterator[Owned]:
    """Addresses of the names that NS and MX records point to, where this zone has them."""
    at = _TARGET_TYPES.get(rrset.rtype)
    if at is None:
        return
    targets = {rdata[at].lower(): rdata[at] for rdata in rrset.rdatas}  # one may stand there twice
    for target in targets.values():
        yield from (owned(target, found) for found in zone.addresses_of(target))
