import pytest

from gslb.balance.pool_state import Mode, Refusal, Result
from gslb.model.proxy import PassiveSettings
from tests.balance.builders import CHECK, Play, backend

A, B = backend("a", check=CHECK), backend("b", check=CHECK)
NOBODY = Refusal.ALL_DOWN


def scale(play, name="a"):
    return pytest.approx(play.state.members[name].scale)


def state_of(play, name="a"):
    return play.state.summary(play.now)["backends"][name]["state"]


def test_without_a_check_it_is_up_at_once():
    assert Play("a").pick() == "a"


def test_with_a_check_it_is_unknown_until_the_first_result():
    play = Play(A)
    assert play.pick() is Refusal.ALL_DOWN
    assert (play.why(), state_of(play)) == ({"a": "not checked yet"}, "unknown")
    play.check(a=True)
    assert (play.pick(), state_of(play)) == ("a", "up")
    play.check(a=False)
    assert (play.pick(), play.why(), state_of(play)) == (Refusal.ALL_DOWN, {"a": "down"}, "down")


def test_starts_up_counts_as_up_until_a_check_says_otherwise():
    play = Play(A, starts_up=True)
    assert play.pick() == "a"
    play.check(a=False)
    assert play.pick() is Refusal.ALL_DOWN


def test_results_for_unknown_names_say_nothing():
    play = Play("a")
    play.check(nobody=False)
    play.order("nobody", Mode.MAINT)
    assert play.pick() == "a"


@pytest.mark.parametrize(
    ("mode", "up", "new", "sticky", "why"),
    [
        pytest.param(Mode.READY, True, "a", "a", None, id="ready, up"),
        pytest.param(Mode.READY, False, NOBODY, NOBODY, "down", id="ready, down"),
        pytest.param(Mode.DRAIN, True, NOBODY, "a", "drain", id="drain, up"),
        pytest.param(Mode.DRAIN, False, NOBODY, NOBODY, "drain", id="drain, down"),
        pytest.param(Mode.MAINT, True, NOBODY, NOBODY, "maint", id="maint"),
        pytest.param(Mode.UP, False, "a", "a", None, id="forced up"),
        pytest.param(Mode.DOWN, True, NOBODY, NOBODY, "forced down", id="forced down"),
    ],
)
def test_what_an_order_means(mode, up, new, sticky, why):
    play = Play(A)
    play.check(a=up)
    play.order("a", mode)
    assert (play.pick(), play.pick(sticky="a"), play.why()) == (new, sticky, {"a": why})


def test_order_ends_at_its_time():
    play = Play("a")
    play.order("a", Mode.MAINT, until=10.0)
    play.wait(9.75)
    assert play.pick() is Refusal.ALL_DOWN
    play.wait(0.25)
    assert play.pick() == "a"


def test_check_results_that_come_in_maintenance_count_after_it():
    play = Play(A)
    play.check(a=True)
    play.order("a", Mode.MAINT)
    play.check(a=False)
    assert play.why() == {"a": "maint"}
    play.order("a", Mode.READY)
    assert play.why() == {"a": "down"}


def test_no_slow_start_when_the_process_starts():
    play = Play(A, "c", slow_start_s=10.0)
    play.check(a=True)
    assert [scale(play, name) for name in "ac"] == [1.0, 1.0]


def test_slow_start_when_it_comes_back():
    play = Play(A, B, slow_start_s=10.0)
    play.check(a=False, b=True)
    play.check(a=True)
    scales = [play.state.members["a"].scale]
    for _ in range(4):
        play.wait(2.5)
        scales.append(play.state.members["a"].scale)
    assert scales == pytest.approx([0.1, 0.325, 0.55, 0.775, 1.0])
    assert scale(play, "b") == 1.0


@pytest.mark.parametrize(
    ("mode", "after"),
    [
        pytest.param(Mode.MAINT, 0.1, id="after maintenance"),
        pytest.param(Mode.DOWN, 0.1, id="after it was forced down"),
        pytest.param(Mode.DRAIN, 1.0, id="not after drain: it never stopped"),
        pytest.param(Mode.UP, 1.0, id="not after it was forced up"),
    ],
)
def test_slow_start_after_orders(mode, after):
    play = Play("a", "b", slow_start_s=10.0)
    play.order("a", mode)
    play.wait(5.0)
    play.order("a", Mode.READY)
    assert scale(play) == after


def test_slow_start_begins_anew_when_it_went_down_meanwhile():
    play = Play(A, "b", slow_start_s=10.0)
    play.check(a=False)
    play.check(a=True)
    play.wait(5.0)
    play.check(a=False)
    play.wait(1.0)
    play.check(a=True)
    assert scale(play) == 0.1


def test_slow_start_scales_the_ceiling():
    play = Play(backend("a", check=CHECK, max_connections=20), slow_start_s=10.0)
    play.check(a=False)
    play.check(a=True)
    assert fill(play, "a") == 2
    play.wait(5.0)
    assert fill(play, "a") == 9  # 11 in all
    play.wait(5.0)
    assert fill(play, "a") == 9  # 20 in all


def fill(play, name):
    """How many more attempts there is room for."""
    count = 0
    while play.pick() == name:
        play.begin(name)
        count += 1
    return count


def test_traffic_follows_the_scale():
    play = Play(A, B, slow_start_s=9.0)
    play.check(a=False, b=True)
    play.check(a=True)
    picks = [play.pick() for _ in range(22)]
    assert picks.count("a") == 2  # 0.1 to 1


@pytest.mark.parametrize(
    ("share", "room"),
    [
        pytest.param(1.0, 10, id="one worker"),
        pytest.param(0.5, 5, id="two"),
        pytest.param(1 / 3, 3, id="three: rounded down"),
        pytest.param(1 / 64, 1, id="at least one"),
    ],
)
def test_ceiling_is_shared_by_the_workers(share, room):
    assert fill(Play(backend("a", max_connections=10), share=share), "a") == room


def test_cost_counts_towards_the_ceiling():
    play = Play(backend("a", max_connections=5))
    play.begin("a", cost=3.0)
    assert play.pick(cost=3.0) is Refusal.FULL
    assert play.pick(cost=2.0) == "a"
    play.begin("a", cost=1.5)
    assert play.pick() is Refusal.FULL
    assert play.pick(cost=0.5) == "a"
    play.end("a", cost=3.0)
    assert (play.pick(), play.pick(cost=3.0)) == ("a", "a")


def test_idle_backend_takes_what_costs_more_than_its_ceiling():
    play = Play(backend("a", max_connections=2))
    assert play.pick(cost=3.0) == "a"
    play.begin("a", cost=3.0)
    assert play.pick() is Refusal.FULL


def test_forced_up_ignores_ejection_and_is_not_ejected():
    play = Play("a", "b", passive=PassiveSettings(connect_failures=2))
    play.run("a", *[Result.CONNECT_FAILED] * 2)
    assert (state_of(play), play.usable()) == ("ejected", ["b"])
    play.order("a", Mode.UP)
    assert (state_of(play), play.usable()) == ("up", ["a", "b"])
    play.order("b", Mode.UP)
    play.run("b", *[Result.CONNECT_FAILED] * 9)
    assert play.usable() == ["a", "b"]
