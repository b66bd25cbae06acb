"""Sites, and the services whose answers are chosen among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gslb.model.check import Check
from gslb.model.place import Address


@dataclass(frozen=True, slots=True)
class Site:
    """A place that can take traffic. addresses: its VIPs. point: latitude and longitude in
    degrees.
    """

    name: str
    addresses: tuple[Address, ...]
    country: str | None = None
    point: tuple[float, float] | None = None
    capacity: float = 1.0
    check: Check | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """One possible answer of a service: a site's addresses, or somebody else's name.

    Exactly one of site and cname is set. cname: an absolute name in text form. weight 0: drained,
    only used when nothing else is left. order: the tier of `failover`, the lowest first. serves:
    keys such as `continent:EU`, `map:office`, `default`.
    """

    name: str
    site: Site | None = None
    cname: str | None = None
    weight: int = 1
    order: int = 1
    serves: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class FilterSpec:
    """One step of a policy chain: the registered name of a filter and its options.

    options: the filter's own options model, or None for its defaults; hashable either way.
    """

    name: str
    options: Any = None


@dataclass(frozen=True, slots=True)
class AllDown:
    """What is answered when no candidate is healthy: `all`, `last_good`, `nodata`, or fixed
    addresses.
    """

    rule: str = "all"
    addresses: tuple[Address, ...] = ()


@dataclass(frozen=True, slots=True)
class Service:
    """A name whose answers are decided for each query.

    name: relative to its zone, `@` for the zone itself. ttl_max, ttl_min: seconds.
    max_answers: how many candidates are answered at most (each with all its addresses of the asked
    family).
    """

    name: str
    candidates: tuple[Candidate, ...]
    policy: tuple[FilterSpec, ...]
    ttl_max: int = 30
    ttl_min: int = 5
    max_answers: int = 1
    when_all_down: AllDown = AllDown()
