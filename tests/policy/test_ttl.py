from __future__ import annotations

import pytest

from gslb.health.snapshot import HealthSnapshot, SiteHealth
from gslb.policy.ttl import ttl
from tests.policy.values import DOWN, UNKNOWN, cname, health, ordered, service, world

WORLD = world()


def of(flip_s, *, most=30, least=5, **sites):
    snapshot = health(eu_west=SiteHealth(flip_s=flip_s), **sites)
    return ttl(service("health", ttl_max=most, ttl_min=least), WORLD, snapshot)


@pytest.mark.parametrize(
    ("flip_s", "expected"),
    [
        (100.0, 30),  # far away: the maximum
        (30.0, 30),
        (29.9, 29),  # whole seconds, never past the flip
        (12.0, 12),
        (5.0, 5),
        (4.99, 5),  # nearer than the minimum
        (0.0, 5),
        (None, 30),  # forced, or not checked
    ],
)
def test_law_7_ttl_is_the_least_of_max_and_time_to_the_flip_never_under_min(flip_s, expected):
    assert of(flip_s)[0] == expected


def test_law_7_three_checks_of_two_seconds_left_are_six_seconds():
    assert of(3 * 2.0) == (6, "ttl: 6 s: eu-west can change in 6.0 s at the earliest")


def test_law_7_the_earliest_flip_of_all_sites_counts_also_of_one_that_is_down():
    assert of(20.0, us_east=DOWN) == (
        5,
        "ttl: 5 s, the minimum: us-east can change in 4.0 s at the earliest",
    )


def test_law_7_never_0():
    assert of(0.2, least=0)[0] == 1
    assert of(0.2, most=0, least=0)[0] == 1


def test_law_7_sites_of_other_services_do_not_shorten():
    assert ttl(service("health"), WORLD[1:], health(eu_west=SiteHealth(flip_s=1.0)))[0] == 30


def test_law_8_unknown_state_is_answered_with_the_minimum():
    assert of(100.0, ap_south=UNKNOWN) == (
        5,
        "ttl: 5 s, the minimum: no full round of checks yet for ap-south",
    )


def test_candidates_that_nothing_checks_do_not_shorten():
    answer = ttl(service("health"), (cname("cdn"), *WORLD), HealthSnapshot())
    assert answer == (30, "ttl: 30 s, the maximum: no change is due at any site")


def test_health_does_not_shorten_where_the_policy_does_not_look_at_it():
    answer = ttl(service("geo", "weighted"), WORLD, health(eu_west=UNKNOWN, us_east=DOWN))
    assert answer == (30, "ttl: 30 s, the maximum: the policy does not look at health")


def test_equal_flips_name_the_same_site_every_time():
    snapshot = health(us_east=SiteHealth(flip_s=7.0), ap_south=SiteHealth(flip_s=7.0))
    reasons = {ttl(service("health"), order, snapshot)[1] for order in (WORLD, WORLD[::-1])}
    assert reasons == {"ttl: 7 s: ap-south can change in 7.0 s at the earliest"}


def test_law_7_an_order_for_good_gets_the_maximum_even_before_the_first_round_of_checks():
    for kind in ("drain", "up", "down"):
        assert of(None, us_east=ordered(kind, UNKNOWN)) == (
            30,
            "ttl: 30 s, the maximum: no change is due at any site",
        )


@pytest.mark.parametrize("policy", ["health", "geo"])
@pytest.mark.parametrize(("flip_s", "expected"), [(2.0, 5), (12.0, 12), (100.0, 30)])
def test_law_7_an_order_that_expires_sooner_shortens_whatever_the_policy_is(
    policy, flip_s, expected
):
    """Orders hold without `health`, too, so their end changes the answer there as well."""
    drained = ordered("drain", UNKNOWN, until_at=1e9, flip_s=flip_s)
    assert ttl(service(policy), WORLD, health(us_east=drained))[0] == expected


def test_law_7_only_orders_shorten_where_the_policy_does_not_look_at_health():
    snapshot = health(eu_west=ordered("drain"), us_east=SiteHealth(flip_s=6.0), ap_south=UNKNOWN)
    assert ttl(service("geo"), WORLD, snapshot)[0] == 30
