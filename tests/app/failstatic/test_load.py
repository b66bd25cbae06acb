"""What the load holds answers to: a judge that finds nothing would prove nothing."""

from __future__ import annotations

import pytest

from tests.app.failstatic.load import Answer, Change, Load, View, Views, allowed, find_faults

ADDRESSES = {"eu": "192.0.2.1", "us": "192.0.2.2"}
TTLS = range(2, 7)
UP, DOWN, UNKNOWN = View("up"), View("down"), View("unknown")
HISTORY = [
    Change(0.0, {"eu": UP, "us": UP}),
    Change(10.0, {"eu": DOWN, "us": UP}),
]
BOTH, US = frozenset(ADDRESSES.values()), frozenset({"192.0.2.2"})


@pytest.mark.parametrize(
    ("views", "sites"),
    [
        pytest.param({"eu": UP, "us": DOWN}, {"eu"}, id="a site that is down"),
        pytest.param({"eu": DOWN, "us": DOWN}, {"eu", "us"}, id="all down"),
        pytest.param({"eu": UNKNOWN, "us": DOWN}, {"eu", "us"}, id="unknown: all"),
        pytest.param({"eu": UP, "us": View("down", held=True)}, {"eu", "us"}, id="held"),
        pytest.param({"eu": UP, "us": View("up", order="drain")}, {"eu"}, id="drained"),
        pytest.param({"eu": DOWN, "us": View("up", order="drain")}, {"us"}, id="drained, the last"),
        pytest.param({"eu": UP, "us": View("up", order="down")}, {"eu"}, id="forced down"),
        pytest.param({"eu": UP, "us": View("down", order="up")}, {"eu", "us"}, id="forced up"),
    ],
)
def test_what_health_allows(views: Views, sites: set[str]):
    assert allowed(views) == sites


@pytest.mark.parametrize(
    ("answer", "is_fault"),
    [
        pytest.param(Answer(5.0, 5.1, "NOERROR", BOTH, 2), False, id="before"),
        pytest.param(Answer(11.0, 11.1, "NOERROR", US, 6), False, id="after"),
        pytest.param(Answer(9.9, 10.1, "NOERROR", BOTH, 2), False, id="asked before"),
        pytest.param(Answer(9.9, 10.1, "NOERROR", US, 2), False, id="answered after"),
        pytest.param(Answer(11.0, 11.1, "NOERROR", BOTH, 2), True, id="a dead site"),
        pytest.param(Answer(5.0, 5.1, "NOERROR", US, 2), True, id="a site is missing"),
        pytest.param(Answer(5.0, 5.1, "NOERROR", frozenset(), -1), True, id="empty"),
        pytest.param(Answer(5.0, 5.1, "SERVFAIL", BOTH, 2), True, id="an error"),
        pytest.param(Answer(5.0, 5.1, "NOERROR", BOTH, 1), True, id="a TTL too small"),
        pytest.param(Answer(5.0, 5.1, "NOERROR", BOTH, 7), True, id="a TTL too large"),
    ],
)
def test_an_answer_against_the_law_is_a_fault(answer: Answer, is_fault: bool):
    load = Load(0, "all.w.test")
    load.answers.append(answer)
    assert bool(find_faults(load, HISTORY, ADDRESSES, TTLS)) is is_fault


def test_a_lost_query_is_a_fault():
    load = Load(0, "all.w.test")
    load.lost[7] = 5.0
    assert find_faults(load, HISTORY, ADDRESSES, TTLS) == ["1 of 0 were lost"]
