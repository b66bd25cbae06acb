from dataclasses import replace

import pytest

from gslb.balance.pool_state import Mode, Refusal, Result
from gslb.model.endpoint import Endpoint
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

A, B = backend("a", check=CHECK), backend("b", check=CHECK)
PASSIVE = PassiveSettings(connect_failures=2, max_ejected=1.0)


def test_unchanged_backends_keep_everything():
    play = Play(A, B, "c", passive=PASSIVE)
    play.check(a=True, b=False)
    play.order("c", Mode.DRAIN)
    play.begin("a", cost=2.0)
    play.run("a", Result.OK, response_s=0.5)
    before = dict(play.state.members)
    summary = play.state.summary(play.now)
    play.change(A, B, "c", passive=PASSIVE)
    assert play.state.members == before
    assert play.state.summary(play.now) == summary


def test_ejection_survives():
    play = Play("a", "b", passive=PASSIVE)
    play.run("a", *[Result.CONNECT_FAILED] * 2)
    play.change("a", "b", "c", passive=PASSIVE)
    assert play.why() == {"a": "ejected 30 s", "b": None, "c": None}


def test_weight_and_ceiling_may_change():
    play = Play(A, "b")
    play.check(a=True)
    play.change(replace(A, weight=7, max_connections=1), "b")
    member = play.begin("a")
    assert (member.weight, play.why()) == (7.0, {"a": "full", "b": None})


def test_backend_that_lost_its_check_is_up():
    play = Play(A)
    assert play.pick() is Refusal.ALL_DOWN
    play.change("a")
    assert play.pick() == "a"


def test_removed_backend_leaves_when_its_last_request_ends():
    play = Play("a", "b")
    first, second = play.begin("a"), play.begin("a")
    play.change("b")
    assert (play.usable(), play.state.leaving) == (["b"], {first})
    assert play.state.summary(play.now)["leaving"] == [("a", 2)]
    play.end(first, Result.RESET)
    assert play.state.leaving == {second}
    play.end(second)
    assert (play.state.leaving, play.state.in_flight) == (set(), 0)


def test_idle_removed_backend_is_gone_at_once():
    play = Play("a", "b")
    play.change("b")
    assert play.state.leaving == set()


def test_same_name_at_another_address_is_another_server():
    play = Play(A, "b")
    play.check(a=True)
    old = play.begin("a")
    play.change(replace(A, address=Endpoint("192.0.2.9", 80)), "b")
    new = play.state.members["a"]
    assert new is not old
    assert (old.count, new.count, play.state.leaving) == (1, 0, {old})
    assert play.why()["a"] == "not checked yet"
    play.end(old)
    assert (old.count, new.count, play.state.leaving) == (0, 0, set())


@pytest.mark.parametrize(
    ("after", "scales"),
    [
        pytest.param(["a", "b", "c"], [1.0, 1.0, 0.1], id="who joins starts slowly"),
        pytest.param(["c", "d"], [1.0, 1.0], id="a pool that is all new does not"),
    ],
)
def test_slow_start_of_new_backends(after, scales):
    play = Play("a", "b", slow_start_s=10.0)
    play.change(*after, slow_start_s=10.0)
    assert [member.scale for member in play.state.members.values()] == scales


def test_new_backend_with_a_check_starts_slowly_once_it_passed():
    play = Play("a", slow_start_s=10.0)
    play.change("a", B, slow_start_s=10.0)
    play.wait(60.0)
    assert play.usable() == ["a"]
    play.check(b=True)
    assert play.state.members["b"].scale == pytest.approx(0.1)


def test_smaller_pool_brings_surplus_ejections_back():
    play = Play("a", "b", "c", "d", passive=replace(PASSIVE, max_ejected=0.5))
    play.run("a", *[Result.CONNECT_FAILED] * 2)
    play.wait(1.0)
    play.run("b", *[Result.CONNECT_FAILED] * 2)
    play.change("a", "b", "c", passive=replace(PASSIVE, max_ejected=0.5))
    assert play.why() == {"a": None, "b": "ejected 30 s", "c": None}
    play.change("b", passive=PASSIVE)
    assert play.why() == {"b": None}


def test_without_passive_settings_nobody_is_ejected():
    play = Play("a", "b", passive=PASSIVE)
    play.run("a", *[Result.CONNECT_FAILED] * 2)
    play.change("a", "b")
    assert play.usable() == ["a", "b"]


def test_order_of_the_file_is_the_order_of_members():
    play = Play("a", "b")
    play.change("c", "b", "a")
    assert list(play.state.members) == ["c", "b", "a"]


def test_algorithm_may_change():
    play = Play("a", "b")
    play.change("a", "b", balance=BalanceSpec(Algorithm.CONSISTENT_HASH))
    assert len({play.pick(key=12345) for _ in range(9)}) == 1


def test_removed_backend_is_not_picked_by_a_hash():
    spec = BalanceSpec(Algorithm.MAGLEV)
    play = Play("a", "b", balance=spec)
    play.change("b", balance=spec)
    assert {play.pick(key=key * 2**57) for key in range(50)} == {"b"}


def test_pool_may_lose_all_usable_backends_and_get_them_back():
    play = Play("a")
    play.change(A.__class__("n", Endpoint("192.0.2.9", 80), check=CHECK))
    assert (play.pick(), play.state.is_usable) == (Refusal.ALL_DOWN, False)
    play.change("a")
    assert (play.pick(), play.state.is_usable) == ("a", True)


def test_circuit_queue_budget_and_hedging_follow_the_file():
    play = Play("a", "b")
    assert (play.state.may_queue, play.state.take_hedge()) == (False, False)
    circuit = CircuitSettings(min_requests=1)
    play.change(
        "a",
        "b",
        queue=QueueSettings(size=5),
        circuit=circuit,
        retry=RetrySettings(min_retries=0, budget=0.0),
        hedge=HedgeSettings(max_extra=1.0),
    )
    assert (play.state.may_queue, play.state.begin_retry()) == (True, False)
    play.run("a", Result.OK, Result.OK)
    assert play.state.take_hedge()
    play.run("a", *[Result.ERROR] * 2)
    assert play.pick() is Refusal.CIRCUIT_OPEN
    play.change("a", "b", circuit=circuit)
    assert play.pick() is Refusal.CIRCUIT_OPEN
    play.change("a", "b")
    assert play.pick() == "a"
