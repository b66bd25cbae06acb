"""Orders hold for every service that answers with the site, whatever its policy."""

from __future__ import annotations

import pytest

from gslb.model.order import Order, OrderKind
from gslb.policy.base import Context
from gslb.policy.chain import run_chain
from gslb.policy.orders import follow_orders, tell_order
from gslb.policy.registry import make_filter
from tests.policy.values import (
    DOWN,
    HELD,
    PARIS,
    UNKNOWN,
    UP,
    all_down,
    cname,
    health,
    ordered,
    service,
    world,
)

WORLD = world(eu_west="continent:EU", us_east="continent:NA", ap_south="default")
STATES = {
    "up": UP,
    "down": DOWN,
    "unknown": UNKNOWN,
    "held": HELD,
    "drained": ordered("drain"),
    "drained, down": ordered("drain", DOWN),
    "drained, unknown": ordered("drain", UNKNOWN),
    "drained, held": ordered("drain", HELD),
    "forced up": ordered("up", DOWN),
    "forced down": ordered("down"),
    "forced down, unknown": ordered("down", UNKNOWN),
}


def run(of, candidates=WORLD, **context):
    return run_chain([make_filter(spec) for spec in of.policy], of, candidates, Context(**context))


def answered(policy, *states, **more):
    """The places (0, 1, 2) of the sites that are answered when they are in these states."""
    names = ("eu_west", "us_east", "ap_south")[: len(states)]
    snapshot = health(**{name: STATES[state] for name, state in zip(names, states, strict=True)})
    result = run(service(*policy, max_answers=9, **more), WORLD[: len(states)], health=snapshot)
    return {WORLD.index(one) for one in result.candidates}


@pytest.mark.parametrize(
    ("states", "with_health", "without"),
    [
        (("up", "drained", "up"), {0, 2}, {0, 2}),
        (("up", "forced down", "drained"), {0}, {0}),
        (("down", "drained", "up"), {2}, {0, 2}),
        (("unknown", "drained", "down"), {0, 2}, {0, 2}),  # unknown is not down
        (("unknown", "forced down, unknown", "up"), {0, 2}, {0, 2}),
        (("unknown", "drained, unknown", "up"), {0, 2}, {0, 2}),
        (("held", "drained", "down"), {0}, {0, 2}),
        (("forced up", "drained", "down"), {0}, {0, 2}),
        (("forced up", "unknown", "forced down"), {0, 1}, {0, 1}),
        # Nobody else can serve: the drained ones that are well.
        (("down", "drained", "forced down"), {1}, {0}),
        (("down", "drained", "drained, down"), {1}, {0}),
        (("down", "drained, unknown", "down"), {1}, {0, 2}),
        (("down", "drained, held", "down"), {1}, {0, 2}),
        (("drained", "drained, down", "forced down"), {0}, {0, 1}),
        # Nobody is well: when_all_down (here: all) of those that nobody has ordered out.
        (("down", "drained, down", "forced down"), {0}, {0}),
        (("down", "down", "forced down, unknown"), {0, 1}, {0, 1}),
        (("drained, down", "drained, down", "forced down"), {0, 1}, {0, 1}),
        (("forced down", "forced down, unknown", "forced down"), {0, 1, 2}, {0, 1, 2}),
    ],
    ids=lambda value: ", ".join(value) if isinstance(value, tuple) else None,
)
def test_r2_who_is_answered_when_sites_are_ordered_out(states, with_health, without):
    assert answered(("health",), *states) == with_health
    assert answered((), *states) == without


@pytest.mark.parametrize(
    "policy", [(), ("geo",), ("geo", "health"), ("health", "geo"), ("sticky",)]
)
def test_a_drain_holds_wherever_the_policy_looks_at_health(policy):
    """eu-west alone serves Paris; a policy that asks for the place first must not keep it."""
    result = run(service(*policy), health=health(eu_west=ordered("drain")), location=PARIS)
    assert "eu-west" not in {one.name for one in result.candidates}


def test_r2_a_drained_site_is_answered_before_all_down_is_declared():
    of = service("health", when_all_down=all_down("nodata"))
    snapshot = health(eu_west=ordered("drain"), us_east=DOWN)
    result = run(of, WORLD[:2], health=snapshot)
    assert [one.name for one in result.candidates] == ["eu-west"]
    assert not result.all_down
    assert result.why[0] == (
        "orders: eu-west drained by alice: maintenance; eu-west stays, nobody else can serve"
    )


def test_somebody_elses_name_stands_in_for_sites_that_are_ordered_out():
    cdn = cname("cdn")
    result = run(service("health"), (*WORLD[:1], cdn), health=health(eu_west=ordered("drain")))
    assert result.candidates == (cdn,)


@pytest.mark.parametrize("rule", ["all", "last_good", "nodata"])
def test_when_all_down_decides_about_a_site_that_is_forced_down_alone(rule):
    of = service("health", when_all_down=all_down(rule))
    result = run(of, WORLD[:1], health=health(eu_west=ordered("down", reason="fire")))
    assert result.all_down
    assert bool(result.candidates) == (rule != "nodata")
    assert "health: all down: eu-west (forced down by alice: fire)" in result.why


def test_an_order_is_told_with_owner_and_reason_and_what_stays():
    result = run(service("health"), health=health(us_east=ordered("drain"), ap_south=DOWN))
    assert result.steps[0][0] == "orders"
    assert result.why[:2] == (
        "orders: us-east drained by alice: maintenance; eu-west, ap-south stay",
        "health: eu-west stay; removed ap-south (down since 2023-11-14 22:13:20Z: HTTP 503)",
    )


def test_a_site_that_is_forced_up_is_told_and_answered():
    result = run(service("health"), health=health(eu_west=ordered("up", DOWN, owner="bob")))
    assert result.why[:2] == (
        "orders: eu-west forced up by bob: maintenance; eu-west, us-east, ap-south stay",
        "health: all 3 stay",
    )


def test_nothing_is_told_where_nothing_is_ordered():
    assert follow_orders(WORLD, health(eu_west=DOWN), looks_at_health=True) is None
    assert [name for name, _ in run(service("health")).steps] == ["health", "max_answers"]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({}, "drained"),
        ({"owner": "alice"}, "drained by alice"),
        ({"reason": "disk"}, "drained: disk"),
        (
            {"owner": "a\nb", "reason": " two\n lines", "until_at": 1_700_000_000.0},
            "drained by a b until 2023-11-14 22:13:20Z: two lines",
        ),
    ],
)
def test_an_order_is_told_in_one_line(more, told):
    assert tell_order(Order("x", OrderKind.DRAIN, 1, **more)) == told
