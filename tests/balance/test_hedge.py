from hypothesis import given
from hypothesis import strategies as st

from gslb.balance.hedge import BURST, Hedging
from gslb.balance.histogram import Histogram
from gslb.model.proxy import HedgeSettings

SETTINGS = HedgeSettings(after_quantile=0.95, max_extra=0.05, min_samples=100)


def measured(times, settings=SETTINGS):
    histogram, hedging = Histogram(now=0.0), Hedging(settings)
    for taken_s in times:
        histogram.record(0.0, taken_s)
    hedging.measure(histogram)
    return hedging.delay_s


def test_no_delay_under_min_samples():
    assert measured([0.01] * 99) is None
    assert 0.01 <= measured([0.01] * 100) <= 0.0109


def test_delay_is_the_quantile():
    assert 0.01 <= measured([0.01] * 95 + [1.0] * 5) <= 0.0109
    assert 1.0 <= measured([0.01] * 94 + [1.0] * 6) <= 1.09


def test_delay_is_forgotten_with_its_samples():
    histogram, hedging = Histogram(now=0.0), Hedging(SETTINGS)
    for _ in range(100):
        histogram.record(0.0, 0.01)
    hedging.measure(histogram)
    histogram.advance(1000.0)
    hedging.measure(histogram)
    assert hedging.delay_s is None


def test_first_hedge_comes_after_enough_requests():
    hedging = Hedging(SETTINGS)
    for _ in range(20):
        hedging.earn()
    assert not hedging.take()  # a hedge earns, too, and pays for that: 1.05 tokens
    hedging.earn()
    assert hedging.take()
    assert not hedging.take()


def test_no_more_than_the_burst_is_kept():
    hedging = Hedging(SETTINGS)
    for _ in range(100_000):
        hedging.earn()
    taken = 0
    while hedging.take():
        taken += 1
    assert taken == int(BURST / 1.05)


def test_a_worker_keeps_its_share_of_the_burst_but_enough_for_one():
    hedging = Hedging(SETTINGS, share=1 / 64)
    for _ in range(10_000):
        hedging.earn()
    assert [hedging.take(), hedging.take()] == [True, False]


def test_no_extra_is_never():
    hedging = Hedging(HedgeSettings(max_extra=0.0))
    for _ in range(1000):
        hedging.earn()
    assert not hedging.take()


@given(
    st.sampled_from([0.01, 0.05, 0.5, 1.0]),
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 20)), max_size=40),
)
def test_hedges_stay_within_their_share_over_any_stretch(extra, steps):
    hedging = Hedging(HedgeSettings(max_extra=extra))
    log = []
    for requests, wishes in steps:
        for _ in range(requests):
            hedging.earn()
        hedges = 0
        for _ in range(wishes):
            if hedging.take():
                hedging.earn()  # it begins, like any attempt
                hedges += 1
        log.append((requests, hedges))
    for start in range(len(log)):
        requests = sum(one for one, _ in log[start:])
        hedges = sum(one for _, one in log[start:])
        kept = BURST if start else 0.0
        assert hedges <= extra * requests + kept + 1e-6
