from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.balance.algorithms.values import busy, crew, equals, make, pick

DRAWS = st.floats(0, 1, exclude_max=True)


def enumerated(algorithm, members, number):
    """How often each is picked over so many even draws."""
    return Counter(pick(algorithm, members, draw=(n + 0.5) / number) for n in range(number))


@pytest.mark.parametrize(
    ("weights", "number", "expected"),
    [
        ((1, 1), 2, {"a": 1, "b": 1}),
        ((5, 3, 2), 10, {"a": 5, "b": 3, "c": 2}),
        ((1, 0, 3), 4, {"a": 1, "c": 3}),
        ((1, 1, 1, 1, 1, 5), 10, {"a": 1, "b": 1, "c": 1, "d": 1, "e": 1, "f": 5}),
    ],
    ids=["two", "weights", "weight 0", "more than are scanned"],
)
def test_a_pool_without_load_is_shared_by_weight(weights, number, expected):
    members = crew(**dict(zip("abcdef", weights, strict=False)))
    assert enumerated(make("power_of_two", members), members, number) == expected


@pytest.mark.parametrize("active", [(3, 3, 3, 3), (1, 1, 1, 1)])
def test_a_tie_is_the_first_drawn_ones(active):
    members = crew(a=1, b=1, c=1, d=1)
    busy(members, *active)
    assert enumerated(make("power_of_two", members), members, 40) == dict.fromkeys("abcd", 10)


@pytest.mark.parametrize(
    ("active", "expected"),
    [
        ((5, 1, 3, 2), {"b": 12}),
        ((2, 2, 0, 2), {"c": 12}),
        ((4, 0), {"b": 12}),
        ((4, 3, 3), {"b": 6, "c": 6}),
    ],
    ids=["the least of four", "the idle one", "of two", "the two least, half each"],
)
def test_a_small_pool_is_looked_at_as_a_whole(active, expected):
    members = equals(len(active))
    for member, name in zip(members, "abcd", strict=False):
        member.name = name
    busy(members, *active)
    assert enumerated(make("power_of_two", members), members, 12) == expected


def test_of_many_the_two_drawn_are_compared():
    """Each pair of five is drawn equally often: 20 ordered pairs, 5 of each to see no edge."""
    members = equals(5)
    busy(members, 5, 4, 3, 2, 1)
    found = enumerated(make("power_of_two", members), members, 100)
    assert found == {"m1": 10, "m2": 20, "m3": 30, "m4": 40}  # the busiest of all never


def test_the_second_is_drawn_by_weight():
    """m0 is first in half of the draws; its share is cut among the others as their weights are."""
    members = crew(a=5, b=1, c=1, d=2, e=1)
    busy(members, 50, 0, 0, 0, 0)
    found = enumerated(make("power_of_two", members), members, 100)
    assert found == {"b": 10 + 10, "c": 10 + 10, "d": 20 + 20, "e": 10 + 10}


@given(
    st.lists(st.tuples(st.integers(1, 7), st.integers(0, 9)), min_size=2, max_size=9),
    st.lists(DRAWS, min_size=5),
)
def test_nobody_goes_whom_all_others_would_undercut(loads, draws):
    members = crew(**{f"m{index}": weight for index, (weight, _) in enumerate(loads)})
    algorithm = make("power_of_two", members)
    busy(members, *(active for _, active in loads))
    worst = max(members, key=lambda one: one.active / one.weight)
    rest = [one for one in members if one is not worst]
    undercut = all((one.active + 1) / one.weight <= worst.active / worst.weight for one in rest)
    gone = {pick(algorithm, members, draw=draw) for draw in [*draws, 0.0, 1 - 2**-53]}
    assert gone <= {one.name for one in members}
    assert not (undercut and worst.name in gone)


def test_two_different_ones_are_drawn_at_the_very_end_of_a_share():
    members = crew(a=5, b=5)
    members[1].weight = 3.3
    algorithm = make("power_of_two", members)
    busy(members, 0, 9)
    draw, whole = 1 - 2**-53, 5.0 + 3.3
    second = (draw * whole - 5.0) / 3.3 * (whole - 3.3)
    assert second >= 5.0  # rounded: beyond the share of a, so it would be b again
    assert pick(algorithm, members, draw=draw) == "a"


def test_weight_and_cost_count():
    members = crew(a=4, b=1)
    algorithm = make("power_of_two", members)
    busy(members, 3, 0)
    assert enumerated(algorithm, members, 10) == {"a": 8, "b": 2}
    busy(members, 4, 0)
    assert enumerated(algorithm, members, 10) == {"b": 10}
    assert pick(algorithm, members, cost=0.5) == "b"
    busy(members, 3, 0)
    assert pick(algorithm, members, cost=0.5) == "b"  # 0.5 / 1 undercuts 3 / 4


def test_a_cold_member_gets_its_scaled_share():
    members = crew(a=1, b=1, c=1, d=1, e=1)
    members[4].scale = 0.25
    algorithm = make("power_of_two", members)
    assert enumerated(algorithm, members, 17) == {"a": 4, "b": 4, "c": 4, "d": 4, "e": 1}


def test_nobody_is_picked_where_nobody_has_a_weight():
    for members in ([], crew(a=0)):
        assert pick(make("power_of_two", members), members) is None


def test_another_list_is_looked_at_as_it_is():
    members = equals(6)
    algorithm = make("power_of_two", members)
    assert enumerated(algorithm, members[2:4], 4) == {"m2": 2, "m3": 2}
    assert enumerated(algorithm, members, 6) == {one.name: 1 for one in members}


def test_the_score_is_what_is_on_the_way_by_weight():
    members = crew(a=4)
    busy(members, 6)
    assert make("power_of_two", members).score(members[0], 0.0) == 1.5
