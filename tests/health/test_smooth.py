import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslb.health.smooth import smooth

times = st.floats(0, 1e6)


def fold(*samples):
    average = None
    for sample in samples:
        average = smooth(average, sample)
    return average


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        pytest.param([7.0], 7.0, id="law 1: the first"),
        pytest.param([10.0, 30.0], 30.0, id="law 2: a rise at once"),
        pytest.param([110.0, 10.0], 70.0, id="law 2: 0.4 of the way down"),
        pytest.param([110.0, 10.0, 10.0], 46.0, id="and 0.4 of the rest"),
        pytest.param([0.0, 0.0], 0.0, id="nothing"),
    ],
)
def test_average_after_samples(samples, expected):
    assert fold(*samples) == pytest.approx(expected)


def test_a_lost_syn_is_all_but_forgotten_after_8_samples():
    assert fold(1000.0, *[0.0] * 8) == pytest.approx(1000 * 0.6**8)  # 16.8
    assert fold(1000.0, *[0.0] * 8) < 17


@given(samples=st.lists(times, min_size=1, max_size=20))
def test_law_2_between_the_last_sample_and_the_largest(samples):
    assert samples[-1] <= fold(*samples) <= max(samples)


@given(previous=times, more=times, sample=times, larger=times)
def test_law_3_monotonic(previous, more, sample, larger):
    assert smooth(previous, sample) <= smooth(previous + more, sample) * (1 + 1e-12)
    assert smooth(previous, sample) <= smooth(previous, sample + larger) * (1 + 1e-12)
