"""Orders against a keeper that keeps them in a list, with a clock that is turned by hand."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from gslb.admin.requests import OrderRequest
from gslb.app.orders import OrderDesk, OrderRules
from gslb.errors import OrderError
from gslb.health.snapshot import HealthSnapshot, SiteHealth
from gslb.model.order import Order, OrderKind
from gslb.model.service import Site
from gslb.model.system import HealthSettings, System

AT = 1_790_000_000.5


class Keeper:
    def __init__(self, *known: Order, fixed: tuple[Order, ...] = ()) -> None:
        sites = {name: Site(name, ()) for name in ("eu-west", "us-east", "ap-south")}
        self.system = System(
            "ns1", (), (), sites, orders=fixed, health=HealthSettings(min_capacity=0.5)
        )
        self.health = HealthSnapshot()
        self.orders = {order.site: order for order in known}
        self.store_error = ""

    async def keep_order(self, order: Order) -> str:
        self.orders = {**self.orders, order.site: order}
        in_force = [one for one in self.orders.values() if one.is_in_force(AT)]
        health = {one.site: SiteHealth(order=one) for one in in_force}
        self.health = HealthSnapshot(sites=health)
        return self.store_error


def ask(kind: OrderKind = OrderKind.DRAIN, site: str = "eu-west", **changes) -> OrderRequest:
    return replace(OrderRequest(site, kind, "upgrade", "anna"), **changes)


def place(keeper: Keeper, request: OrderRequest, at: float = AT) -> dict:
    return asyncio.run(OrderDesk(keeper, clock=lambda: at).place(request))


def test_an_order_is_kept_and_told():
    keeper = Keeper()
    told = place(keeper, ask(until_at=AT + 60))
    expected = Order("eu-west", OrderKind.DRAIN, 1_790_000_000_500, "anna", "upgrade", AT, AT + 60)
    assert keeper.orders == {"eu-west": expected}
    assert told == {
        "order": {
            "site": "eu-west",
            "kind": OrderKind.DRAIN,
            "version": 1_790_000_000_500,
            "owner": "anna",
            "reason": "upgrade",
            "created_at": AT,
            "until_at": AT + 60,
        },
        "store_error": None,
    }


def test_law_5_a_store_that_is_away_is_said():
    keeper = Keeper()
    keeper.store_error = "timed out"
    assert place(keeper, ask())["store_error"] == "timed out"
    assert len(keeper.orders) == 1


@pytest.mark.parametrize(
    ("known_ms", "expected"),
    [
        (0, 1_790_000_000_500),
        (1_790_000_000_499, 1_790_000_000_500),
        (1_790_000_000_500, 1_790_000_000_501),
        (1_890_000_000_000, 1_890_000_000_001),
    ],
)
def test_law_3_an_order_is_newer_than_the_one_it_replaces(known_ms, expected):
    known = Order("eu-west", OrderKind.NONE, known_ms)
    other = Order("us-east", OrderKind.NONE, 2_000_000_000_000)
    assert place(Keeper(known, other), ask())["order"]["version"] == expected


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"site": "eu-wset"}, "there is no site 'eu-wset'; did you mean 'eu-west'?"),
        ({"site": "q"}, "there is no site 'q'; allowed: eu-west, us-east, ap-south"),
        ({"reason": ""}, "an order needs a reason"),
        ({"until_at": AT}, "the order would be over already: `until` has passed"),
        ({"until_at": AT - 1}, "the order would be over already: `until` has passed"),
    ],
)
def test_law_1_what_makes_no_sense_changes_nothing_forced_or_not(changes, why):
    keeper = Keeper()
    for is_forced in (False, True):
        with pytest.raises(ValueError) as refused:
            place(keeper, ask(is_forced=is_forced, **changes))
        assert str(refused.value) == why
    assert keeper.orders == {}


def test_law_2_a_drain_that_leaves_too_little_is_refused_unless_forced():
    keeper = Keeper()
    place(keeper, ask())
    before = keeper.orders
    with pytest.raises(OrderError) as refused:
        place(keeper, ask(site="us-east"))
    assert str(refused.value)
    assert keeper.orders == before
    place(keeper, ask(site="us-east", is_forced=True))
    assert len(keeper.orders) == 2


def test_what_the_judge_says_is_the_reason():
    desk = OrderDesk(Keeper(), lambda: AT, OrderRules(lambda *_: "no, because", "backend"))
    with pytest.raises(OrderError, match=r"^no, because$"):
        asyncio.run(desk.place(ask()))
    with pytest.raises(ValueError, match=r"^there is no backend 'eu-wst'; did you mean 'eu-west'"):
        asyncio.run(desk.place(ask(site="eu-wst")))


@pytest.mark.parametrize("is_forced", [False, True])
def test_law_4_an_order_in_the_configuration_is_not_beaten(is_forced):
    fixed = Order("eu-west", OrderKind.DOWN, 0, reason="flood")
    keeper = Keeper(fixed, fixed=(fixed,))
    for kind in (OrderKind.NONE, OrderKind.UP):
        with pytest.raises(OrderError, match=r"configuration \(down: flood\).*change the file"):
            place(keeper, ask(kind, is_forced=is_forced))
    place(keeper, ask(site="us-east", is_forced=True))


def test_law_4_one_in_the_configuration_that_is_over_is_no_obstacle():
    fixed = Order("eu-west", OrderKind.DOWN, 0, until_at=AT)
    assert place(Keeper(fixed, fixed=(fixed,)), ask())["order"]["version"] == 1_790_000_000_500


def test_orders_can_be_taken_back_whatever_is_left():
    keeper = Keeper()
    for site in ("eu-west", "us-east", "ap-south"):
        place(keeper, ask(OrderKind.DOWN, site=site, is_forced=True))
    told = place(keeper, ask(OrderKind.NONE), at=AT + 1)
    assert told["order"]["kind"] == "none"
