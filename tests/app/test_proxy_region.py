"""A region's noticeboard: orders of people, told to the proxies of it, and their load reports."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from gslb.admin.requests import OrderRequest
from gslb.app.clock import Clocks
from gslb.app.proxy_insight import find_backend
from gslb.app.proxy_region import Region, judge_backend, region_system
from gslb.errors import OrderError, StoreError
from gslb.health.snapshot import HealthSnapshot, SiteHealth
from gslb.model.endpoint import Endpoint
from gslb.model.order import Order, OrderKind
from gslb.model.proxy import Backend, Pool, Proxy
from gslb.model.system import HealthSettings, RedisSettings, System
from gslb.proxy.checks import list_sites
from gslb.store.memory import MemoryStore
from gslb.store.order_text import dump_order, load_order
from tests.app.world import until

AT = 1_790_000_000.0


def make_proxy(name: str = "eu", backends: str = "ab") -> Proxy:
    made = tuple(Backend(one, Endpoint("127.0.0.1", 80)) for one in backends)
    return Proxy(name, "eu-west", (), (), {"web": Pool("web", made)})


class Member:
    def __init__(self, proxy: Proxy, **states: bool) -> None:
        self.proxy = proxy
        self.states = {f"web/{name}": up for name, up in states.items()}
        self.orders: list[Mapping[str, Order]] = []
        self.neighbours = 0

    def take_orders(self, orders: Mapping[str, Order]) -> None:
        self.orders.append(orders)

    def load(self) -> Mapping[str, Any]:
        return {"in_flight": 7, "pools": {}}

    def take_neighbours(self, count: int) -> None:
        self.neighbours = count


class World:
    def __init__(self, *members: Member) -> None:
        self.at = AT
        self.store = MemoryStore()
        self.members = members
        system = System("n1", (), (), {})
        clocks = Clocks(wall=lambda: self.at, now=lambda: self.at)
        self.region = Region(system, members, self.store, clocks)

    def place(self, site: str, kind: OrderKind, **more: Any) -> dict[str, Any]:
        return asyncio.run(self.region.place(OrderRequest(site, kind, "why", "ann", **more)))


def test_an_order_is_told_to_every_proxy_of_the_region_and_ends_at_its_time():
    world = World(Member(make_proxy()), Member(make_proxy("eu2")))
    world.place("web/a", OrderKind.DRAIN, until_at=AT + 5)
    assert [list(one.orders[-1]) for one in world.members] == [["web/a"], ["web/a"]]
    world.at = AT + 4.9
    world.region.apply_orders()
    assert list(world.region.in_force) == ["web/a"]
    world.at = AT + 5
    world.region.apply_orders()
    assert [one.orders[-1] for one in world.members] == [{}, {}]
    kinds = [event["kind"] for event in world.region.herald._recent]
    assert kinds == ["order given", "order applied", "order over"]


def test_an_order_for_the_last_one_is_refused_unless_it_is_forced():
    world = World(Member(make_proxy(), b=False))
    with pytest.raises(OrderError, match=r"^drain of web/a would leave nobody in the pool web"):
        world.place("web/a", OrderKind.DRAIN)
    world.place("web/b", OrderKind.DRAIN)
    world.place("web/a", OrderKind.MAINT, is_forced=True)
    assert world.region.in_force["web/a"].kind is OrderKind.MAINT
    with pytest.raises(ValueError, match=r"^there is no backend 'web/c'; did you mean 'web/"):
        world.place("web/c", OrderKind.DRAIN)


@pytest.mark.parametrize(
    ("kind", "down", "why"),
    [
        (OrderKind.DRAIN, "", ""),
        (OrderKind.DRAIN, "b", "drain of web/a would leave nobody in the pool web to serve"),
        (OrderKind.DOWN, "b", "down of web/a would leave nobody in the pool web to serve"),
        (OrderKind.UP, "b", ""),
        (OrderKind.NONE, "b", ""),
        (OrderKind.MAINT, "ab", ""),
    ],
)
def test_the_judge_asks_who_is_left_in_the_pool(kind, down, why):
    sites = list_sites(
        [*make_proxy().pools.values(), Pool("other", (Backend("z", Endpoint("127.0.0.1", 81)),))]
    )
    health = HealthSnapshot(sites={f"web/{name}": SiteHealth(up=False) for name in down})
    order = Order("web/a", kind, 1)
    assert judge_backend(order, sites, health, HealthSettings()) == why


def test_orders_of_before_hold_from_the_start_and_a_reload_drops_those_without_a_backend():
    member = Member(make_proxy())
    world = World(member)
    world.region.restore([Order("web/a", OrderKind.DRAIN, 7), Order("web/x", OrderKind.DOWN, 7)])
    assert list(member.orders[-1]) == ["web/a"]
    member.proxy = make_proxy(backends="bx")
    world.region.reconfigure(System("n1", (), (), {}))
    assert list(member.orders[-1]) == ["web/x"]


def test_what_somebody_else_orders_is_heard_and_the_load_is_written():
    async def check() -> None:
        member = Member(make_proxy())
        world = World(member)
        runs = world.region.runs()
        tasks = [asyncio.create_task(run()) for run in runs.values()]
        await world.store.put_order(Order("web/b", OrderKind.DOWN, int(AT * 1000), "bob"))
        await until(lambda: member.orders and "web/b" in member.orders[-1])
        await until(lambda: member.neighbours == 1)

        async def report() -> Any:
            return (await world.store.read([])).nodes.get("n1.eu")

        await until(report)
        told = json.loads(await report())
        assert (told["site"], told["proxy"], told["in_flight"]) == ("eu-west", "eu", 7)
        assert told["backends"]["total"] == 2
        for task in tasks:
            task.cancel()
        await world.region.close()

    asyncio.run(check())


def test_a_store_that_is_away_keeps_nobody_from_ordering():
    world = World(Member(make_proxy()))
    asyncio.run(world.region.close())
    told = world.place("web/a", OrderKind.DRAIN)
    assert told["store_error"] == "the store is closed"
    assert list(world.region.in_force) == ["web/a"]


def test_a_region_has_a_noticeboard_of_its_own():
    system = System("n", (), (), {}, redis=RedisSettings(prefix="shop"))
    assert region_system(system, "eu-west").redis.prefix == "shop:region:eu-west"


@pytest.mark.parametrize("name", ["web/web1", "a.b/c_d-e"])
def test_orders_for_backends_are_kept_by_stores(name):
    order = Order(name, OrderKind.MAINT, 7, "ann", "disk", 1.0, 2.0)
    assert load_order(name, dump_order(order)) == order


@pytest.mark.parametrize("name", ["web/", "/web1", "a/b/c", "web/we b"])
def test_orders_for_what_is_no_backend_are_not(name):
    with pytest.raises(StoreError):
        asyncio.run(MemoryStore().put_order(Order(name, OrderKind.DRAIN, 1)))


def test_a_backend_may_be_named_alone_where_it_is_the_only_one():
    known = ["web/web1", "api/api1", "web/both", "api/both"]
    assert find_backend("web1", known) == "web/web1"
    assert find_backend("nobody", known) == "nobody"
    assert find_backend("x/y", known) == "x/y"
    with pytest.raises(ValueError, match="may be web/both or api/both: name the pool, too"):
        find_backend("both", known)
