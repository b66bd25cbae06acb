"""What real traffic says of a backend: who is taken out, for how long, how many, who comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from gslb.model.proxy import Algorithm, BalanceSpec, PassiveSettings, RetrySettings
from tests.proxy.backends import Script, Talk, breaking, plain, raw
from tests.proxy.world import World, before, get, on_both_loops, on_uvloop, until

FAILED = plain("oh", status=b"500 Internal Server Error")
TIRED = plain("oh", status=b"501 Not Implemented")
SOON = PassiveSettings(
    window_s=60.0, error_share=0.5, min_requests=4, connect_failures=3, eject_s=0.3, max_ejected=0.5
)
LONG = PassiveSettings(60.0, 0.5, 4, 3, eject_s=100.0, max_ejected=0.5)


def pool(passive: PassiveSettings, attempts: int = 0) -> dict[str, object]:
    return {
        "balance": BalanceSpec(Algorithm.ROUND_ROBIN),
        "passive": passive,
        "retry": RetrySettings(attempts=attempts),
    }


class Moody:
    """Backends that answer their names, or whatever is said of them in `answers`. `/trial` waits
    for `go`.
    """

    def __init__(self, **answers: bytes) -> None:
        self.answers = answers
        self.go = asyncio.Event()
        self.trials = 0

    def script(self, name: str) -> Script:
        async def script(talk: Talk) -> None:
            while True:
                if b" /trial " in await talk.request():
                    self.trials += 1
                    await self.go.wait()
                talk.send(self.answers.get(name, plain(name)))

        return script


def state(world: World, name: str) -> str:
    return world.pool.state.members[name].standing.state


def times_out(world: World, name: str) -> int:
    passive = world.pool.state.members[name].standing.passive
    assert passive is not None
    return passive.times


async def bodies(world: World, count: int) -> list[bytes]:
    """The bodies of so many answers, one request after the other."""
    return [(await world.gets()).rpartition(b"\r\n\r\n")[2] for _ in range(count)]


def out(world: World, names: Iterable[str]) -> set[str]:
    return {name for name in names if state(world, name) != "up"}


@on_both_loops
async def test_share_of_errors_takes_a_backend_out() -> None:
    moody = Moody(a=FAILED)
    async with (
        raw("a", moody.script("a")) as a,
        raw("b", moody.script("b")) as b,
        before(a, b, pool=pool(LONG)) as world,
    ):
        assert set(await bodies(world, 8)) == {b"oh", b"b"}
        assert a.count == 4
        assert state(world, "a") == "ejected"
        assert set(await bodies(world, 6)) == {b"b"}
        assert (a.count, b.count) == (4, 10)
        assert world.records[-1]["excluded"] == {"a": "ejected 100 s"}


@on_uvloop
async def test_errors_below_the_share_take_nobody_out() -> None:
    moody = Moody()
    async with (
        raw("a", moody.script("a")) as a,
        raw("b", moody.script("b")) as b,
        before(a, b, pool=pool(LONG)) as world,
    ):
        for turn in range(12):  # a third of those of a
            moody.answers = {"a": FAILED} if turn % 3 == 2 else {}
            await bodies(world, 2)
        assert world.pool.state.members["a"].standing.errors == 4
        assert out(world, "ab") == set()


@pytest.mark.parametrize("answer", [TIRED, plain("no", status=b"404 Not Found")])
@on_uvloop
async def test_answers_about_the_request_say_nothing_of_the_backend(answer: bytes) -> None:
    moody = Moody(a=answer)
    async with (
        raw("a", moody.script("a")) as a,
        raw("b", moody.script("b")) as b,
        before(a, b, pool=pool(LONG)) as world,
    ):
        await bodies(world, 20)
        assert out(world, "ab") == set()


@on_uvloop
async def test_clients_that_leave_say_nothing_of_the_backend() -> None:
    moody = Moody()
    async with (
        raw("a", moody.script("a")) as a,
        raw("b", moody.script("b")) as b,
        before(a, b, pool=pool(LONG)) as world,
    ):
        for turn in range(20):
            caller = await world.ask(get(b"/trial"))
            await until(lambda turn=turn: moody.trials == turn + 1)
            caller.reset()
        await until(lambda: len(world.records) == 20)
        assert out(world, "ab") == set()


@on_both_loops
async def test_refused_connections_in_a_row_take_a_backend_out_and_fail_nobody() -> None:
    moody = Moody()
    async with (
        raw("a", moody.script("a")) as a,
        raw("b", moody.script("b")) as b,
        before(a, b, pool=pool(LONG, attempts=1)) as world,
    ):
        a.stop_listening()
        assert set(await bodies(world, 10)) == {b"b"}
        assert state(world, "a") == "ejected"
        refused = [record for record in world.records if record["attempts"] == 2]
        assert [record["tried"][0]["result"] for record in refused] == ["connect_failed"] * 3


@on_uvloop
async def test_resets_are_errors() -> None:
    moody = Moody()
    async with (
        raw("a", breaking) as a,
        raw("b", moody.script("b")) as b,
        before(a, b, pool=pool(LONG, attempts=1)) as world,
    ):
        assert set(await bodies(world, 10)) == {b"b"}
        assert state(world, "a") == "ejected"


@on_both_loops
async def test_one_request_at_a_time_tries_and_a_success_brings_back() -> None:
    moody = Moody(a=FAILED)
    async with (
        raw("a", moody.script("a")) as a,
        raw("b", moody.script("b")) as b,
        before(a, b, pool=pool(SOON)) as world,
    ):
        await bodies(world, 8)
        await until(lambda: state(world, "a") == "trial")
        callers = [await world.ask(get(b"/trial")) for _ in range(6)]
        await until(lambda: moody.trials == 6)
        assert a.count == 5  # one of six
        moody.answers = {}
        moody.go.set()
        for caller in callers:
            assert (await caller.answer())[0] == 200
        assert state(world, "a") == "up"
        assert sorted(await bodies(world, 6)) == [b"a"] * 3 + [b"b"] * 3


@on_uvloop
async def test_failed_trial_takes_it_out_for_longer() -> None:
    moody = Moody(a=FAILED)
    async with (
        raw("a", moody.script("a")) as a,
        raw("b", moody.script("b")) as b,
        before(a, b, pool=pool(SOON)) as world,
    ):
        await bodies(world, 8)
        for turn in (1, 2):
            assert times_out(world, "a") == turn
            await until(lambda: state(world, "a") == "trial")
            await bodies(world, 2)
        assert times_out(world, "a") == 3
        assert a.count == 6
        standing = world.pool.state.members["a"].standing
        passive = standing.passive
        assert passive is not None
        assert passive.out_until is not None
        last = world.records[-1]
        assert last["excluded"]["a"] in ("ejected 1 s", "ejected, in trial")


@on_uvloop
async def test_check_that_passes_brings_nobody_back() -> None:
    moody = Moody(a=FAILED)
    async with (
        raw("a", moody.script("a")) as a,
        raw("b", moody.script("b")) as b,
        before(a, b, pool=pool(LONG)) as world,
    ):
        await bodies(world, 8)
        world.tier.take_check("main", "a", up=False)
        world.tier.take_check("main", "a", up=True)
        assert state(world, "a") == "ejected"
        assert set(await bodies(world, 4)) == {b"b"}


@on_uvloop
async def test_no_more_than_their_share_are_out() -> None:
    moody = Moody(a=FAILED, b=FAILED, c=FAILED)
    async with (
        raw("a", moody.script("a")) as a,
        raw("b", moody.script("b")) as b,
        raw("c", moody.script("c")) as c,
        raw("d", moody.script("d")) as d,
        before(a, b, c, d, pool=pool(LONG)) as world,
    ):
        await bodies(world, 40)
        assert len(out(world, "abcd")) == 2
        assert state(world, "d") == "up"


@on_uvloop
async def test_last_one_is_never_taken_out() -> None:
    passive = PassiveSettings(60.0, 0.5, 4, 3, eject_s=100.0, max_ejected=1.0)
    moody = Moody(a=FAILED, b=FAILED)
    async with (
        raw("a", moody.script("a")) as a,
        raw("b", moody.script("b")) as b,
        before(a, b, pool=pool(passive)) as world,
    ):
        assert set(await bodies(world, 30)) == {b"oh"}
        assert len(out(world, "ab")) == 1
        assert a.count + b.count == 30
