"""What an operator orders: it beats what is observed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class OrderKind(StrEnum):
    """What is ordered for a site, or for a backend of a regional proxy.

    NONE takes an earlier order back. DRAIN: no new clients while another site can take them. UP and
    DOWN: whatever the checks say. MAINT: as DOWN, and a proxy does not check the backend meanwhile.
    """

    NONE = "none"
    DRAIN = "drain"
    UP = "up"
    DOWN = "down"
    MAINT = "maint"


@dataclass(frozen=True, slots=True)
class Order:
    """One order for one site, or for one backend as `pool/backend`. The order with the highest
    version of a site is the one that holds.

    version: Unix milliseconds at which it was given, or one more than the version that it replaces
    if that is later; 0 for one that stands in the configuration, which beats all others. until_at:
    Unix seconds at which it expires by itself; None holds until it is taken back.
    """

    site: str
    kind: OrderKind
    version: int
    owner: str = ""
    reason: str = ""
    created_at: float = 0.0
    until_at: float | None = None

    def is_in_force(self, at: float) -> bool:
        """Whether it orders anything at a moment in Unix seconds."""
        return self.kind is not OrderKind.NONE and (self.until_at is None or at < self.until_at)
