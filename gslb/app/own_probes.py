"""A name server's own probes: all there is without agents, and what takes over when none is heard.

Laws:
1. Without declared agents they always run, if they are not configured away.
2. With agents they begin when the last one has fallen silent, or none is heard within START_S of
   the start, and end as soon as one is heard. What they saw counts only while they run.
3. They begin with what was known of the sites, so one failed check takes nothing down.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from gslb.app.clock import Clocks
from gslb.health.evidence import Heard
from gslb.model.agent import Agent
from gslb.model.report import Report
from gslb.model.system import System
from gslb.probe.prober import Prober

START_S = 5.0
"""Agents that live report every second; without them nobody knows anything after a start."""


class OwnProbes:
    """Runs a prober while it is needed.

    news: called after each of its reports. known: the states that sites are known to have.
    """

    def __init__(
        self,
        system: System,
        news: Callable[[], None],
        known: Callable[[], Mapping[str, bool]],
        clocks: Clocks,
    ) -> None:
        self._system = system
        self._news = news
        self._known = known
        self._clocks = clocks
        self._started = clocks.now()
        self._was_heard = False
        self._prober: Prober | None = None
        self._last: tuple[Report, float] | None = None
        self._turned = asyncio.Event()
        self.is_active = False
        self._judge(is_heard=False)

    @property
    def agent(self) -> Agent:
        """The name server as an observer."""
        return Agent(self._system.node, failure_domain=self._system.node)

    def reconfigure(self, system: System) -> None:
        """Probes these sites from now on."""
        self._system = system
        if self._prober is not None and not self._turned.is_set():  # one that ends takes no more
            self._prober.reconfigure(system.sites, system.health.canaries)

    def judge(self, *, is_heard: bool) -> bool:
        """Begins or ends as law 2 says; whether that changed anything. is_heard: an agent is."""
        was_active = self.is_active
        self._judge(is_heard=is_heard)
        if self.is_active is was_active:
            return False
        self._last = None
        self._turned.set()
        return True

    def heard(self) -> tuple[Heard, ...]:
        """Its own last report, while it is active."""
        if self._last is None or not self.is_active:  # the last report may come while it ends
            return ()
        report, now = self._last
        return (Heard(self.agent, report, age_s=self._clocks.now() - now),)

    async def run(self) -> None:
        """Probes while active, until cancelled."""
        while True:
            self._turned.clear()
            if self.is_active:
                await self._probe_until_turned()
            else:
                await self._turned.wait()

    def _judge(self, *, is_heard: bool) -> None:
        self._was_heard = self._was_heard or is_heard
        has_waited = self._was_heard or self._clocks.now() - self._started > START_S
        is_needed = not self._system.agents or (not is_heard and has_waited)
        self.is_active = self._system.health.own_probes and is_needed

    async def _probe_until_turned(self) -> None:
        system = self._system
        self._prober = Prober(
            system.sites, self._take, system.node, canaries=system.health.canaries
        )
        self._prober.begin_with(self._known())
        try:
            async with asyncio.TaskGroup() as group:
                probing = group.create_task(self._prober.run(), name="own probes")
                await self._turned.wait()
                probing.cancel()
        finally:
            self._prober = None

    async def _take(self, report: Report) -> None:
        self._last = report, self._clocks.now()
        self._news()
