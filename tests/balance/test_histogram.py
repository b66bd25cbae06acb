import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslb.balance.histogram import SLOT_S, SLOTS, Histogram, bound_s


def fill(*times, now=0.0):
    histogram = Histogram(now=now)
    for taken_s in times:
        histogram.record(now, taken_s)
    return histogram


def test_quantiles_of_known_times():
    summary = fill(*[0.001] * 50, *[0.010] * 45, *[1.0] * 5).merge()
    assert summary.samples == 100
    for quantile, exact in [(0.5, 0.001), (0.51, 0.010), (0.95, 0.010), (0.96, 1.0), (1.0, 1.0)]:
        assert exact <= summary.quantile_s(quantile) <= exact * 2 ** (1 / 8)


def test_no_samples_no_quantile():
    assert Histogram(now=0.0).merge().quantile_s(0.5) is None


@pytest.mark.parametrize(
    ("taken_s", "bucket"),
    [
        pytest.param(0.0, 0, id="none"),
        pytest.param(-1.0, 0, id="a clock that went back"),
        pytest.param(1e-6, 0, id="less than the least"),
        pytest.param(1e9, 191, id="more than the most"),
    ],
)
def test_times_beyond_the_ends_count_at_the_ends(taken_s, bucket):
    assert fill(taken_s).merge().quantile_s(0.5) == bound_s(bucket)


@given(st.floats(2e-5, 150.0))
def test_bucket_holds_the_time_within_9_percent(taken_s):
    found = fill(taken_s).merge().quantile_s(0.5)
    assert taken_s * (1 - 1e-9) <= found <= taken_s * 2 ** (1 / 8) * (1 + 1e-9)


def test_old_slots_are_dropped():
    histogram = fill(0.001)
    histogram.record(SLOT_S, 0.002)
    assert histogram.merge().samples == 2
    assert histogram.merge(1).samples == 1
    histogram.advance(SLOT_S * SLOTS)
    assert histogram.merge().samples == 1
    histogram.advance(SLOT_S * SLOTS * 10)
    assert histogram.merge().samples == 0


def test_version_grows_with_what_changes():
    histogram = Histogram(now=0.0)
    before = histogram.version
    histogram.advance(SLOT_S - 0.1)
    assert histogram.version == before
    histogram.record(1.0, 0.001)
    recorded = histogram.version
    histogram.advance(SLOT_S)
    assert before < recorded < histogram.version
