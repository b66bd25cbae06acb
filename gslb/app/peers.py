"""The name servers of one system, as they tell each other through the store once a second.

Nothing is decided by it: it shows an operator when each of them obeyed an order, and raises an
alert when two of them see different things (R24).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from gslb.health.divergence import Sighting, count_differences, digest_states, tell_divergence
from gslb.health.snapshot import HealthSnapshot
from gslb.model.order import Order

FORGET_S = 3600.0
"""A name server that has said nothing for an hour is not shown any more."""

MAX_AT = 1e12
"""Far from what a clock says: NaN, infinity and integers that no float holds are beyond it."""

_SHAPE: Final[Mapping[str, type | tuple[type, ...]]] = {
    "at": (int, float),
    "configuration": str,
    "generation": int,
    "orders_version": int,
    "sees": str,
}


class Peers:
    """What is known of them. node: the name of this one."""

    def __init__(self, node: str) -> None:
        self.known: Mapping[str, Mapping[str, Any]] = {}
        self.alerts: tuple[str, ...] = ()
        self._node = node
        self._counts: Mapping[str, tuple[float, int]] = {}

    def compose(
        self, health: HealthSnapshot, orders: Iterable[Order], at: float, configuration: str
    ) -> bytes:
        """What this one says of itself, as octets for the store. at: Unix seconds."""
        told = {
            "at": round(at, 3),
            "configuration": configuration,
            "generation": health.generation,
            "orders_version": max((order.version for order in orders), default=0),
            "sees": digest_states(health),
        }
        return json.dumps(told, separators=(",", ":")).encode()

    def take(
        self, nodes: Mapping[str, bytes], health: HealthSnapshot, at: float, configuration: str
    ) -> None:
        """Reads what all of them say; what is none of ours is passed over."""
        read = {name: told for name, octets in nodes.items() if (told := _maybe_load(octets))}
        self.known = {name: told for name, told in read.items() if at - told["at"] < FORGET_S}
        others = {
            name: Sighting(told["at"], told["configuration"], told["sees"])
            for name, told in self.known.items()
            if name != self._node
        }
        own = Sighting(at, configuration, digest_states(health))
        self._counts = count_differences(self._counts, own, others)
        self.alerts = tell_divergence(self._counts)


def _maybe_load(octets: bytes) -> Mapping[str, Any] | None:
    """What a name server says, or None: whoever may write to the store may have written this."""
    try:
        told = json.loads(octets)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict) or told.keys() != _SHAPE.keys():
        return None
    has_types = all(isinstance(told[name], kind) for name, kind in _SHAPE.items())
    return told if has_types and 0 <= told["at"] <= MAX_AT else None
