from __future__ import annotations

from dataclasses import replace

from gslb.health.snapshot import HealthSnapshot
from gslb.policy.base import Context
from tests.policy.values import (
    DOWN,
    HELD,
    PARIS,
    TOKYO,
    UNKNOWN,
    UP,
    cname,
    health,
    make,
    names,
    ordered,
    world,
)

WORLD = world()
HEALTH = make("health")


def test_all_stay_when_all_are_up():
    step = HEALTH.apply(WORLD, Context(health=health(eu_west=UP, us_east=UP, ap_south=UP)))
    assert step.kept == WORLD
    assert (step.why, step.period, step.is_all_down) == ("health: all 3 stay", 1, False)


def test_a_site_that_nobody_checks_stays():
    assert HEALTH.apply(WORLD, Context(health=HealthSnapshot())).kept == WORLD


def test_a_site_that_is_down_is_removed_and_the_reason_is_told():
    step = HEALTH.apply(WORLD, Context(health=health(eu_west=UP, us_east=DOWN)))
    assert names(step) == ["eu-west", "ap-south"]
    assert step.why == (
        "health: eu-west, ap-south stay; "
        "removed us-east (down since 2023-11-14 22:13:20Z: HTTP 503)"
    )


def test_somebody_elses_name_always_stays():
    cdn = cname("eu-west")  # the name of a site that is down is not its own
    step = HEALTH.apply((cdn, WORLD[1]), Context(health=health(eu_west=DOWN, us_east=DOWN)))
    assert (step.kept, step.is_all_down) == ((cdn,), False)


def test_law_1_nothing_left_hands_on_all_and_says_so():
    step = HEALTH.apply(WORLD[:2], Context(health=health(eu_west=DOWN, us_east=DOWN)))
    assert (names(step), step.is_all_down) == (["eu-west", "us-east"], True)
    assert step.why.startswith(
        "health: all down: eu-west (down since 2023-11-14 22:13:20Z: HTTP 503)"
    )


def test_law_8_one_unknown_site_keeps_all_before_the_first_full_round():
    step = HEALTH.apply(WORLD, Context(health=health(eu_west=UNKNOWN, us_east=DOWN, ap_south=UP)))
    assert (step.kept, step.is_all_down) == (WORLD, False)
    assert step.why == "health: no full round of checks yet for eu-west, all stay"


def test_law_8_unknown_sites_are_not_all_down():
    step = HEALTH.apply(
        WORLD, Context(health=health(eu_west=UNKNOWN, us_east=UNKNOWN, ap_south=UNKNOWN))
    )
    assert (step.kept, step.is_all_down) == (WORLD, False)


def test_law_9_a_held_site_stays_and_the_decision_says_so():
    step = HEALTH.apply(WORLD, Context(health=health(eu_west=HELD, us_east=DOWN, ap_south=UP)))
    assert names(step) == ["eu-west", "ap-south"]
    assert "removed us-east (down since 2023-11-14 22:13:20Z: HTTP 503)" in step.why
    assert step.why.endswith(
        "held although down, a withdrawal limit is reached: "
        "eu-west (down since 2023-11-14 22:13:20Z: HTTP 503)"
    )


def test_law_2_a_forced_site_is_not_unknown():
    up, down = ordered("up", UNKNOWN), ordered("down", UNKNOWN)
    step = HEALTH.apply(WORLD, Context(health=health(eu_west=up, us_east=down, ap_south=UP)))
    assert names(step) == ["eu-west", "ap-south"]
    assert step.why == (
        "health: eu-west, ap-south stay; removed us-east (forced down by alice: maintenance)"
    )


def test_law_2_a_site_that_is_forced_down_does_not_stay_because_another_one_is_unknown():
    states = health(eu_west=UNKNOWN, us_east=ordered("down"), ap_south=DOWN)
    step = HEALTH.apply(WORLD, Context(health=states))
    assert names(step) == ["eu-west", "ap-south"]
    assert step.why == (
        "health: no full round of checks yet for eu-west, "
        "all stay but us-east (forced down by alice: maintenance)"
    )


def test_law_4_a_drained_site_that_was_left_counts_by_its_checks():
    states = health(eu_west=ordered("drain"), us_east=ordered("drain", DOWN))
    step = HEALTH.apply(WORLD[:2], Context(health=states))
    assert (names(step), step.is_all_down) == (["eu-west"], False)
    assert step.why == (
        "health: eu-west stay; removed us-east (down since 2023-11-14 22:13:20Z: HTTP 503)"
    )


def test_law_3_a_held_site_that_is_forced_up_is_not_told_as_held():
    step = HEALTH.apply(WORLD, Context(health=health(eu_west=ordered("up", HELD))))
    assert step.why == "health: all 3 stay"


def test_a_missing_reason_and_a_mad_clock_do_no_harm():
    for at in (0.0, -1.0, 1e300, float("nan")):
        mad = replace(DOWN, since_at=at, reason="")
        why = HEALTH.apply(WORLD, Context(health=health(eu_west=mad))).why
        assert why.endswith("removed eu-west (down since an unknown time: no reason given)")


def test_all_clients_are_treated_alike():
    assert HEALTH.client_class(WORLD, PARIS) == HEALTH.client_class(WORLD, TOKYO)
    assert HEALTH.client_prefix is None
