"""Round-trip times that were measured: what agents report of sites, for the clients near them.

Laws:
1. An agent is near a client in the same autonomous system, else in the same country, else within
   NEAR_KM. Where a client's place is known more closely than its country, nobody farther away than
   NEAR_KM is near: a country or a network can be as wide as a continent.
2. The time to a site is that of the nearest agent that knows one: same system first, then same
   country, then the others, each by distance. The median counts where several are equally near.
3. A time counts with MIN_SAMPLES results behind it, in a report of an agent that has its vote and
   does not lack one for a reason of its own (`Heard.fault`).
4. Silence takes nothing back (fail static): the last times of an agent hold until it has been
   silent for FORGET_S while others are heard, and for ever while nobody is. So do they while it
   counts anew after a restart. A lost vote takes them at once: it may be lying about them, too.
5. A table is replaced only when a time came, went, or moved by more than MOVED_SHARE and MOVED_MS:
   clients are divided anew then, and nobody should change places for less.

An agent measures from where it stands, so what lies between the client and the agent is left out.
It is the same for all sites, and only differences decide.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from math import inf, isfinite
from statistics import median
from types import MappingProxyType
from typing import Protocol

from gslb.health.evidence import Heard
from gslb.health.snapshot import HealthSnapshot
from gslb.model.place import NOWHERE, Location
from gslb.model.report import SiteReport
from gslb.model.sphere import distance_km

NEAR_KM = 1000.0
"""How far an agent may be from the clients that it speaks for: 10 ms at least, there and back, so
about what `latency` tolerates by default. Farther ones may be on another side of a site."""
MIN_SAMPLES = 5
"""Results behind a time: with a check every 5 s the first times come after 25 s."""
FORGET_S = 900.0
"""Longer than a restart or a failover, shorter than what routes need to change for good."""
MOVED_SHARE = 0.1
MOVED_MS = 2.0
MAX_KNOWN_PLACES = 65_536  # about 300 octets each; the bundled geography has 252, cities 100,000

_NO_TIMES: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class AgentRow:
    """What one agent measured. rtt_ms: milliseconds by site."""

    name: str
    location: Location
    rtt_ms: Mapping[str, float]


Ranks = tuple[tuple[AgentRow, ...], ...]
"""The agents near a place: groups of equally near ones, the nearest first."""


@dataclass(frozen=True, slots=True)
class AgentTimes:
    """An immutable table of agents and their times. generation: grows with every change.

    _ranks: who is near a place, remembered, because every service asks for the same places.
    """

    generation: int = 0
    agents: tuple[AgentRow, ...] = ()
    _ranks: dict[Location, Ranks] = field(default_factory=dict, repr=False, compare=False)

    def agent_rtt_ms(self, location: Location, site: str) -> float | None:
        """Milliseconds to a site from the agents nearest to a client (law 2), or None."""
        near = self._near(location, site)
        return median(one.rtt_ms[site] for one in near) if near else None

    def agent_names(self, location: Location, site: str) -> tuple[str, ...]:
        """The names of those agents."""
        return tuple(one.name for one in self._near(location, site))

    def _near(self, location: Location, site: str) -> tuple[AgentRow, ...]:
        ranks = self._ranks.get(location)
        if ranks is None:
            if len(self._ranks) >= MAX_KNOWN_PLACES:
                self._ranks.clear()
            ranks = self._ranks[location] = rank_agents(self.agents, location)
        for group in ranks:
            if knowing := tuple(one for one in group if site in one.rtt_ms):
                return knowing
        return ()


def rank_agents(agents: Sequence[AgentRow], location: Location) -> Ranks:
    """The agents near a client's place (laws 1 and 2)."""
    ranked = [(rank, one) for one in agents if (rank := _rank(one, location)) is not None]
    ranked.sort(key=lambda item: item[0])
    groups = groupby(ranked, key=lambda item: item[0])
    return tuple(tuple(one for _, one in group) for _, group in groups)


def _rank(agent: AgentRow, location: Location) -> tuple[int, float] | None:
    """How near an agent is: its level and its kilometres, or None when it is not near."""
    here, there = location.point, agent.location.point
    km = inf if here is None or there is None else round(distance_km(here, there), 3)
    is_close = location.city is not None or location.subdivision is not None
    if is_close and NEAR_KM < km < inf:
        return None
    if location.asn is not None and location.asn == agent.location.asn:
        return 0, km
    if location.country is not None and location.country == agent.location.country:
        return 1, km
    return (2, km) if km <= NEAR_KM else None


# ---------------------------------------------------------------- both sources


class ClientTimes(Protocol):
    """Times that clients' own networks have measured: the half of `Measurements` beside agents."""

    @property
    def generation(self) -> int:
        """Grows with every change; 0 while there are none."""

    def client_rtt_ms(self, location: Location, site: str) -> float | None:
        """Milliseconds from the client's own network to a site, or None where nobody measured."""


class NoClientTimes:
    """No network has measured anything."""

    generation = 0

    def client_rtt_ms(self, location: Location, site: str) -> float | None:
        """None: there is no measurement."""
        return None


@dataclass(frozen=True, slots=True)
class MeasuredTimes:
    """`Measurements` of both sources."""

    clients: ClientTimes = field(default_factory=NoClientTimes)
    agents: AgentTimes = field(default_factory=AgentTimes)

    @property
    def generation(self) -> int:
        """Grows with every change of either source."""
        return self.clients.generation + self.agents.generation

    def client_rtt_ms(self, location: Location, site: str) -> float | None:
        """As the clients' networks have measured."""
        return self.clients.client_rtt_ms(location, site)

    def agent_rtt_ms(self, location: Location, site: str) -> float | None:
        """As the agents near the client have measured."""
        return self.agents.agent_rtt_ms(location, site)

    def agent_names(self, location: Location, site: str) -> tuple[str, ...]:
        """The agents near the client that have."""
        return self.agents.agent_names(location, site)


# ---------------------------------------------------------------- from reports to the table


def revise_times(
    previous: AgentTimes,
    heard: Sequence[Heard],
    health: HealthSnapshot,
    *,
    stale_after_s: float,
) -> AgentTimes:
    """The table by what was heard last; `previous` itself unless something moved (law 5).

    health: merged from what was heard, so that it says who has a vote. stale_after_s: an agent that
    was not heard for longer is silent.
    """
    placed = [one for one in heard if one.agent.location != NOWHERE]
    silent = {one.agent.name for one in placed if one.age_s > stale_after_s}
    is_blind = len(silent) == len(placed)
    known = {row.name: row for row in previous.agents}
    rows = {}
    for one in placed:
        old = known[one.agent.name].rtt_ms if one.agent.name in known else _NO_TIMES
        if one.agent.name in silent:
            times = old if is_blind or one.age_s <= FORGET_S else _NO_TIMES
        else:
            times = _times_of(one, old, health)
        if times:
            rows[one.agent.name] = AgentRow(one.agent.name, one.agent.location, times)
    if _is_same(known, rows):
        return previous
    return AgentTimes(previous.generation + 1, tuple(rows[name] for name in sorted(rows)))


def _times_of(
    heard: Heard, old: Mapping[str, float], health: HealthSnapshot
) -> Mapping[str, float]:
    """The times of an agent that is heard (laws 3 and 4)."""
    agent = health.agents.get(heard.agent.name)
    if heard.fault or agent is None or not agent.has_vote:
        return _NO_TIMES
    return dict(_new_times(heard, old))


def _new_times(heard: Heard, old: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    for site, view in heard.report.sites.items():
        rtt_ms = confident_rtt_ms(view)
        if rtt_ms is None and view.samples < MIN_SAMPLES:
            rtt_ms = old.get(site)  # it counts anew
        if rtt_ms is not None and heard.agent.may_report(site):
            yield site, rtt_ms


def confident_rtt_ms(view: SiteReport) -> float | None:
    """The time in a report, where enough results stand behind it; None too for what is no time."""
    rtt_ms = view.rtt_ms
    if rtt_ms is None or view.samples < MIN_SAMPLES or not isfinite(rtt_ms) or rtt_ms < 0:
        return None
    return round(rtt_ms, 3)


def _is_same(before: Mapping[str, AgentRow], after: Mapping[str, AgentRow]) -> bool:
    """Whether nothing moved (law 5)."""
    if before.keys() != after.keys():
        return False
    pairs = [(before[name], row) for name, row in after.items()]
    return all(
        old.location == new.location
        and old.rtt_ms.keys() == new.rtt_ms.keys()
        and not any(has_moved(old.rtt_ms[site], rtt_ms) for site, rtt_ms in new.rtt_ms.items())
        for old, new in pairs
    )


def has_moved(old_ms: float, new_ms: float) -> bool:
    """Whether a time differs so much that clients may have to change places (law 5)."""
    change = abs(new_ms - old_ms)
    return change > MOVED_MS and change > MOVED_SHARE * old_ms
