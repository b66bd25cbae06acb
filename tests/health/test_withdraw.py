"""Pace, panic and orders of withdrawals through the merge; the budget alone is in test_merge."""

from dataclasses import replace

import pytest

from gslb.health.merge import merge
from gslb.model.order import Order, OrderKind
from gslb.model.system import HealthSettings
from tests.health.builders import (
    ANY_DOMAIN,
    AT,
    START,
    evidence,
    held,
    merge_at,
    named,
    report,
    site,
    withdrawn,
)

TEN = named(*(site(f"s{index}") for index in range(10)))
PACE = replace(ANY_DOMAIN, max_withdrawn_per_min=0.2)


def states(*down, sites=TEN):
    return {name: name not in down for name in sites}


def step(snapshot, second, *down, sites=TEN, settings=PACE, **more):
    at = AT + second
    told = evidence(report(at, **states(*down, sites=sites)), at=at, **more)
    return merge(told, sites, settings, snapshot)


def ordered(name, kind):
    return Order(name, kind, version=1)


def curve(settings, sites=TEN, seconds=range(400)):
    """How many sites are withdrawn, second by second, when all go down in the first one."""
    snapshot, told = step(START, -1, sites=sites, settings=settings), []
    for second in seconds:
        snapshot = step(snapshot, second, *sites, sites=sites, settings=settings)
        told.append(len(withdrawn(snapshot)))
    return told


def test_r6_the_curve_when_everything_goes_down_at_once():
    assert curve(PACE) == [min(10, 2 * (1 + second // 60)) for second in range(400)]


def test_r6_without_a_pace_all_go_at_once():
    assert set(curve(ANY_DOMAIN)) == {10}


def test_r6_at_least_one_site_may_go_however_large():
    large = named(site("a", 900), site("b", 50), site("c", 50))
    assert curve(replace(PACE, max_withdrawn_per_min=0.0), large, range(0, 180, 30)) == [
        1,
        1,
        2,
        2,
        3,
        3,
    ]


def test_r6_those_beyond_are_held_and_an_alert_says_so():
    snapshot = step(step(START, -1), 0, "s1", "s2", "s3", "s4")
    assert (withdrawn(snapshot), held(snapshot)) == ({"s1", "s2"}, {"s3", "s4"})
    assert snapshot.alerts == (
        (
            "withdrawal pace: s3, s4 went down but wait, held, because at most 20 % of capacity is "
            "withdrawn a minute"
        ),
    )


def test_law_3_who_went_down_first_goes_first():
    snapshot = step(step(START, -1), 0, "s7", "s8")
    snapshot = step(snapshot, 10, "s7", "s8", "s5")
    snapshot = step(snapshot, 20, "s7", "s8", "s5", "s4")
    snapshot = step(snapshot, 59, "s7", "s8", "s5", "s4")
    assert withdrawn(snapshot) == {"s7", "s8"}
    snapshot = step(snapshot, 60, "s7", "s8", "s5", "s4")
    assert withdrawn(snapshot) == {"s7", "s8", "s5", "s4"}


def test_law_3_what_panic_held_goes_at_that_pace_when_the_panic_is_over():
    panic = replace(PACE, panic_below=0.5)
    down = [f"s{index}" for index in range(6)]
    snapshot = step(step(START, -1), 0, *down, settings=panic)
    assert held(snapshot) == set(down)
    snapshot = step(snapshot, 600, *down[:5], settings=panic)
    assert withdrawn(snapshot) == {"s0", "s1"}


def test_law_3_a_held_site_tells_when_it_may_go():
    snapshot = step(step(START, -1), 0, "s1", "s2", "s3")
    flips = [step(snapshot, at, "s1", "s2", "s3").sites["s3"].flip_s for at in (1, 57, 58, 59)]
    assert flips == [4.0, 3.0, 2.0, 1.0]


def test_law_3_a_site_that_did_not_serve_anyway_is_not_newly_withdrawn():
    down = ["s1", "s2", "s3", "s4"]
    orders = [ordered(name, OrderKind.DOWN) for name in down]
    snapshot = step(step(START, -1), 0, *down, orders=orders)
    snapshot = step(snapshot, 1, *down)
    assert (withdrawn(snapshot), held(snapshot)) == (set(down), set())


# ---------------------------------------------------------------- law 4: orders


@pytest.mark.parametrize("kind", [OrderKind.DRAIN, OrderKind.DOWN])
def test_law_4_what_an_order_takes_away_uses_no_budget(kind):
    settings = replace(ANY_DOMAIN, max_withdrawn=0.3)
    orders = [ordered(f"s{index}", kind) for index in range(5)]
    snapshot = step(START, 0, "s0", "s7", "s8", "s9", settings=settings, orders=orders)
    assert withdrawn(snapshot) == {f"s{index}" for index in (0, 1, 2, 3, 4, 7, 8, 9)}
    (alert,) = snapshot.alerts
    assert alert == "orders: 20 % of capacity serves; health.min_capacity is 50 %"


def test_law_4_ordered_sites_are_never_held():
    settings = replace(ANY_DOMAIN, max_withdrawn=0.0)
    orders = [ordered("s1", OrderKind.DOWN), ordered("s2", OrderKind.UP)]
    snapshot = step(START, 0, "s1", "s2", "s3", settings=settings, orders=orders)
    assert (withdrawn(snapshot), held(snapshot)) == ({"s1"}, {"s3"})


@pytest.mark.parametrize(("drained", "down", "is_panic"), [(5, 2, False), (5, 3, True)])
def test_law_2_panic_counts_the_capacity_that_orders_leave(drained, down, is_panic):
    orders = [ordered(f"s{index}", OrderKind.DRAIN) for index in range(drained)]
    names = [f"s{index}" for index in range(9, 9 - down, -1)]
    settings = replace(ANY_DOMAIN, panic_below=0.5)
    snapshot = step(START, 0, *names, settings=settings, orders=orders)
    assert held(snapshot) == (set(names) if is_panic else set())


def test_r5_below_the_panic_share_all_are_answered():
    five = named(*(site(name) for name in "abcde"))
    settings = HealthSettings(panic_below=0.5)
    snapshot = step(START, 0, "a", "b", "c", sites=five, settings=settings)
    assert withdrawn(snapshot) == set()
    assert snapshot.alerts[0].startswith("panic: 40 % of capacity is up")


def test_alerts_do_not_grow_with_the_number_of_sites():
    settings = replace(ANY_DOMAIN, max_withdrawn=0.0)
    snapshot = step(START, 0, settings=settings)
    for second in range(1, 11):
        down = [f"s{index}" for index in range(second)]
        snapshot = step(snapshot, second, *down, settings=settings)
    assert len(snapshot.alerts) == 6
    assert snapshot.alerts[-1] == "withdrawal budget: 5 more sites that are down are held"
    many = named(*(site(f"x{index}") for index in range(100)))
    together = merge_at([report(**dict.fromkeys(many, False))], many, settings, START, AT)
    assert "x0, x1, x2, x3, x4 and 95 more went down together" in together.alerts[0]
