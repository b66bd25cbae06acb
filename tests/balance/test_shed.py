import pytest

from gslb.balance.shed import admits, retry_after_s
from gslb.model.proxy import Priority, ShedSettings

SETTINGS = ShedSettings(max_in_flight=100, max_lag_ms=200.0)
LOW, NORMAL, HIGH = Priority.LOW, Priority.NORMAL, Priority.HIGH


@pytest.mark.parametrize(
    ("in_flight", "lag_ms", "admitted"),
    [
        pytest.param(0, 0.0, [LOW, NORMAL, HIGH], id="idle"),
        pytest.param(49, 99.9, [LOW, NORMAL, HIGH], id="under a half of both"),
        pytest.param(50, 0.0, [NORMAL, HIGH], id="half of the requests"),
        pytest.param(0, 100.0, [NORMAL, HIGH], id="half of the lag"),
        pytest.param(74.5, 149.0, [NORMAL, HIGH], id="under three quarters"),
        pytest.param(75, 0.0, [HIGH], id="three quarters of the requests"),
        pytest.param(0, 150.0, [HIGH], id="three quarters of the lag"),
        pytest.param(99, 199.0, [HIGH], id="nearly all"),
        pytest.param(100, 0.0, [], id="all of the requests"),
        pytest.param(0, 200.0, [], id="all of the lag"),
    ],
)
def test_who_is_admitted(in_flight, lag_ms, admitted):
    assert [
        priority
        for priority in Priority
        if admits(SETTINGS, priority, in_flight=in_flight, lag_ms=lag_ms)
    ] == admitted


def test_retry_after_is_1_to_5_evenly():
    assert [retry_after_s((turn + 0.5) / 10) for turn in range(10)] == [
        1,
        1,
        2,
        2,
        3,
        3,
        4,
        4,
        5,
        5,
    ]
    assert [retry_after_s(0.0), retry_after_s(1 - 2**-53)] == [1, 5]
