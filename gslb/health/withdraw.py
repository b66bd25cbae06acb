"""Which of the sites that are down are withdrawn, and which are held and go on serving.

Laws:
1. Budget: sites that are down are withdrawn in the order in which they went down while the
   withdrawn share of capacity stays within `max_withdrawn`; the others are held. Sites that went
   down in the same merge stand or fall together: when all of them would pass the budget none is
   withdrawn, because the observer is then the likelier culprit.
2. Panic: when of the capacity that orders leave the share that is not down is under `panic_below`,
   every site that is down is held.
3. Pace (R6): within PACE_S at most `max_withdrawn_per_min` of capacity is newly withdrawn, and at
   least one site may be. Whoever went down first goes first; the others are held until then. A site
   that did not serve anyway is not newly withdrawn.
4. Ordered sites are the operator's: never held, and what an order takes away uses neither budget
   nor pace.
5. So (R2) the automation never withdraws more than `max_withdrawn` of all checked capacity; under 1
   it always leaves some that serves, or that an operator took away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from gslb.health.snapshot import HealthSnapshot, SiteHealth
from gslb.health.votes import TOLERANCE
from gslb.health.words import join_names, tell_share
from gslb.model.order import OrderKind
from gslb.model.service import Site
from gslb.model.system import HealthSettings

PACE_S = 60.0
GROUPS_TOLD = 5
"""Alerts about sites that went down at different moments: the rest are counted."""


class Withdrawal(NamedTuple):
    """What becomes of each site that is down and not ordered.

    withdrawn: since when the site does not serve, Unix seconds; the others are held. paced: those
    that are held for the pace only. next_s: seconds until one of these may go.
    """

    withdrawn: Mapping[str, float]
    paced: frozenset[str]
    next_s: float
    alerts: tuple[str, ...]


def pick_withdrawn(
    merged: Mapping[str, SiteHealth],
    sites: Mapping[str, Site],
    settings: HealthSettings,
    *,
    previous: HealthSnapshot,
    at: float,
) -> Withdrawal:
    """Which sites are withdrawn. merged: what the votes and orders say of each site.

    previous: what has been withdrawn already. at: Unix seconds of a clock that never steps.
    """
    capacity = {name: site.capacity for name, site in sites.items() if site.check is not None}
    down = [name for name in capacity if merged[name].up is False and merged[name].order is None]
    if not down:
        return Withdrawal({}, frozenset(), 0.0, ())
    offered = sum(size for name, size in capacity.items() if not _is_taken(merged[name]))
    available = offered - sum(capacity[name] for name in down)
    if available < (settings.panic_below - TOLERANCE) * offered:
        return Withdrawal({}, frozenset(), 0.0, (_panic_alert(available / offered, settings),))
    down.sort(key=lambda name: (merged[name].since_at, name))
    within, alerts = _spend_budget(down, merged, capacity, settings)
    pace = _Pace(capacity, settings.max_withdrawn_per_min, at)
    withdrawn = pace.walk(within, merged, previous)
    paced = [name for name in within if name not in withdrawn]
    if paced:
        alerts += (_pace_alert(paced, settings),)
    return Withdrawal(withdrawn, frozenset(paced), pace.next_s, alerts)


def _is_taken(health: SiteHealth) -> bool:
    """Whether an order has taken the site's capacity away."""
    return health.order is not None and health.order.kind is not OrderKind.UP


# ---------------------------------------------------------------- budget


def _spend_budget(
    down: Sequence[str],
    merged: Mapping[str, SiteHealth],
    capacity: Mapping[str, float],
    settings: HealthSettings,
) -> tuple[list[str], tuple[str, ...]]:
    """The sites that the budget allows to withdraw, in order, and the alerts about the others."""
    budget = (settings.max_withdrawn + TOLERANCE) * sum(capacity.values())
    withdrawn = 0.0
    within: list[str] = []
    refused: list[list[str]] = []
    for _, group in groupby(down, key=lambda name: merged[name].since_at):
        names = list(group)
        wanted = withdrawn + sum(capacity[name] for name in names)
        if wanted <= budget:
            withdrawn = wanted
            within += names
        else:
            refused.append([name for name in capacity if name in set(names)])
    return within, _budget_alerts(refused, settings)


def _budget_alerts(refused: Sequence[Sequence[str]], settings: HealthSettings) -> tuple[str, ...]:
    alerts = [_budget_alert(names, settings) for names in refused[:GROUPS_TOLD]]
    if more := sum(map(len, refused[GROUPS_TOLD:])):
        alerts.append(f"withdrawal budget: {more} more sites that are down are held")
    return tuple(alerts)


def _budget_alert(names: Sequence[str], settings: HealthSettings) -> str:
    share = f"{100 * settings.max_withdrawn:g} % of capacity"
    if len(names) == 1:
        return f"withdrawal budget: {names[0]} is down but held: withdrawing it would pass {share}"
    return (
        f"withdrawal budget: {join_names(names)} went down together but are held: "
        f"withdrawing them would pass {share}"
    )


def _panic_alert(share: float, settings: HealthSettings) -> str:
    return (
        f"panic: {tell_share(share)} of capacity is up, under panic_below "
        f"({100 * settings.panic_below:g} %): all sites that are down are held"
    )


# ---------------------------------------------------------------- pace


class _Pace:
    """How much may still be withdrawn now. next_s: seconds until it is more, 0 if nothing waits."""

    def __init__(self, capacity: Mapping[str, float], share: float, at: float) -> None:
        self._capacity = capacity
        self._allowance = (share + TOLERANCE) * sum(capacity.values())
        self._at = at
        self._spent = 0.0
        self._first_at = at
        self.next_s = 0.0

    def walk(
        self, names: Sequence[str], merged: Mapping[str, SiteHealth], previous: HealthSnapshot
    ) -> dict[str, float]:
        """Since when each of those is withdrawn that may be."""
        withdrawn: dict[str, float] = {}
        fresh: list[str] = []
        for name in names:
            gone_at = _gone_at(previous.sites.get(name), merged[name])
            if gone_at is None:
                fresh.append(name)
            else:
                withdrawn[name] = gone_at
                self._note(name, gone_at)
        for name in fresh:
            if self._spent and self._spent + self._capacity[name] > self._allowance:
                self.next_s = self._first_at + PACE_S - self._at
                break
            withdrawn[name] = self._at
            self._note(name, self._at)
        return withdrawn

    def _note(self, name: str, gone_at: float) -> None:
        if gone_at > self._at - PACE_S:
            self._spent += self._capacity[name]
            self._first_at = min(self._first_at, gone_at)


def _gone_at(before: SiteHealth | None, health: SiteHealth) -> float | None:
    """Since when a site has not served; None if it has until now."""
    if before is None or before.is_serving:
        return None
    return health.since_at if before.withdrawn_at is None else before.withdrawn_at


def _pace_alert(names: Sequence[str], settings: HealthSettings) -> str:
    return (
        f"withdrawal pace: {join_names(names)} went down but wait, held, because at most "
        f"{100 * settings.max_withdrawn_per_min:g} % of capacity is withdrawn a minute"
    )
