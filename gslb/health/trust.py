"""Whose word counts: which observers have a vote, and what has cost the others theirs.

Laws:
1. An observer that was never heard, or not for `stale_after_s`, has no vote; nor has one with a
   fault (its clock, its twin); nor one of whose canaries more than half fail.
2. Whoever is left is compared with the majority of the other failure domains, site by site. A
   domain says what more than half of its observers say, and nothing when they are even. Where the
   other domains are even, or none of them knows the site, nobody is compared.
3. An observer that contradicts that majority about more than `distrust_above` of the sites that
   could be compared, two at least, loses its vote.
4. All are judged by the same words, before anybody's vote is lost: the order does not matter. So
   two domains that contradict each other both lose their votes, and the last state holds: there is
   nobody who could tell which one is wrong.
5. To see most sites fail is no fault by itself: when most sites fail, all observers see it.

What this cannot do: a majority of domains that lie together is believed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from gslb.health.evidence import Evidence, Heard
from gslb.health.snapshot import AgentHealth
from gslb.model.agent import Agent
from gslb.model.report import SiteReport
from gslb.model.system import HealthSettings

NEVER_HEARD = "it has not been heard yet"
CANARIES = "more than half of its canaries fail"
CONTRADICTS = "it contradicts the other failure domains"
LEAST_CONTRADICTIONS = 2
"""One site that only one observer sees down is what quorum is for; two are a pattern."""

VOTE = AgentHealth(has_vote=True)


def judge(
    evidence: Evidence, sites: Iterable[str], settings: HealthSettings
) -> Mapping[str, AgentHealth]:
    """Whether each observer has a vote, by name. sites: those that are compared."""
    jury = Jury(evidence, settings)
    jury.compare(sites)
    return jury.verdict()


class Jury:
    """Judges the observers while sites are handed in, some at a time."""

    def __init__(self, evidence: Evidence, settings: HealthSettings) -> None:
        self._settings = settings
        self._heard = sorted(evidence.heard, key=lambda heard: heard.agent.name)
        self._agents = _observers(evidence.agents, self._heard)
        self._faults = {heard.agent.name: _find_fault(heard, settings) for heard in self._heard}
        plausible = [heard for heard in self._heard if not self._faults[heard.agent.name]]
        self._names = [heard.agent.name for heard in plausible]
        self._witnesses = number_domains(plausible)
        self._domains = len({domain for domain, _ in self._witnesses})
        self._compared_by_all = 0
        self._compared = [0] * len(plausible)
        self._contradicted = [0] * len(plausible)

    def compare(self, sites: Iterable[str]) -> None:
        """Take in what all say of these sites, once each."""
        if self._domains < 2:
            return
        for name in sites:
            self._compare_site(name)

    def _compare_site(self, name: str) -> None:
        """About 2 us for ten observers who agree, 5 for ten who do not."""
        balance = [0] * self._domains  # of each domain; more than 0: most of it says up
        ups = known = 0
        for domain, reported in self._witnesses:
            view = reported.get(name)
            if view is None or view.up is None:
                continue
            known += 1
            if view.up:
                ups += 1
                balance[domain] += 1
            else:
                balance[domain] -= 1
        total = sum([(each > 0) - (each < 0) for each in balance])
        is_clear = abs(total) > 1  # then all have the same majority against or with them
        if not (is_clear and known == len(self._witnesses)):
            self._compare_each(name, balance, total)
            return
        self._compared_by_all += 1
        if 0 < ups < known:
            self._note_dissent(name, majority=total > 0)

    def _note_dissent(self, name: str, *, majority: bool) -> None:
        for index, (_, reported) in enumerate(self._witnesses):
            if reported[name].up is not majority:
                self._contradicted[index] += 1

    def _compare_each(self, name: str, balance: Sequence[int], total: int) -> None:
        """Each one with the majority of those domains that are not its own."""
        for index, (domain, reported) in enumerate(self._witnesses):
            view = reported.get(name)
            others = total - ((balance[domain] > 0) - (balance[domain] < 0))
            if others and view is not None and view.up is not None:
                self._compared[index] += 1
                if view.up is not (others > 0):
                    self._contradicted[index] += 1

    def verdict(self) -> Mapping[str, AgentHealth]:
        """Every observer's vote, by name, in the order of names."""
        whys = dict(self._faults)
        for index, name in enumerate(self._names):
            contradicted = self._contradicted[index]
            limit = self._settings.distrust_above * (self._compared_by_all + self._compared[index])
            if contradicted >= LEAST_CONTRADICTIONS and contradicted > limit:
                whys[name] = CONTRADICTS
        return MappingProxyType(
            {name: _health(whys.get(name, NEVER_HEARD)) for name in self._agents}
        )


def number_domains(heard: Sequence[Heard]) -> list[tuple[int, Mapping[str, SiteReport]]]:
    """For each of them the number of its failure domain, from 0, and what it says of sites."""
    numbers: dict[str, int] = {}
    return [
        (numbers.setdefault(one.agent.failure_domain, len(numbers)), one.report.sites)
        for one in heard
    ]


def is_fresh(heard: Heard, settings: HealthSettings) -> bool:
    """Whether a report is young enough to count."""
    return heard.age_s <= settings.stale_after_s


def _observers(agents: Sequence[Agent], heard: Sequence[Heard]) -> list[str]:
    return sorted({agent.name for agent in agents} | {one.agent.name for one in heard})


def _find_fault(heard: Heard, settings: HealthSettings) -> str:
    """What costs an observer its vote whatever it says of sites; empty for nothing."""
    if not is_fresh(heard, settings):
        return f"it has not been heard for over {settings.stale_after_s:g} s"
    if heard.fault:
        return heard.fault
    passing, canaries = heard.report.canaries
    return CANARIES if 2 * (canaries - passing) > canaries else ""


def _health(why: str) -> AgentHealth:
    return AgentHealth(has_vote=False, why=why) if why else VOTE
