"""Verified reports taken in order: what is old, repeated or said in another's name is dropped and
counted, and the age of what is left is known without trusting anybody's clock.

Laws:
1. Within a boot sequences grow. The report that was taken last is welcome again; older ones are
   `replayed`.
2. A new boot is taken only if its first report was made after the last one that was taken of the
   boot before (by the earlier of what that one said and when it came, so that an agent whose clock
   ran ahead is not locked out once the clock is right).
3. Two boots that both go on have one name between them: the later ones of the older boot are a
   `twin`, and the agent has a fault until only one has been heard for `stale_after_s`. If that is
   the older one, it is taken again.
4. Ages count by the monotonic clock from receipt (R20). What a report was old when it came: for the
   first of a boot what `at` says; for later ones how much longer it took to come than the agent's
   clock says that it took to make, at most the time since the one before.
5. The first report of a boot that says to be more than `stale_after_s` old, or as much from the
   future, is `stale`: remembered, but not believed until a next one of that boot comes.
6. A live agent whose clock is off by over MAX_SKEW_S has a fault. When more than half of the live
   agents are off, this node's clock is the suspect, `clock_alert` says so, and those whose boot
   began with a plausible time have no fault. The others keep it: they may be a replay.
7. Sites that are not declared, or not given to the agent, are taken out of its report and counted;
   the rest of it counts. One bad report never touches another agent's (R15).
8. Memory is bounded by the agents that are declared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from statistics import median
from types import MappingProxyType
from typing import Any

from gslb.health.evidence import Heard
from gslb.model.agent import Agent
from gslb.model.report import Report

UNDECLARED, OVERSIZED, MALFORMED, FORGED = "undeclared", "oversized", "malformed", "forged"
MISTAKEN, REPLAYED, STALE, TWIN = "mistaken", "replayed", "stale", "twin"
UNKNOWN_SITE, NOT_GIVEN = "unknown_site", "not_given"

DROPS: Mapping[str, str] = MappingProxyType(
    {
        UNDECLARED: "no agent of this name is declared",
        OVERSIZED: "longer than a report may be",
        MALFORMED: "it cannot be read",
        FORGED: "no key of the agent has signed it, or it speaks in another name",
        MISTAKEN: "it came under another agent's name",
        REPLAYED: "older than one that was taken before",
        STALE: "the first of its boot, and its time is far from now: a next one must come",
        TWIN: "from an older boot of an agent that has begun anew: two of them run",
        UNKNOWN_SITE: "no such site is declared; the rest of the report counts",
        NOT_GIVEN: "the agent was not given this site; the rest of the report counts",
    }
)
"""Why reports, or sites in reports, are dropped. The first four are told by whoever unseals."""

MAX_SKEW_S = 30.0
"""Far more than NTP leaves and network and store take, and far less than a wrong time zone."""
SKEW_STEP_S = 5.0
"""A difference that is told is told again only when it has moved by this much, and a fault ends
only so far under the limit: what is told must not change with every report.
"""
MAX_FORMER = 8
"""Boots before the present one whose last sequence is known, of each agent."""
TWIN_FAULT = "two agents have this name"
NOBODY = "?"
"""Stands in `drops` for all agents that are not declared any more."""


@dataclass(frozen=True, slots=True)
class Moment:
    """at: Unix seconds of the wall clock. now: seconds of the monotonic clock."""

    at: float
    now: float


@dataclass(slots=True)
class _Seat:
    """The last report that was taken of an agent.

    received: when it came. age_s: how old it was then. began_at: when its boot was first heard of.
    former: the last sequences of earlier boots, the latest last. rival_now: when another boot was
    last heard. told_skew_s: the fault of its clock that is being told. is_plausible: whether its
    boot was believed at once (law 5).
    """

    report: Report
    received: Moment
    age_s: float
    began_at: float
    former: dict[str, int] = field(default_factory=dict)
    rival_now: float | None = None
    told_skew_s: float | None = None
    is_plausible: bool = True

    def age_at(self, now: float) -> float:
        return self.age_s + max(0.0, now - self.received.now)

    def skew_at(self, moment: Moment) -> float:
        """By how much the agent's clock is ahead of this node's."""
        its_clock = self.report.at + self.age_s - self.received.now
        return its_clock - (moment.at - moment.now)


@dataclass(frozen=True, slots=True)
class _Pending:
    """The first report of a boot that is not believed yet."""

    boot: str
    sequence: int
    at: float
    now: float


class Intake:
    """Keeps the last report of each agent. drops: how many were dropped, by (agent, reason).

    clock_alert: what is wrong with this node's clock, as of the last `heard`; empty for nothing.
    """

    def __init__(self, stale_after_s: float) -> None:
        self.stale_after_s = stale_after_s
        self.drops: Counter[tuple[str, str]] = Counter()
        self.clock_alert = ""
        self._seats: dict[str, _Seat] = {}
        self._pending: dict[str, _Pending] = {}
        self._told_clock_s: float | None = None

    def count(self, agent: str, drop: str) -> None:
        """Count what was dropped before it came here. agent: a declared one."""
        self.drops[agent, drop] += 1

    def take(self, agent: Agent, report: Report, moment: Moment, sites: Collection[str]) -> str:
        """Take a report whose signature was verified; why it is dropped, empty if it is not.

        sites: those that are declared.
        """
        drop = self._place(agent, report, moment, sites)
        if drop:
            self.count(agent.name, drop)
        return drop

    def _place(self, agent: Agent, report: Report, moment: Moment, sites: Collection[str]) -> str:
        if report.agent != agent.name:
            return MISTAKEN
        seat = self._seats.get(agent.name)
        if seat is not None and _is_same(report, seat.report):
            seat.report = self._trim(agent, report, sites, is_new=False)
            return ""
        drop = self._judge(seat, report, moment)
        if drop is None:
            return ""
        if not drop:
            self._seat(self._trim(agent, report, sites, is_new=True), moment)
        return drop

    # ------------------------------------------------------------ order

    def _judge(self, seat: _Seat | None, report: Report, moment: Moment) -> str | None:
        """Why a report is dropped; empty to take it, None for one that changes nothing."""
        if seat is None:
            return self._judge_first(report, moment)
        if report.boot == seat.report.boot:
            return self._judge_next(seat, report, moment)
        if report.boot in seat.former:
            return self._judge_former(seat, report, moment)
        if report.at <= min(seat.report.at, seat.received.at):
            return REPLAYED
        return self._judge_first(report, moment)

    def _judge_next(self, seat: _Seat, report: Report, moment: Moment) -> str:
        """Of the boot that was heard last. One process never makes a later report with a lower
        number: then two run from one image.
        """
        if report.sequence > seat.report.sequence:
            return ""
        if report.sequence < seat.report.sequence and report.at <= seat.report.at:
            return REPLAYED
        seat.rival_now = moment.now
        return TWIN

    def _judge_former(self, seat: _Seat, report: Report, moment: Moment) -> str:
        """Of a boot before that one: a late write, or a process that still runs."""
        if report.sequence <= seat.former[report.boot] or report.at <= seat.began_at:
            return REPLAYED
        if moment.now - seat.received.now > self.stale_after_s:
            return ""
        seat.former[report.boot] = report.sequence
        seat.rival_now = moment.now
        return TWIN

    def _judge_first(self, report: Report, moment: Moment) -> str | None:
        """Of a boot that is new here."""
        pending = self._pending.get(report.agent)
        if pending is not None and pending.boot == report.boot:
            if report.sequence > pending.sequence:
                return ""
            return None if report.sequence == pending.sequence else REPLAYED
        if abs(moment.at - report.at) <= self.stale_after_s:
            return ""
        self._pending[report.agent] = _Pending(report.boot, report.sequence, report.at, moment.now)
        return STALE

    def _seat(self, report: Report, moment: Moment) -> None:
        """Keep a report that is taken as the agent's last."""
        before = self._seats.get(report.agent)
        pending = self._pending.pop(report.agent, None)
        if before is not None and before.report.boot == report.boot:
            before.age_s = _age(report, moment, before.report.at, before.received.now)
            before.report, before.received = report, moment
            return
        age_s = max(0.0, moment.at - report.at)
        was_pending = pending is not None and pending.boot == report.boot
        if pending is not None and was_pending:
            age_s = _age(report, moment, pending.at, pending.now)
        seat = _Seat(report, moment, age_s, began_at=min(report.at, moment.at))
        seat.is_plausible = not was_pending
        if before is not None:
            seat.former = _succeed(before, report.boot)
            if report.boot not in before.former:  # one that comes back has been alone for long
                seat.rival_now = before.rival_now
        self._seats[report.agent] = seat

    def _trim(
        self, agent: Agent, report: Report, sites: Collection[str], *, is_new: bool
    ) -> Report:
        """The report without what the agent may not speak of (law 7)."""
        strange = [name for name in report.sites if name not in sites]
        kept = [name for name in report.sites if name in sites and agent.may_report(name)]
        foreign = len(report.sites) - len(kept) - len(strange)
        if not strange and not foreign:
            return report
        if is_new and strange:
            self.drops[agent.name, UNKNOWN_SITE] += len(strange)
        if is_new and foreign:
            self.drops[agent.name, NOT_GIVEN] += foreign
        return replace(report, sites=MappingProxyType({name: report.sites[name] for name in kept}))

    # ------------------------------------------------------------ what is known

    def heard(self, moment: Moment, agents: Mapping[str, Agent]) -> tuple[Heard, ...]:
        """The last report of each declared agent that was heard; the others are forgotten."""
        self._forget_all_but(agents)
        seats = [(agents[name], seat) for name, seat in self._seats.items()]
        live = [seat for _, seat in seats if seat.age_at(moment.now) <= self.stale_after_s]
        skews = [seat.skew_at(moment) for seat in live]
        skewed = [seat for seat in live if _is_skewed(seat, moment)]
        is_suspect = 2 * len(skewed) > len(live)
        self._judge_own_clock(median(skews) if is_suspect else None)
        faulty = [seat for seat in skewed if not (is_suspect and seat.is_plausible)]
        for _, seat in seats:
            is_faulty = any(seat is each for each in faulty)
            seat.told_skew_s = _steady(seat, moment) if is_faulty else None
        return tuple(
            Heard(agent, seat.report, seat.age_at(moment.now), self._fault(seat, moment))
            for agent, seat in seats
        )

    def _fault(self, seat: _Seat, moment: Moment) -> str:
        rival_now = seat.rival_now
        if rival_now is not None and moment.now - rival_now <= self.stale_after_s:
            return TWIN_FAULT
        if seat.told_skew_s is not None:
            return f"its clock is off by {seat.told_skew_s:+.0f} s"
        return ""

    def _judge_own_clock(self, skew_s: float | None) -> None:
        """skew_s: by how much most agents are ahead, None while they are not."""
        if skew_s is None:
            self._told_clock_s, self.clock_alert = None, ""
            return
        self._told_clock_s = _move(self._told_clock_s, skew_s)
        self.clock_alert = (
            f"clock: most agents differ from this node's by {self._told_clock_s:+.0f} s, so this"
            " one is the suspect; agents that were believed before keep their votes"
        )

    def _forget_all_but(self, agents: Collection[str]) -> None:
        for known in (self._seats, self._pending):
            for name in [name for name in known if name not in agents]:
                del known[name]
        gone = [key for key in self.drops if key[0] not in agents and key[0] != NOBODY]
        for agent, drop in gone:
            self.drops[NOBODY, drop] += self.drops.pop((agent, drop))

    # ------------------------------------------------------------ across restarts

    def dump(self, moment: Moment) -> dict[str, Any]:
        """What a restart needs to take no replays, as plain data.

        What the agents said of sites is left out: the snapshot holds what followed from it, and the
        store still has the report itself, which is welcome again (law 1).
        """
        return {name: _dump_seat(seat, moment) for name, seat in self._seats.items()}

    def load(self, told: object, moment: Moment, saved_at: float) -> None:
        """Take up what `dump` gave. saved_at: when, in Unix seconds of the wall clock.

        Whatever is not of that shape is passed over: it is only ever a later start.
        """
        away_s = max(0.0, moment.at - saved_at)
        for name, seat in told.items() if isinstance(told, Mapping) else ():
            loaded = _maybe_load_seat(str(name), seat, moment.now - away_s)
            if loaded is not None:
                self._seats[str(name)] = loaded


def _is_same(report: Report, taken: Report) -> bool:
    return (report.boot, report.sequence, report.at) == (taken.boot, taken.sequence, taken.at)


def _age(report: Report, moment: Moment, before_at: float, before_now: float) -> float:
    """How old a report was when it came; before: the one that came before it (law 4)."""
    gap_s = max(0.0, moment.now - before_now)
    return min(gap_s, max(0.0, gap_s - (report.at - before_at)))


def _succeed(before: _Seat, boot: str) -> dict[str, int]:
    """The former boots of an agent whose present one is boot."""
    former = {**before.former, before.report.boot: before.report.sequence}
    former.pop(boot, None)
    return dict(list(former.items())[-MAX_FORMER:])


def _is_skewed(seat: _Seat, moment: Moment) -> bool:
    limit_s = MAX_SKEW_S if seat.told_skew_s is None else MAX_SKEW_S - SKEW_STEP_S
    return abs(seat.skew_at(moment)) > limit_s


def _steady(seat: _Seat, moment: Moment) -> float:
    return _move(seat.told_skew_s, seat.skew_at(moment))


def _move(told_s: float | None, skew_s: float) -> float:
    """What is told of a difference: what was told, until it has moved."""
    return told_s if told_s is not None and abs(skew_s - told_s) < SKEW_STEP_S else skew_s


# ---------------------------------------------------------------- plain data


def _dump_seat(seat: _Seat, moment: Moment) -> dict[str, Any]:
    report = seat.report
    return {
        "boot": report.boot,
        "sequence": report.sequence,
        "at": report.at,
        "canaries": list(report.canaries),
        "received_at": seat.received.at,
        "received_ago_s": max(0.0, moment.now - seat.received.now),
        "age_s": seat.age_s,
        "began_at": seat.began_at,
        "former": dict(seat.former),
    }


def _maybe_load_seat(name: str, told: Any, saved_now: float) -> _Seat | None:
    """saved_now: the monotonic clock's reading at which it was saved, had it run on."""
    try:
        passing, canaries = told["canaries"]
        report = Report(
            agent=name,
            boot=str(told["boot"]),
            sequence=int(told["sequence"]),
            at=float(told["at"]),
            sites=MappingProxyType({}),
            canaries=(int(passing), int(canaries)),
        )
        now = saved_now - float(told["received_ago_s"])
        return _Seat(
            report,
            Moment(at=float(told["received_at"]), now=now),
            age_s=float(told["age_s"]),
            began_at=float(told["began_at"]),
            former={str(boot): int(last) for boot, last in told["former"].items()},
        )
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        return None
