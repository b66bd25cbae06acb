"""The orders that a name server knows: from the configuration, from people, from the store.

Laws:
1. One order a site holds; one in the configuration that is in force beats any other.
2. What is known here and lacking in the store is written to it again, whenever that was read; a
   store that takes no orders is tried again after a random time that grows (R23), and `failure`
   says why.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Mapping

from gslb.app.store_reader import FIRST_RETRY_S, LAST_RETRY_S
from gslb.errors import StoreError
from gslb.health.changes import describe_order
from gslb.health.orders import forget_orders, pick_orders
from gslb.model.event import Event, EventKind
from gslb.model.order import Order
from gslb.model.system import System
from gslb.store.base import HealthStore


class OrderBook:
    """Keeps the orders of all sites. failure: why the store lacks some of them, empty when not."""

    def __init__(self, system: System, store: HealthStore) -> None:
        self.failure = ""
        self._system = system
        self._store = store
        self._kept: Mapping[str, Order] = {}
        self._missing: tuple[Order, ...] = ()
        self._is_lacking = asyncio.Event()

    @property
    def kept(self) -> tuple[Order, ...]:
        """All but those of the configuration."""
        return tuple(self._kept.values())

    def orders(self, at: float) -> Mapping[str, Order]:
        """The order of each site that has one, in force or not (law 1). at: Unix seconds."""
        in_file = {one.site: one for one in self._system.orders if one.is_in_force(at)}
        return {**self._kept, **in_file}

    def reconfigure(self, system: System) -> None:
        """Goes by another configuration from now on."""
        self._system = system

    def restore(self, orders: Iterable[Order]) -> None:
        """Begins with what was kept across a restart."""
        self._kept = {order.site: order for order in orders}

    def keep(self, order: Order) -> None:
        """Keeps an order, unless a newer one for its site is known."""
        self._kept, _ = pick_orders(self._kept, (order,))

    def take(self, stored: Iterable[Order], at: float) -> bool:
        """Takes what a store holds of sites that are declared; whether anything is news. at: Unix
        seconds.
        """
        before = self._kept
        declared = [order for order in stored if order.site in self._system.sites]
        picked, missing = pick_orders(before, declared)
        left = forget_orders(picked, at)  # only now: what is over for long beats older orders
        self._kept = before if left == before else left
        self._missing = tuple(order for order in missing if order.site in left)
        if self._missing:
            self._is_lacking.set()
        else:
            self.failure = ""
        return self._kept is not before

    async def store(self, order: Order) -> str:
        """Writes an order to the store; why it is not there yet, empty when it is."""
        try:
            await self._store.put_order(order)
        except StoreError as error:
            return str(error)
        return ""

    async def run(self) -> None:
        """Writes what the store lacks, for ever (law 2)."""
        pause_s = FIRST_RETRY_S
        while True:
            await self._is_lacking.wait()
            self._is_lacking.clear()
            failures = [await self.store(order) for order in self._missing]
            self.failure = next(filter(None, failures), "")
            if not self.failure:
                pause_s = FIRST_RETRY_S
                continue
            await asyncio.sleep(random.uniform(0, pause_s))
            pause_s = min(2 * pause_s, LAST_RETRY_S)


def tell_order(order: Order, at: float) -> Event:
    """The event of an order that was given. at: Unix seconds."""
    return Event(EventKind.ORDER_GIVEN, at, order.site, describe_order(order))
