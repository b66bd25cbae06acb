"""The demo's own agents: one beside each region of the example, in the demo's process.

Laws:
1. Everything but the process is real: each probes for itself, signs with a key of its own that was
   made at the start and stays in memory, and its reports come back through the store.
2. Times are those that the way would take at least: from where an agent stands to a site, what
   `latency` would guess is added to what it measures on this machine.
3. One that lies signs its lie: it reports every site down. One that is dead reports nothing, and
   comes back as a new boot.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gslb.app.courier import Courier
from gslb.model.agent import Agent
from gslb.model.place import Location
from gslb.model.report import Report, SiteReport
from gslb.model.service import Site
from gslb.model.sphere import distance_km
from gslb.model.system import System
from gslb.policy.latency import KM_PER_MS
from gslb.probe.prober import Prober
from gslb.store.base import HealthStore

PLACES: Final[Mapping[str, Location]] = MappingProxyType(
    {
        "fra": Location(country="DE", continent="EU", latitude=50.11, longitude=8.68),
        "iad": Location(country="US", continent="NA", latitude=38.94, longitude=-77.46),
        "sin": Location(country="SG", continent="AS", latitude=1.36, longitude=103.99),
    }
)
"""Where they stand: the airports of Frankfurt, Washington and Singapore."""
LIE: Final = "so says an agent that lies"


class Conduct(StrEnum):
    """How an agent behaves."""

    HONEST = "honest"
    LYING = "lying"
    DEAD = "dead"


Keys = Mapping[str, Ed25519PrivateKey]


def make_keys() -> Keys:
    """A new key for each of them."""
    return {name: Ed25519PrivateKey.generate() for name in PLACES}


def declare(keys: Keys) -> Mapping[str, Agent]:
    """What a configuration would say of them: each is a failure domain of its own."""
    return {
        name: Agent(name, name, (key.public_key().public_bytes_raw(),), PLACES[name])
        for name, key in keys.items()
    }


class StageAgent:
    """One of them. system: the configuration of the moment."""

    def __init__(
        self,
        agent: Agent,
        key: Ed25519PrivateKey,
        store: HealthStore,
        system: Callable[[], System],
    ) -> None:
        self.conduct = Conduct.HONEST
        self._agent = agent
        self._key = key
        self._store = store
        self._system = system
        self._turned = asyncio.Event()

    @property
    def name(self) -> str:
        """What it is called."""
        return self._agent.name

    def behave(self, conduct: Conduct) -> None:
        """Behaves like this from its next report on."""
        self.conduct = conduct
        self._turned.set()

    async def run(self) -> None:
        """Lives, dies and lives again until cancelled."""
        while True:
            if self.conduct is Conduct.DEAD:
                await self._wait()
            else:
                await self._live()

    async def _wait(self) -> None:
        await self._turned.wait()
        self._turned.clear()

    async def _live(self) -> None:
        life = _Life(self, self._system())
        async with asyncio.TaskGroup() as group:
            probing = group.create_task(life.prober.run(), name=f"agent {self.name}")
            while self.conduct is not Conduct.DEAD:
                await self._wait()
            probing.cancel()

    # ------------------------------------------------------------ what a life needs

    def look(self) -> System:
        """The configuration of the moment."""
        return self._system()

    def hire(self, system: System) -> Courier:
        """Who brings its reports to the store."""
        return Courier(self._store, self._key, system.redis.timeout_s)

    def word(self, report: Report, sites: Mapping[str, Site]) -> Report:
        """What it says when this is what it saw."""
        if self.conduct is Conduct.LYING:
            return lie(report)
        return travel(report, self._agent.location, sites)


class _Life:
    """An agent between two deaths: a prober with a boot of its own, which follows reloads."""

    def __init__(self, agent: StageAgent, system: System) -> None:
        self._agent = agent
        self._known = system
        self._courier = agent.hire(system)
        self.prober = Prober(
            system.sites, self._deliver, agent.name, canaries=system.health.canaries
        )

    async def _deliver(self, report: Report) -> None:
        system = self._agent.look()
        if system is not self._known:
            self._known = system
            self.prober.reconfigure(system.sites, system.health.canaries)
        await self._courier.deliver(self._agent.word(report, system.sites))


def lie(report: Report) -> Report:
    """A report with every site down."""
    down = SiteReport(up=False, since_at=report.at, reason=LIE)
    return replace(report, sites=MappingProxyType(dict.fromkeys(report.sites, down)))


def travel(report: Report, location: Location, sites: Mapping[str, Site]) -> Report:
    """A report whose times are those from a place (law 2)."""
    seen = {
        name: _delay(view, way_ms(location, sites[name].point)) if name in sites else view
        for name, view in report.sites.items()
    }
    return replace(report, sites=MappingProxyType(seen))


def _delay(view: SiteReport, way: float) -> SiteReport:
    if view.rtt_ms is None:
        return view
    first_byte_ms = None if view.first_byte_ms is None else view.first_byte_ms + way
    return replace(view, rtt_ms=view.rtt_ms + way, first_byte_ms=first_byte_ms)


def way_ms(here: Location, there: tuple[float, float] | None) -> float:
    """Milliseconds there and back at least; 0 where a place is not known. there: in degrees."""
    if here.point is None or there is None:
        return 0.0
    return distance_km(here.point, there) / KM_PER_MS
