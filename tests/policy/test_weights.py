"""The schedule, proven for every split that small weights can make and for random larger ones."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslb.policy.weights import MAX_PERIOD, make_schedule, reduce_weights


def order_of(weights):
    schedule = make_schedule(weights)
    order = [0] * schedule.period
    for index, turns in enumerate(schedule.turns):
        for turn in turns:
            order[turn] = index
    return order


def worst_deviation(weights):
    """The largest distance of any prefix from any ideal share, in turns."""
    order, total = order_of(weights), sum(reduce_weights(weights))
    worst = Fraction(0)
    for index, share in enumerate(reduce_weights(weights)):
        count = 0
        for turn, first in enumerate(order, start=1):
            count += first == index
            worst = max(worst, abs(count - Fraction(share * turn, total)))
    return worst


def bound(count):
    return Fraction(2 * count - 3, 2 * count - 2)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_law_3_every_prefix_is_within_the_bound_for_all_small_weights(count):
    """Half a turn for two candidates, 3/4 for three, 5/6 for four: 1 - 1 / (2n - 2)."""
    for weights in product(range(1, {2: 13, 3: 8, 4: 5}[count]), repeat=count):
        assert worst_deviation(weights) <= bound(count), weights


@given(st.lists(st.integers(1, 100), min_size=2, max_size=6).map(tuple))
def test_law_3_every_prefix_is_within_the_bound_for_larger_weights(weights):
    assert worst_deviation(weights) <= bound(len(weights)) < 1


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=8).map(tuple))
def test_law_3_every_period_is_exact(weights):
    order, shares = order_of(weights), reduce_weights(weights)
    assert [order.count(index) for index in range(len(weights))] == list(shares)
    assert len(order) == sum(shares) <= MAX_PERIOD


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=8).map(tuple))
def test_rounding_costs_no_candidate_its_last_turn_and_moves_no_share_far(weights):
    shares, total = reduce_weights(weights), sum(weights)
    assert min(shares) >= 1
    for weight, share in zip(weights, shares, strict=True):
        off = abs(Fraction(share, sum(shares)) - Fraction(weight, total))
        assert off <= Fraction(len(weights), MAX_PERIOD)


@pytest.mark.parametrize(
    ("weights", "reduced"),
    [
        ((5,), (1,)),
        ((300, 200, 100), (3, 2, 1)),
        ((4095, 1), (4095, 1)),
        ((4096, 1), (4095, 1)),  # 4097 turns: the small one keeps a turn
        ((10**6, 1), (4095, 1)),
        ((10**6, 10**6 + 1), (1, 1)),
        ((9999, 5000, 1), (2730, 1365, 1)),  # 2730.2, 1365.2 and 0.3 of 4096 turns
        ((1,) * 5000, (1,) * 5000),  # gcd cannot help: more candidates than turns get one each
        ((2,) + (1,) * 4999, (1,) * 5000),
    ],
    ids=str,
)
def test_long_periods_are_rounded_by_largest_remainder(weights, reduced):
    assert reduce_weights(weights) == reduced


def test_rank_lists_every_index_once_by_its_next_turn():
    schedule, order = make_schedule((5, 1, 1)), order_of((5, 1, 1))
    for turn in range(14):
        ahead = [order[(turn + step) % 7] for step in range(7)]
        assert schedule.rank(turn) == sorted(range(3), key=ahead.index)


def test_schedules_are_kept():
    assert make_schedule((3, 2, 1)) is make_schedule((3, 2, 1))
