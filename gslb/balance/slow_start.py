"""Slow start: a backend that comes back, or joins a running pool, gets its share bit by bit.

Its share grows evenly from FLOOR to all of it over `slow_start_s`, and its ceiling with it. Cold
caches, empty connection pools and compilers just in time need that; least connections and least
response time would otherwise give such a backend everything, because it looks idle.
"""

from __future__ import annotations

FLOOR = 0.1
"""As Envoy's: with less, a pool of few clients would hardly try the backend at all."""


def scale_at(now: float, *, since: float, slow_start_s: float) -> float:
    """The share, from FLOOR to 1, of a backend that came back at `since`."""
    if slow_start_s <= 0.0:
        return 1.0
    return min(1.0, max(FLOOR, FLOOR + (1.0 - FLOOR) * (now - since) / slow_start_s))
