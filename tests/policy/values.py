"""Values that the policy tests share: the three sites of the example, and shorthands."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from gslb.health.snapshot import HealthSnapshot, SiteHealth
from gslb.model.order import Order, OrderKind
from gslb.model.place import Location
from gslb.model.service import AllDown, Candidate, FilterSpec, Service, Site
from gslb.policy.base import Context, Filter, Step
from gslb.policy.registry import FILTERS, make_filter

EU_WEST = Site("eu-west", (ip_address("127.0.1.1"),), "IE", (53.35, -6.26))
US_EAST = Site("us-east", (ip_address("127.0.2.1"),), "US", (39.04, -77.49))
AP_SOUTH = Site("ap-south", (ip_address("127.0.3.1"),), "SG", (1.35, 103.82))

PARIS = Location(country="FR", continent="EU", latitude=48.86, longitude=2.35)
TOKYO = Location(country="JP", continent="AS", latitude=35.68, longitude=139.69)
NEW_YORK = Location(
    city="New York",
    subdivision="US-NY",
    country="US",
    continent="NA",
    latitude=40.71,
    longitude=-74.01,
)
OFFICE = Location(map="office", country="FR", continent="EU", latitude=48.86, longitude=2.35)


def candidate(name: str, *, at: tuple[float, float] | None = None, **more: Any) -> Candidate:
    """A candidate with a site of its own name."""
    return Candidate(name, site=Site(name, (ip_address("192.0.2.1"),), point=at), **more)


def cname(name: str, **more: Any) -> Candidate:
    """A candidate that is somebody else's name."""
    return Candidate(name, cname=f"{name}.example.", **more)


def world(**serves: str) -> tuple[Candidate, ...]:
    """The three sites as candidates. serves: the keys of each, with spaces; `_` stands for `-`."""
    keys = {name.replace("_", "-"): frozenset(text.split()) for name, text in serves.items()}
    return tuple(
        Candidate(site.name, site=site, serves=keys.get(site.name, frozenset()))
        for site in (EU_WEST, US_EAST, AP_SOUTH)
    )


def make(name: str, **options: Any) -> Filter:
    """A filter by its registered name, with these options and the defaults of the others."""
    return make_filter(FilterSpec(name, FILTERS[name].Options(**options)))


def service(*policy: str, **more: Any) -> Service:
    """A service whose chain is named; its candidates are handed to the chain by the test."""
    return Service("www", (), tuple(FilterSpec(name) for name in policy), **more)


def all_down(rule: str, *addresses: str) -> AllDown:
    """What is answered when nothing is healthy."""
    return AllDown(rule, tuple(map(ip_address, addresses)))


UP = SiteHealth(up=True, flip_s=6.0, reason="")
DOWN = SiteHealth(up=False, flip_s=4.0, since_at=1_700_000_000.0, reason="HTTP 503")
UNKNOWN = SiteHealth(up=None)
HELD = SiteHealth(up=False, since_at=1_700_000_000.0, held=True, reason="HTTP 503")


def ordered(kind: str, state: SiteHealth = UP, **more: Any) -> SiteHealth:
    """A site with an order in force: what its checks say goes on underneath."""
    told = {"owner": "alice", "reason": "maintenance", **more}
    until_at, flip_s = told.get("until_at"), told.pop("flip_s", None)
    assert (until_at is None) == (flip_s is None)
    return replace(state, order=Order("any", OrderKind(kind), 1, **told), flip_s=flip_s)


def health(**sites: SiteHealth) -> HealthSnapshot:
    """A snapshot; `_` stands for `-` in names of sites."""
    return HealthSnapshot(1, {name.replace("_", "-"): state for name, state in sites.items()})


def names(step: Step) -> list[str]:
    """The names of the candidates that a step kept, in order."""
    return [one.name for one in step.kept]


def firsts(policy: Filter, candidates: tuple[Candidate, ...], turns: range) -> list[str]:
    """Who is first at each turn."""
    return [policy.apply(candidates, Context(turn=turn)).kept[0].name for turn in turns]
