import pytest

from gslb.balance.circuit import Circuit, Phase
from gslb.model.proxy import CircuitSettings

SETTINGS = CircuitSettings(error_share=0.5, min_requests=4, window_s=10.0, open_s=5.0)


def opened(now=0.0):
    circuit = Circuit(SETTINGS, now=now)
    for _ in range(4):
        circuit.end(now, is_ok=False)
    assert circuit.phase is Phase.OPEN
    return circuit


@pytest.mark.parametrize(
    ("results", "phases"),
    [
        pytest.param("xxx", "ccc", id="too few"),
        pytest.param("xxxx", "ccco", id="all failed"),
        pytest.param("..xx", "ccco", id="exactly the share"),
        pytest.param("...xx", "ccccc", id="less than the share"),
        pytest.param("xxx.", "cccc", id="a success opens nothing"),
        pytest.param("xxx-x", "cccco", id="cancelled ones do not count"),
    ],
)
def test_opens(results, phases):
    circuit, seen = Circuit(SETTINGS, now=0.0), ""
    for result in results:
        before = circuit.phase
        changed = circuit.end(0.0, is_ok={".": True, "x": False, "-": None}[result])
        assert changed is (circuit.phase is not before)
        seen += circuit.phase[0]
    assert seen == phases


def test_open_admits_nobody_until_its_time_is_over():
    circuit = opened()
    assert not circuit.admits
    assert not circuit.tick(4.9, in_flight=0)
    assert not circuit.admits
    assert circuit.tick(5.0, in_flight=0)
    assert circuit.admits


def test_half_open_admits_one_at_a_time_and_success_closes():
    circuit = opened()
    circuit.tick(5.0, in_flight=0)
    assert circuit.begin(5.0)
    assert not circuit.admits
    assert circuit.end(5.5, is_ok=True)
    assert (circuit.phase, circuit.admits) == (Phase.CLOSED, True)
    assert not circuit.end(5.5, is_ok=False)  # the window is empty again


def test_half_open_opens_again_for_as_long_when_the_trial_fails():
    circuit = opened()
    circuit.tick(5.0, in_flight=0)
    circuit.begin(5.0)
    assert circuit.end(6.0, is_ok=False)
    assert not circuit.tick(10.9, in_flight=0)
    assert circuit.tick(11.0, in_flight=0)


def test_cancelled_trial_lets_the_next_one_in():
    circuit = opened()
    circuit.tick(5.0, in_flight=0)
    circuit.begin(5.0)
    assert circuit.end(5.1, is_ok=None)
    assert circuit.admits


def test_lost_trial_lets_the_next_one_in():
    circuit = opened()
    circuit.tick(5.0, in_flight=0)
    circuit.begin(5.0)
    assert not circuit.tick(64.9, in_flight=1)
    assert circuit.tick(65.0, in_flight=1)
    assert circuit.admits


def test_ends_while_open_mean_nothing():
    circuit = opened()
    assert not circuit.end(1.0, is_ok=True)
    assert not circuit.end(1.0, is_ok=False)
    assert not circuit.begin(1.0)
    assert circuit.phase is Phase.OPEN


def test_late_failures_of_old_requests_do_not_fail_the_trial():
    circuit = opened()
    circuit.tick(5.0, in_flight=2)
    circuit.begin(5.0)
    circuit.end(5.1, is_ok=False)
    circuit.end(5.2, is_ok=False)
    assert circuit.phase is Phase.HALF_OPEN
    circuit.end(5.3, is_ok=False)
    assert circuit.phase is Phase.OPEN
