"""The one immutable table of health that every decision reads, swapped whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from gslb.model.order import Order, OrderKind


@dataclass(frozen=True, slots=True)
class SiteHealth:
    """The merged state of one site.

    up: None while unknown (no full round yet). flip_s: seconds to the earliest possible change,
    None when nothing is due to change it (unchecked, ordered for good). since_at: Unix seconds of
    the last change. held: it is down, but withdrawing it would pass a withdrawal limit, so it still
    counts as up. reason: in a few words, for people. order: what an operator has ordered, None for
    nothing. flaps: how often it went down shortly after it had come back. well_since_at: since when
    the votes have said up of a site that came back lately or is still held down by its flaps; None
    else. withdrawn_at: Unix seconds at which the checks took it out of the answers; None while it
    serves or an order decides.
    """

    up: bool | None = True
    flip_s: float | None = None
    since_at: float = 0.0
    held: bool = False
    reason: str = "not checked"
    order: Order | None = None
    flaps: int = 0
    well_since_at: float | None = None
    withdrawn_at: float | None = None

    @property
    def is_serving(self) -> bool:
        """Whether the site may be answered: as ordered, else when it is up, unknown or held."""
        if self.order is not None:
            return self.order.kind is OrderKind.UP
        return self.up is not False or self.held

    @property
    def is_drained(self) -> bool:
        """Whether it would serve, but for an order to drain it: the last resort before sites that
        are down.
        """
        is_ordered = self.order is not None and self.order.kind is OrderKind.DRAIN
        return is_ordered and (self.up is not False or self.held)


UNCHECKED = SiteHealth()


@dataclass(frozen=True, slots=True)
class AgentHealth:
    """Whether an agent's word counts. why: what has cost it its vote, empty while it has it."""

    has_vote: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class HealthSnapshot:
    """All sites at one moment. generation: grows by one with every swap. alerts: what an operator
    should know. agents: the observers, by name.
    """

    generation: int = 0
    sites: Mapping[str, SiteHealth] = field(default_factory=lambda: MappingProxyType({}))
    alerts: tuple[str, ...] = ()
    agents: Mapping[str, AgentHealth] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, site: str) -> SiteHealth:
        """The health of a site; one that nobody checks counts as up."""
        return self.sites.get(site, UNCHECKED)
