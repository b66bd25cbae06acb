from gslb.balance.trial import LOST_S, Trial


def test_first_success_decides():
    trial = Trial(0)
    trial.enter(1.0)
    assert trial.is_on_the_way
    assert trial.leave(is_ok=True) is True


def test_failure_decides_when_nothing_old_is_left():
    trial = Trial(0)
    trial.enter(1.0)
    assert trial.leave(is_ok=False) is False


def test_old_ends_decide_nothing_before_a_trial():
    trial = Trial(2)
    assert [trial.leave(is_ok=True), trial.leave(is_ok=False)] == [None, None]
    trial.enter(1.0)
    assert trial.leave(is_ok=False) is False


def test_late_failures_of_old_requests_do_not_fail_the_trial():
    trial = Trial(2)
    trial.enter(1.0)
    assert [trial.leave(is_ok=False) for _ in range(3)] == [None, None, False]


def test_success_decides_though_old_requests_are_on_the_way():
    trial = Trial(5)
    trial.enter(1.0)
    assert trial.leave(is_ok=True) is True


def test_cancelled_trial_frees_the_place():
    trial = Trial(0)
    trial.enter(1.0)
    assert trial.leave(is_ok=None) is None
    assert not trial.is_on_the_way


def test_cancelled_old_request_does_not_free_the_place():
    trial = Trial(1)
    trial.enter(1.0)
    assert trial.leave(is_ok=None) is None
    assert trial.is_on_the_way


def test_who_enters_while_the_place_is_taken_counts_as_old():
    trial = Trial(0)
    trial.enter(1.0)
    trial.enter(1.5)
    assert [trial.leave(is_ok=False), trial.leave(is_ok=False)] == [None, False]


def test_lost_trial_leaves_its_place():
    trial = Trial(0)
    trial.enter(1.0)
    assert not trial.expire(1.0 + LOST_S - 0.1)
    assert trial.expire(1.0 + LOST_S)
    assert not trial.is_on_the_way
    assert not trial.expire(1.0 + LOST_S)
    trial.enter(100.0)
    assert [trial.leave(is_ok=False), trial.leave(is_ok=False)] == [None, False]
