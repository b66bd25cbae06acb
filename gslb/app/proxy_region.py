"""What the proxies of one region share: the noticeboard with orders, load reports and events.

A backend has the place of a site: its name is `pool/backend`, its order is an order for a site, and
the same book and desk keep and judge them.

Laws:
1. An order holds here at once, whether or not the store takes it.
2. It is applied, and over, within TICK_S of its time: proxies are told of what changes and of
   nothing else.
3. The last backend of a pool that serves is not ordered away by oversight: only with `force`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol

from gslb.admin.requests import OrderRequest
from gslb.app.clock import Clocks
from gslb.app.herald import Herald
from gslb.app.order_book import OrderBook, tell_order
from gslb.app.orders import OrderDesk, OrderRules
from gslb.app.proxy_load import REPORT_EVERY_S, Neighbours, describe_load, dump_load, name_reporter
from gslb.app.store_reader import StoreReader, StoreState
from gslb.errors import StoreError
from gslb.health.changes import describe_order
from gslb.health.snapshot import HealthSnapshot, SiteHealth
from gslb.model.event import Event, EventKind
from gslb.model.order import Order, OrderKind
from gslb.model.proxy import Proxy
from gslb.model.service import Site
from gslb.model.system import HealthSettings, System
from gslb.proxy.checks import list_sites
from gslb.store.base import HealthStore, Holding

TICK_S = 0.5
_TAKES_AWAY = (OrderKind.DRAIN, OrderKind.DOWN, OrderKind.MAINT)


class Member(Protocol):
    """One proxy of the region in this process."""

    @property
    def proxy(self) -> Proxy:
        """Its configuration."""

    @property
    def states(self) -> Mapping[str, bool]:
        """What its checks know, by `pool/backend`."""

    def take_orders(self, orders: Mapping[str, Order]) -> None:
        """Goes by these orders, by `pool/backend`, and by no others."""

    def load(self) -> Mapping[str, Any]:
        """Its load at this moment."""

    def take_neighbours(self, count: int) -> None:
        """Hears how many proxies the region has."""


class Region:
    """The noticeboard of one site, and the proxies of this process there."""

    def __init__(
        self,
        system: System,
        members: Sequence[Member],
        store: HealthStore,
        clocks: Clocks | None = None,
    ) -> None:
        self._clocks = clocks or Clocks()
        self._members = members
        self._store = store
        self.system = _as_region(system, members)
        self.herald = Herald(system.node, store, system.events.webhook)
        self._book = OrderBook(self.system, store)
        self._reader = StoreReader(
            store, tuple, self._take_up, tell=self.herald.tell, clocks=self._clocks
        )
        self._neighbours = Neighbours(self._names(), self._clocks.now)
        self._in_force: Mapping[str, Order] = {}
        self._desk = OrderDesk(self, self._clocks.wall, OrderRules(judge_backend, "backend"))

    @property
    def orders(self) -> Mapping[str, Order]:
        """The order of each backend that has one, in force or not."""
        return self._book.orders(self._clocks.wall())

    @property
    def kept(self) -> tuple[Order, ...]:
        """All orders, to be handed to a process that takes over."""
        return self._book.kept

    @property
    def in_force(self) -> Mapping[str, Order]:
        """The orders that hold now, by `pool/backend`."""
        return self._in_force

    @property
    def health(self) -> HealthSnapshot:
        """What checks and orders say of each backend, as of a site."""
        states = {name: up for one in self._members for name, up in one.states.items()}
        sites = {
            name: SiteHealth(up=states.get(name), order=self._in_force.get(name))
            for name in self.system.sites
        }
        return HealthSnapshot(sites=sites)

    @property
    def store_state(self) -> StoreState:
        """Whether the store can be reached."""
        return self._reader.state

    @property
    def store_target(self) -> str:
        """Which store it is, without secrets."""
        return self._store.describe()

    @property
    def neighbours(self) -> int:
        """How many proxies the region has, as far as is known."""
        return self._neighbours.count()

    def alerts(self) -> list[str]:
        """What is wrong, for people."""
        if self.system.store != "memory" and not self.store_state.is_connected:
            return [f"the store is away: {self.store_state.error}"]
        if self._book.failure:
            return [f"orders are not stored, others do not obey them: {self._book.failure}"]
        return []

    def restore(self, orders: Sequence[Order]) -> None:
        """Begins with the orders of a process before this one."""
        self._book.restore(orders)
        self.apply_orders()

    def reconfigure(self, system: System) -> None:
        """Follows another configuration of its proxies, which they have taken already."""
        self.system = _as_region(system, self._members)
        self._book.reconfigure(self.system)
        self._neighbours.own(self._names())
        self.apply_orders()

    def apply_orders(self) -> None:
        """Has all proxies go by the orders that are in force now (law 2)."""
        at, before = self._clocks.wall(), self._in_force
        self._in_force = {
            name: order
            for name, order in self._book.orders(at).items()
            if name in self.system.sites and order.is_in_force(at)
        }
        for one in self._members:
            one.take_orders(self._in_force)
        for name in {**before, **self._in_force}:
            self._tell_change(name, before.get(name), at)

    async def place(self, request: OrderRequest) -> dict[str, Any]:
        """Takes an order, as OrderDesk.place. Raises ValueError and OrderError."""
        return await self._desk.place(request)

    async def keep_order(self, order: Order) -> str:
        """See OrderKeeper."""
        self._book.keep(order)
        self.herald.tell(tell_order(order, self._clocks.wall()))
        self.apply_orders()
        return await self._book.store(order)

    def runs(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """What must go on for ever, by name."""
        return {
            "store": self._reader.run,
            "orders to the store": self._book.run,
            "order clock": self._keep_time,
            "load reports": self._keep_reporting,
            "events": self.herald.run,
        }

    async def close(self) -> None:
        """Lets go of the store."""
        await self._store.close()

    def _names(self) -> list[str]:
        return [name_reporter(self.system.node, one.proxy.name) for one in self._members]

    async def _take_up(self, holding: Holding) -> None:
        if self._book.take(holding.orders, self._clocks.wall()):
            self.apply_orders()
        self._neighbours.take(holding.nodes)

    def _tell_change(self, name: str, before: Order | None, at: float) -> None:
        order = self._in_force.get(name)
        if order == before:
            return
        kind = EventKind.ORDER_OVER if order is None else EventKind.ORDER_APPLIED
        told = order or before
        assert told is not None, "two orders that differ are not both None"
        self.herald.tell(Event(kind, at, name, describe_order(told)))

    async def _keep_time(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self.apply_orders()

    async def _keep_reporting(self) -> None:
        """Writes the load of each proxy, and tells them how many there are."""
        while True:
            for one in self._members:
                one.take_neighbours(self._neighbours.count())
                if self.store_state.is_connected:  # when to try again is the reader's to draw
                    await self._report(one)
            await asyncio.sleep(REPORT_EVERY_S)

    async def _report(self, one: Member) -> None:
        node = self.system.node
        report = describe_load(one.proxy, node, one.load(), self._clocks.wall())
        with suppress(StoreError):  # the reader tells that it is away
            await self._store.put_node(name_reporter(node, one.proxy.name), dump_load(report))


def region_system(system: System, site: str) -> System:
    """The configuration with the store's prefix of a region."""
    redis = replace(system.redis, prefix=f"{system.redis.prefix}:region:{site}")
    return replace(system, redis=redis)


def _as_region(system: System, members: Sequence[Member]) -> System:
    """The configuration with backends in the place of sites."""
    sites: dict[str, Site] = {}
    for one in members:
        sites |= list_sites(one.proxy.pools.values())
    return replace(system, sites=sites, orders=())


def judge_backend(
    order: Order, sites: Mapping[str, Site], health: HealthSnapshot, _settings: HealthSettings
) -> str:
    """Why an order for a backend must not be given (law 3); empty if it may."""
    if order.kind not in _TAKES_AWAY or not health.of(order.site).is_serving:
        return ""
    pool = order.site.partition("/")[0]
    others = [name for name in sites if name.partition("/")[0] == pool and name != order.site]
    if any(health.of(name).is_serving for name in others):
        return ""
    return f"{order.kind} of {order.site} would leave nobody in the pool {pool} to serve"
