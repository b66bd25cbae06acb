"""The schedule of checks: who is asked when, and what is reported.

Laws:
1. Constant work: every checked site is asked once an interval, whatever the results are.
2. A check never overlaps itself, and a slow one delays no other site, as long as fewer than
   `concurrency` are on the way at once.
3. Jitter only shortens: starts of checks are 0.95 to 1 interval apart, so that sites drift apart
   and yet one that dies is reported down at most fall x interval + timeout later (given timeout_s
   <= interval_s). A check that takes longer than its interval is followed at once by the next, and
   missed ones are not made up for.
4. The first round is done within the first 0.2 s or the interval, the lesser, in random order.
5. A report is put after each result, at most one every 50 ms, and one a second in any case: agents
   that live report.
6. A store that fails delays no check; it is logged once, and the next report tells all of it.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from uuid import uuid4

from gslb.errors import StoreError
from gslb.health.track import Track, step
from gslb.model.check import Check
from gslb.model.place import Address
from gslb.model.report import Report, SiteReport
from gslb.model.service import Site
from gslb.probe.checks.registry import run_check
from gslb.probe.outcome import Outcome
from gslb.store.base import HealthStore

log = logging.getLogger(__name__)

FIRST_ROUND_S = 0.2
"""The first round is spread over this time: quick to start, and no burst of thousands of
connections.
"""
JITTER = 0.05
"""The largest share of an interval by which a check comes early."""
COALESCE_S = 0.05
"""Reports are at least this far apart: 1,000 sites at 5 s make 20 reports a second instead of 200.
"""
HEARTBEAT_S = 1.0
"""Reports are at most this far apart, so that sites with long intervals do not look stale."""
CONCURRENCY = 256
"""Checks on the way at once: bounds sockets and memory when every site hangs."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a site's checks are done with."""

    address: Address
    check: Check


@dataclass(frozen=True, slots=True)
class Clock:
    """Where a prober takes time and chance from, so that tests can give it their own.

    at: Unix seconds. draw: uniform in [0, 1).
    """

    at: Callable[[], float] = time.time
    draw: Callable[[], float] = random.random


@dataclass(slots=True)
class _Watch:
    """One site under watch: its target, its state so far, and the task that asks it."""

    target: Target
    track: Track = Track()
    report: SiteReport = field(default_factory=SiteReport)
    task: asyncio.Task[None] | None = None


def pick_target(site: Site) -> Target | None:
    """What to ask of a site, or None when there is nothing to ask.

    One address stands for the site: its first IPv4 address, or without one its first IPv6 address.
    """
    if site.check is None or not site.addresses:
        return None
    address = min(
        site.addresses, key=lambda address: address.version
    )  # min keeps the first of equals
    return Target(address, site.check)


class Prober:
    """Asks every checked site and reports to a store, as one agent.

    sites: name -> site. concurrency: how many checks may be on the way at once.
    """

    def __init__(
        self,
        sites: Mapping[str, Site],
        store: HealthStore,
        agent: str,
        *,
        clock: Clock = Clock(),
        concurrency: int = CONCURRENCY,
    ) -> None:
        self._store = store
        self._agent = agent
        self._clock = clock
        self._boot = uuid4().hex
        self._sequence = 0
        self._slots = asyncio.Semaphore(concurrency)
        self._has_news = asyncio.Event()
        self._watches: dict[str, _Watch] = {}
        self._group: asyncio.TaskGroup | None = None
        self._is_store_failing = False
        self.reconfigure(sites)

    def reconfigure(self, sites: Mapping[str, Site]) -> None:
        """Watch these sites from now on.

        A site whose check is unchanged is not disturbed. One that is asked the same thing at the
        same address, only at another pace, keeps its state. Any other change makes its state
        unknown until the next result.
        """
        targets = {name: target for name, site in sites.items() if (target := pick_target(site))}
        for name, watch in list(self._watches.items()):
            if targets.get(name) != watch.target:
                self._watches.pop(name)
                if watch.task is not None:
                    watch.task.cancel()
                if name in targets:
                    self._watches[name] = _succeed(watch, targets[name])
        for name, target in targets.items():
            self._watches.setdefault(name, _Watch(target))
        self._start_idle()
        self._has_news.set()

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
            for watch in self._watches.values():
                watch.task = None

    def _start_idle(self) -> None:
        """Start a task for each site that has none, when the prober runs at all."""
        if self._group is None:
            return
        for name, watch in self._watches.items():
            if watch.task is None:
                watch.task = self._group.create_task(self._keep_asking(watch), name=f"probe {name}")

    async def _keep_asking(self, watch: _Watch) -> None:
        """Ask one site for ever, at its pace."""
        loop = asyncio.get_running_loop()
        interval_s = watch.target.check.interval_s
        due = loop.time() + self._clock.draw() * min(interval_s, FIRST_ROUND_S)
        while True:
            await asyncio.sleep(due - loop.time())
            async with self._slots:
                outcome = await run_check(watch.target.check, watch.target.address)
            self._fold(watch, outcome)
            due = max(due + interval_s * (1 - JITTER * self._clock.draw()), loop.time())

    def _fold(self, watch: _Watch, outcome: Outcome) -> None:
        """Add one result to a site's state, and have it reported."""
        track = step(watch.track, ok=outcome.ok, check=watch.target.check, at=self._clock.at())
        watch.track = track
        watch.report = SiteReport(
            up=track.up,
            streak=track.streak,
            since_at=track.since_at,
            rtt_ms=watch.report.rtt_ms if outcome.rtt_ms is None else outcome.rtt_ms,
            reason=outcome.reason,
        )
        self._has_news.set()

    async def _publish(self) -> None:
        """Put a report whenever there is news, and now and then without."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_S):
                    await self._has_news.wait()
            self._has_news.clear()
            await self._put(self._compose_report())
            await asyncio.sleep(COALESCE_S)

    def _compose_report(self) -> Report:
        self._sequence += 1
        return Report(
            agent=self._agent,
            boot=self._boot,
            sequence=self._sequence,
            at=self._clock.at(),
            sites=MappingProxyType({name: watch.report for name, watch in self._watches.items()}),
        )

    async def _put(self, report: Report) -> None:
        try:
            await self._store.put(report)
        except StoreError as error:
            if not self._is_store_failing:
                log.warning("reports are not stored: %s", error)
            self._is_store_failing = True
        else:
            if self._is_store_failing:
                log.info("reports are stored again")
            self._is_store_failing = False


def _succeed(watch: _Watch, target: Target) -> _Watch:
    """The watch that follows on a changed target: with its state, if what is asked is still the
    same.
    """
    old = watch.target
    if (old.address, old.check.kind) != (target.address, target.check.kind):
        return _Watch(target)
    return _Watch(target, watch.track, watch.report)
