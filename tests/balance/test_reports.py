import pytest

from gslb.balance.pool_state import Mode, PoolLoad, Result
from gslb.model.proxy import Algorithm, BalanceSpec, PassiveSettings, QueueSettings
from tests.balance.builders import CHECK, Play, backend


def test_load_of_a_pool_that_did_nothing():
    play = Play("a", backend("b", check=CHECK))
    assert play.state.load(0.0) == PoolLoad(0, 0.0, None, None, None, 0.0, 1, 2)


def test_load():
    play = Play("a")
    play.begin("a")
    play.run("a", *[Result.OK] * 94, response_s=0.010)
    play.run("a", *[Result.ERROR] * 4, response_s=0.200)
    play.run("a", *[Result.RESET] * 2)
    play.run("a", *[Result.CANCELLED] * 50)
    play.wait(5.0)
    load = play.state.load(play.now)
    assert (load.in_flight, load.requests_per_s, load.error_share) == (1, 20.0, 0.06)
    assert (load.healthy, load.total) == (1, 1)
    times = [(load.p50_ms, 10.0), (load.p95_ms, 10.0), (load.p99_ms, 200.0)]
    for measured, exact in times:
        assert exact <= measured <= exact * 1.0906


def test_load_forgets():
    play = Play("a")
    play.run("a", *[Result.ERROR] * 9, response_s=0.010)
    play.wait(30.0)
    assert play.state.load(play.now) == PoolLoad(0, 0.0, None, None, None, 0.0, 1, 1)


def test_explain_tells_score_and_reason_of_each():
    play = Play(
        backend("a", check=CHECK),
        backend("b", max_connections=2),
        "c",
        "d",
        "e",
        backend("f", backup=True),
        balance=BalanceSpec(Algorithm.LEAST_CONNECTIONS),
        passive=PassiveSettings(connect_failures=1),
    )
    play.begin("b")
    play.begin("b")
    play.order("c", Mode.DRAIN)
    play.run("d", Result.CONNECT_FAILED)
    play.now += 17.5
    assert [tuple(one) for one in play.state.explain(play.now)] == [
        ("a", 0.0, "not checked yet"),
        ("b", 2.0, "full"),
        ("c", 0.0, "drain"),
        ("d", 0.0, "ejected 13 s"),
        ("e", 0.0, None),
        ("f", 0.0, "backup"),
    ]
    assert play.why(tried=["e", "b"])["e"] == "tried"
    assert play.why(tried=["e", "b"])["f"] is None


def stood(play):
    found = play.state.stand(play.now)
    told = {name: (score, None) for name, score in zip(found.members, found.scores, strict=True)}
    return {**told, **{name: (None, why) for name, why in found.excluded.items()}}


def test_stand_says_what_explain_says_whatever_has_happened():
    play = Play(
        backend("a", check=CHECK),
        backend("b", max_connections=1),
        "c",
        "d",
        balance=BalanceSpec(Algorithm.LEAST_CONNECTIONS),
        passive=PassiveSettings(connect_failures=1),
    )
    steps = (
        lambda: play.begin("b"),
        lambda: play.check(a=True),
        lambda: play.order("c", Mode.DRAIN),
        lambda: play.run("d", Result.CONNECT_FAILED),
        lambda: play.wait(3.0),
        lambda: play.end("b"),
        lambda: play.order("c", Mode.READY),
        lambda: play.check(a=False),
        lambda: play.wait(40.0),
        lambda: [play.order(name, Mode.MAINT) for name in "abcd"],
    )
    for step in steps:
        step()
        told = {
            name: (score if excluded is None else None, excluded)
            for name, score, excluded in play.state.explain(play.now)
        }
        assert stood(play) == told


def test_summary_is_plain_data():
    play = Play(
        backend("a", weight=3, max_connections=10),
        backend("b", backup=True),
        passive=PassiveSettings(connect_failures=1),
        queue=QueueSettings(size=2),
    )
    play.state.queue.put("x", priority=1, now=0.0, timeout_s=1.0)
    play.begin("a", cost=2.0)
    play.run("a", Result.OK, Result.ERROR, response_s=0.25)
    play.run("a", Result.CONNECT_FAILED)
    summary = play.state.summary(10.0)
    backends = summary.pop("backends")
    assert summary == {
        "pool": "web",
        "algorithm": "round_robin",
        "in_flight": 1,
        "queued": 1,
        "retries": 0,
        "circuit": None,
        "panic": False,
        "leaving": [],
    }
    assert backends["a"] == {
        "state": "ejected",
        "mode": "ready",
        "backup": False,
        "in_flight": 1,
        "active": 2.0,
        "limit": 10,
        "weight": 3.0,
        "scale": 1.0,
        "ejected_for_s": 20.0,
        "ejections": 1,
        "ewma_ms": pytest.approx(1000.0),
        "requests": 3,
        "errors": 2,
    }
    assert backends["b"]["backup"] is True
    assert (backends["b"]["limit"], backends["b"]["ewma_ms"]) == (None, None)
