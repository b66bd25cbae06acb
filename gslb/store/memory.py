"""The store of one process: dictionaries, and an event that wakes the readers."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection

from gslb.errors import StoreError
from gslb.model.order import Order
from gslb.store.base import (
    MAX_EVENTS,
    MAX_NODES,
    MAX_ORDERS,
    MAX_STRANGERS,
    Holding,
    check_size,
)
from gslb.store.order_text import check_order

MAX_REPORTS = 1000
"""Agents inside one process: more than any demo has."""


class MemoryStore:
    """A `HealthStore` for agents and readers inside one event loop.

    A reader that waits is woken by the first change after the last `read` of anybody.
    """

    faults = 0
    """Values that could not be read: there are none among one's own."""

    def __init__(self) -> None:
        self._reports: dict[str, bytes] = {}
        self._orders: dict[str, Order] = {}
        self._nodes: dict[str, bytes] = {}
        self._events: deque[bytes] = deque(maxlen=MAX_EVENTS)
        self._is_closed = False
        self._changed = asyncio.Event()

    def describe(self) -> str:
        """What this store is, for status."""
        return "memory"

    async def put_report(self, agent: str, octets: bytes) -> None:
        """See `HealthStore.put_report`."""
        self._require_open()
        check_size(octets)
        if agent not in self._reports and len(self._reports) >= MAX_REPORTS:
            raise StoreError(f"no room for agent {agent!a}: {MAX_REPORTS} are held already")
        self._reports[agent] = octets
        self._changed.set()

    async def read(self, agents: Collection[str]) -> Holding:
        """See `HealthStore.read`."""
        self._require_open()
        self._changed.clear()
        strangers = sorted(self._reports.keys() - set(agents))[:MAX_STRANGERS]
        return Holding(
            reports={name: self._reports[name] for name in agents if name in self._reports},
            orders=tuple(self._orders.values()),
            nodes=dict(self._nodes),
            strangers=frozenset(strangers),
        )

    async def wait(self) -> None:
        """See `HealthStore.wait`."""
        self._require_open()
        await self._changed.wait()
        self._require_open()

    async def put_order(self, order: Order) -> None:
        """See `HealthStore.put_order`."""
        self._require_open()
        check_order(order)
        kept = self._orders.get(order.site)
        if kept is None and len(self._orders) >= MAX_ORDERS:
            raise StoreError(f"no room for an order: {MAX_ORDERS} sites have one already")
        if kept is None or kept.version <= order.version:
            self._orders[order.site] = order
            self._changed.set()

    async def put_node(self, node: str, octets: bytes) -> None:
        """See `HealthStore.put_node`."""
        self._require_open()
        check_size(octets)
        self._nodes.pop(node, None)
        if len(self._nodes) >= MAX_NODES:
            del self._nodes[next(iter(self._nodes))]
        self._nodes[node] = octets

    async def add_event(self, octets: bytes) -> None:
        """See `HealthStore.add_event`."""
        self._require_open()
        check_size(octets)
        self._events.append(octets)

    async def events(self, count: int) -> tuple[bytes, ...]:
        """See `HealthStore.events`."""
        self._require_open()
        return tuple(self._events)[-count:] if count > 0 else ()

    async def close(self) -> None:
        """See `HealthStore.close`."""
        self._is_closed = True
        self._reports.clear()
        self._orders.clear()
        self._nodes.clear()
        self._events.clear()
        self._changed.set()

    def _require_open(self) -> None:
        if self._is_closed:
            raise StoreError("the store is closed")
