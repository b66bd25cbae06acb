from __future__ import annotations

from dataclasses import replace

import pytest

from gslb.model.place import NOWHERE, Location
from gslb.policy.base import Context
from tests.policy.values import (
    NEW_YORK,
    OFFICE,
    PARIS,
    TOKYO,
    candidate,
    cname,
    make,
    names,
    world,
)

GEO = make("geo")
WORLD = world(
    eu_west="continent:EU continent:AF",
    us_east="continent:NA continent:SA",
    ap_south="continent:AS continent:OC map:office",
)
LEVELS = (
    "map:office",
    "asn:64500",
    "city:Berlin",
    "subdivision:DE-BE",
    "country:DE",
    "continent:EU",
    "default",
)
BERLIN = Location("office", 64500, "Berlin", "DE-BE", "DE", "EU", 52.52, 13.4)


def kept(candidates, location):
    return names(GEO.apply(candidates, Context(location=location)))


def why(candidates, location):
    return GEO.apply(candidates, Context(location=location)).why


@pytest.mark.parametrize("depth", range(len(LEVELS)), ids=LEVELS)
def test_law_2_the_most_specific_level_that_is_served_wins(depth):
    """One candidate a level, those of the more specific ones gone: each level in turn wins."""
    chain = tuple(candidate(level, serves=frozenset({level})) for level in LEVELS)
    assert kept(chain[depth:], BERLIN) == [LEVELS[depth]]
    assert kept(tuple(reversed(chain[depth:])), BERLIN) == [LEVELS[depth]]


def test_law_2_all_that_serve_the_winning_level_stay_in_order():
    two = world(eu_west="country:FR", us_east="default", ap_south="country:FR")
    assert kept(two, PARIS) == ["eu-west", "ap-south"]
    assert kept(tuple(reversed(two)), PARIS) == ["ap-south", "eu-west"]


def test_law_2_a_level_whose_sites_are_all_down_hands_over_to_the_next():
    chain = world(eu_west="country:FR", us_east="continent:EU", ap_south="default")
    assert [kept(chain[start:], PARIS) for start in range(3)] == [
        ["eu-west"],
        ["us-east"],
        ["ap-south"],
    ]


def test_law_2_at_the_end_the_nearest_site_never_nothing():
    assert kept(WORLD[1:], PARIS) == ["us-east"]  # 6,200 km against 10,700
    assert kept(WORLD[:2], TOKYO) == ["eu-west"]  # 9,600 km against 10,900
    assert kept(world(), NEW_YORK) == ["us-east"]


def test_equally_near_sites_share():
    twins = tuple(candidate(name, at=(10.0, 10.0)) for name in ("b", "a"))
    assert kept((candidate("far", at=(40.0, 40.0)), *twins), PARIS) == ["far"]
    assert kept(
        (candidate("far", at=(40.0, 40.0)), *twins), Location(latitude=0.0, longitude=0.0)
    ) == ["b", "a"]


def test_sites_without_a_point_are_not_the_nearest():
    assert kept((candidate("nowhere"), cname("cdn"), WORLD[1]), PARIS) == ["us-east"]


def test_all_stay_when_no_distance_is_known():
    assert kept(world(), NOWHERE) == ["eu-west", "us-east", "ap-south"]
    assert kept((candidate("x"), cname("cdn")), PARIS) == ["x", "cdn"]
    assert (
        why(world(), NOWHERE) == "geo: all stay, no distance is known (nobody left serves default)"
    )


def test_why_names_the_level_and_those_that_nobody_serves():
    assert why(WORLD, OFFICE) == "geo: map:office -> ap-south"
    assert why(WORLD, PARIS) == "geo: continent:EU -> eu-west (nobody left serves country:FR)"
    ten_degrees_south = candidate("south", at=(38.86, 2.35))  # 10 / 360 of 40,030 km
    assert why((ten_degrees_south,), PARIS) == (
        "geo: nearest -> south at 1112 km (nobody left serves country:FR, continent:EU, default)"
    )


def test_law_6_one_class_for_a_continent_that_one_site_serves_alone():
    """Paris and Madrid differ in country and place, but no candidate cares, whatever is down."""
    madrid = Location(country="ES", continent="EU", latitude=40.42, longitude=-3.7)
    assert GEO.client_class(WORLD, PARIS) == GEO.client_class(WORLD, madrid)


def test_law_6_the_order_of_the_fallback_parts_classes():
    """Without the EU site Paris goes to us-west, Cyprus to ap-south, and classes know no health."""
    cyprus = Location(country="CY", continent="EU", latitude=35.1, longitude=33.4)
    east = (*WORLD[:1], candidate("us-west", at=(37.0, -122.0)), WORLD[2])
    assert kept(east[1:], PARIS) != kept(east[1:], cyprus)
    assert GEO.client_class(east, PARIS) != GEO.client_class(east, cyprus)


def test_law_6_distance_parts_nobody_when_every_candidate_is_reached_before():
    everywhere = world(eu_west="continent:EU", us_east="default", ap_south="default")
    south = replace(PARIS, country="XX", latitude=-80.0)
    assert GEO.client_class(everywhere, PARIS) == GEO.client_class(everywhere, south)
    assert GEO.client_class(everywhere, PARIS) != GEO.client_class(everywhere, TOKYO)


def test_the_address_is_not_read():
    assert GEO.client_prefix is None
