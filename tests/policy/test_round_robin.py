from __future__ import annotations

from gslb.policy.base import Context
from tests.policy.values import candidate, firsts, make, names

ABC = tuple(candidate(name) for name in "abc")


def test_all_stay_and_the_first_place_goes_round():
    orders = [
        "".join(names(make("round_robin").apply(ABC, Context(turn=turn)))) for turn in range(4)
    ]
    assert orders == ["abc", "bca", "cab", "abc"]


def test_law_3_every_run_of_three_turns_has_each_first_once():
    run = firsts(make("round_robin"), ABC, range(30))
    assert all(sorted(run[start : start + 3]) == ["a", "b", "c"] for start in range(28))


def test_why_and_period():
    step = make("round_robin").apply(ABC, Context(turn=4))
    assert (step.why, step.period) == ("round_robin: turn 2 of 3 -> b, c, a", 3)
