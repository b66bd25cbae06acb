import pytest

from gslb.balance.pool_state import Mode, Refusal, Result
from gslb.balance.tiers import count_healthy
from gslb.model.proxy import PassiveSettings
from tests.balance.builders import CHECK, Play, backend


def checked(*names, **settings):
    return [backend(name, check=CHECK, **settings) for name in names]


def test_primaries_before_backups():
    play = Play("a", "b", backend("c", backup=True))
    assert {play.pick() for _ in range(6)} == {"a", "b"}
    assert play.why() == {"a": None, "b": None, "c": "backup"}


def test_backups_when_no_primary_is_usable():
    play = Play(*checked("a", "b"), *checked("c", backup=True))
    play.check(a=True, b=True, c=True)
    play.check(a=False)
    assert play.pick() == "b"
    play.check(b=False)
    assert play.pick() == "c"
    assert play.why() == {"a": "down", "b": "down", "c": None}


def test_backups_for_a_request_that_tried_all_primaries():
    play = Play("a", backend("c", backup=True))
    assert play.pick(tried=["a"]) == "c"
    assert play.why(tried=["a"]) == {"a": "tried", "c": None}
    assert play.pick(tried=["a", "c"]) is Refusal.NONE_LEFT


def test_full_primaries_are_no_reason_to_use_backups():
    play = Play(backend("a", max_connections=1), backend("c", backup=True))
    play.begin("a")
    assert play.pick() is Refusal.FULL


@pytest.mark.parametrize(
    ("panic_below", "usable", "is_panic"),
    [
        pytest.param(0.0, ["a"], False, id="never"),
        pytest.param(0.25, ["a"], False, id="exactly the share is no panic"),
        pytest.param(0.26, ["a", "b", "c", "d"], True, id="less is"),
        pytest.param(1.0, ["a", "b", "c", "d"], True, id="all must be healthy"),
    ],
)
def test_panic_uses_all(panic_below, usable, is_panic):
    play = Play(*checked("a", "b", "c"), *checked("d", backup=True), panic_below=panic_below)
    play.check(a=True, b=False, c=False, d=False)
    assert play.usable() == usable
    assert play.state.is_panic is is_panic


def test_panic_obeys_orders_and_does_not_count_who_is_ordered_out():
    play = Play(*checked("a", "b", "c", "d", "e"), panic_below=0.5)
    play.check(a=True, b=False, c=True, d=True, e=True)
    for name, mode in [("c", Mode.MAINT), ("d", Mode.DRAIN), ("e", Mode.DOWN)]:
        play.order(name, mode)
    assert (play.state.is_panic, play.usable()) == (False, ["a"])
    play.check(a=False)
    assert (play.state.is_panic, play.usable()) == (True, ["a", "b"])


def test_unknown_ones_neither_cause_panic_nor_are_used_in_it():
    play = Play(*checked("a", "b", "c"), panic_below=0.5)
    assert play.pick() is Refusal.ALL_DOWN
    play.check(a=True)
    assert (play.state.is_panic, play.usable()) == (False, ["a"])
    play.check(b=False)
    play.check(a=False)
    assert (play.state.is_panic, play.usable()) == (True, ["a", "b"])


def test_ejected_ones_come_last():
    play = Play(*checked("a", "b"), passive=PassiveSettings())
    play.check(a=True, b=True)
    play.run("a", *[Result.CONNECT_FAILED] * 5)
    assert play.usable() == ["b"]
    play.order("b", Mode.DRAIN)
    assert play.why() == {"a": None, "b": "drain"}
    assert play.usable() == ["a"]
    play.check(a=False)
    assert play.pick() is Refusal.ALL_DOWN


def test_weight_0_gets_no_new_clients():
    play = Play("a", backend("z", weight=0))
    assert play.usable() == ["a"]
    assert play.why() == {"a": None, "z": "weight 0"}
    assert play.pick(sticky="z") == "z"


def test_healthy_are_those_who_take_new_clients():
    play = Play(*checked("a", "b", "c"), backend("z", weight=0))
    play.check(a=True, b=True, c=False)
    play.order("b", Mode.DRAIN)
    standings = [member.standing for member in play.state.members.values()]
    assert count_healthy(standings) == 1
