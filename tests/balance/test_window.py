import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslb.balance.window import BUCKETS, ErrorWindow


def test_counts_within_the_window():
    window = ErrorWindow(10.0, now=0.0)
    for second in range(10):
        window.record(second + 0.5, is_error=second % 2 == 0)
    assert (window.total, window.errors, window.share()) == (10, 5, 0.5)


@pytest.mark.parametrize(
    ("now", "total"),
    [
        pytest.param(0.9, 2, id="same bucket"),
        pytest.param(9.9, 2, id="ten buckets"),
        pytest.param(10.0, 1, id="the first bucket is forgotten"),
        pytest.param(11.0, 0, id="both are"),
        pytest.param(1e6, 0, id="long ago"),
        pytest.param(-5.0, 2, id="time that goes back"),
    ],
)
def test_old_buckets_are_forgotten(now, total):
    window = ErrorWindow(10.0, now=0.0)
    window.record(0.5, is_error=True)
    window.record(1.5, is_error=True)
    window.advance(now)
    assert (window.total, window.errors) == (total, total)


def test_clear_forgets_everything():
    window = ErrorWindow(10.0, now=0.0)
    window.record(0.5, is_error=True)
    window.clear(3.0)
    assert (window.total, window.errors, window.share()) == (0, 0, 0.0)


def test_rate_is_over_what_is_covered():
    window = ErrorWindow(10.0, now=0.0)
    for _ in range(8):
        window.record(0.5, is_error=False)
    assert window.rate(2.0) == 4.0
    assert window.rate(9.5) == 8 / 9.5
    assert window.rate(20.0) == 0.0


def test_rate_right_after_the_start_is_over_one_bucket():
    window = ErrorWindow(10.0, now=0.0)
    window.record(0.01, is_error=False)
    assert window.rate(0.01) == 1.0


@pytest.mark.parametrize(
    ("results", "trips"),
    [
        pytest.param("xx", False, id="too few"),
        pytest.param("xx..", True, id="equal is enough"),
        pytest.param("x...", False, id="too small a share"),
        pytest.param("....", False, id="none"),
    ],
)
def test_trips(results, trips):
    window = ErrorWindow(10.0, now=0.0)
    for result in results:
        window.record(0.0, is_error=result == "x")
    assert window.trips(error_share=0.5, min_requests=4) is trips


def test_share_0_needs_an_error():
    window = ErrorWindow(10.0, now=0.0)
    window.record(0.0, is_error=False)
    assert not window.trips(error_share=0.0, min_requests=1)
    window.record(0.0, is_error=True)
    assert window.trips(error_share=0.0, min_requests=1)


@given(st.lists(st.tuples(st.integers(0, 40), st.booleans()), max_size=60))
def test_counts_all_of_nine_tenths_and_nothing_older_than_the_window(steps):
    window = ErrorWindow(float(BUCKETS), now=0.0)
    now, seen = 0.0, []
    for quarters, is_error in steps:
        now += quarters / 4
        window.record(now, is_error=is_error)
        seen.append((now, is_error))
        recent = [failed for at, failed in seen if at > now - BUCKETS + 1]
        young = [failed for at, failed in seen if at > now - BUCKETS]
        assert len(recent) <= window.total <= len(young)
        assert sum(recent) <= window.errors <= sum(young)
