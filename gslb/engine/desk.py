"""A desk decides for one service and one family of answers; its plans remember what was decided for
a client.

Laws:
1. Only candidates that have the asked family take part, so a site without IPv6 never empties an
   AAAA answer. Answers by name (`cname`) serve every family.
2. A decision depends on the service, the health snapshot, the client's key and the turn; the turn
   repeats after the chain's period, so a plan holds one decision for each turn of a period at most.
3. If the first candidate is a name, the answer is that one CNAME; otherwise names among the others
   are passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address
from typing import NamedTuple

from gslb.engine.groups import ClientGroup, Key, network_of
from gslb.health.snapshot import HealthSnapshot
from gslb.model.place import Address, Location
from gslb.model.service import Candidate, Service
from gslb.policy.base import Context, Filter, Measurements
from gslb.policy.chain import Chosen, run_chain
from gslb.policy.ttl import ttl as decide_ttl
from gslb.wire import codes
from gslb.wire.names import from_text, to_text
from gslb.zone.records import RRset, address_rrset

Frame = tuple[tuple[bytes, ...], bytes]
"""A composed reply without id, question and OPT; `gslb.engine.fast` makes and reads it."""

NO_SITE = "-"
"""What answers without any candidate are counted under."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What every decision of one engine reads besides the client. generation: names all of it, for
    decision ids.
    """

    health: HealthSnapshot
    measurements: Measurements
    generation: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What is answered to a client, and why. rrset: None is NODATA. why: chain and TTL, a line
    each.
    """

    rrset: RRset | None
    chosen: Chosen
    ttl: int
    ttl_why: str

    @property
    def first(self) -> str:
        """The name of the first candidate answered, NO_SITE without any."""
        return self.chosen.candidates[0].name if self.chosen.candidates else NO_SITE


class Verdict(NamedTuple):
    """What is kept of a decision: its records (None is NODATA) and its first candidate."""

    rrset: RRset | None
    first: str


@dataclass(frozen=True, slots=True, eq=False)
class Desk:
    """One service and family, told apart by identity (hashing its sites would cost). rtype: A,
    AAAA, or CNAME for services that answer with names only.

    kind: equal for desks that decide alike, so that they can share what they decided.
    """

    owner: bytes
    rtype: int
    service: Service
    candidates: tuple[Candidate, ...]
    filters: tuple[Filter, ...]
    group: ClientGroup
    kind: int

    def decide(self, conditions: Conditions, key: Key, location: Location, turn: int) -> Decision:
        """Runs the chain for a client (law 2)."""
        context = Context(
            service=to_text(self.owner),
            health=conditions.health,
            location=location,
            network=network_of(key),
            turn=turn,
            measurements=conditions.measurements,
        )
        chosen = run_chain(self.filters, self.service, self.candidates, context)
        ttl, why = decide_ttl(self.service, self.candidates, conditions.health)
        rrset = answer_rrset(self.rtype, ttl, chosen.candidates, chosen.fixed)
        return Decision(rrset, chosen, ttl, why)


class Choices:
    """What the desks of one kind decide for one client key, turn by turn, made when first needed.

    frames: composed answers beside the decisions, None until they are made (`gslb.engine.fast`).
    """

    def __init__(self, desk: Desk, conditions: Conditions, key: Key) -> None:
        self._decide = partial(desk.decide, conditions, key, desk.group.representative(key))
        first = self._decide(0)
        self.period = first.chosen.period
        self.verdicts: dict[int, Verdict] = {0: Verdict(first.rrset, first.first)}
        self.frames: list[Frame | None] = [None] * self.period

    def at(self, turn: int) -> Verdict:
        """What a turn answers."""
        if turn not in self.verdicts:
            decision = self._decide(turn)
            self.verdicts[turn] = Verdict(decision.rrset, decision.first)
        return self.verdicts[turn]


class Cycle:
    """Composed answers that take turns. uses: answers given so far; period: turns until they
    repeat; frames: one for each turn.
    """

    __slots__ = ("frames", "period", "uses")

    def __init__(self, frames: list[Frame | None], uses: int = 0) -> None:
        self.frames = frames
        self.period = len(frames)
        self.uses = uses

    def take_turn(self) -> int:
        """Counts one answer and returns its turn."""
        turn = self.uses % self.period
        self.uses += 1
        return turn


class Plan(Cycle):
    """Where one desk stands in the choices of one client key."""

    __slots__ = ("_first", "choices")

    def __init__(self, choices: Choices, turn: int) -> None:
        super().__init__(choices.frames, turn)
        self.choices = choices
        self._first = turn

    def answers(self) -> Iterator[tuple[str, int]]:
        """How many answers of this plan began with each candidate."""
        given, before = self.uses, self._first
        if self.period == 1:
            yield self.choices.verdicts[0].first, given - before
            return
        for turn, verdict in self.choices.verdicts.items():
            # Of the numbers before..given-1, those that leave this turn in the division.
            times = (given - 1 - turn) // self.period - (before - 1 - turn) // self.period
            yield verdict.first, times


def can_answer(candidate: Candidate, rtype: int) -> bool:
    """Whether a candidate has something to say for A, AAAA, or (rtype CNAME) as a name."""
    if candidate.site is None:
        return True
    if rtype == codes.CNAME:
        return False
    return any(isinstance(a, IPv4Address) is (rtype == codes.A) for a in candidate.site.addresses)


def desk_type(service: Service, qtype: int) -> int | None:
    """The family that decides a query for qtype, or None when the service has nothing to do with
    it.
    """
    if all(candidate.site is None for candidate in service.candidates):
        return codes.CNAME
    return qtype if qtype in (codes.A, codes.AAAA) else None


def answer_rrset(
    rtype: int, ttl: int, candidates: Sequence[Candidate], fixed: Sequence[Address]
) -> RRset | None:
    """The records of what was chosen (law 3), or of fixed addresses; None when there are none."""
    if candidates and candidates[0].cname is not None:
        # Plain octets, not to be compressed: the answer is then the same whatever name it is for.
        target = bytes(from_text(candidates[0].cname))
        return RRset(codes.CNAME, ttl, ((target,),))
    sites = (candidate.site for candidate in candidates if candidate.site is not None)
    addresses = [address for site in sites for address in site.addresses]
    return address_rrset(rtype, ttl, addresses or fixed)
