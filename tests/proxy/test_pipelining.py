"""Several requests of one connection: in order, one at a time, bounded."""

from __future__ import annotations

import asyncio

from tests.proxy.backends import Talk, always, plain, raw
from tests.proxy.world import before, get, on_both_loops, on_uvloop, ours, post, until

HELLO = plain("hello")


async def _echo_targets(talk: Talk) -> None:
    while True:
        request = await talk.request()
        talk.send(plain(request.split(b" ")[1]))


@on_both_loops
async def test_32_requests_in_one_write_are_answered_in_order() -> None:
    targets = [b"/%d" % index for index in range(32)]
    async with raw("a", _echo_targets) as a, before(a) as world:
        caller = await world.ask(b"".join(get(target) for target in targets))
        await caller.reads(b"".join(plain(target) for target in targets))
        assert a.count == 32


@on_both_loops
async def test_the_next_begins_after_the_former() -> None:
    answered = asyncio.Event()

    async def one_at_a_time(talk: Talk) -> None:
        await talk.request()
        await answered.wait()
        talk.send(HELLO)
        await talk.request()
        talk.send(HELLO)

    async with raw("a", one_at_a_time) as a, before(a) as world:
        caller = await world.ask(get(b"/1") + get(b"/2"))
        await until(lambda: a.count == 1)
        assert world.tier.in_flight == 1
        answered.set()
        await caller.reads(HELLO * 2)


@on_both_loops
async def test_requests_with_bodies_keep_their_bounds() -> None:
    chunked = post(b"", b"Transfer-Encoding: chunked").replace(b"Content-Length: 0\r\n", b"")
    octets = post(b"GET /no HTTP/1.0\r\n\r\n") + chunked + b"3\r\nabc\r\n0\r\n\r\n" + get(b"/last")
    async with raw("a", _echo_targets) as a, before(a) as world:
        caller = await world.ask(octets)
        await caller.reads(plain("/") * 2 + plain("/last"))
        assert a.count == 3


@on_both_loops
async def test_a_flood_of_requests_is_not_read_while_one_is_on_its_way() -> None:
    first = asyncio.Event()

    async def stuck(talk: Talk) -> None:
        await talk.request()
        await first.wait()
        talk.send(HELLO)
        await always(HELLO)(talk)

    async with raw("a", stuck) as a, before(a) as world:
        caller = await world.ask(get())
        await until(lambda: a.count == 1)
        caller.send(get() * 500_000)  # some 18 MB
        (client,) = world.tier._clients
        await until(lambda: client.is_reading_paused)
        await asyncio.sleep(0.05)
        assert len(client._buffer) <= 256 * 1024
        assert caller.writer.transport.get_write_buffer_size() > 1_000_000
        caller.reset()
        first.set()
        await until(lambda: not world.tier._clients)


@on_both_loops
async def test_half_closed_client_gets_all_of_its_answers() -> None:
    async with raw("a", _echo_targets) as a, before(a) as world:
        caller = await world.ask(get(b"/1") + get(b"/2") + get(b"/3"))
        caller.end()
        got = await caller.rest()
        assert [line for line in got.split(b"\r\n") if b"/" in line and b"HTTP" not in line]
        for target in (b"/1", b"/2", b"/3"):
            assert target in got


@on_both_loops
async def test_a_head_that_comes_in_two_while_another_is_answered_is_read_on() -> None:
    first = asyncio.Event()

    async def waiting(talk: Talk) -> None:
        await talk.request()
        await first.wait()
        talk.send(HELLO)
        await always(HELLO)(talk)

    async with raw("a", waiting) as a, before(a) as world:
        caller = await world.ask(get())
        await until(lambda: a.count == 1)
        caller.send(get()[:10])
        (client,) = world.tier._clients
        await until(lambda: client._buffer)
        first.set()
        await caller.reads(HELLO)
        caller.send(get()[10:])
        await caller.reads(HELLO)


@on_both_loops
async def test_a_half_head_behind_an_answer_to_a_slow_reader_is_read_on() -> None:
    size = 4 * 1024 * 1024
    big = plain(b"x" * size)
    async with raw("a", always(big, HELLO)) as a, before(a) as world:
        caller = await world.connect(receive_octets=4096)
        caller.reader._limit = 1024
        caller.send(get())
        await until(lambda: a.count == 1)
        caller.send(get()[:10])
        (client,) = world.tier._clients
        await until(lambda: client._buffer and client.is_congested)
        assert await caller.exactly(len(big)) == big
        await until(lambda: client.exchange is None and not client.is_congested)
        caller.send(get()[10:])
        await caller.reads(HELLO)


@on_uvloop
async def test_requests_that_the_proxy_answers_itself_take_no_stack() -> None:
    async with raw("a", always(HELLO)) as a, before(a, health_path="/alive") as world:
        caller = await world.ask(get(b"/alive") * 900)
        await caller.reads(ours(b"200 OK", b"ok") * 900)
        assert a.count == 0


@on_uvloop
async def test_refused_request_ends_what_is_behind_it_but_not_what_is_before() -> None:
    async with raw("a", _echo_targets) as a, before(a) as world:
        caller = await world.ask(get(b"/1") + get(b"/2", b"Host: b") + get(b"/3"))
        got = await caller.rest()
        assert got.startswith(plain("/1") + b"HTTP/1.1 400 Bad Request\r\n")
        assert got.count(b"HTTP/1.1") == 2
        assert a.count == 1


@on_uvloop
async def test_connection_ends_after_its_requests() -> None:
    close = HELLO.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    limits = {"requests_per_connection": 3}
    async with raw("a", always(HELLO)) as a, before(a, limits=limits) as world:
        caller = await world.ask(get() * 4)
        await caller.ends(HELLO * 2, close)
        assert a.count == 3


@on_uvloop
async def test_empty_lines_before_a_request_are_nothing() -> None:
    async with raw("a", always(HELLO)) as a, before(a) as world:
        caller = await world.connect()
        for _ in range(3):
            caller.send(b"\r\n")
            caller.send(get())
            await caller.reads(HELLO)
