"""Every filter by the name that zone files use: the one list to add a policy to.

A policy is one module here, one line below, one test file `tests/policy/test_<name>.py` and one
section in docs/policies.md; a test refuses a filter that lacks one of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Protocol

from gslb.model.service import FilterSpec
from gslb.policy.base import Filter, Options
from gslb.policy.failover import Failover
from gslb.policy.geo import Geo
from gslb.policy.health import Health
from gslb.policy.latency import Latency
from gslb.policy.nearest import Nearest
from gslb.policy.round_robin import RoundRobin
from gslb.policy.sticky import Sticky
from gslb.policy.weighted import Weighted


class FilterClass(Protocol):
    """What a registered class offers: its name, the model of its options, and its filters."""

    @property
    def name(self) -> str:
        """The name that zone files use."""

    @property
    def Options(self) -> type[Options]:  # noqa: N802  it is a class, and reads as one where it is used
        """The model that checks the options, with a description for each field."""

    def __call__(self, options: Any) -> Filter:
        """A filter with these options, an instance of `Options`."""


FILTERS: Mapping[str, FilterClass] = MappingProxyType(
    {
        "health": Health,
        "geo": Geo,
        "nearest": Nearest,
        "latency": Latency,
        "failover": Failover,
        "weighted": Weighted,
        "round_robin": RoundRobin,
        "sticky": Sticky,
    }
)


def make_filter(spec: FilterSpec) -> Filter:
    """The filter that one step of a service's policy names.

    Raises KeyError for a name that configuration loading did not check.
    """
    found = FILTERS[spec.name]
    return found(found.Options() if spec.options is None else spec.options)
