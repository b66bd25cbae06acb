"""Which backend is asked, and what happens when one fails: the same with both engines."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.proxy.conformance.engines import TRUSTED, Engine, until
from tests.proxy.conformance.world import World


def test_round_robin_goes_by_weight(engine: Engine):
    names = engine.names("/trio/", 12)
    # Where in its cycle an engine is depends on who asked before; each cycle holds everybody.
    for start in (0, 4, 8):
        assert Counter(names[start : start + 4]) == {"a": 2, "b": 1, "c": 1}


def test_a_hash_keeps_a_key_at_its_backend(engine: Engine):
    found = {}
    for user in map(str, range(30)):
        (found[user],) = set(engine.names("/hashed/", 2, headers={"X-User": user}))
    assert set(found.values()) == {"a", "b", "c"}


def test_a_hash_without_its_key_goes_by_the_address(engine: Engine):
    assert len(set(engine.names("/hashed/", 6))) == 1


def test_an_affinity_cookie_keeps_a_client(engine: Engine):
    first = engine.ask("/sticky/")
    cookie = first.headers["set-cookie"].partition(";")[0]
    assert cookie.startswith("STAY=")
    assert len(cookie) > len("STAY=") + 10  # neither a name nor an address
    names = engine.names("/sticky/", 6, headers={"Cookie": f"a=b; {cookie}"})
    assert set(names) == {first.headers["x-backend"]}
    assert len(set(engine.names("/sticky/", 6))) == 3


def test_an_affinity_cookie_is_given_once(engine: Engine):
    cookie = engine.ask("/sticky/").headers["set-cookie"]
    attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert attributes == {"path=/", "httponly", "samesite=lax"}
    again = engine.ask("/sticky/", headers={"Cookie": cookie.partition(";")[0]})
    assert "set-cookie" not in again.headers


def test_a_client_is_bound_by_its_address(engine: Engine):
    def ask(client: int) -> set[str]:
        return set(engine.names("/bound/", 3, headers={"X-Forwarded-For": f"198.51.100.{client}"}))

    bound = [ask(client) for client in range(6)]
    assert [len(names) for names in bound] == [1] * 6
    assert len(set.union(*bound)) == 3


def test_a_check_takes_a_backend_out_and_brings_it_back(engine: Engine, world: World):
    until(lambda: set(engine.names("/checked/", 6)) == {"well", "ill"})
    world.echo["ill"].is_well = False
    try:
        until(lambda: set(engine.names("/checked/", 6)) == {"well"})
    finally:
        world.echo["ill"].is_well = True
    until(lambda: set(engine.names("/checked/", 6)) == {"well", "ill"})


def test_a_backup_stands_in_while_nobody_else_is_left(engine: Engine, world: World):
    until(lambda: engine.names("/spared/", 3) == ["first"] * 3)
    world.echo["first"].is_well = False
    try:
        until(lambda: engine.names("/spared/", 3) == ["spare"] * 3)
    finally:
        world.echo["first"].is_well = True
    until(lambda: engine.names("/spared/", 3) == ["first"] * 3)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_was_never_sent_goes_to_another_backend(engine: Engine, method):
    # Half of them meet the backend that nobody listens for.
    assert engine.names("/half/", 6, method=method, body=b"x") == ["one"] * 6


def test_an_answer_to_be_retried_is_retried_elsewhere(engine: Engine):
    assert engine.names("/sour/", 6) == ["mild"] * 6


def test_what_may_not_be_repeated_gets_the_answer_there_is(engine: Engine):
    assert set(engine.names("/sour/", 6, method="POST", body=b"x")) == {"sour", "mild"}


def test_all_down_is_503_with_a_time_to_come_back(engine: Engine):
    until(lambda: engine.ask("/gone/").headers.get("retry-after") is not None)
    answer = engine.ask("/gone/")
    assert answer.status == 503
    assert 1 <= int(answer.headers["retry-after"]) <= 5


def test_the_health_path_asks_no_backend(engine: Engine, world: World):
    before = len(world.echo["one"].asked)
    answer = engine.ask("/healthz")
    assert (answer.status, answer.body.strip()) == (200, b"ok")
    assert len(world.echo["one"].asked) == before


@pytest.mark.parametrize("version", [1, 2])
def test_backends_are_told_the_client_by_proxy_protocol(engine: Engine, version):
    for client in ("203.0.113.50", "203.0.113.51"):
        answer = engine.ask(f"/told{version}/", headers={"X-Forwarded-For": client})
        # It names who is connected; X-Forwarded-For names the client.
        assert answer.seen["announced"] == f"{version} {TRUSTED}"
        assert answer.sent("x-real-ip") == [client]
