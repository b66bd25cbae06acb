"""Reports of any number of observers to one snapshot, as numbered sentences above pure functions.

1. A site without a check is up. A check is the only thing that can take a site down here.
2. A report counts while its age is at most `stale_after_s`, in either direction: one from the
   future proves nothing.
3. A site is up while at least `quorum` of the fresh reports that know it say up.
4. Where no fresh report knows it the last state holds (fail static), and an alert says so; where
   there was none it is unknown. Unknown is not down.
5. `flip_s` is the interval times the checks left to the earliest possible change, the least of all
   observers (DESIGN law 7): a calm healthy site has interval x fall, and each failure takes one
   interval off.
6. Sites that are down are withdrawn in the order in which they went down while the withdrawn share
   of capacity stays within `max_withdrawn`; the others are held. Sites that went down in the same
   merge stand or fall together: when all of them would pass the budget none is withdrawn, because
   the observer is then the likelier culprit.
7. When the share of capacity that is not down is under `panic_below`, every site that is down is
   held.
8. When nothing that a decision reads has changed, the snapshot that is returned is the previous one
   itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby
from types import MappingProxyType

from gslb.health.snapshot import UNCHECKED, HealthSnapshot, SiteHealth
from gslb.health.track import Track, checks_left
from gslb.model.check import Check
from gslb.model.report import Report, SiteReport
from gslb.model.service import Site
from gslb.model.system import HealthSettings

TOLERANCE = 1e-9
"""Shares are sums of floats: 0.1 + 0.2 must not pass a budget of 0.3."""


def merge(
    reports: Sequence[Report],
    sites: Mapping[str, Site],
    settings: HealthSettings,
    previous: HealthSnapshot,
    at: float,
) -> HealthSnapshot:
    """The health of all sites at a moment; `previous` itself when nothing that matters has changed.

    reports: the last one of each agent. at: Unix seconds.
    """
    fresh = [report for report in reports if _is_fresh(report, settings, at)]
    merged = {
        name: _merge_site(site, _views(fresh, name), settings, previous.sites.get(name), at)
        for name, site in sites.items()
    }
    alerts = _stale_alerts(merged, sites, fresh, reports)
    held, withdrawal_alerts = _pick_held(merged, sites, settings)
    for name in held:
        merged[name] = replace(merged[name], held=True)
    alerts += withdrawal_alerts
    if alerts == previous.alerts and _is_same(merged, previous.sites):
        return previous
    return HealthSnapshot(previous.generation + 1, MappingProxyType(merged), alerts)


def _is_fresh(report: Report, settings: HealthSettings, at: float) -> bool:
    return abs(at - report.at) <= settings.stale_after_s


def _views(fresh: Sequence[Report], name: str) -> list[SiteReport]:
    """What the reports that know the site say of it."""
    views = [report.sites[name] for report in fresh if name in report.sites]
    return [view for view in views if view.up is not None]


def _merge_site(
    site: Site,
    views: Sequence[SiteReport],
    settings: HealthSettings,
    before: SiteHealth | None,
    at: float,
) -> SiteHealth:
    """One site's health, before the withdrawal budget is applied."""
    check = site.check
    if check is None:
        return UNCHECKED
    if before is None or before.up is None or before.flip_s is None:  # nothing that could be held
        before = SiteHealth(up=None, flip_s=check.interval_s, reason="no result yet")
    if not views:
        return replace(before, held=False)
    votes_up = sum(view.up is True for view in views)
    up = votes_up >= settings.quorum * len(views) - TOLERANCE
    return SiteHealth(
        up=up,
        flip_s=check.interval_s * min(_checks_left(view, check) for view in views),
        since_at=before.since_at if before.up is up else at,
        reason=_reason(views, check, votes_up),
    )


def _checks_left(view: SiteReport, check: Check) -> int:
    return checks_left(Track(view.up, view.streak, view.since_at), check)


def _reason(views: Sequence[SiteReport], check: Check, votes_up: int) -> str:
    failures = [view.reason for view in views if view.reason]
    if len(views) > 1:
        return f"{votes_up} of {len(views)} observers say up" + "".join(
            f": {reason}" for reason in failures[:1]
        )
    view = views[0]
    if view.up:
        doubt = f"{view.streak} of {check.fall} checks failed"
        return f"{doubt}: {view.reason}" if view.streak else "checks pass"
    if view.streak:
        return f"down, {view.streak} of {check.rise} checks passed"
    return view.reason or "checks fail"


# ---------------------------------------------------------------- fail static


def _stale_alerts(
    merged: Mapping[str, SiteHealth],
    sites: Mapping[str, Site],
    fresh: Sequence[Report],
    reports: Sequence[Report],
) -> tuple[str, ...]:
    """One line a site whose last state holds because no fresh report speaks of it.

    The line tells the time of the last report, not its age, which would change with every merge.
    """
    silent = [
        name
        for name, site in sites.items()
        if site.check is not None
        and merged[name].up is not None
        and not any(name in report.sites for report in fresh)
    ]
    return tuple(_stale_alert(name, merged[name], reports) for name in silent)


def _stale_alert(name: str, health: SiteHealth, reports: Sequence[Report]) -> str:
    state = "up" if health.up else "down"
    times = [report.at for report in reports if name in report.sites]
    since = f" since {_utc(max(times))}" if times else ""
    return f"stale: no fresh report of {name}{since}: its last state ({state}) holds"


def _utc(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# ---------------------------------------------------------------- withdrawal


def _pick_held(
    merged: Mapping[str, SiteHealth], sites: Mapping[str, Site], settings: HealthSettings
) -> tuple[set[str], tuple[str, ...]]:
    """The sites that are down and still serve, and the alerts that say so."""
    capacity = {name: site.capacity for name, site in sites.items() if site.check is not None}
    total = sum(capacity.values())
    down = [name for name in capacity if merged[name].up is False]
    available = total - sum(capacity[name] for name in down)
    if down and available < (settings.panic_below - TOLERANCE) * total:
        return set(down), (_panic_alert(available / total, settings),)
    down.sort(key=lambda name: merged[name].since_at)
    budget = (settings.max_withdrawn + TOLERANCE) * total
    withdrawn = 0.0
    held: set[str] = set()
    alerts: list[str] = []
    for _, group in groupby(down, key=lambda name: merged[name].since_at):
        names = list(group)
        wanted = withdrawn + sum(capacity[name] for name in names)
        if wanted <= budget:
            withdrawn = wanted
        else:
            held.update(names)
            alerts.append(_budget_alert(names, settings))
    return held, tuple(alerts)


def _panic_alert(share: float, settings: HealthSettings) -> str:
    return (
        f"panic: {100 * share:.3g} % of capacity is up, under panic_below "
        f"({100 * settings.panic_below:g} %): all sites that are down are held"
    )


def _budget_alert(names: Sequence[str], settings: HealthSettings) -> str:
    share = f"{100 * settings.max_withdrawn:g} % of capacity"
    if len(names) == 1:
        return f"withdrawal budget: {names[0]} is down but held: withdrawing it would pass {share}"
    return (
        f"withdrawal budget: {', '.join(names)} went down together but are held: "
        f"withdrawing them would pass {share}"
    )


def _is_same(merged: Mapping[str, SiteHealth], before: Mapping[str, SiteHealth]) -> bool:
    """Whether a decision could not tell the two apart."""
    if merged.keys() != before.keys():
        return False
    return all(_essence(health) == _essence(before[name]) for name, health in merged.items())


def _essence(health: SiteHealth) -> tuple[bool | None, float | None, bool]:
    return health.up, health.flip_s, health.held
