"""The schedule of checks: who is asked when, and what is reported.

Laws:
1. Constant work: every site and canary is asked once an interval, whatever the results are. The one
   exception is asked for by name: while results contradict a state, the next check comes after
   `fast_interval_s`, where that is set.
2. A check never overlaps itself, and a slow one delays no other site, as long as fewer than
   `concurrency` are on the way at once.
3. Jitter only shortens: starts of checks are 0.95 to 1 interval apart, so that sites drift apart
   and yet one that dies is reported down at most fall x interval + timeout later (given timeout_s
   <= interval_s). A check that takes longer than its interval is followed at once by the next, and
   missed ones are not made up for.
4. The first round begins within the first 0.2 s, or 2.5 ms a site, and never takes longer than the
   interval; the second check of a site comes at any time within its interval, so that the load is
   even from then on.
5. A report is sent after each result, but no more often than pace_s allows, and one a second in any
   case: agents that live report.
6. A store that fails delays no check; it is logged once, and the next report tells all of it.
7. A canary without a result counts as up: an agent that has just begun is not to blame for it.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeVar
from uuid import uuid4

from gslb.errors import StoreError
from gslb.health.smooth import smooth
from gslb.health.track import Track, step
from gslb.model.check import Check
from gslb.model.report import Report, SiteReport
from gslb.model.service import Site
from gslb.probe.checks.registry import run_check
from gslb.probe.outcome import Outcome
from gslb.probe.target import Target, pick_target
from gslb.telemetry.logs import get_logger

log = get_logger(__name__)

Send = Callable[[Report], Awaitable[None]]
"""Takes a report away. Raises StoreError when it cannot."""

FIRST_ROUND_S = 0.2
"""The least time over which the first round is spread: quick to start, and no burst."""
FIRST_ROUND_PER_SITE_S = 0.0025
"""What the first round takes for each site: 400 checks a second, which is the steady load of 2,000
sites at 5 s. An https check costs 1 to 2 ms of CPU, any other less than half of one.
"""
JITTER = 0.05
"""The largest share of an interval by which a check comes early."""
PACE_S = 0.05
"""Reports are at least this far apart: 250 sites at 5 s make 20 reports a second instead of 50."""
PACE_PER_SITE_S = 0.0002
"""With more sites reports are larger, so they come less often: what reports cost a second does not
grow with the sites. 1,000 sites are reported every 0.2 s.
"""
HEARTBEAT_S = 1.0
"""Reports are at most this far apart, so that sites with long intervals do not look stale."""
CONCURRENCY = 800
"""Things asked at once, one socket or program each: as many as 2,000 sites at 5 s keep open when
every one of them hangs for 2 s, and less than the usual limit of 1,024 descriptors.
"""
MAX_SAMPLES = 255

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Clock:
    """Where a prober takes time and chance from, so that tests can give it their own.

    at: Unix seconds. draw: uniform in [0, 1).
    """

    at: Callable[[], float] = time.time
    draw: Callable[[], float] = random.random


@dataclass(slots=True)
class _Watch:
    """One target under watch: its state so far, and the task that asks it."""

    target: Target
    track: Track = Track()
    report: SiteReport = field(default_factory=SiteReport)
    task: asyncio.Task[None] | None = None


class Prober:
    """Asks every checked site and reports as one agent.

    sites: name -> site. send: gets each report. canaries: checks whose kinds name their own
    addresses. concurrency: how many things may be asked at once.
    """

    def __init__(  # noqa: PLR0913 - what is probed, for whom, and three things with defaults
        self,
        sites: Mapping[str, Site],
        send: Send,
        agent: str,
        *,
        canaries: Iterable[Check] = (),
        clock: Clock = Clock(),
        concurrency: int = CONCURRENCY,
    ) -> None:
        self._send = send
        self._agent = agent
        self._clock = clock
        self._boot = uuid4().hex
        self._sequence = 0
        self._slots = asyncio.Semaphore(concurrency)
        self._has_news = asyncio.Event()
        self._sites: dict[str, _Watch] = {}
        self._canaries: dict[Check, _Watch] = {}
        self._group: asyncio.TaskGroup | None = None
        self._is_store_failing = False
        self.reconfigure(sites, canaries)

    def reconfigure(self, sites: Mapping[str, Site], canaries: Iterable[Check] = ()) -> None:
        """Watch these sites and canaries from now on.

        What has an unchanged check is not disturbed. A site that is asked the same thing at the
        same address, only at another pace, keeps its state. Any other change makes its state
        unknown until the next result.
        """
        targets = {name: target for name, site in sites.items() if (target := pick_target(site))}
        _retarget(self._sites, targets)
        _retarget(self._canaries, {check: Target("", None, check) for check in canaries})
        self._start_idle()
        self._has_news.set()

    def begin_with(self, states: Mapping[str, bool]) -> None:
        """Take these states as true of sites without a result yet, so that `fall` and `rise` hold
        from the first result on. They are not reported before there is one.
        """
        at = self._clock.at()
        for name, up in states.items():
            watch = self._sites.get(name)
            if watch is not None and watch.track.up is None:
                watch.track = Track(up=up, since_at=at)

    async def run(self) -> None:
        """Probe until cancelled."""
        assert self._group is None, "a prober runs once at a time"
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                group.create_task(self._publish(), name=f"probe report {self._agent}")
                self._start_idle()
        finally:
            self._group = None
            for watch in self._watches():
                watch.task = None

    def _watches(self) -> list[_Watch]:
        return [*self._sites.values(), *self._canaries.values()]

    def _start_idle(self) -> None:
        """Start a task for each target that has none, when the prober runs at all."""
        if self._group is None:
            return
        idle = [watch for watch in self._watches() if watch.task is None]
        spread_s = max(FIRST_ROUND_S, FIRST_ROUND_PER_SITE_S * len(idle))
        for watch in idle:
            name = f"probe {watch.target.site or 'canary'}"
            watch.task = self._group.create_task(self._keep_asking(watch, spread_s), name=name)

    async def _keep_asking(self, watch: _Watch, spread_s: float) -> None:
        """Ask one target for ever, at its pace."""
        loop = asyncio.get_running_loop()
        draw = self._clock.draw
        due = loop.time() + draw() * min(watch.target.check.interval_s, spread_s)
        jitter = 1.0  # spreads the second round over the whole interval
        while True:
            await asyncio.sleep(due - loop.time())
            self._fold(watch, await run_check(watch.target, self._slots))
            due = max(due + _pace_s(watch) * (1 - jitter * draw()), loop.time())
            jitter = JITTER

    def _fold(self, watch: _Watch, outcome: Outcome) -> None:
        """Add one result to a target's state, and have it reported."""
        watch.track = step(
            watch.track, ok=outcome.ok, check=watch.target.check, at=self._clock.at()
        )
        watch.report = _note(watch.report, watch.track, outcome)
        self._has_news.set()

    async def _publish(self) -> None:
        """Put a report whenever there is news, and now and then without."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_S):
                    await self._has_news.wait()
            self._has_news.clear()
            await self._put(self._compose_report())
            await asyncio.sleep(pace_s(len(self._sites)))

    def _compose_report(self) -> Report:
        self._sequence += 1
        return Report(
            agent=self._agent,
            boot=self._boot,
            sequence=self._sequence,
            at=self._clock.at(),
            sites=MappingProxyType({name: watch.report for name, watch in self._sites.items()}),
            canaries=self._count_canaries(),
        )

    def _count_canaries(self) -> tuple[int, int]:
        """How many canaries answer, and how many there are."""
        up = sum(watch.track.up is not False for watch in self._canaries.values())
        return up, len(self._canaries)

    async def _put(self, report: Report) -> None:
        try:
            await self._send(report)
        except StoreError as error:
            if not self._is_store_failing:
                log.warning("reports are not stored", cause=str(error))
            self._is_store_failing = True
        else:
            if self._is_store_failing:
                log.info("reports are stored again")
            self._is_store_failing = False


def pace_s(sites: int) -> float:
    """The least seconds between two reports on so many sites."""
    return min(HEARTBEAT_S, max(PACE_S, PACE_PER_SITE_S * sites))


def _pace_s(watch: _Watch) -> float:
    """Seconds until the next check (law 1)."""
    check = watch.target.check
    if watch.track.streak > 0 and check.fast_interval_s is not None:
        return check.fast_interval_s
    return check.interval_s


def _note(report: SiteReport, track: Track, outcome: Outcome) -> SiteReport:
    """A site's report after one more result; what the result does not tell stays as it was."""
    rtt_ms, first_byte_ms, samples = report.rtt_ms, report.first_byte_ms, report.samples
    until_at = outcome.certificate_until_at
    if outcome.rtt_ms is not None:
        rtt_ms, samples = smooth(rtt_ms, outcome.rtt_ms), min(samples + 1, MAX_SAMPLES)
    if outcome.first_byte_ms is not None:
        first_byte_ms = smooth(first_byte_ms, outcome.first_byte_ms)
    return SiteReport(
        up=track.up,
        streak=track.streak,
        since_at=track.since_at,
        rtt_ms=rtt_ms,
        first_byte_ms=first_byte_ms,
        samples=samples,
        certificate_until_at=report.certificate_until_at if until_at is None else until_at,
        reason=outcome.reason,
    )


def _retarget(watches: dict[Key, _Watch], targets: Mapping[Key, Target]) -> None:
    """Make the watches those of the targets; what is asked no more, or otherwise, is stopped."""
    for key, watch in list(watches.items()):
        target = targets.get(key)
        if target == watch.target:
            continue
        if watch.task is not None:
            watch.task.cancel()
        del watches[key]
        if target is not None:
            watches[key] = _succeed(watch, target)
    for key, target in targets.items():
        if key not in watches:
            watches[key] = _Watch(target)


def _succeed(watch: _Watch, target: Target) -> _Watch:
    """The watch that follows on a changed target: with its state, if what is asked is still the
    same.
    """
    return (
        _Watch(target, watch.track, watch.report)
        if _is_same(watch.target, target)
        else _Watch(target)
    )


def _is_same(one: Target, other: Target) -> bool:
    """Whether two targets ask the same thing at the same place."""
    asked = [(target.address, target.check.kinds, target.check.need) for target in (one, other)]
    return asked[0] == asked[1]
