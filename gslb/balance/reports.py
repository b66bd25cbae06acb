"""What is told of a pool: to load reports, audit lines and status pages."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from math import inf
from typing import Any

from gslb.balance.histogram import Histogram
from gslb.balance.member import Member
from gslb.balance.standing import Standing, ejected_for_s
from gslb.balance.tiers import Tiers, count_healthy
from gslb.balance.window import ErrorWindow
from gslb.balance.words import Candidate, PoolLoad

_LOAD_SLOTS = 2
"""Response times of the last 10 to 20 seconds: one slot alone is empty right after it begins."""


def measure_load(
    standings: Sequence[Standing],
    window: ErrorWindow,
    times: Histogram,
    *,
    now: float,
    in_flight: int,
) -> PoolLoad:
    """The load of a pool by what was counted."""
    rate = window.rate(now)
    times.advance(now)
    recent = times.merge(_LOAD_SLOTS)
    p50_ms, p95_ms, p99_ms = (_to_ms(recent.quantile_s(share)) for share in (0.5, 0.95, 0.99))
    healthy = count_healthy(standings)
    return PoolLoad(
        in_flight, rate, p50_ms, p95_ms, p99_ms, window.share(), healthy, len(standings)
    )


def explain(
    standings: Sequence[Standing],
    tiers: Tiers,
    *,
    now: float,
    tried: Collection[str],
    score: Callable[[Member, float], float],
) -> list[Candidate]:
    """Each backend with its score, and why it is not picked if so."""
    chosen = tiers.choose(tried)
    candidates = []
    for one in standings:
        if one.member.name in tried:
            excluded: str | None = "tried"
        elif one in chosen:
            excluded = None if one.has_room(1.0) else "full"
        else:
            excluded = one.tell_why_out(now) or "backup"
        candidates.append(Candidate(one.member.name, score(one.member, now), excluded))
    return candidates


def describe(standing: Standing, *, now: float) -> dict[str, Any]:
    """One backend as plain data."""
    member = standing.member
    return {
        "state": standing.state,
        "mode": str(standing.mode),
        "backup": member.backend.backup,
        "in_flight": member.count,
        "active": member.active,
        "limit": None if standing.limit == inf else standing.limit,
        "weight": member.weight,
        "scale": member.scale,
        "ejected_for_s": ejected_for_s(standing.passive, now),
        "ejections": standing.passive.times if standing.passive else 0,
        "ewma_ms": _to_ms(member.ewma_s),
        "requests": standing.requests,
        "errors": standing.errors,
    }


def _to_ms(time_s: float | None) -> float | None:
    return None if time_s is None else time_s * 1000.0
