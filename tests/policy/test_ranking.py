from __future__ import annotations

from gslb.model.place import NOWHERE, Location
from gslb.policy.ranking import equals_only, measure_distances, pick_cheapest, sign_costs
from tests.policy.values import candidate, cname

A, B, C = (candidate(name) for name in "abc")
COSTS = {"a": 2.0, "b": 1.0, "c": 2.0}


def twice(cost):
    return 2 * cost


def test_the_cheapest_comes_first_and_equals_keep_their_order():
    assert pick_cheapest((A, B, C), COSTS, twice) == (B, A, C)
    assert pick_cheapest((C, B, A), COSTS, twice) == (B, C, A)
    assert pick_cheapest((C, A), COSTS, equals_only) == (C, A)


def test_all_stay_without_costs_and_those_without_go_when_one_has():
    assert pick_cheapest((C, A), {}, equals_only) == (C, A)
    assert pick_cheapest((C, A), {"a": 9.0}, equals_only) == (A,)


def test_a_signature_holds_order_and_reach_not_the_costs():
    abc = (A, B, C)
    equals = frozenset({"a", "c"})
    assert sign_costs(abc, COSTS, twice) == ((frozenset("b"), 2), (equals, 1))
    assert sign_costs(abc, COSTS, equals_only) == ((frozenset("b"), 1), (equals, 1))
    assert sign_costs(abc, {"a": 200.0, "b": 100.0, "c": 200.0}, twice) == sign_costs(
        abc, COSTS, twice
    )


def test_costs_that_part_nobody_sign_as_none():
    assert sign_costs((A, C), {"a": 2.0, "c": 2.0}, equals_only) == sign_costs(
        (A, C), {}, equals_only
    )
    assert sign_costs((A, B, C), {"a": 2.0, "c": 2.0}, equals_only) != ()  # b goes


def test_distances_are_rounded_to_the_metre_and_left_out_where_not_known():
    east, west = candidate("east", at=(0.0, 1.0)), candidate("west", at=(0.0, -1.0))
    degree_km = 111.195
    found = measure_distances((east, west, A, cname("cdn")), Location(latitude=0.0, longitude=0.0))
    assert found == {"east": degree_km, "west": degree_km}
    assert measure_distances((east, west), NOWHERE) == {}
