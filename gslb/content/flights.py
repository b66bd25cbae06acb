"""Collapsed forwarding: one request for a key flies to the backend, the others wait for it.

1. The first to join a key leads it: it asks the backend, and lands whatever comes of it, at the
   latest when its own exchange is over.
2. Who waits looks up the cache once more after the landing. Who finds nothing goes alone and joins
   no more: an answer that cannot be shared must not make a queue of those who wait for it.
3. A key that landed without anything to share is remembered for ALONE_S: everybody goes alone.
4. max_waiting for one key, MAX_FLIGHTS at a time; beyond either one goes alone.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from enum import Enum
from typing import Generic, TypeVar

ALONE_S = 10.0
"""How long answers for a key are taken for not to be shared. Varnish takes 120 s; here a key that
becomes shareable costs no more than some requests that fly side by side, so a short time serves.
"""
MAX_ALONE = 10_000
MAX_FLIGHTS = 10_000

Waiter = TypeVar("Waiter", bound=Hashable)


class Seat(Enum):
    """What a request is to do."""

    LEADS = "leads"
    WAITS = "waits"
    ALONE = "alone"


class Flights(Generic[Waiter]):
    """Who waits for which key. What a waiter is, is the caller's business."""

    def __init__(self, max_waiting: int = 1000) -> None:
        self._max_waiting = max_waiting
        self._waiting: dict[Hashable, dict[Waiter, None]] = {}
        self._alone: OrderedDict[Hashable, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._waiting)

    def join(self, key: Hashable, waiter: Waiter, *, now: float) -> Seat:
        """What a request for a key does; its waiter is only kept if it waits."""
        until = self._alone.get(key)
        if until is not None:
            if now < until:
                return Seat.ALONE
            del self._alone[key]
        waiting = self._waiting.get(key)
        if waiting is None:
            if len(self._waiting) >= MAX_FLIGHTS:
                return Seat.ALONE
            self._waiting[key] = {}
            return Seat.LEADS
        if len(waiting) >= self._max_waiting:
            return Seat.ALONE
        waiting[waiter] = None
        return Seat.WAITS

    def leave(self, key: Hashable, waiter: Waiter) -> None:
        """Note that a waiter waits no more; one that does not is left alone."""
        self._waiting.get(key, {}).pop(waiter, None)

    def land(self, key: Hashable) -> list[Waiter]:
        """End the flight of a key; who waited, first come first. Landing twice is nobody."""
        return list(self._waiting.pop(key, ()))

    def land_alone(self, key: Hashable, *, now: float) -> list[Waiter]:
        """As `land`, when the answer cannot be shared (law 3): say so when its head is here."""
        self._alone[key] = now + ALONE_S
        self._alone.move_to_end(key)
        while len(self._alone) > MAX_ALONE:
            self._alone.popitem(last=False)
        return self.land(key)
