"""What the observers that have a vote say of one site, counted by failure domain.

Laws:
1. Each failure domain has one vote: the share of its observers that say up, among those that know
   the site.
2. The votes say up while their mean is at least `quorum`.
3. They say down only if, besides, in at least as many domains as are needed more than half of the
   observers say so. With less evidence they say nothing.
4. Needed are `min_domains`; without it two, or as many domains as may report the site if that is
   less; one for a name server that goes by its own probes alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from gslb.health.evidence import Evidence
from gslb.health.track import Track, seconds_left
from gslb.model.agent import Agent
from gslb.model.check import Check
from gslb.model.report import SiteReport
from gslb.model.system import HealthSettings

TOLERANCE = 1e-9
"""Shares are sums of floats: 0.1 + 0.2 must not pass a budget of 0.3."""
USUAL_DOMAINS = 2
"""One observer's view of an outage is more often about the observer (R4)."""

Witness = tuple[int, Mapping[str, SiteReport]]
"""The number of an observer's failure domain, and what it says of sites."""


class Count(NamedTuple):
    """The votes about one site.

    is_told: somebody speaks of it, if only to know nothing yet. up, known: how many observers say
    up, and how many know. streak_up, streak_down: the largest streaks of those that say up and of
    the others. failure: the first reason that is given. certificate_until_at: the earliest expiry
    that is reported. share: the sum of the domains' votes. domains, domains_down: how many domains
    vote, and how many say down.
    """

    is_told: bool
    up: int
    known: int
    streak_up: int
    streak_down: int
    failure: str
    certificate_until_at: float | None
    share: float
    domains: int
    domains_down: int


def count_votes(name: str, witnesses: Sequence[Witness], domains: int) -> Count:
    """The votes about a site. witnesses: those that have a vote. domains: how many they are in.

    This is where a merge spends its time, so it is flat: about 4 us for ten witnesses.
    """
    knows = [0] * domains
    ups = [0] * domains
    up = known = streak_up = streak_down = 0
    failure = ""
    until_at = None
    is_told = False
    for domain, sites in witnesses:
        view = sites.get(name)
        if view is None:
            continue
        is_told = True
        if view.certificate_until_at is not None:
            until_at = min(until_at or view.certificate_until_at, view.certificate_until_at)
        if view.up is None:
            continue
        known += 1
        knows[domain] += 1
        if view.up:
            up += 1
            ups[domain] += 1
            if view.streak:
                streak_up = max(streak_up, view.streak)
        elif view.streak:
            streak_down = max(streak_down, view.streak)
        if view.reason and not failure:
            failure = view.reason
    voting = domains - knows.count(0)
    if up == known:
        share, down = float(voting), 0
    elif not up:
        share, down = 0.0, voting
    else:
        share, down = _sum_domains(knows, ups)
    return Count(is_told, up, known, streak_up, streak_down, failure, until_at, share, voting, down)


def _sum_domains(knows: Sequence[int], ups: Sequence[int]) -> tuple[float, int]:
    """(the sum of the votes, how many domains say down)."""
    share, down = 0.0, 0
    for known, up in zip(knows, ups, strict=True):
        if known:
            share += up / known
            if 2 * up < known:
                down += 1
    return share, down


def decide(count: Count, quorum: float, needed: int) -> bool | None:
    """What the votes say; None for nothing."""
    if not count.domains:
        return None
    if count.share >= (quorum - TOLERANCE) * count.domains:
        return True
    return False if count.domains_down >= needed else None


def flip_s(count: Count, check: Check) -> float | None:
    """Seconds to the earliest change of any observer's state; None when none of them knows one."""
    flips = []
    if count.up:
        flips.append(seconds_left(Track(True, count.streak_up), check))
    if count.up < count.known:
        flips.append(seconds_left(Track(False, count.streak_down), check))
    return min(flips, default=None)


def least_domains(agents: Collection[Agent], settings: HealthSettings) -> int:
    """How many domains must say down to take a site down of which all of these agents may speak."""
    if settings.min_domains is not None:
        return settings.min_domains
    return max(1, min(USUAL_DOMAINS, len({agent.failure_domain for agent in agents})))


def domains_needed(evidence: Evidence, settings: HealthSettings) -> Callable[[str], int]:
    """How many domains must say down to take a site down, by the site's name (law 4)."""
    if evidence.is_alone:
        return lambda _: 1
    if settings.min_domains is not None:
        least = settings.min_domains
        return lambda _: least
    everywhere = {one.failure_domain for one in evidence.agents if one.sites is None}
    if len(everywhere) >= USUAL_DOMAINS:
        return lambda _: USUAL_DOMAINS

    def needed(site: str) -> int:
        return least_domains([one for one in evidence.agents if one.may_report(site)], settings)

    return needed
