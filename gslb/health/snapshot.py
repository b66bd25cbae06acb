"""The one immutable table of health that every decision reads, swapped whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class SiteHealth:
    """The merged state of one site.

    up: None while unknown (no full round yet). flip_s: seconds to the earliest possible change,
    None when nothing is due to change it (unchecked). since_at: Unix seconds of the last change.
    held: it is down, but withdrawing it would pass the withdrawal budget, so it still counts as up.
    reason: in a few words, for people.
    """

    up: bool | None = True
    flip_s: float | None = None
    since_at: float = 0.0
    held: bool = False
    reason: str = "not checked"

    @property
    def is_serving(self) -> bool:
        """Whether the site may be answered: up, unknown, or held."""
        return self.up is not False or self.held


UNCHECKED = SiteHealth()


@dataclass(frozen=True, slots=True)
class HealthSnapshot:
    """All sites at one moment. generation: grows by one with every swap. alerts: what an operator
    should know.
    """

    generation: int = 0
    sites: Mapping[str, SiteHealth] = field(default_factory=lambda: MappingProxyType({}))
    alerts: tuple[str, ...] = ()

    def of(self, site: str) -> SiteHealth:
        """The health of a site; one that nobody checks counts as up."""
        return self.sites.get(site, UNCHECKED)
