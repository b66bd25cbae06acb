"""Bodies of requests: framed anew, expected, answered early, and slow on either side."""

from __future__ import annotations

import asyncio
import resource

import pytest

from tests.proxy.backends import Talk, always, plain, raw
from tests.proxy.world import before, get, on_both_loops, on_uvloop, post, until

HELLO = plain("hello")
CLOSE = HELLO.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
UPLOAD = b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n"
MIB = 1024 * 1024


def content_of(request: bytes) -> bytes:
    """What chunks hold."""
    _, _, rest = request.partition(b"\r\n\r\n")
    content = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        if not int(size, 16):
            return content
        content += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    return content


@on_both_loops
async def test_chunks_are_framed_anew_and_trailers_judged() -> None:
    octets = UPLOAD + b"5;a=b\r\nhello\r\n03\r\nyou\r\n0\r\nSum: 1\r\nHost: evil\r\n\r\n"
    async with raw("a", always(HELLO)) as a, before(a) as world:
        caller = await world.ask(octets + get(b"/next"))
        await caller.reads(HELLO * 2)
        (seen,) = a.requests
        assert seen.startswith(b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n")
        assert b"\r\n\r\n5\r\nhello\r\n3\r\nyou\r\n0\r\nSum: 1\r\n\r\nGET /next HTTP/1.1" in seen


@pytest.mark.parametrize("framing", ["chunked", "length"])
@on_uvloop
async def test_body_split_at_every_octet(framing: str) -> None:
    octets = post(b"hello world")
    if framing == "chunked":
        octets = UPLOAD + b"5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nSum: 1\r\n\r\n"
    body_at = octets.index(b"\r\n\r\n") + 4
    async with raw("a", always(HELLO)) as a, before(a) as world:
        for index in range(body_at, len(octets)):
            caller = await world.ask(octets[:index])
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            caller.send(octets[index:])
            await caller.reads(HELLO)
        (seen,) = a.requests
        assert a.count == len(octets) - body_at
        each = seen.split(b"POST / ")[1:]
        if framing == "chunked":
            assert {content_of(one) for one in each} == {b"hello world"}
            assert all(one.endswith(b"0\r\nSum: 1\r\n\r\n") for one in each)
        else:
            assert all(one.endswith(b"\r\n\r\nhello world") for one in each)


@on_both_loops
async def test_continue_comes_from_the_backend() -> None:
    async def expecting(talk: Talk) -> None:
        assert b"\r\nExpect: 100-continue\r\n" in await talk.head()
        talk.send(CONTINUE)
        assert await talk.exactly(5) == b"12345"
        talk.send(HELLO)
        await talk.gone()

    async with raw("a", expecting) as a, before(a) as world:
        octets = post(b"12345", b"Expect: 100-continue")
        caller = await world.ask(octets[:-5])
        await caller.reads(CONTINUE)
        caller.send(octets[-5:])
        await caller.reads(HELLO)
        assert len(world.tier._clients) == 1


@on_both_loops
async def test_final_answer_instead_of_continue_closes() -> None:
    refusal = plain("no", status=b"403 Forbidden")

    async def refusing(talk: Talk) -> None:
        await talk.head()
        talk.send(refusal)
        await talk.gone()

    async with raw("a", refusing) as a, before(a) as world:
        caller = await world.ask(post(b"12345", b"Expect: 100-continue")[:-5])
        await caller.ends(refusal.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert len(a.talks) == 1


@on_both_loops
async def test_early_answer_to_an_unread_body_is_whole_and_closes() -> None:
    async def early(talk: Talk) -> None:
        await talk.head()
        talk.send(HELLO)
        await talk.gone()

    async with raw("a", early) as a, before(a) as world:
        caller = await world.ask(post(b"x" * 8 * MIB)[: 4 * MIB])
        await caller.ends(CLOSE)


@pytest.mark.parametrize("framing", ["chunked", "length"])
@on_uvloop
async def test_body_over_the_limit_is_413(framing: str) -> None:
    octets = UPLOAD + b"a\r\n0123456789\r\n" * 3 if framing == "chunked" else post(b"x" * 21)
    async with raw("a", always(HELLO)) as a, before(a, limits={"body_octets": 20}) as world:
        got = await (await world.ask(octets)).rest()
        assert got.startswith(b"HTTP/1.1 413 Content Too Large\r\n")
        assert b"\r\nConnection: close\r\n" in got


@on_uvloop
async def test_bad_chunk_of_a_request_is_400_and_the_backend_sees_no_end() -> None:
    async with raw("a", always(HELLO)) as a, before(a) as world:
        caller = await world.ask(UPLOAD + b"5\r\nhello\r\n")
        await until(lambda: a.requests and a.requests[0].endswith(b"hello\r\n"))
        caller.send(b"0x2\r\nhi\r\n")
        got = await caller.rest()
        assert got.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert not a.requests[0].endswith(b"0\r\n\r\n")
        assert (await world.record())["reason"] == "chunk_size"


@on_uvloop
async def test_request_of_a_client_that_leaves_in_its_body_ends_at_the_backend() -> None:
    async with raw("a", always(HELLO)) as a, before(a) as world:
        caller = await world.ask(post(b"hello")[:-1])
        await until(lambda: a.requests and a.requests[0].endswith(b"hell"))
        caller.reset()
        record = await world.record()
        assert (record["ended_by"], record["status"]) == ("client", 0)
        await until(a.talks[0].writer.transport.is_closing)


# ---------------------------------------------------------------- slow sides

SIZE = 64 * MIB
PIECE = b"x" * 65536


def _grown(before_kib: int) -> float:
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib) / 1024


@on_both_loops
async def test_slow_reader_holds_the_backend_up() -> None:
    sent = 0
    go_on = asyncio.Event()

    async def fast(talk: Talk) -> None:
        nonlocal sent
        await talk.request()
        talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
        for _ in range(SIZE // len(PIECE)):
            talk.send(PIECE)
            await talk.writer.drain()
            sent += len(PIECE)
        await talk.gone()

    async with raw("a", fast) as a, before(a) as world:
        caller = await world.connect(receive_octets=16384)
        caller.writer.transport.pause_reading()
        caller.send(get())
        (client,) = await _clients(world)
        await until(lambda: client.is_congested)
        await _until_still(lambda: sent)
        assert client.transport.get_write_buffer_size() <= 64 * 1024 + 256 * 1024
        assert sent < 16 * MIB  # what the system's own buffers take
        go_on.set()
        caller.writer.transport.resume_reading()
        head = await caller.head()
        assert head.endswith(b"Content-Length: %d\r\n\r\n" % SIZE)
        left = SIZE
        while left:
            left -= len(await asyncio.wait_for(caller.reader.read(MIB), 10))
        assert not client.is_congested


@on_both_loops
async def test_slow_backend_holds_the_client_up() -> None:
    go_on = asyncio.Event()

    async def slow(talk: Talk) -> None:
        await talk.head()
        talk.writer.transport.pause_reading()
        await go_on.wait()
        talk.writer.transport.resume_reading()
        left = SIZE
        while left:
            left -= len(await talk._reader.read(MIB))
        talk.send(HELLO)

    async with raw("a", slow) as a, before(a) as world:
        caller = await world.ask(
            post(b"")[:-5].replace(b"Length: ", b"Length: %d" % SIZE) + b"\r\n\r\n"
        )
        await until(lambda: a.count == 1)
        sent = 0

        async def push() -> None:
            nonlocal sent
            for _ in range(SIZE // len(PIECE)):
                caller.send(PIECE)
                await caller.writer.drain()
                sent += len(PIECE)

        pushing = asyncio.get_running_loop().create_task(push())
        (client,) = await _clients(world)
        await until(lambda: client.is_reading_paused)
        await _until_still(lambda: sent)
        connection = client.exchange.attempts[0].connection
        assert connection.transport.get_write_buffer_size() <= 64 * 1024 + 2 * 256 * 1024
        assert len(client._buffer) == 0
        assert sent < 16 * MIB
        go_on.set()
        await pushing
        await caller.reads(HELLO)


@on_uvloop
async def test_64_mib_each_way_at_once() -> None:
    async def echo(talk: Talk) -> None:
        await talk.head()
        talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
        left = SIZE
        while left:
            piece = await talk._reader.read(MIB)
            left -= len(piece)
            talk.send(piece)
            await talk.writer.drain()

    async with raw("a", echo) as a, before(a) as world:
        grown_from = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        caller = await world.ask(
            post(b"")[:-5].replace(b"Length: ", b"Length: %d" % SIZE) + b"\r\n\r\n"
        )

        async def push() -> None:
            for _ in range(SIZE // len(PIECE)):
                caller.send(PIECE)
                await caller.writer.drain()

        pushing = asyncio.get_running_loop().create_task(push())
        await caller.head()
        left = SIZE
        while left:
            left -= len(await asyncio.wait_for(caller.reader.read(MIB), 10))
        await pushing
        assert _grown(grown_from) < 48
        record = await world.record()
        assert record["octets_out"] == SIZE
        assert record["octets_in"] > SIZE


async def _clients(world) -> list:
    await until(lambda: world.tier._clients)
    return list(world.tier._clients)


async def _until_still(measure) -> None:
    """Waits until a figure has stopped growing."""
    before = -1
    while (now := measure()) != before:
        before = now
        await asyncio.sleep(0.1)
