"""The fast path: replies put together from ready octets, in a few dictionary look-ups.

It answers nothing that the general path has not answered before: an entry is learned from a body
that the engine made, and holds the octets behind the question. A query adds its id, RD, its
question as it was sent, and OPT. Whatever is unusual goes to the general path. Laws:
1. Only replies that fit 512 octets with any OPT are kept, so no size limit can matter here.
2. Entries are of names that exist and of types that people use; what is kept of a name or a type
   that does not exist is one denial for each distance between the question and the zone's name.
3. What depends on health is forgotten with the engine, what depends on the zones with them.

`FastPath.answer` is flat on purpose: a call costs 50 ns there, and a query has 1500.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple, TypeVar

from gslb.engine.body import Body, owned
from gslb.engine.desk import Cycle, Desk, Frame, Plan
from gslb.engine.desks import Desks
from gslb.engine.engine import Engine, Ground, reply_flags
from gslb.engine.groups import ClientGroup, Key
from gslb.engine.resolve import find_zone, negative
from gslb.health.snapshot import HealthSnapshot
from gslb.wire import codes
from gslb.wire.compose import MIN_UDP_OCTETS, Opt, Reply, compose_opt, compose_reply
from gslb.wire.names import MAX_LABEL_OCTETS, MAX_NAME_OCTETS, ROOT
from gslb.wire.query import HEADER_OCTETS, Query, Question
from gslb.zone.tree import Zone

MAX_ENTRIES = 32_768  # questions about static data; those without an answer share what is kept
MAX_KNOWN = 16_384  # questions with their headers, 300 octets each; to find one again costs 1 us
MAX_OPTS = 4096  # clients' UDP sizes times lengths of options; real traffic has a few dozen
_LONGEST_OPT = 11 + 4 + 20  # with a whole IPv6 client subnet
_FIXED_OPT_OCTETS = 11
_SHORTEST_QUESTION = 1 + 4
_COOKIE: Final = b"\0\x0a\0\x08"  # the head of a client cookie, eight octets follow (RFC 7873 4)
_CLASS_IN = b"\0\1"
_FILLER_LABEL = b"\x01\xff"  # in no zone, so a denial made with it compresses against no name below


Cycles = dict[Key, Cycle] | dict[Key, Plan]


class Entry(NamedTuple):
    """One question. group: how its clients are told apart. cycles: its answers by client key.

    desk: who decides, None for static data. ending: type and class, where lower case would take
    them for another type's (HTTPS is 65, an "A"); None where it cannot.
    """

    group: ClientGroup
    cycles: Cycles
    desk: Desk | None = None
    ending: bytes | None = None


Known = tuple[int, ClientGroup, Cycles, Desk | None, bytes | None]
"""A header's shape and an Entry's fields: a plain tuple, which unpacks in a third of the time."""


def _shapes() -> dict[bytes, int]:
    """Octets 2 to 11 of the usual headers: one question, RD or not, AD and CD ignored, OPT or
    not.
    """
    return {
        struct.pack("!HHHHH", rd * codes.FLAG_RD | ignored, 1, 0, 0, opt): opt * 2 + rd
        for rd in (0, 1)
        for ignored in (0, 0x10, 0x20, 0x30)
        for opt in (0, 1)
    }


_SHAPES: Final = _shapes()


class StaticEntries:
    """What the fast path knows that no health changes: static records and denials of the zones of
    one ground, and who decides for its services.
    """

    def __init__(self, group: ClientGroup, zones: Mapping[bytes, Zone]) -> None:
        """group: one that tells no client from another."""
        self.group = group
        self.entries: dict[bytes, Entry] = {}
        self.desks: dict[bytes, Desk] = {}
        self._denials: dict[tuple[bytes, int, int, bytes | None], Entry | None] = {}
        self._zones = zones

    def with_desks(self, desks: Desks) -> StaticEntries:
        """The same knowledge of the same zones, with other desks."""
        made = StaticEntries(self.group, self._zones)
        made.entries, made._denials = self.entries, self._denials
        found = {at: desks.get(old.owner, old.rtype) for at, old in self.desks.items()}
        made.desks = {at: desk for at, desk in found.items() if desk is not None}
        return made

    def entry(self, frame: Frame, ending: bytes | None = None) -> Entry:
        """An entry that answers the same to everybody."""
        cycles: dict[Key, Cycle] = {0: Cycle([frame])}
        return Entry(self.group, cycles, None, ending)

    def deny(self, question: bytes) -> Entry | None:
        """The denial of a question whose name does not exist, None when more than that is to
        say.
        """
        high, low = question[-4:-2]
        if question[-2:] != _CLASS_IN or not is_denied_type(high, low):
            return None
        name = question[:-4].lower()
        zone = self._zone_of_missing(name)
        if zone is None:
            return None
        return self._without_answer(zone, name, codes.NXDOMAIN)

    def lack(self, zone: Zone, name: bytes, ending: bytes | None) -> Entry | None:
        """The answer that a name of a zone has no records of a type."""
        return self._without_answer(zone, name, codes.NOERROR, ending)

    def _without_answer(
        self, zone: Zone, name: bytes, rcode: int, ending: bytes | None = None
    ) -> Entry | None:
        """One entry for all names of a length: compression differs in nothing else."""
        distance = len(name) - len(zone.origin)
        place = (zone.origin, distance, rcode, ending)
        if place not in self._denials:
            question = Question(*_filler(zone.origin, distance))
            frame = compose_frame(negative(zone, rcode), question)
            self._denials[place] = None if frame is None else self.entry(frame, ending)
        return self._denials[place]

    def _zone_of_missing(self, name: bytes) -> Zone | None:
        """The zone in which a name does not exist and nothing speaks for it.

        None for anything else, octets that are no name included. It is Zone.walk, unrolled: of
        ten queries one may end here, and in a flood of random names all do.
        """
        zones, at, end = self._zones, 0, len(name)
        while (zone := zones.get(name[at:])) is None:
            if at + 1 >= end or name[at] > MAX_LABEL_OCTETS:
                return None
            at += name[at] + 1
        if end > MAX_NAME_OCTETS:
            return None
        nodes, at = zone.nodes, 0
        while (node := nodes.get(name[at:])) is None:
            at += name[at] + 1
        if at == 0 or node.cut is not None or b"\1*" + node.name in nodes:
            return None
        return zone


def is_denied_type(high: int, low: int) -> bool:
    """Whether a type, in two octets, is one that a zone can hold; meta types are refused, not
    denied.
    """
    return low != codes.OPT and low < codes.NXNAME if high == 0 else True


def _filler(origin: bytes, distance: int) -> tuple[bytes, bytes, int, int]:
    """The parts of a question whose name lies so many octets below origin."""
    labels = b"\x02\xff\xff" * (distance % 2) + _FILLER_LABEL * ((distance - distance % 2 * 3) // 2)
    name = labels + origin
    return name + b"\0\1" + _CLASS_IN, name, codes.A, codes.IN


@lru_cache(maxsize=256)
def _heads(flags: int, *counts: int) -> tuple[bytes, ...]:
    """Flags and counts without and with RD, then the same with one OPT more."""
    *others, additionals = counts
    return tuple(
        struct.pack("!HHHHH", flags | rd * codes.FLAG_RD, *others, additionals + opt)
        for opt in (0, 1)
        for rd in (0, 1)
    )


def compose_frame(body: Body, question: Question) -> Frame | None:
    """The frame of an answer, or None when it is none for the fast path (law 1)."""
    if body.error is not None or body.rcode > codes.REFUSED or question.qclass != codes.IN:
        return None
    reply = Reply(
        id=0,
        flags=reply_flags(Query(0, 0), body),
        rcode=body.rcode,
        question=question.octets,
        answer=body.answer,
        authority=body.authority,
        glue=body.glue,
        extra=body.extra,
    )
    octets = compose_reply(reply)
    if len(octets) + _LONGEST_OPT > MIN_UDP_OCTETS:
        return None
    flags, questions, answers, authorities, additionals = struct.unpack_from("!HHHHH", octets, 2)
    heads = _heads(flags, questions, answers, authorities, additionals)
    return heads, octets[HEADER_OCTETS + len(question.octets) :]


@dataclass(slots=True)
class FastCounts:
    """general: messages that the general path had to answer. trailing: of them, those with octets
    behind the message.
    """

    general: int = 0
    trailing: int = 0


class FastPath:
    """Answers like its engine, faster. counts: given on from one fast path to the next."""

    def __init__(
        self,
        engine: Engine,
        static: StaticEntries | None = None,
        counts: FastCounts | None = None,
    ) -> None:
        self.engine = engine
        ground = engine.ground
        self.static = static or StaticEntries(ground.desks.uniform_group(), ground.zones)
        self.counts = counts or FastCounts()
        self._known: dict[bytes, Known] = {}  # by header behind the id, and question
        self._opts: dict[bytes, tuple[int, bytes]] = {}

    def with_health(self, health: HealthSnapshot) -> FastPath:
        """The fast path over the engine for another snapshot."""
        return FastPath(self.engine.with_health(health), self.static, self.counts)

    def with_measured(self, ground: Ground) -> FastPath:
        """The fast path over the engine for the same zones under other measurements
        (`Ground.with_measurements`).
        """
        assert ground.zones is self.engine.ground.zones
        static = self.static.with_desks(ground.desks)
        return FastPath(self.engine.with_ground(ground), static, self.counts)

    def answer(self, octets: bytes, source: bytes) -> bytes | None:  # noqa: C901, PLR0912, PLR0915  flat: see above
        """The reply to one UDP message, or None for silence. source: the packed client address."""
        end = octets.find(0, 12) + 5
        known = self._known.get(octets[2:end].lower())
        if known is None:
            known = self._find(octets[2:end])
            if known is None:
                return self._general(octets, source)
        shape, group, cycles, desk, ending = known
        if ending is not None and octets[end - 4 : end] != ending:
            return self._general(octets, source)
        client = None
        if shape > 1:
            opt = octets[end:]
            fixed = self._opts.get(opt[:11])
            if fixed is None:
                fixed = self._learn_opt(opt[:11])
                if fixed is None:
                    return self._general(octets, source)
            size, own_opt = fixed
            if size != len(opt):
                return self._general(octets, source)
            # Cookies differ in every query; without theirs the options of many are the same.
            if size < 23:
                options = opt[11:]
            elif opt[11:15] == _COOKIE:
                options = opt[23:]
            elif opt[-12:-8] == _COOKIE:
                options = opt[11:-12]
            else:
                options = opt[11:]
            found = group.by_options.get(options)
            if found is None:
                found = group.learn_options(options)
                if found is None:
                    return self._general(octets, source)
            client, rdata = found
        elif len(octets) != end:
            return self._general(octets, source)
        if client is None:
            client = group.by_source.get(source)
            if client is None:
                client = group.learn_source(source)
        cycle = cycles.get(client)
        if cycle is None:
            assert desk is not None  # static cycles have the one key that their group gives
            cycle = self.engine.plans.plan(desk, client)
        uses = cycle.uses
        frame = cycle.frames[uses % cycle.period]
        if frame is None:
            frame = compose_choice(cycle)
            if frame is None:
                return self._general(octets, source)
        cycle.uses = uses + 1
        heads, tail = frame
        if shape < 2:
            return octets[:2] + heads[shape] + octets[12:end] + tail
        return b"".join((octets[:2], heads[shape], octets[12:end], tail, own_opt, rdata))

    def _learn_opt(self, fixed: bytes) -> tuple[int, bytes] | None:
        """For the first 11 octets of an OPT: its whole size, and the first 9 octets of ours.

        None when it is no OPT of version 0 at the root.
        """
        if len(fixed) < _FIXED_OPT_OCTETS or not fixed.startswith(b"\0\0\x29") or fixed[6]:
            return None
        limits = self.engine.ground.limits
        ours = compose_opt(Opt(limits.udp_size, dnssec_ok=bool(fixed[7] & 0x80)))[:9]
        learned = (_FIXED_OPT_OCTETS + int.from_bytes(fixed[9:11], "big"), ours)
        keep(self._opts, fixed, learned, most=MAX_OPTS)
        return learned

    def _general(self, octets: bytes, source: bytes) -> bytes | None:
        """The engine's answer; what can be learned from it is."""
        engine, counts = self.engine, self.counts
        counts.general += 1
        query = engine.read(octets)
        if query is None:
            return None
        counts.trailing += query.trailing > 0
        body = engine.respond(query, source, is_tcp=False)
        if query.rcode == codes.NOERROR and query.question is not None:
            self._learn(query.question, body)
        return engine.compose(query, body, is_tcp=False)

    def _find(self, head: bytes) -> Known | None:
        """What is known of a query, given by its header behind the id and its question, that was
        not asked under this health yet.
        """
        shape = _SHAPES.get(head[:10])
        question = head[10:]
        if shape is None or len(question) < _SHORTEST_QUESTION:
            return None
        key = question.lower()
        desk = self.static.desks.get(key)
        if desk is not None:
            entry = Entry(desk.group, self.engine.plans.of_desk(desk), desk)
        else:
            found = self.static.entries.get(key)
            if found is None:
                denial = self.static.deny(question)
                return None if denial is None else (shape, *denial)
            entry = found
        known = (shape, *entry)
        keep(self._known, head.lower(), known, most=MAX_KNOWN)
        return known

    def _learn(self, question: Question, body: Body) -> None:
        """Remembers who answers a name of its own (law 2), and what, if that is static."""
        zone = find_zone(self.engine.ground.zones, question.qname, question.qtype)
        node = None if zone is None else zone.nodes.get(question.qname)
        if zone is None or node is None or question.qclass != codes.IN:
            return
        key = question.octets.lower()
        ending = question.octets[-4:]
        if ending.upper() != ending:  # of a type that another one's lower case looks like
            return
        if question.qtype >= codes.NXNAME and question.qtype not in (codes.ANY, codes.CAA):
            return
        if body.plan is not None:
            desk = self.engine.desk(node, question.qtype)
            assert desk is not None
            keep(self.static.desks, key, desk)
        else:
            self._learn_static(zone, question, body, None if key.endswith(ending) else ending)

    def _learn_static(
        self, zone: Zone, question: Question, body: Body, ending: bytes | None
    ) -> None:
        """Keeps an answer that no health changes; most NODATA is the same for names of a length."""
        frame = compose_frame(body, question)
        if frame is None:
            return
        shared = self.static.lack(zone, question.qname, ending) if not body.answer else None
        is_shared = shared is not None and shared.cycles[0].frames == [frame]
        entry = shared if shared is not None and is_shared else self.static.entry(frame, ending)
        keep(self.static.entries, question.octets.lower(), entry)


def compose_choice(cycle: Cycle) -> Frame | None:
    """The frame of the turn that a plan stands at; None for NODATA, which needs the zone's SOA."""
    assert isinstance(cycle, Plan)  # static cycles are complete
    turn = cycle.uses % cycle.period
    rrset = cycle.choices.at(turn).rrset
    if rrset is None:
        return None
    question = Question(*_filler(ROOT, len(_FILLER_LABEL)))
    body = Body(is_authoritative=True, answer=(owned(question.qname, rrset),))
    frame = cycle.frames[turn] = compose_frame(body, question)
    return frame


Kept = TypeVar("Kept")


def keep(memory: dict[bytes, Kept], key: bytes, value: Kept, *, most: int = MAX_ENTRIES) -> None:
    """Remembers within the bound; a full memory is emptied first."""
    if len(memory) >= most:
        memory.clear()
    memory[key] = value
