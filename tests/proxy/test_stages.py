"""Either side breaks off, or ends its half, at every stage: the other one is told, nothing is left,
and whoever comes next is served.

That nothing is left is looked at by the world, at the end of each test.
"""

from __future__ import annotations

import asyncio

import pytest

from gslb.model.proxy import RetrySettings
from tests.proxy.backends import Script, Talk, plain, raw
from tests.proxy.world import Caller, World, before, get, on_both_loops, on_uvloop, post, until

HELLO = plain("hello")
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
UPLOAD = b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n"
UPGRADE = (b"Connection: Upgrade", b"Upgrade: websocket")
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
ASK_FIRST = post(b"hello", b"Expect: 100-continue")[:-5]
NO_RETRY = {"retry": RetrySettings(attempts=0)}
HALF_A_HEAD = get()[:-3]

# name, what the client says, what the backend says to it, how many heads of it the client reads
STAGES = [
    ("half a head", HALF_A_HEAD, b"", 0),
    ("waits for the answer", get(), b"", 0),
    ("half a body", post(b"hello")[:-2], b"", 0),
    ("half a chunk", UPLOAD + b"5\r\nhel", b"", 0),
    ("asks before the body", ASK_FIRST, b"", 0),
    ("asked for the body", ASK_FIRST, b"HTTP/1.1 100 Continue\r\n\r\n", 1),
    ("hints", get(), b"HTTP/1.1 103 Early Hints\r\n\r\n", 1),
    ("half an answer's head", get(), HELLO[:20], 0),
    ("an answer's head", get(), HELLO[:-5], 1),
    ("half an answer", get(), HELLO[:-2], 1),
    ("half a chunk of an answer", get(), CHUNKED + b"5\r\nhel", 1),
    ("an answer until the end", get(), b"HTTP/1.1 200 OK\r\n\r\nhel", 1),
    ("answered before the body", post(b"hello")[:-2], HELLO[:-2], 1),
    ("a tunnel", get(b"/", *UPGRADE), SWITCH + b"hello", 1),
    ("a second request waits", get() + get(b"/2"), HELLO[:-2], 1),
]
stages = pytest.mark.parametrize(
    ("said", "answered", "heads"), [row[1:] for row in STAGES], ids=[row[0] for row in STAGES]
)


class Stage:
    """A backend that says so much to `/`, and answers all else. leave: what it does then."""

    def __init__(self, answered: bytes, leave: str = "") -> None:
        self._answered = answered
        self._leave = leave
        self.reached = asyncio.Event()
        self.leaves = asyncio.Event()

    async def script(self, talk: Talk) -> None:
        while b" / HTTP" not in await talk.head():
            talk.send(HELLO)
        talk.send(self._answered)
        self.reached.set()
        if self._leave:
            await self.leaves.wait()
            getattr(talk, self._leave)()
        await talk.gone()


async def _reach(world: World, stage: Stage, said: bytes, heads: int) -> Caller:
    """A client that has come as far as the stage."""
    caller = await world.ask(said)
    for _ in range(heads):
        await caller.head()
    if said != HALF_A_HEAD:
        await stage.reached.wait()
    else:
        await until(lambda: any(client._buffer for client in world.tier._clients))
    return caller


async def _is_clean(world: World) -> None:
    await until(lambda: not world.tier._clients and not world.tier.in_flight)
    assert (await world.gets(b"/next")).endswith(b"\r\n\r\nhello")


@pytest.mark.parametrize(
    ("said", "answered", "heads"),
    [row[1:] for row in STAGES[:-1]],
    ids=[row[0] for row in STAGES[:-1]],
)
@on_both_loops
async def test_client_resets(said: bytes, answered: bytes, heads: int) -> None:
    stage = Stage(answered)
    async with raw("a", stage.script) as a, before(a) as world:
        (await _reach(world, stage, said, heads)).reset()
        await _is_clean(world)
        assert world.pool.state.members["a"].standing.errors == 0
        for talk in a.talks[:-1]:
            await until(talk.writer.transport.is_closing)


@on_both_loops
async def test_client_that_waits_with_a_second_request_resets() -> None:
    """It is not read meanwhile, so what tells of it is the answer that cannot be written."""
    goes_on = asyncio.Event()

    async def script(talk: Talk) -> None:
        await talk.head()
        talk.send(CHUNKED + b"5\r\nhello\r\n")
        await goes_on.wait()
        while True:
            talk.send(b"5\r\nhello\r\n")
            await talk.writer.drain()
            await asyncio.sleep(0)

    async with raw("a", script) as a, before(a) as world:
        caller = await world.ask(get() + get(b"/2"))
        await caller.head()
        caller.reset()
        goes_on.set()
        await until(lambda: not world.tier._clients and not world.tier.in_flight)
        assert (await world.record())["ended_by"] == "client"
        assert a.count == 1


@stages
@on_both_loops
async def test_client_closes(said: bytes, answered: bytes, heads: int) -> None:
    stage = Stage(answered, "close")
    async with raw("a", stage.script) as a, before(a) as world:
        (await _reach(world, stage, said, heads)).end()
        stage.leaves.set()
        await _is_clean(world)


BACKEND_STAGES = [row for row in STAGES if row[1] != HALF_A_HEAD]


@pytest.mark.parametrize("leave", ["reset", "close"])
@pytest.mark.parametrize(
    ("said", "answered", "heads"),
    [row[1:] for row in BACKEND_STAGES],
    ids=[row[0] for row in BACKEND_STAGES],
)
@on_both_loops
async def test_backend_leaves(said: bytes, answered: bytes, heads: int, leave: str) -> None:
    stage = Stage(answered, leave)
    async with raw("a", stage.script) as a, before(a, pool=NO_RETRY) as world:
        caller = await _reach(world, stage, said, heads)
        stage.leaves.set()
        if b"\r\n\r\n" in answered.replace(b" 100 Continue\r\n\r\n", b"").replace(
            b" 103 Early Hints\r\n\r\n", b""
        ):
            if b"1 200 OK\r\n\r\n" in answered and leave == "close":
                await caller.reads(b"3\r\nhel\r\n0\r\n\r\n")
            else:
                assert not (await caller.rest()).endswith(b"0\r\n\r\n")
        else:
            status, _, _ = await caller.answer()
            assert status == 502
        caller.reset()
        await _is_clean(world)


def _answering(answer: bytes) -> Script:
    """Reads a head and no more, answers, and closes its sending side only."""

    async def script(talk: Talk) -> None:
        await talk.head()
        talk.send(answer)
        talk.writer.write_eof()
        await talk.gone()

    return script


@on_both_loops
async def test_backend_that_ends_its_half_after_the_answer_is_not_used_again() -> None:
    async with raw("a", _answering(HELLO)) as a, before(a) as world:
        for turn in range(3):
            caller = await world.ask(post(b"body"))
            await caller.reads(HELLO)
            await until(lambda turn=turn: len(world.records) == turn + 1)
            await until(lambda: not world.pool._connections)
        assert len(a.talks) == 3


@on_both_loops
async def test_bad_chunk_with_too_large_a_body_is_answered_once() -> None:
    octets = UPLOAD + b"5\r\nhello\r\nzz\r\n"
    async with raw("a", Stage(b"").script) as a, before(a, limits={"body_octets": 4}) as world:
        got = await (await world.ask(octets)).rest()
        assert got.startswith(b"HTTP/1.1 400 ")
        assert got.count(b"HTTP/1.1") == 1
        assert (await world.record())["status"] == 400


@on_both_loops
async def test_bad_chunk_behind_an_early_answer_is_thrown_away() -> None:
    async with raw("a", _answering(HELLO)) as a, before(a) as world:
        caller = await world.ask(UPLOAD + b"5\r\nhello\r\n")
        got = await caller.exactly(len(HELLO) + len(b"Connection: close\r\n"))
        caller.send(b"zz\r\n" * 10)
        await caller.ends()
        assert got.endswith(b"hello")


@on_uvloop
async def test_refused_chunk_comes_while_the_request_waits_for_a_retry() -> None:
    busy = plain("busy", status=b"503 Busy")
    async with (
        raw("a", _answering(busy)) as a,
        raw("b", _answering(busy)) as b,
        before(a, b, pool={"retry": RetrySettings(attempts=1)}) as world,
    ):
        octets = UPLOAD.replace(b"POST", b"PUT") + b"5\r\nhello\r\n"
        caller = await world.ask(octets)
        await until(lambda: a.count + b.count >= 1)
        caller.send(b"zz\r\n")
        status, _, _ = await caller.answer()
        assert status in (400, 503)
        assert (await world.record())["status"] == status
