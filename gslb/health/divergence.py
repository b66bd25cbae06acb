"""Name servers that see different things (R24).

Laws:
1. What a name server sees is a short digest over which sites serve, and how: not over reasons,
   times or generations, which differ without any harm.
2. Only name servers with the same configuration are compared, and only those that have published
   within FRESH_S.
3. Each publication of another one that differs from what this one sees counts once; one that agrees
   starts anew. More than MAX_DIFFERENT in a row raise an alert: two servers that read one report a
   moment apart differ for a moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from gslb.health.snapshot import HealthSnapshot, SiteHealth

FRESH_S = 30.0
"""Also the difference of clocks that is tolerated."""
MAX_DIFFERENT = 2

Counts = Mapping[str, tuple[float, int]]
"""By name server: `at` of its publication that was counted last, and how many in a row differed."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a name server says of itself. at: Unix seconds. configuration, sees: digests."""

    at: float
    configuration: str
    sees: str


def digest_states(health: HealthSnapshot) -> str:
    """What a snapshot makes of each site, in 12 hexadecimal digits."""
    told = "\n".join(f"{name} {_letter(health.sites[name])}" for name in sorted(health.sites))
    return sha256(told.encode()).hexdigest()[:12]


def _letter(health: SiteHealth) -> str:
    if health.is_serving:
        return "s"
    return "d" if health.is_drained else "-"


def count_differences(counts: Counts, own: Sighting, others: Mapping[str, Sighting]) -> Counts:
    """The counts after one more look. own: what this name server sees now."""
    return {
        name: _count(counts.get(name), own, other)
        for name, other in others.items()
        if other.configuration == own.configuration and abs(own.at - other.at) <= FRESH_S
    }


def _count(before: tuple[float, int] | None, own: Sighting, other: Sighting) -> tuple[float, int]:
    if other.sees == own.sees:
        return other.at, 0
    if before is None:
        return other.at, 1
    last_at, count = before
    return before if other.at == last_at else (other.at, count + 1)


def tell_divergence(counts: Counts) -> tuple[str, ...]:
    """The alerts, by name."""
    return tuple(
        f"divergence: {name} sees other states of sites than this name server, with the same"
        " configuration: compare `gslb status` of both"
        for name, (_, count) in sorted(counts.items())
        if count > MAX_DIFFERENT
    )
