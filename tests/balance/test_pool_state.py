import pytest

from gslb.balance.pool_state import Mode, Refusal, Result
from gslb.model.proxy import (
    Algorithm,
    BalanceSpec,
    CircuitSettings,
    HedgeSettings,
    PassiveSettings,
    QueueSettings,
    RetrySettings,
)
from tests.balance.builders import CHECK, Play, backend

A, B, C = (backend(name, check=CHECK) for name in "abc")
PASSIVE = PassiveSettings(
    connect_failures=2, min_requests=4, eject_s=10.0, max_eject_s=25.0, max_ejected=0.5
)
REFUSED = [Result.CONNECT_FAILED] * 2


# ---------------------------------------------------------------- picking


def test_picks_by_the_algorithm():
    play = Play(backend("a", weight=5), "b", "c")
    assert "".join(play.pick() for _ in range(7)) == "aabacaa"


@pytest.mark.parametrize("algorithm", Algorithm)
def test_every_algorithm_picks_only_who_may_be_picked(algorithm):
    play = Play(A, B, C, balance=BalanceSpec(algorithm))
    play.check(a=True, b=False, c=True)
    seen = {play.pick(key=key * 0x9E3779B97F4A7C15 % 2**64) for key in range(60)}
    assert seen <= {"a", "c"}
    assert play.pick(tried=["a"]) == "c"


def test_all_down_before_the_first_check_passed_and_when_all_are_down():
    play = Play(A, B)
    assert play.pick() is Refusal.ALL_DOWN
    play.check(a=False, b=True)
    assert play.pick() == "b"
    play.check(b=False)
    assert play.pick() is Refusal.ALL_DOWN
    assert play.pick(tried=["a"]) is Refusal.ALL_DOWN


def test_pool_without_backends_is_all_down():
    assert Play().pick() is Refusal.ALL_DOWN


def test_tried_backends_are_not_used_again():
    play = Play("a", "b")
    assert play.pick(tried=["a"]) == "b"
    assert play.pick(tried={"a", "b"}) is Refusal.NONE_LEFT
    assert [play.state.has_other(tried) for tried in (["a"], ["a", "b"])] == [True, False]


def test_full_when_all_are_at_their_ceiling():
    play = Play(backend("a", max_connections=1), backend("b", max_connections=2))
    play.begin("b")
    play.begin("a")
    assert play.pick() == "b"
    play.begin("b")
    assert play.pick() is Refusal.FULL
    play.end("a")
    assert play.pick() == "a"


def test_full_when_only_those_at_the_ceiling_were_not_tried():
    play = Play(backend("a", max_connections=1), "b")
    play.begin("a")
    assert play.pick(tried=["b"]) is Refusal.FULL
    assert play.pick(tried=["a", "b"]) is Refusal.NONE_LEFT


# ---------------------------------------------------------------- sticky


@pytest.mark.parametrize(
    ("tried", "order", "expected"),
    [
        pytest.param([], Mode.READY, "b", id="its backend"),
        pytest.param([], Mode.DRAIN, "b", id="in drain, too"),
        pytest.param([], Mode.MAINT, "a", id="not in maintenance"),
        pytest.param(["b"], Mode.READY, "a", id="not twice"),
    ],
)
def test_sticky(tried, order, expected):
    play = Play("a", "b")
    play.order("b", order)
    assert [play.pick(sticky="b", tried=tried) for _ in range(3)] == [expected] * 3


def test_sticky_to_a_backup_stays_though_primaries_are_back():
    assert Play("a", backend("c", backup=True)).pick(sticky="c") == "c"


def test_sticky_at_the_ceiling_or_gone_is_an_ordinary_pick():
    play = Play("a", backend("b", max_connections=1))
    play.begin("b")
    assert [play.pick(sticky="b"), play.pick(sticky="nobody")] == ["a", "a"]


def test_sticky_in_panic_is_used_though_its_check_fails():
    play = Play(A, B, panic_below=0.9)
    play.check(a=True, b=False)
    assert [play.pick(sticky="b") for _ in range(3)] == ["b"] * 3


def test_sticky_does_not_join_a_trial_that_is_on_the_way():
    play = Play("a", "b", passive=PASSIVE)
    play.run("a", *REFUSED)
    play.wait(10.0)
    assert play.pick(sticky="a") == "a"
    play.begin("a")
    assert play.pick(sticky="a") == "b"


# ---------------------------------------------------------------- ejection


def test_ejected_then_one_trial_then_back():
    play = Play("a", "b", passive=PASSIVE)
    play.run("a", *REFUSED)
    assert play.why() == {"a": "ejected 10 s", "b": None}
    play.wait(9.75)
    assert play.usable() == ["b"]
    play.wait(0.25)
    assert play.usable() == ["a", "b"]
    trial = play.begin("a")
    assert (play.usable(), play.why()["a"]) == (["b"], "ejected, in trial")
    play.end(trial, Result.OK)
    assert (play.usable(), play.why()["a"]) == (["a", "b"], None)


def test_trial_that_fails_ejects_for_longer():
    play = Play("a", "b", passive=PASSIVE)
    play.run("a", *REFUSED)
    for seconds in (20, 25, 25):
        play.wait(30.0)
        play.run("a", Result.TIMEOUT)
        assert play.why()["a"] == f"ejected {seconds} s"


@pytest.mark.parametrize(
    "stop",
    [
        pytest.param(lambda play: play.check(a=False), id="its check fails"),
        pytest.param(lambda play: play.order("a", Mode.MAINT), id="maintenance"),
        pytest.param(lambda play: play.order("a", Mode.DOWN), id="forced down"),
    ],
)
def test_no_trial_against_checks_and_orders(stop):
    play = Play(A, B, passive=PASSIVE)
    play.check(a=True, b=True)
    play.run("a", *REFUSED)
    play.wait(10.0)
    assert play.pick(sticky="a") == "a"
    stop(play)
    assert (play.usable(), play.pick(sticky="a")) == (["b"], "b")


def test_forced_up_backend_that_answers_is_in_service_after_it():
    play = Play("a", "b", passive=PASSIVE)
    play.run("a", *REFUSED)
    play.order("a", Mode.UP)
    play.wait(10.0)
    first, second = play.begin("a"), play.begin("a")
    assert play.usable() == ["a", "b"]
    play.end(first, Result.OK)
    play.end(second, Result.ERROR)
    play.order("a", Mode.READY)
    assert play.why() == {"a": None, "b": None}


def test_cancelled_trial_lets_another_try():
    play = Play("a", "b", passive=PASSIVE)
    play.run("a", *REFUSED)
    play.wait(10.0)
    play.run("a", Result.CANCELLED)
    assert play.usable() == ["a", "b"]
    assert play.why()["a"] is None
    play.run("a", Result.OK)
    assert play.state.summary(play.now)["backends"]["a"]["state"] == "up"


def test_late_failures_of_old_requests_do_not_fail_the_trial():
    play = Play("a", "b", passive=PASSIVE)
    old = [play.begin("a"), play.begin("a")]
    play.run("a", *REFUSED)
    play.wait(10.0)
    trial = play.begin("a")
    for member in old:
        play.end(member, Result.TIMEOUT)
    assert play.usable() == ["b"]
    play.end(trial, Result.OK)
    assert play.usable() == ["a", "b"]


def test_check_that_passes_does_not_bring_it_back():
    play = Play(A, B, passive=PASSIVE)
    play.check(a=True, b=True)
    play.run("a", *REFUSED)
    play.check(a=True)
    play.check(a=False)
    play.check(a=True)
    assert play.usable() == ["b"]


def test_it_starts_slowly_after_an_ejection():
    play = Play("a", "b", passive=PASSIVE, slow_start_s=10.0)
    play.run("a", *REFUSED)
    play.wait(10.0)
    play.run("a", Result.OK)
    assert play.state.members["a"].scale == pytest.approx(0.1)


def test_error_share_ejects_and_cancelled_ones_do_not_count():
    play = Play("a", "b", passive=PASSIVE)
    play.run("a", Result.OK, Result.OK, Result.ERROR, *[Result.CANCELLED] * 9)
    assert play.usable() == ["a", "b"]
    play.run("a", Result.RESET)
    assert play.usable() == ["b"]


@pytest.mark.parametrize(
    ("backends", "share", "out"),
    [
        pytest.param("a", 1.0, "", id="the only one never"),
        pytest.param("ab", 0.1, "a", id="one of two"),
        pytest.param("abcd", 0.5, "ab", id="half of four"),
        pytest.param("abc", 1.0, "ab", id="the last one left never"),
    ],
)
def test_no_more_than_max_ejected_are_out(backends, share, out):
    play = Play(*backends, passive=PassiveSettings(connect_failures=2, max_ejected=share))
    for name in backends:
        play.run(name, *REFUSED)
    assert [name for name, why in play.why().items() if why] == list(out)


def test_when_the_others_fail_checks_an_ejected_one_is_used_without_a_trial():
    play = Play(A, B, passive=PASSIVE)
    play.check(a=True, b=True)
    play.run("a", *REFUSED)
    play.check(b=False)
    assert [play.pick() for _ in range(3)] == ["a"] * 3
    play.wait(10.0)
    play.begin("a")
    play.begin("a")
    assert play.pick() == "a"
    play.check(b=True)
    assert play.usable() == ["b"]


def test_last_one_left_is_ejected_when_there_is_another_again():
    play = Play(A, B, passive=PASSIVE)
    play.check(a=True, b=False)
    play.run("a", *REFUSED)
    assert play.usable() == ["a"]
    play.check(b=True)
    play.run("a", *REFUSED)
    assert play.usable() == ["b"]


# ---------------------------------------------------------------- circuit


def test_circuit_opens_half_opens_and_closes():
    settings = CircuitSettings(min_requests=4, open_s=10.0)
    play = Play("a", "b", circuit=settings)
    play.run("a", *[Result.ERROR] * 4)
    assert [play.pick(), play.pick(sticky="a"), play.pick(tried=["a"])] == [
        Refusal.CIRCUIT_OPEN
    ] * 3
    assert (play.state.hedge_delay_s(), play.state.has_other([])) == (None, False)
    play.wait(10.0)
    trial = play.begin(play.pick())
    assert play.pick() is Refusal.CIRCUIT_OPEN
    play.end(trial, Result.CANCELLED)
    trial = play.begin(play.pick())
    play.end(trial, Result.OK)
    assert play.pick() in ("a", "b")
    assert play.state.summary(play.now)["circuit"] == "closed"


# ---------------------------------------------------------------- times, retries, hedges, queue


def test_times_of_answers_count_and_failures_count_as_slow():
    play = Play("a", "b", "c", "d")
    play.run("a", Result.OK, response_s=0.25)
    play.run("b", Result.ERROR, response_s=0.5)
    play.run("c", Result.CONNECT_FAILED)
    play.run("d", Result.CANCELLED, response_s=0.001)
    averages = [member.ewma_s for member in play.state.members.values()]
    assert averages == [0.25, 0.5, 1.0, None]


def test_retry_budget_is_a_share_of_what_is_on_the_way():
    play = Play("a", retry=RetrySettings(budget=0.5, min_retries=1))
    for _ in range(6):
        play.begin("a")
    assert [play.state.begin_retry() for _ in range(4)] == [True, True, True, False]
    play.state.end_retry()
    assert play.state.summary(0.0)["retries"] == 2


def hedging_pool(*backends, **settings):
    hedge = HedgeSettings(after_quantile=0.95, max_extra=0.5, min_samples=10)
    play = Play(*backends, hedge=hedge, **settings)
    for name in play.usable():
        play.run(name, *[Result.OK] * 10, response_s=0.010)
    play.wait(0.25)
    return play


def test_hedges_after_the_quantile():
    play = hedging_pool("a", "b")
    assert 0.010 <= play.state.hedge_delay_s() <= 0.0109
    assert [play.state.take_hedge() for _ in range(7)] == [True] * 6 + [False]


@pytest.mark.parametrize(
    ("backends", "settings"),
    [
        pytest.param(["a"], {}, id="one backend"),
        pytest.param(["a", backend("c", backup=True)], {}, id="one backend and a backup"),
        pytest.param([A, B], {"panic_below": 1.0, "starts_up": True}, id="panic"),
    ],
)
def test_does_not_hedge(backends, settings):
    play = hedging_pool(*backends, **settings)
    play.check(b=False)
    assert play.state.hedge_delay_s() is None


def test_does_not_hedge_when_only_one_has_room():
    play = hedging_pool("a", backend("b", max_connections=1))
    play.begin("b")
    assert play.state.hedge_delay_s() is None
    play.end("b")
    assert play.state.hedge_delay_s() is not None


@pytest.mark.parametrize(
    ("size", "share", "expected"),
    [
        pytest.param(0, 1.0, 0.0, id="none"),
        pytest.param(200, 0.25, 50.0, id="a quarter"),
        pytest.param(2, 0.1, 1.0, id="at least one"),
    ],
)
def test_queue_is_shared_by_the_workers(size, share, expected):
    state = Play("a", queue=QueueSettings(size=size), share=share).state
    assert (state.queue.size, state.may_queue) == (expected, expected > 0)
