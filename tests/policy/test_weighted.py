from __future__ import annotations

from collections import Counter

import pytest

from gslb.policy.base import Context
from tests.policy.values import candidate, cname, firsts, make, names

WEIGHTED = make("weighted")


def weigh(*weights: int):
    return tuple(
        candidate(name, weight=weight) for name, weight in zip("abcdef", weights, strict=False)
    )


def test_law_3_over_6_turns_a_3_2_1_split_is_3_2_and_1():
    run = firsts(WEIGHTED, weigh(3, 2, 1), range(6))
    assert Counter(run) == {"a": 3, "b": 2, "c": 1}
    assert "".join(run) == "abacba"  # interleaved, not in blocks


def test_law_3_any_6_turns_in_a_row_are_exact():
    run = firsts(WEIGHTED, weigh(3, 2, 1), range(1_000_000_000, 1_000_000_060))
    assert all(Counter(run[at : at + 6]) == {"a": 3, "b": 2, "c": 1} for at in range(55))


def test_law_3_600_turns_of_the_contract_are_exact():
    assert Counter(firsts(WEIGHTED, weigh(3, 2, 1), range(600))) == {"a": 300, "b": 200, "c": 100}


def test_law_3_nine_to_one_has_the_one_once_in_any_ten():
    run = firsts(WEIGHTED, weigh(9, 1), range(100))
    assert all(run[at : at + 10].count("b") == 1 for at in range(91))


def test_others_follow_by_how_soon_they_are_next():
    order = [
        "".join(names(WEIGHTED.apply(weigh(3, 2, 1), Context(turn=turn)))) for turn in range(6)
    ]
    assert order == ["abc", "bac", "acb", "cba", "bac", "abc"]


def test_weight_0_is_removed_and_told():
    step = WEIGHTED.apply(weigh(1, 0, 2), Context(turn=0))
    assert names(step) == ["c", "a"]
    assert step.why == "weighted: turn 1 of 3 -> c (a 1, c 2); removed b (weight 0)"


def test_law_1_weight_0_everywhere_shares_equally():
    assert Counter(firsts(WEIGHTED, weigh(0, 0, 0), range(3))) == {"a": 1, "b": 1, "c": 1}


def test_weights_are_reduced_so_that_the_period_is_short():
    assert WEIGHTED.apply(weigh(300, 200, 100), Context()).period == 6


def test_names_of_others_can_be_weighed():
    cdn = (cname("a", weight=1), cname("b", weight=1))
    assert firsts(WEIGHTED, cdn, range(2)) == ["a", "b"]


@pytest.mark.parametrize("turn", [0, 5, 6, 10**12])
def test_one_candidate_is_always_first_with_period_1(turn):
    step = WEIGHTED.apply(weigh(7), Context(turn=turn))
    assert (names(step), step.period) == (["a"], 1)
