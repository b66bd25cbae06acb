from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.balance.algorithms.values import busy, crew, make, pick, start

LOADS = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 20)), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("weights", "active", "cost", "expected"),
    [
        ({"a": 1, "b": 1, "c": 1}, (2, 1, 3), 1, "b"),
        ({"a": 1, "b": 1, "c": 1}, (1, 0, 0), 1, "bc"),
        ({"a": 5, "b": 1}, (4, 0), 1, "ab"),
        ({"a": 5, "b": 1}, (5, 0), 1, "b"),
        ({"a": 5, "b": 3, "c": 2}, (5, 3, 2), 1, "abc"),
        ({"a": 3, "b": 1}, (6, 2), 1, "ab"),
        ({"a": 1, "b": 1}, (2, 0), 3, "b"),
        ({"a": 1, "b": 1}, (0.5, 0.4), 0.1, "b"),
        ({"a": 2, "b": 0}, (9, 0), 1, "a"),
    ],
    ids=[
        "the least",
        "two idle ones",
        "the light one with one more would be busier, so turns decide",
        "the light one with one more would be as busy",
        "equal for their weights",
        "a third is not rounded apart",
        "a dear request does not blur the least",
        "cheap ones are told apart",
        "weight 0",
    ],
)
def test_who_may_go(weights, active, cost, expected):
    members = crew(**weights)
    algorithm = make("least_connections", members)
    busy(members, *active)
    gone = {pick(algorithm, members, cost=cost) for _ in range(20)}
    assert gone == set(expected)


def test_requests_that_come_one_by_one_go_by_weight():
    members = crew(a=5, b=3, c=2)
    algorithm = make("least_connections", members)
    assert Counter(pick(algorithm, members) for _ in range(10)) == {"a": 5, "b": 3, "c": 2}


def test_a_small_share_stays_small_beside_one_request():
    members = crew(a=95, b=5)
    algorithm = make("least_connections", members)
    busy(members, 1, 0)
    assert Counter(pick(algorithm, members) for _ in range(100)) == {"a": 95, "b": 5}


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(1, 4))
def test_requests_that_stay_fill_all_by_weight(weights, rounds):
    members = crew(**{f"m{index}": weight for index, weight in enumerate(weights)})
    algorithm = make("least_connections", members)
    for _ in range(rounds * sum(weights)):
        start(algorithm, members)
    assert [one.active for one in members] == [rounds * weight for weight in weights]


@given(LOADS)
def test_nobody_goes_whom_another_with_one_more_would_undercut(loads):
    members = crew(**{f"m{index}": weight for index, (weight, _) in enumerate(loads)})
    algorithm = make("least_connections", members)
    busy(members, *(active for _, active in loads))
    name = pick(algorithm, members)
    weight, active = loads[[one.name for one in members].index(name)]
    assert all(Fraction(active, weight) < Fraction(more + 1, of) for of, more in loads)


def test_cost_counts_in_what_is_on_the_way():
    members = crew(a=1, b=1)
    algorithm = make("least_connections", members)
    gone = [start(algorithm, members, cost=cost).name for cost in (3.0, 1.0, 1.0, 1.0, 1.0)]
    assert gone == ["a", "b", "b", "b", "b"]  # the last at 3 : 3, where a has had its turns


def test_a_cold_member_is_not_hammered_although_it_is_idle():
    members = crew(a=1, b=1, c=1)
    members[2].scale = 0.1
    algorithm = make("least_connections", members)
    busy(members, 5, 5, 0)
    gone = [start(algorithm, members).name for _ in range(8)]
    assert gone.count("c") <= 1
    busy(members, 20, 20, 0)
    assert pick(algorithm, members) == "c"


def test_nobody_is_picked_where_nobody_has_a_weight():
    for members in ([], crew(a=0)):
        assert pick(make("least_connections", members), members) is None


def test_the_score_is_what_is_on_the_way_by_weight():
    members = crew(a=4, b=2, c=0)
    algorithm = make("least_connections", members)
    busy(members, 6, 3, 3)
    members[1].scale = 0.5
    assert [algorithm.score(one, 0.0) for one in members] == [1.5, 3.0, 3.0]
