"""A second request when the first takes longer than usual: when, for what, what is said of it."""

from __future__ import annotations

import asyncio
from time import monotonic

import pytest

from gslb.model.proxy import (
    AffinitySettings,
    Algorithm,
    BalanceSpec,
    HedgeSettings,
    RetrySettings,
)
from tests.proxy.backends import RawBackend, Script, Talk, plain, raw
from tests.proxy.world import World, before, get, on_both_loops, on_uvloop, post, until

SAMPLES = 20
ALWAYS = HedgeSettings(after_quantile=0.5, max_extra=1.0, min_samples=SAMPLES)
POOL = {
    "balance": BalanceSpec(Algorithm.ROUND_ROBIN),
    "hedge": ALWAYS,
    "retry": RetrySettings(attempts=0),
}
SOON = {"response_s": 1.0}


class Holding:
    """Backends that answer their name, but hold requests for `/hold-NAME` until they are let go.

    gone: names of those whose connection was closed while they held.
    """

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.held: list[str] = []
        self.gone: list[str] = []

    def script(self, name: str) -> Script:
        async def script(talk: Talk) -> None:
            while True:
                request = await talk.request()
                if b"/hold-" + name.encode() in request or b"/hold-all" in request:
                    self.held.append(name)
                    if not await self._hold(talk, name):
                        return
                talk.send(plain(name))

        return script

    async def _hold(self, talk: Talk, name: str) -> bool:
        """Whether the connection is still there when it is let go."""
        going = asyncio.ensure_future(self.go.wait())
        closing = asyncio.ensure_future(talk.gone())
        await asyncio.wait((going, closing), return_when=asyncio.FIRST_COMPLETED)
        if closing.done():
            self.gone.append(name)
        going.cancel()
        closing.cancel()
        return name not in self.gone


async def warm_up(world: World, requests: int = SAMPLES) -> None:
    """As many answers as it takes to know what is usual; the next request goes to a."""
    caller = await world.connect()
    for _ in range(requests):
        caller.send(get())
        assert (await caller.answer())[0] == 200
    await caller.close()
    world.pool.state.tick(monotonic())
    await until(lambda: len(world.records) == requests)
    world.records.clear()


def two(holding: Holding):
    return raw("a", holding.script("a")), raw("b", holding.script("b"))


def errors(world: World) -> dict[str, int]:
    members = world.pool.state.members
    return {name: member.standing.errors for name, member in members.items()}


@on_both_loops
async def test_second_request_wins() -> None:
    holding = Holding()
    make_a, make_b = two(holding)
    async with make_a as a, make_b as b, before(a, b, pool=POOL) as world:
        await warm_up(world)
        await (await world.ask(get(b"/hold-a"))).reads(plain("b"))
        record = await world.record()
        assert (record["hedge"], record["choice"], record["backend"]) == ("won", "hedge", "b")
        assert record["attempts"] == 2
        assert [(one["backend"], one["result"]) for one in record["tried"]] == [("a", "cancelled")]
        await until(lambda: holding.gone == ["a"])  # its connection was closed
        assert errors(world) == {"a": 0, "b": 0}


@on_both_loops
async def test_first_request_wins() -> None:
    holding = Holding()
    make_a, make_b = two(holding)
    async with make_a as a, make_b as b, before(a, b, pool=POOL) as world:
        await warm_up(world)
        caller = await world.ask(get(b"/hold-all"))
        await until(lambda: holding.held == ["a", "b"])
        assert world.pool.state.members["a"].count == world.pool.state.members["b"].count == 1
        for talk in a.talks:  # only a answers
            talk.send(plain("a"))
        await caller.reads(plain("a"))
        record = await world.record()
        assert (record["hedge"], record["choice"], record["backend"]) == ("lost", "algorithm", "a")
        await until(lambda: holding.gone == ["b"])
        assert errors(world) == {"a": 0, "b": 0}


@on_uvloop
async def test_error_of_the_first_waits_for_the_second() -> None:
    holding = Holding()
    make_a, make_b = two(holding)
    async with make_a as a, make_b as b, before(a, b, pool=POOL) as world:
        await warm_up(world)
        caller = await world.ask(get(b"/hold-all"))
        await until(lambda: holding.held == ["a", "b"])
        a.talks[-1].send(plain("busy", status=b"503 Busy"))
        await until(lambda: errors(world)["a"] == 1)
        b.talks[-1].send(plain("b"))
        await caller.reads(plain("b"))
        assert (await world.record())["hedge"] == "won"


@on_uvloop
async def test_when_both_fail_the_answer_that_was_held_is_given() -> None:
    holding = Holding()
    make_a, make_b = two(holding)
    async with make_a as a, make_b as b, before(a, b, pool=POOL) as world:
        await warm_up(world)
        caller = await world.ask(get(b"/hold-all"))
        await until(lambda: holding.held == ["a", "b"])
        a.talks[-1].send(plain("busy", status=b"503 Busy"))
        await until(lambda: errors(world)["a"] == 1)
        b.talks[-1].reset()  # it had been idle: asked once more over a new one
        await until(lambda: holding.held == ["a", "b", "b"])
        b.talks[-1].reset()
        await caller.reads(plain("busy", status=b"503 Busy"))


@on_uvloop
async def test_interim_answers_of_two_are_not_mixed() -> None:
    holding = Holding()
    make_a, make_b = two(holding)
    async with make_a as a, make_b as b, before(a, b, pool=POOL) as world:
        await warm_up(world)
        caller = await world.ask(get(b"/hold-all"))
        await until(lambda: holding.held == ["a", "b"])
        a.talks[-1].send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        b.talks[-1].send(b"HTTP/1.1 103 Early Hints\r\nLink: </b>\r\n\r\n" + plain("b"))
        await caller.reads(plain("b"))


@on_uvloop
async def test_client_that_leaves_ends_both() -> None:
    holding = Holding()
    make_a, make_b = two(holding)
    async with make_a as a, make_b as b, before(a, b, pool=POOL) as world:
        await warm_up(world)
        caller = await world.ask(get(b"/hold-all"))
        await until(lambda: holding.held == ["a", "b"])
        caller.reset()
        await until(lambda: sorted(holding.gone) == ["a", "b"])
        assert errors(world) == {"a": 0, "b": 0}


async def _is_not_hedged(world: World, b: RawBackend, octets: bytes) -> None:
    before_it = b.count
    assert (await (await world.ask(octets)).answer())[0] == 504
    record = await world.record()
    assert "hedge" not in record
    assert b.count == before_it


@pytest.mark.parametrize(
    "octets",
    [
        post(b"body", target=b"/hold-a"),
        post(b"body", target=b"/hold-a", method=b"PATCH"),
        post(b"x" * 70_000, target=b"/hold-a", method=b"PUT"),
        get(b"/hold-a", b"Connection: Upgrade", b"Upgrade: websocket"),
    ],
    ids=["POST", "PATCH", "large body", "upgrade"],
)
@on_uvloop
async def test_what_may_not_be_sent_twice_is_not(octets: bytes) -> None:
    holding = Holding()
    make_a, make_b = two(holding)
    async with make_a as a, make_b as b, before(a, b, pool=POOL, timeouts=SOON) as world:
        await warm_up(world)
        await _is_not_hedged(world, b, octets)


@on_uvloop
async def test_small_body_that_is_still_here_is_sent_to_both() -> None:
    holding = Holding()
    make_a, make_b = two(holding)
    async with make_a as a, make_b as b, before(a, b, pool=POOL) as world:
        await warm_up(world)
        caller = await world.ask(post(b"body", target=b"/hold-a", method=b"PUT"))
        await caller.reads(plain("b"))
        assert a.requests[-1].endswith(b"\r\n\r\nbody")
        assert b.requests[-1].endswith(b"\r\n\r\nbody")


@on_uvloop
async def test_too_few_samples_hedge_nothing() -> None:
    holding = Holding()
    make_a, make_b = two(holding)
    async with make_a as a, make_b as b, before(a, b, pool=POOL, timeouts=SOON) as world:
        await warm_up(world, SAMPLES - 2)
        await _is_not_hedged(world, b, get(b"/hold-a"))


@on_uvloop
async def test_cap_holds() -> None:
    """Each request earns a twentieth of a hedge, which costs what it earns itself besides."""
    holding = Holding()
    make_a, make_b = two(holding)
    hedge = HedgeSettings(after_quantile=0.5, max_extra=0.05, min_samples=SAMPLES)
    pool = {**POOL, "hedge": hedge}
    async with make_a as a, make_b as b, before(a, b, pool=pool, timeouts=SOON) as world:
        await warm_up(world)
        await (await world.ask(get(b"/hold-a"))).reads(plain("b"))  # 21 x 0.05 are 1.05
        await until(lambda: len(world.records) == 1)
        assert world.records.pop()["hedge"] == "won"
        target = b"/hold-all"
        assert (await (await world.ask(get(target))).answer())[0] == 504
        assert "hedge" not in await world.record()
        assert len(holding.held) == 2


@on_uvloop
async def test_panic_hedges_nothing() -> None:
    holding = Holding()
    make_a, make_b = two(holding)
    pool = {**POOL, "panic_below": 0.9}
    async with make_a as a, make_b as b, before(a, b, pool=pool, timeouts=SOON) as world:
        await warm_up(world)
        world.tier.take_check("main", "b", up=False)
        assert world.pool.state.is_panic
        await _is_not_hedged(world, b, get(b"/hold-a"))


@on_uvloop
async def test_one_usable_backend_hedges_nothing() -> None:
    holding = Holding()
    make_a, make_b = two(holding)
    async with make_a as a, make_b as b, before(a, b, pool=POOL, timeouts=SOON) as world:
        await warm_up(world)
        world.tier.take_check("main", "b", up=False)
        await _is_not_hedged(world, b, get(b"/hold-a"))


@on_uvloop
async def test_client_that_belongs_to_a_backend_is_not_taken_from_it() -> None:
    """A session that is slow once must not move: the other backend does not know it."""
    holding = Holding()
    make_a, make_b = two(holding)
    pool = {**POOL, "affinity": AffinitySettings(cookie="SID")}
    async with make_a as a, make_b as b, before(a, b, pool=pool, timeouts=SOON) as world:
        await warm_up(world)
        caller = await world.ask(get())
        _, fields, body = await caller.answer()
        assert body == b"a"
        await until(lambda: len(world.records) == 1)
        world.records.clear()
        cookie = fields[b"set-cookie"].partition(b";")[0]
        await _is_not_hedged(world, b, get(b"/hold-a", b"Cookie: " + cookie))
