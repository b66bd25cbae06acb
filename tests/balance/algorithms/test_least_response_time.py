from __future__ import annotations

from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslb.balance.member import DECAY_S, DEFAULT_S
from tests.balance.algorithms.values import busy, crew, equals, make, pick


def measured(members, *response_s, now=0.0):
    for member, one in zip(members, response_s, strict=True):
        if one is not None:
            member.observe(one, now)


@pytest.mark.parametrize(
    ("weights", "response_s", "active", "cost", "expected"),
    [
        ((1, 1, 1), (0.03, 0.01, 0.02), (0, 0, 0), 1, "b"),
        ((1, 1, 1), (0.03, 0.01, 0.02), (0, 3, 0), 1, "c"),
        ((1, 1, 4), (0.01, 0.01, 0.03), (0, 0, 0), 1, "c"),
        ((1, 1, 0), (0.01, 0.02, 0.001), (0, 0, 0), 1, "a"),
        ((1, 1, 1), (0.01, 0.02, 0.04), (2, 0, 0), 1, "b"),
        ((1, 1, 1), (0.01, 0.02, 0.04), (2, 0, 0), 4, "a"),
        ((1, 1, 1), (0.001, None, 0.002), (0, 0, 0), 1, "b"),
        ((1, 1, 1), (0.02, None, 0.03), (0, 1, 0), 1, "a"),
        ((1, 1, 1), (0.03, None, 0.04), (0, 1, 0), 1, "b"),
    ],
    ids=[
        "the quickest",
        "not where three wait",
        "by weight",
        "weight 0",
        "one more beside two",
        "four more beside two",
        "an unknown one at once",
        "an unknown one with a request is slow enough",
        "an unknown one with a request is quick enough",
    ],
)
def test_who_would_answer_first(weights, response_s, active, cost, expected):
    members = crew(**dict(zip("abc", weights, strict=True)))
    algorithm = make("least_response_time", members)
    measured(members, *response_s)
    busy(members, *active)
    assert pick(algorithm, members, cost=cost) == expected


def test_every_new_member_gets_one_request_before_any_answer():
    members = equals(3)
    algorithm = make("least_response_time", members)
    gone = []
    for _ in range(6):
        found = algorithm.pick(members, now=0.0, draw=0.0, key=0, cost=1.0)
        found.active += 1
        gone.append(found.name)
    assert gone == ["m0", "m1", "m2"] * 2


def test_of_equal_ones_goes_who_answered_longest_ago():
    members = equals(3)
    algorithm = make("least_response_time", members)
    for member, now in zip(members, (3.0, 1.0, 2.0), strict=True):
        member.observe(0.0, now)
    assert pick(algorithm, members, now=3.0) == "m1"


@given(
    slow_s=st.floats(0.02, 60.0),
    quick_s=st.floats(0.001, 0.02),
    weights=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    pace_s=st.floats(0.5, 1.0),
)
def test_a_member_penalised_once_is_tried_again_in_bounded_time(slow_s, quick_s, weights, pace_s):
    """One request after the other, each answered in the same time by the quick one."""
    members = crew(a=weights[0], b=weights[1])
    algorithm = make("least_response_time", members)
    measured(members, slow_s, quick_s)
    bound_s = DECAY_S * log(slow_s / quick_s * weights[1] / weights[0] + 1) + DECAY_S
    now = 0.0
    while pick(algorithm, members, now=now) == "b":
        members[1].observe(quick_s, now + quick_s)
        now += pace_s
        assert now <= bound_s


def test_a_refusing_member_draws_nothing_although_it_refuses_quickly():
    members = crew(a=1, b=1)
    algorithm = make("least_response_time", members)
    measured(members, None, 0.005)
    members[0].observe_failure(0.0001, 0.0)
    assert pick(algorithm, members, now=1.0) == "b"


def test_slow_start_scales_the_score():
    members = crew(a=1, b=1)
    algorithm = make("least_response_time", members)
    measured(members, 0.01, 0.01)
    busy(members, 0, 8)
    members[0].scale = 0.1
    algorithm.renew(members)
    assert pick(algorithm, members) == "b"  # 0.01 x 9 against 0.01 x 1 / 0.1
    assert algorithm.score(members[0], 0.0) == pytest.approx(0.1)
    busy(members, 0, 10)
    assert pick(algorithm, members) == "a"


def test_the_score_is_what_an_answer_takes_by_weight():
    members = crew(a=2, b=1, c=0)
    algorithm = make("least_response_time", members)
    measured(members, 0.01, None, 0.01)
    busy(members, 3, 1, 0)
    found = [algorithm.score(one, 0.0) for one in members]
    assert found == pytest.approx([0.01 * 4 / 2, DEFAULT_S * 2, 0.01])


def test_the_score_is_the_one_that_decides():
    members = crew(a=2, b=1, c=3)
    algorithm = make("least_response_time", members)
    for number in range(100):
        measured(members, *(((number * 7 + step) % 11 + 1) / 100 for step in (0, 3, 5)), now=number)
        busy(members, number % 4, number % 3, number % 5)
        scores = {one.name: algorithm.score(one, number) for one in members}
        assert pick(algorithm, members, now=number) == min(scores, key=scores.get)


def test_nobody_is_picked_where_nobody_has_a_weight():
    for members in ([], crew(a=0)):
        assert pick(make("least_response_time", members), members) is None
