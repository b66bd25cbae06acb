"""The allowance of each event, against a clock that the test holds."""

from __future__ import annotations

import pytest

from gslb.telemetry.rate import MAX_KEYS, Limiter


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_admits_the_first_lines_of_a_second_and_suppresses_the_rest(clock: Clock):
    limiter = Limiter(2, clock=clock)
    assert [limiter.admit("a") for _ in range(4)] == [0, 0, None, None]


def test_tells_once_how_many_were_suppressed(clock: Clock):
    limiter = Limiter(1, clock=clock)
    assert [limiter.admit("a") for _ in range(4)] == [0, None, None, None]
    clock.now += 1
    assert limiter.admit("a") == 3
    clock.now += 1
    assert limiter.admit("a") == 0


def test_carries_the_suppressed_over_seconds_in_which_nothing_came(clock: Clock):
    limiter = Limiter(1, clock=clock)
    assert [limiter.admit("a"), limiter.admit("a")] == [0, None]
    clock.now += 3600
    assert limiter.admit("a") == 1


def test_events_do_not_share_an_allowance(clock: Clock):
    limiter = Limiter(1, clock=clock)
    assert [limiter.admit(key) for key in ("a", "b", "a", "b")] == [0, 0, None, None]


def test_keys_past_the_bound_share_one_allowance(clock: Clock):
    limiter = Limiter(1, clock=clock)
    for number in range(MAX_KEYS):
        assert limiter.admit(f"key {number}") == 0
    assert limiter.admit("one too many") == 0
    assert limiter.admit("another") is None
    assert limiter.admit("key 0") is None  # known keys keep their own


def test_a_clock_that_stands_within_a_second_grants_nothing_new(clock: Clock):
    limiter = Limiter(1, clock=clock)
    assert limiter.admit("a") == 0
    clock.now += 0.999
    assert limiter.admit("a") is None
