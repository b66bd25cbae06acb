import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslb.balance.passive import Passive, ejections_allowed
from gslb.model.proxy import PassiveSettings

SETTINGS = PassiveSettings(
    window_s=10.0,
    error_share=0.5,
    min_requests=4,
    connect_failures=3,
    eject_s=30.0,
    max_eject_s=70.0,
)


def verdicts(results, settings=SETTINGS, gap_s=0.0):
    """What record says after each result: `.` fine, `x` an error, `c` no connection."""
    passive = Passive(settings, now=0.0)
    return "".join(
        "!"
        if passive.record(turn * gap_s, is_error=result != ".", no_connection=result == "c")
        else "-"
        for turn, result in enumerate(results)
    )


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        pytest.param("xxx", "---", id="too few answers"),
        pytest.param("xxxx", "---!", id="enough, all failed"),
        pytest.param("..xx", "---!", id="exactly the share"),
        pytest.param("...x", "----", id="less than the share"),
        pytest.param("xxx.", "----", id="a success never ejects"),
        pytest.param("ccc", "--!", id="connections in a row"),
        pytest.param("ccxcc", "---!!", id="an error breaks the row, the share counts"),
        pytest.param("......cc.cc", "-" * 11, id="a success breaks the row"),
        pytest.param("......ccc", "--------!", id="the row counts whatever the share"),
    ],
)
def test_when_it_should_go_out(results, expected):
    assert verdicts(results) == expected


def test_errors_that_are_older_than_the_window_do_not_count():
    assert verdicts("xxxxxx", gap_s=4.0) == "------"


@pytest.mark.parametrize(
    ("total", "share", "allowed"),
    [
        pytest.param(1, 1.0, 0, id="the only one never"),
        pytest.param(2, 0.0, 1, id="one of two always"),
        pytest.param(3, 0.3, 1, id="at least one"),
        pytest.param(10, 0.3, 3, id="exact share"),
        pytest.param(10, 0.39, 3, id="rounded down"),
        pytest.param(4, 1.0, 4, id="all"),
    ],
)
def test_how_many_may_be_out(total, share, allowed):
    assert ejections_allowed(PassiveSettings(max_ejected=share), total) == allowed


def fail_trial(passive, now):
    assert passive.tick(now, in_flight=0)
    assert passive.trial is not None
    passive.trial.enter(now)
    passive.end_trial(now, is_ok=False)


def test_ejections_in_a_row_take_longer_up_to_the_most():
    passive = Passive(SETTINGS, now=0.0)
    passive.eject(100.0)
    times = [passive.out_until]
    for _ in range(3):
        fail_trial(passive, passive.out_until)
        times.append(passive.out_until)
    assert times == [130.0, 190.0, 260.0, 330.0]


def test_trial_begins_when_the_time_is_over_and_success_brings_it_back():
    passive = Passive(SETTINGS, now=0.0)
    passive.eject(0.0)
    assert not passive.tick(29.9, in_flight=0)
    assert passive.trial is None
    assert passive.tick(30.0, in_flight=0)
    assert not passive.tick(30.1, in_flight=0)
    passive.trial.enter(31.0)
    assert passive.end_trial(32.0, is_ok=True)
    assert (passive.out_until, passive.trial, passive.times) == (None, None, 1)


def test_it_comes_back_with_an_empty_window():
    passive = Passive(SETTINGS, now=0.0)
    for _ in range(4):
        passive.record(0.0, is_error=True)
    passive.come_back(1.0)
    assert [passive.record(1.0, is_error=True) for _ in range(4)] == [False, False, False, True]


def test_each_window_in_service_forgives_one_ejection():
    passive = Passive(SETTINGS, now=0.0)
    passive.eject(0.0)
    fail_trial(passive, 30.0)
    passive.come_back(90.0)
    counts = []
    for now in (99.9, 100.0, 109.9, 110.0, 500.0):
        passive.tick(now, in_flight=0)
        counts.append(passive.times)
    assert counts == [2, 1, 1, 0, 0]


def test_time_in_which_it_should_be_out_forgives_nothing():
    passive = Passive(SETTINGS, now=0.0)
    passive.eject(0.0)
    passive.come_back(10.0)
    passive.stay(19.0)
    passive.tick(20.0, in_flight=0)
    assert passive.times == 1
    passive.tick(29.0, in_flight=0)
    assert passive.times == 0


def test_other_settings_keep_the_ejection():
    passive = Passive(SETTINGS, now=0.0)
    passive.eject(0.0)
    passive.change(PassiveSettings(window_s=5.0, min_requests=1), now=1.0)
    assert passive.out_until == 30.0
    passive.come_back(30.0)
    assert passive.record(31.0, is_error=True)


@given(st.lists(st.sampled_from([True, False, None]), max_size=30))
def test_time_out_is_never_longer_than_the_most(outcomes):
    passive = Passive(SETTINGS, now=0.0)
    now = 0.0
    passive.eject(now)
    for is_ok in outcomes:
        if passive.out_until is None:
            passive.eject(now)
        assert 0 < passive.out_until - now <= SETTINGS.max_eject_s
        now = passive.out_until
        passive.tick(now, in_flight=0)
        passive.trial.enter(now)
        passive.end_trial(now, is_ok=is_ok)
        if is_ok is None:
            passive.come_back(now)
