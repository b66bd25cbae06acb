"""The cache between sockets: who asks the backend, who waits, what is served when, and to whom."""

from __future__ import annotations

import asyncio

import pytest

from gslb.model.proxy import CacheSettings, RetrySettings
from tests.proxy.backends import Talk, always, breaking, plain, raw
from tests.proxy.world import Caller, World, before, get, on_both_loops, on_uvloop, post, until

CACHED = {"cache": CacheSettings()}
FRESH = plain("hello", b"Cache-Control: max-age=60")
STALE = plain("hello", b"Cache-Control: max-age=0, stale-if-error=600", b'ETag: "1"')
TAGGED = plain("hello", b"Cache-Control: max-age=0", b'ETag: "1"')
UNCHANGED = b'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\nCache-Control: max-age=60\r\n\r\n'


class Slow:
    """A backend that holds each request until it is let go, and then says `answer`."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.go = asyncio.Event()

    async def script(self, talk: Talk) -> None:
        while True:
            await talk.request()
            await self.go.wait()
            talk.send(self.answer)


async def answer(world: World, *lines: bytes, method: bytes = b"GET") -> tuple[int, bytes]:
    """Status and body of one request."""
    caller = await world.ask(get(b"/", *lines).replace(b"GET", method, 1))
    status, _, body = await caller.answer()
    return status, body


def told(world: World) -> list[object]:
    return [record.get("cache") for record in world.records]


async def hundred(world: World, how_many: int = 100) -> list[Caller]:
    callers = [await world.ask(get()) for _ in range(how_many)]
    await until(lambda: world.tier.in_flight == how_many)
    return callers


@on_both_loops
async def test_hundred_clients_make_one_request() -> None:
    slow = Slow(FRESH)
    async with raw("a", slow.script) as a, before(a, route=CACHED) as world:
        callers = await hundred(world)
        slow.go.set()
        for caller in callers:
            status, _, body = await caller.answer()
            assert (status, body) == (200, b"hello")
        assert a.count == 1
        await until(lambda: len(world.records) == 100)
        assert told(world).count("forward") == 1
        assert world.tier.counters()["caches"]["all"]["hits"] >= 99
        assert await answer(world) == (200, b"hello")
        assert a.count == 1


@on_both_loops
async def test_answer_that_cannot_be_shared_makes_no_queue() -> None:
    slow = Slow(plain("mine", b"Cache-Control: private"))
    async with raw("a", slow.script) as a, before(a, route=CACHED) as world:
        callers = await hundred(world, 20)
        slow.go.set()
        for caller in callers:
            assert (await caller.answer())[2] == b"mine"
        assert a.count == 20


@on_both_loops
async def test_client_that_leads_and_leaves_leaves_nobody_behind() -> None:
    slow = Slow(FRESH)
    async with raw("a", slow.script) as a, before(a, route=CACHED) as world:
        leader = await world.ask(get())
        await until(lambda: a.count == 1)
        others = [await world.ask(get()) for _ in range(20)]
        await until(lambda: world.tier.in_flight == 21)
        leader.reset()
        await until(lambda: a.count >= 2)
        slow.go.set()
        for caller in others:
            assert (await caller.answer())[2] == b"hello"
        assert a.count == 2  # one of them leads now


@on_both_loops
async def test_client_that_waits_and_leaves_is_missed_by_nobody() -> None:
    slow = Slow(FRESH)
    async with raw("a", slow.script) as a, before(a, route=CACHED) as world:
        callers = await hundred(world, 10)
        for caller in callers[1::2]:
            caller.reset()
        await until(lambda: world.tier.in_flight == 5)
        slow.go.set()
        for caller in callers[::2]:
            assert (await caller.answer())[2] == b"hello"
        assert a.count == 1


@on_uvloop
async def test_those_whose_leader_was_failed_by_the_backend_go_by_themselves() -> None:
    go = asyncio.Event()

    async def breaks(talk: Talk) -> None:
        await talk.request()
        await go.wait()
        talk.reset()

    pool = {"retry": RetrySettings(attempts=0)}
    async with raw("a", breaks, always(FRESH)) as a, before(a, pool=pool, route=CACHED) as world:
        callers = await hundred(world, 10)
        go.set()
        statuses = [(await caller.answer())[0] for caller in callers]
        assert statuses == [502] + [200] * 9
        assert a.count == 10


@on_both_loops
async def test_old_entry_is_asked_about_and_served_again() -> None:
    async with raw("a", always(TAGGED, UNCHANGED)) as a, before(a, route=CACHED) as world:
        for _ in range(3):
            assert await answer(world) == (200, b"hello")
        assert a.count == 2
        (seen,) = a.requests
        assert seen.count(b'\r\nIf-None-Match: "1"\r\n') == 1
        assert told(world) == ["forward", "revalidate", "hit"]
        assert len(a.talks) == 1  # an answer from here keeps the connection there


@on_uvloop
async def test_condition_of_the_client_is_answered_here() -> None:
    fresh = plain("hello", b"Cache-Control: max-age=60", b'ETag: "1"')
    async with raw("a", always(fresh)) as a, before(a, route=CACHED) as world:
        assert await answer(world) == (200, b"hello")
        status, fields, body = await (await world.ask(get(b"/", b'If-None-Match: "1"'))).answer()
        assert (status, fields[b"etag"], body) == (304, b'"1"', b"")
        assert await answer(world, b'If-None-Match: "2"') == (200, b"hello")
        assert a.count == 1


@on_uvloop
async def test_variants_stand_beside_each_other() -> None:
    async def by_language(talk: Talk) -> None:
        while True:
            text = "hallo" if b"Accept-Language: de" in await talk.request() else "hello"
            talk.send(plain(text, b"Cache-Control: max-age=60", b"Vary: Accept-Language"))

    async with raw("a", by_language) as a, before(a, route=CACHED) as world:
        for _ in range(3):
            assert await answer(world, b"Accept-Language: en") == (200, b"hello")
            assert await answer(world, b"Accept-Language: de") == (200, b"hallo")
        assert a.count == 2


@pytest.mark.parametrize("trouble", ["500", "503", "reset", "refused", "down"])
@on_both_loops
async def test_old_entry_stands_in_for_an_error(trouble: str) -> None:
    failed = plain("oh", status=trouble.encode() + b" Oh")

    async def script(talk: Talk) -> None:
        await talk.request()
        talk.send(STALE)
        await talk.request()
        if trouble == "reset":
            talk.reset()
        else:
            talk.send(failed)
        await talk.gone()

    pool = {"retry": RetrySettings(attempts=0)}
    async with raw("a", script, breaking) as a, before(a, pool=pool, route=CACHED) as world:
        assert await answer(world) == (200, b"hello")
        if trouble == "refused":
            a.stop_listening()
            a.talks[0].reset()
            await until(lambda: not world.pool._connections)
        elif trouble == "down":
            world.tier.take_check("main", "a", up=False)
        caller = await world.ask(get())
        status, fields, body = await caller.answer()
        assert (status, body) == (200, b"hello")
        assert b"age" in fields
        await until(lambda: len(world.records) == 2)


@on_uvloop
async def test_old_entry_is_refreshed_behind_the_answer() -> None:
    old = plain("old", b"Cache-Control: max-age=0, stale-while-revalidate=600", b'ETag: "0"')
    go = asyncio.Event()

    async def script(talk: Talk) -> None:
        await talk.request()
        talk.send(old)
        await talk.request()
        await go.wait()
        talk.send(FRESH)
        await talk.gone()

    async with raw("a", script) as a, before(a, route=CACHED) as world:
        assert await answer(world) == (200, b"old")
        for _ in range(5):
            assert await answer(world) == (200, b"old")  # nobody waits for the new one
        await until(lambda: a.count == 2)
        go.set()
        await until(lambda: "refresh" in told(world))
        assert await answer(world) == (200, b"hello")
        assert a.count == 2


@on_both_loops
async def test_head_is_answered_from_a_get() -> None:
    async with raw("a", always(FRESH)) as a, before(a, route=CACHED) as world:
        assert await answer(world) == (200, b"hello")
        caller = await world.ask(get().replace(b"GET", b"HEAD") + get())
        head = await caller.head()
        assert b"\r\nContent-Length: 5\r\n" in head
        assert (await caller.answer())[2] == b"hello"  # no octet of a body came before
        assert a.count == 1


@on_uvloop
async def test_unsafe_request_ends_what_is_stored() -> None:
    async with raw("a", always(FRESH)) as a, before(a, route=CACHED) as world:
        await answer(world)
        assert (await (await world.ask(post(b"new"))).answer())[0] == 200
        await answer(world)
        assert a.count == 3


@pytest.mark.parametrize(
    "line",
    [b"Set-Cookie: a=b", b"Cache-Control: no-store", b"Vary: *", b"Vary: X-Forwarded-For"],
)
@on_uvloop
async def test_what_is_for_one_is_not_stored(line: bytes) -> None:
    secret = plain("secret", b"Expires: Fri, 01 Jan 2100 00:00:00 GMT", line)
    async with raw("a", always(secret)) as a, before(a, route=CACHED) as world:
        for _ in range(3):
            await answer(world)
        assert a.count == 3


@on_uvloop
async def test_answer_cut_short_is_not_stored() -> None:
    async def cut(talk: Talk) -> None:
        await talk.request()
        talk.send(FRESH[:-1])
        talk.close()

    async with raw("a", cut, always(FRESH)) as a, before(a, route=CACHED) as world:
        await (await world.ask(get())).rest()
        assert await answer(world) == (200, b"hello")
        assert a.count == 2


@on_uvloop
async def test_chunked_answer_is_stored_whole() -> None:
    octets = (
        b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"
    )
    async with raw("a", always(octets)) as a, before(a, route=CACHED) as world:
        await (await world.ask(get(b"/", b"Connection: close"))).rest()
        assert await answer(world) == (200, b"hello")
        assert a.count == 1


@on_uvloop
async def test_client_that_leaves_in_the_middle_stores_nothing_and_stops_nobody() -> None:
    go = asyncio.Event()

    async def half(talk: Talk) -> None:
        await talk.request()
        talk.send(FRESH[:-2])
        await go.wait()
        talk.send(FRESH[-2:])
        await talk.gone()

    async with raw("a", half, always(FRESH)) as a, before(a, route=CACHED) as world:
        leader = await world.ask(get())
        await leader.head()
        other = await world.ask(get())
        await until(lambda: world.tier.in_flight == 2)
        leader.reset()
        assert (await other.answer())[2] == b"hello"
        assert a.count == 2
        go.set()


@on_uvloop
async def test_only_if_cached_asks_nobody() -> None:
    async with raw("a", always(FRESH)) as a, before(a, route=CACHED) as world:
        assert (await answer(world, b"Cache-Control: only-if-cached"))[0] == 504
        assert a.count == 0
        await answer(world)
        assert await answer(world, b"Cache-Control: only-if-cached") == (200, b"hello")


@on_uvloop
async def test_reload_keeps_what_is_stored() -> None:
    async with raw("a", always(FRESH)) as a, before(a, route=CACHED) as world:
        await answer(world)
        proxy = world.tier.proxy
        world.apply(proxy)
        await answer(world)
        assert a.count == 1


@on_uvloop
async def test_pipelined_hits_are_answered_in_order_and_take_no_stack() -> None:
    async with raw("a", always(FRESH)) as a, before(a, route=CACHED) as world:
        await answer(world)
        caller = await world.ask(get() * 500)
        for _ in range(500):
            assert (await caller.answer())[2] == b"hello"
        assert a.count == 1


@on_uvloop
async def test_entry_larger_than_the_limit_passes_and_is_not_kept() -> None:
    large = plain("x" * 2000, b"Cache-Control: max-age=60")
    cache = {"cache": CacheSettings(max_octets=10_000, max_entry_octets=1000)}
    async with raw("a", always(large)) as a, before(a, route=cache) as world:
        for _ in range(2):
            assert await answer(world) == (200, b"x" * 2000)
        assert a.count == 2
