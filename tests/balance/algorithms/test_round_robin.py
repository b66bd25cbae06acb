from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.balance.algorithms.values import crew, make, pick

WEIGHTS = st.lists(st.integers(1, 9), min_size=1, max_size=6)


def turns(algorithm, members, number, cost=1.0):
    return [pick(algorithm, members, cost=cost) for _ in range(number)]


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ({"a": 5, "b": 1, "c": 1}, "aabacaa"),
        ({"a": 1, "b": 1, "c": 1}, "abc"),
        ({"a": 3, "b": 2}, "ababa"),
        ({"a": 2, "b": 0, "c": 1}, "aca"),
        ({"a": 4}, "a"),
    ],
    ids=["nginx's example", "equal", "3 and 2", "weight 0", "alone"],
)
def test_turns_are_smooth(weights, expected):
    members = crew(**weights)
    algorithm = make("round_robin", members)
    assert "".join(turns(algorithm, members, 2 * len(expected))) == 2 * expected


@given(WEIGHTS)
def test_every_period_is_exact_and_ends_where_it_began(weights):
    members = crew(**{f"m{index}": weight for index, weight in enumerate(weights)})
    algorithm = make("round_robin", members)
    for _ in range(2):
        counted = Counter(turns(algorithm, members, sum(weights)))
        assert counted == {one.name: one.weight for one in members}
        assert [one.current for one in members] == [0.0] * len(members)


@given(WEIGHTS, st.integers(0, 60))
def test_every_prefix_is_near_the_shares(weights, length):
    members = crew(**{f"m{index}": weight for index, weight in enumerate(weights)})
    counted = Counter(turns(make("round_robin", members), members, length))
    for one in members:
        assert abs(counted[one.name] - length * one.weight / sum(weights)) < len(members)


def test_shares_are_shares_of_cost():
    members = crew(a=1, b=1)
    algorithm = make("round_robin", members)
    got = Counter()
    for cost in [3.0, 1.0, 1.0, 1.0] * 10:
        got[pick(algorithm, members, cost=cost)] += cost
    assert got == {"a": 30.0, "b": 30.0}
    assert turns(make("round_robin", members), members, 4, cost=2.5) == ["a", "b", "a", "b"]


def test_a_member_at_a_fifth_of_its_weight_has_a_fifth_of_the_turns():
    members = crew(a=5, b=5)
    members[1].scale = 0.2
    algorithm = make("round_robin", members)
    assert Counter(turns(algorithm, members, 60)) == {"a": 50, "b": 10}
    members[1].scale = 1.0
    algorithm.renew(members)
    assert Counter(turns(algorithm, members, 60)) == {"a": 30, "b": 30}


def test_scales_that_change_between_all_turns_starve_nobody():
    members = crew(a=1, b=1, c=1)
    algorithm = make("round_robin", members)
    counted = Counter()
    for _ in range(30):
        algorithm.renew(members)
        counted[pick(algorithm, members)] += 1
    assert counted == {"a": 10, "b": 10, "c": 10}


@pytest.mark.parametrize("away", range(40))
def test_who_comes_back_gets_no_burst(away):
    members = crew(a=5, b=3, c=2)
    algorithm = make("round_robin", members)
    for _ in range(away % 10):
        pick(algorithm, members)
    without = members[:2]
    algorithm.renew(without)
    turns(algorithm, without, away)
    algorithm.renew(members)
    assert sum(one.current for one in members) == pytest.approx(0.0)
    got = turns(algorithm, members, 30)
    for begin in range(25):
        assert got[begin : begin + 5].count("c") <= 2  # its share of five is one
    assert got.count("c") in {5, 6, 7}


def test_a_retry_among_the_others_moves_nobody_to_the_front():
    members = crew(a=1, b=1, c=1)
    algorithm = make("round_robin", members)
    assert pick(algorithm, members) == "a"
    assert pick(algorithm, members[1:]) == "b"
    assert turns(algorithm, members, 4) == ["c", "b", "c", "a"]


def test_nobody_is_picked_where_nobody_has_a_weight():
    nobody = crew(a=0, b=0)
    for members in ([], nobody):
        assert pick(make("round_robin", members), members) is None
    assert pick(make("round_robin", crew(a=1)), []) is None


def test_the_score_says_whose_turn_it_is():
    members = crew(a=5, b=1, c=1)
    algorithm = make("round_robin", members)
    for _ in range(21):
        scores = {one.name: algorithm.score(one, 0.0) for one in members}
        assert pick(algorithm, members) == min(scores, key=scores.get)
