"""The engine: one configuration, geography, table of measurements and health snapshot, made into
answers.

An engine never changes what it answers from; each swap of one of these makes a new one, which takes
over nothing but the turns, so that splits stay even. Its caches are bounded and die with it.

Laws:
1. Any octets give a reply or None (silence), never an exception.
2. What a query may not ask for is refused by class and type before any zone is asked.
3. The size limit is the client's, within [512, ours], over UDP; 65535 over TCP (RFC 6891 6.2.5,
   RFC 7766 8).
4. An OPT is answered if and only if a usable one was sent; so is each of its options.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from gslb.engine.body import Body, owned
from gslb.engine.desk import Conditions, Desk, desk_type
from gslb.engine.desks import Desks, Plans, Turns
from gslb.engine.resolve import Served, resolve
from gslb.health.snapshot import HealthSnapshot
from gslb.model.system import DnsLimits
from gslb.policy.base import Measurements
from gslb.wire import codes
from gslb.wire.compose import MAX_MESSAGE_OCTETS, MIN_UDP_OCTETS, Opt, Reply, compose_reply
from gslb.wire.ecs import ClientSubnet, compose_ecs
from gslb.wire.names import from_text
from gslb.wire.query import Edns, Query, Question, parse_query
from gslb.zone.records import RRset
from gslb.zone.tree import Node, Zone

_TELLING: Final = frozenset({codes.NOERROR, codes.NXDOMAIN})  # errors stay as short as queries
_FORMERR_TYPES: Final = frozenset({codes.OPT, codes.NXNAME, codes.TKEY, codes.TSIG})
_TRANSFER_TYPES: Final = frozenset({codes.IXFR, codes.AXFR})
_MAIL_TYPES: Final = frozenset({codes.MAILA, codes.MAILB})
_VERSION_NAMES: Final = frozenset(
    map(bytes, (from_text("version.bind."), from_text("version.server.")))
)
_IDENTITY_NAMES: Final = frozenset(
    map(bytes, (from_text("id.server."), from_text("hostname.bind.")))
)


@dataclass(frozen=True, slots=True)
class Ground:
    """What engines stand on until the configuration, the geography or the measurements change.

    generation: the configuration's digest and the geography's build, for decision ids.
    """

    zones: Mapping[bytes, Zone]
    desks: Desks
    limits: DnsLimits
    generation: str

    def with_measurements(self, measurements: Measurements) -> Ground:
        """The ground on which clients are divided by other measurements; this very one when no
        policy reads any.

        To be made off the answer path: each distinct policy that reads them asks for each place of
        the geography once.
        """
        desks = self.desks.with_measurements(measurements)
        return self if desks is self.desks else replace(self, desks=desks)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of class IN (or ANY) and who asks it."""

    question: Question
    source: bytes
    subnet: ClientSubnet | None


@dataclass(slots=True)
class Engine:
    """Answers messages. plans: what was decided so far under this health snapshot."""

    ground: Ground
    plans: Plans = field(init=False)
    health: HealthSnapshot = HealthSnapshot()
    turns: Turns = field(default_factory=dict)

    def __post_init__(self) -> None:
        measurements = self.ground.desks.measurements
        generation = f"{self.ground.generation}-h{self.health.generation}"
        if measurements.generation:
            generation += f"-m{measurements.generation}"
        conditions = Conditions(self.health, measurements, generation)
        self.plans = Plans(conditions, self.turns)

    def with_health(self, health: HealthSnapshot) -> Engine:
        """The engine that answers from another snapshot."""
        return Engine(self.ground, health, self.plans.turns())

    def with_ground(self, ground: Ground) -> Engine:
        """The engine that stands on another ground, with the same health."""
        return Engine(ground, self.health, self.plans.turns())

    def answer(self, octets: bytes, source: bytes, *, is_tcp: bool = False) -> bytes | None:
        """The reply to one message, or None for silence. source: the client's packed address."""
        query = self.read(octets)
        if query is None:
            return None
        return self.compose(query, self.respond(query, source, is_tcp=is_tcp), is_tcp=is_tcp)

    def read(self, octets: bytes) -> Query | None:
        """The query in these octets, None when silence is the answer."""
        return parse_query(octets, reads_ecs=self.ground.limits.ecs)

    def respond(self, query: Query, source: bytes, *, is_tcp: bool) -> Body:
        """What to say to a query (law 2)."""
        question = query.question
        if query.rcode != codes.NOERROR:
            return Body(query.rcode)
        assert question is not None
        refusal = refuse_type(question.qtype, is_tcp=is_tcp)
        if refusal is not None:
            return refusal
        if question.qclass == codes.CH:
            return self._chaos(question)
        if question.qclass not in (codes.IN, codes.ANY_CLASS):
            return Body(codes.REFUSED)
        body = self.resolve(Asked(question, source, self.subnet(query.edns)))
        if question.qclass == codes.ANY_CLASS:
            return replace(body, is_authoritative=False)
        return body

    def subnet(self, edns: Edns | None) -> ClientSubnet | None:
        """The client subnet of a query, where the operator lets it count."""
        return edns.subnet if edns is not None and self.ground.limits.ecs else None

    def resolve(self, asked: Asked) -> Body:
        """The answer from our zones; services take a turn."""

        def serve(node: Node, qtype: int) -> Served | None:
            desk = self.desk(node, qtype)
            if desk is None:  # no candidate has the asked family: NODATA
                return None
            client = desk.group.client(asked.source, asked.subnet)
            plan = self.plans.plan(desk, client.key)
            return Served(plan, plan.take_turn(), client.scope)

        return resolve(self.ground.zones, asked.question.qname, asked.question.qtype, serve)

    def desk(self, node: Node, qtype: int) -> Desk | None:
        """The desk that decides for a service's node and a type, or None."""
        assert node.service is not None
        rtype = desk_type(node.service, qtype)
        return None if rtype is None else self.ground.desks.get(node.name, rtype)

    def _chaos(self, question: Question) -> Body:
        """Class CH: the texts that the operator chose to tell, else REFUSED (RFC 4892)."""
        limits = self.ground.limits
        text = None
        if question.qtype in (codes.TXT, codes.ANY):
            if question.qname in _VERSION_NAMES:
                text = limits.version
            elif question.qname in _IDENTITY_NAMES:
                text = limits.nsid
        if text is None:
            return Body(codes.REFUSED)
        octets = text.encode()[:255]
        rrset = RRset(codes.TXT, 0, ((bytes((len(octets),)) + octets,),))
        return Body(answer=(replace(owned(question.qname, rrset), rclass=codes.CH),))

    def compose(self, query: Query, body: Body, *, is_tcp: bool) -> bytes:
        """The octets of a reply (laws 3 and 4)."""
        limits, edns = self.ground.limits, query.edns
        limit = MAX_MESSAGE_OCTETS
        if not is_tcp:
            offered = edns.size if edns is not None else MIN_UDP_OCTETS
            limit = max(MIN_UDP_OCTETS, min(offered, limits.udp_size))
        reply = Reply(
            id=query.id,
            flags=reply_flags(query, body),
            rcode=body.rcode,
            question=query.question.octets if query.question is not None else b"",
            answer=body.answer,
            authority=body.authority,
            glue=body.glue,
            extra=body.extra,
            opt=self._opt(edns, body, is_tcp=is_tcp) if edns is not None else None,
        )
        return compose_reply(reply, limit)

    def _opt(self, edns: Edns, body: Body, *, is_tcp: bool) -> Opt:
        limits = self.ground.limits
        options = b""
        subnet = self.subnet(edns)
        if subnet is not None:
            options += compose_ecs(subnet.payload, body.scope)
        if edns.wants_nsid and limits.nsid is not None and body.rcode in _TELLING:
            options += compose_option(codes.OPTION_NSID, limits.nsid.encode())
        if edns.wants_keepalive and is_tcp:
            timeout = round(limits.tcp_idle_s * 10)  # units of 100 ms (RFC 7828 3.1)
            options += compose_option(codes.OPTION_KEEPALIVE, timeout.to_bytes(2, "big"))
        if body.error is not None:
            options += compose_option(codes.OPTION_EDE, body.error.to_bytes(2, "big"))
        return Opt(limits.udp_size, edns.dnssec_ok, options)


def compose_option(code: int, payload: bytes) -> bytes:
    """One EDNS option (RFC 6891 6.1.2)."""
    return code.to_bytes(2, "big") + len(payload).to_bytes(2, "big") + payload


def reply_flags(query: Query, body: Body) -> int:
    """QR, the opcode, AA, and RD where the opcode is QUERY; never RA, AD, CD or Z."""
    flags = codes.FLAG_QR | query.opcode << 11
    if query.opcode == codes.QUERY:
        flags |= query.flags & codes.FLAG_RD
    return flags | (codes.FLAG_AA if body.is_authoritative else 0)


def refuse_type(qtype: int, *, is_tcp: bool) -> Body | None:
    """The refusal of a type that no zone holds, or None.

    Transfers are REFUSED over TCP, where they could be had, and NOTIMP over UDP, where they cannot
    (RFC 5936 4.2).
    """
    if qtype in _FORMERR_TYPES:
        return Body(codes.FORMERR, error=codes.EDE_INVALID_QUERY_TYPE)
    if qtype in _TRANSFER_TYPES:
        return Body(codes.REFUSED if is_tcp else codes.NOTIMP)
    return Body(codes.NOTIMP) if qtype in _MAIL_TYPES else None


def make_ground(
    zones: Iterable[Zone], desks: Desks, limits: DnsLimits, *, generation: str
) -> Ground:
    """The ground of engines for these zones."""
    return Ground({zone.origin: zone for zone in zones}, desks, limits, generation)
