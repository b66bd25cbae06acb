"""What an operator should know of a merge besides the states of sites.

Laws:
1. Alerts do not change while nothing changes: they tell times, not ages.
2. Their number and length do not grow with the number of sites.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from gslb.health.evidence import Evidence, Heard
from gslb.health.snapshot import SiteHealth
from gslb.health.trust import is_fresh
from gslb.health.votes import TOLERANCE
from gslb.health.words import NAMES_TOLD, join_names, tell_share, tell_utc
from gslb.model.service import Site
from gslb.model.system import HealthSettings

CERTIFICATE_S = 7 * 86400.0
"""Short certificates live 6 days, others are renewed weeks before they expire: with a week left a
renewal has failed.
"""


def tell_orders(
    merged: Mapping[str, SiteHealth], sites: Mapping[str, Site], settings: HealthSettings
) -> tuple[str, ...]:
    """The alert that orders leave less capacity than they should; they were forced, or what they
    left has failed since.
    """
    total = sum(site.capacity for site in sites.values())
    is_ordered = any(one.order is not None and not one.is_serving for one in merged.values())
    left = sum(sites[name].capacity for name, one in merged.items() if one.is_serving)
    if not is_ordered or left >= (settings.min_capacity - TOLERANCE) * total:
        return ()
    left_share, least = tell_share(left / total), tell_share(settings.min_capacity)
    return (f"orders: {left_share} of capacity serves; health.min_capacity is {least}",)


def tell_silence(
    silent: Sequence[str],
    merged: Mapping[str, SiteHealth],
    evidence: Evidence,
    settings: HealthSettings,
) -> tuple[str, ...]:
    """The alerts about sites of which nobody with a vote speaks, so that their last state holds."""
    fresh = [heard for heard in evidence.heard if is_fresh(heard, settings)]
    voteless = [name for name in silent if any(name in one.report.sites for one in fresh)]
    known = set(voteless)
    unheard = [name for name in silent if name not in known]
    alerts = []
    if unheard:
        since = _tell_last(unheard, evidence.heard)
        alerts.append(
            f"stale: no fresh report of {join_names(unheard)}{since}: {_tell_hold(unheard, merged)}"
        )
    if voteless:
        alerts.append(
            f"no vote: nobody whose word counts reports {join_names(voteless)}: "
            f"{_tell_hold(voteless, merged)}"
        )
    return tuple(alerts)


def _tell_last(names: Sequence[str], heard: Iterable[Heard]) -> str:
    """When the last report of any of these sites was made, by the clock of who made it."""
    times = [one.report.at for one in heard if any(name in one.report.sites for name in names)]
    return f" since {tell_utc(max(times))}" if times else ""


def _tell_hold(names: Sequence[str], merged: Mapping[str, SiteHealth]) -> str:
    if len(names) > 1:
        return "their last states hold"
    return f"its last state ({'up' if merged[names[0]].up else 'down'}) holds"


def tell_certificates(expiries: Mapping[str, float], at: float) -> tuple[str, ...]:
    """The alerts about certificates that expire soon. expiries: Unix seconds, by site."""
    soon = sorted((until_at, name) for name, until_at in expiries.items())
    soon = [(until_at, name) for until_at, name in soon if until_at - at < CERTIFICATE_S]
    alerts = [
        f"certificate of {name} {'expired' if until_at <= at else 'expires'} {tell_utc(until_at)}"
        for until_at, name in soon[:NAMES_TOLD]
    ]
    if more := len(soon) - len(alerts):
        alerts.append(f"certificates of {more} more sites have expired or do so within 7 days")
    return tuple(alerts)
