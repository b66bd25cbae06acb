import pytest

from gslb.balance.slow_start import scale_at


@pytest.mark.parametrize(
    ("now", "slow_start_s", "scale"),
    [
        pytest.param(100.0, 10.0, 0.1, id="at once"),
        pytest.param(105.0, 10.0, 0.55, id="half way"),
        pytest.param(110.0, 10.0, 1.0, id="at the end"),
        pytest.param(500.0, 10.0, 1.0, id="later"),
        pytest.param(99.0, 10.0, 0.1, id="time that goes back"),
        pytest.param(100.0, 0.0, 1.0, id="off"),
    ],
)
def test_scale_grows_evenly(now, slow_start_s, scale):
    assert scale_at(now, since=100.0, slow_start_s=slow_start_s) == pytest.approx(scale)
