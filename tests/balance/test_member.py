from __future__ import annotations

from math import e, exp, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslb.balance.member import DECAY_S, DEFAULT_S, FAILURE_S
from tests.balance.algorithms.values import crew

TIMES = st.floats(0.0001, 60.0)


def member():
    return crew(a=3)[0]


def test_a_new_member_is_idle_at_its_weight_and_answers_in_the_default_time():
    one = member()
    assert (one.name, one.weight, one.scale, one.active, one.count) == ("a", 3.0, 1.0, 0.0, 0)
    assert one.ewma_s is None
    assert one.response_s(1e6) == DEFAULT_S
    assert repr(one) == "Member(a)"


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ([(0.2, 0.0)], 0.2),
        ([(0.2, 0.0), (0.3, 0.0)], 0.3),
        ([(0.2, 0.0), (0.1, 0.0)], 0.2),
        ([(0.2, 0.0), (0.1, DECAY_S)], 0.1 + 0.1 / e),
        ([(0.2, 0.0), (0.1, DECAY_S), (0.15, 2 * DECAY_S)], 0.15),
        ([(0.2, 0.0), (0.1, DECAY_S / 2), (0.1, DECAY_S)], 0.1 + 0.1 / e),
    ],
    ids=[
        "the first",
        "slower at once",
        "faster at once",
        "faster later",
        "slower again",
        "two steps are one",
    ],
)
def test_samples_make_the_average(samples, expected):
    one = member()
    for elapsed_s, now in samples:
        one.observe(elapsed_s, now)
    assert one.ewma_s == pytest.approx(expected)
    assert one.ewma_at == samples[-1][1]


def test_an_average_fades_while_nothing_comes():
    one = member()
    one.observe(0.2, 100.0)
    assert one.response_s(100.0) == 0.2
    assert one.response_s(100.0 + DECAY_S) == pytest.approx(0.2 / e)
    assert one.response_s(100.0 + DECAY_S * log(200)) == pytest.approx(0.001)


@pytest.mark.parametrize(("elapsed_s", "expected"), [(0.0001, FAILURE_S), (15.0, 15.0)])
def test_a_failure_never_looks_quick(elapsed_s, expected):
    one = member()
    one.observe(0.005, 0.0)
    one.observe_failure(elapsed_s, 1.0)
    assert one.ewma_s == expected


@given(st.lists(st.tuples(TIMES, st.floats(0, 30)), min_size=1), TIMES, TIMES)
def test_the_average_lies_between_the_last_sample_and_the_largest(samples, low, high):
    low, high = sorted((low, high))
    one, other = member(), member()
    now = 0.0
    for elapsed_s, later_s in samples:
        now += later_s
        one.observe(elapsed_s, now)
        other.observe(elapsed_s, now)
        largest = max(sample for sample, _ in samples)
        assert elapsed_s <= one.ewma_s <= largest * (1 + 1e-9)
    one.observe(low, now + 1)
    other.observe(high, now + 1)
    assert one.ewma_s <= other.ewma_s * (1 + 1e-9)
    assert one.response_s(now + 2) == pytest.approx(one.ewma_s * exp(-1 / DECAY_S))
