"""A second try: when, on whom, with what, and what the client gets when there is none."""

from __future__ import annotations

import asyncio

import pytest

from gslb.model.proxy import RetrySettings
from tests.proxy.backends import RawBackend, Talk, always, breaking, plain, raw
from tests.proxy.world import (
    before,
    get,
    make_proxy,
    on_both_loops,
    on_uvloop,
    post,
    proxying,
    until,
)

HELLO = plain("hello")
BUSY = plain("busy", status=b"503 Service Unavailable")
CHUNKED_BUSY = b"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n"


def then(*backends: RawBackend, **settings: object):
    """A data plane that asks the backends in this order, as all but the first are backups, of which
    there may be one.
    """
    first, *others = backends
    members = [first.backend(), *(one.backend(backup=True) for one in others)]
    return proxying(make_proxy(members, **settings))


@pytest.mark.parametrize("octets", [get(), post(b"body")], ids=["GET", "POST"])
@on_both_loops
async def test_refused_connection_goes_to_another(octets: bytes) -> None:
    async with raw("a", always(BUSY)) as a, raw("b", always(HELLO)) as b:
        a.stop_listening()
        async with then(a, b) as world:
            await (await world.ask(octets)).reads(HELLO)
            record = await world.record()
            assert record["backend"] == "b"
            assert record["choice"] == "retry"
            assert record["attempts"] == 2
            assert record["tried"][0]["result"] == "connect_failed"
            assert b.requests[0].endswith(octets[-4:])


@on_both_loops
async def test_reset_after_a_get_goes_to_another() -> None:
    async with raw("a", breaking) as a, raw("b", always(HELLO)) as b, then(a, b) as world:
        await (await world.ask(get())).reads(HELLO)
        assert (a.count, b.count) == (1, 1)


@on_both_loops
async def test_reset_after_a_post_is_told_and_not_sent_twice() -> None:
    async with raw("a", breaking) as a, raw("b", always(HELLO)) as b, then(a, b) as world:
        status, _, _ = await (await world.ask(post(b"body"))).answer()
        assert (status, a.count, b.count) == (502, 1, 0)


@on_both_loops
async def test_better_answer_than_a_503_is_taken() -> None:
    async with raw("a", always(BUSY)) as a, raw("b", always(HELLO)) as b, then(a, b) as world:
        await (await world.ask(get())).reads(HELLO)
        assert (a.count, b.count) == (1, 1)
        assert (await world.record())["tried"][0]["reason"] == "answered 503"
        await until(a.talks[0].writer.transport.is_closing)


@on_uvloop
async def test_503_to_a_post_is_the_answer() -> None:
    async with raw("a", always(BUSY)) as a, raw("b", always(HELLO)) as b, then(a, b) as world:
        await (await world.ask(post(b"body"))).reads(BUSY)
        assert b.count == 0


@on_uvloop
async def test_503_of_the_only_backend_is_the_answer() -> None:
    async with raw("a", always(BUSY)) as a, before(a) as world:
        await (await world.ask(get())).reads(BUSY)
        assert a.count == 1


@on_uvloop
async def test_last_503_is_the_answer_when_all_say_so() -> None:
    other = plain("busy, too", status=b"503 Service Unavailable")
    async with raw("a", always(BUSY)) as a, raw("b", always(other)) as b, then(a, b) as world:
        await (await world.ask(get())).reads(other)
        assert (a.count, b.count) == (1, 1)


@pytest.mark.parametrize(
    ("held", "answer"),
    [
        (BUSY, BUSY),
        (
            CHUNKED_BUSY + b"4\r\nbusy\r\n0\r\nSum: 1\r\n\r\n",
            CHUNKED_BUSY + b"4\r\nbusy\r\n0\r\nSum: 1\r\n\r\n",
        ),
        (plain("", status=b"503 Busy"), plain("", status=b"503 Busy")),
    ],
    ids=["length", "chunked", "empty"],
)
@on_both_loops
async def test_held_answer_comes_whole_when_the_retry_fails(held: bytes, answer: bytes) -> None:
    async with raw("a", always(held)) as a, raw("b", breaking) as b, then(a, b) as world:
        caller = await world.ask(get())
        await caller.reads(answer)
        assert (a.count, b.count) == (1, 1)
        caller.send(get())  # and the connection goes on
        await caller.reads(answer)
        record = await world.record(2)
        assert (record["backend"], record["status"], record["attempts"]) == ("a", 503, 2)


@on_both_loops
async def test_held_answer_that_ends_with_its_connection_is_whole() -> None:
    async def busy(talk: Talk) -> None:
        await talk.request()
        talk.send(b"HTTP/1.1 503 Busy\r\n\r\nbusy")
        talk.close()

    async with raw("a", busy) as a, raw("b", breaking) as b, then(a, b) as world:
        await (await world.ask(get())).reads(CHUNKED_BUSY + b"4\r\nbusy\r\n0\r\n\r\n")
        assert b.count == 1


@on_both_loops
async def test_held_answer_whose_rest_never_comes_is_cut_off() -> None:
    failed = asyncio.Event()

    async def half(talk: Talk) -> None:
        await talk.request()
        talk.send(BUSY[:-2])
        await failed.wait()
        talk.reset()

    async def fails(talk: Talk) -> None:
        await talk.request()
        failed.set()
        talk.reset()

    async with raw("a", half) as a, raw("b", fails) as b, then(a, b) as world:
        caller = await world.ask(get())
        got = await caller.rest()
        assert got in (BUSY[:-2], b"") or got.startswith(b"HTTP/1.1 502")
        assert (await world.record())["status"] in (502, 503)


@on_both_loops
async def test_held_answer_that_begins_with_a_bad_chunk_is_a_502() -> None:
    async with (
        raw("a", always(CHUNKED_BUSY + b"zz\r\n")) as a,
        raw("b", breaking) as b,
        then(a, b) as world,
    ):
        status, _, _ = await (await world.ask(get())).answer()
        assert status == 502
        record = await world.record()
        assert (record["ended_by"], record["reason"]) == ("backend", "chunk_size")


@on_uvloop
async def test_never_the_same_backend_again() -> None:
    retry = RetrySettings(attempts=3)
    async with (
        raw("a", breaking) as a,
        raw("b", breaking) as b,
        before(a, b, pool={"retry": retry}) as world,
    ):
        status, _, _ = await (await world.ask(get())).answer()
        assert (status, a.count, b.count) == (502, 1, 1)


async def _once(talk: Talk) -> None:
    """Answers a request, and closes the connection when it is told to."""
    await talk.request()
    talk.send(HELLO)
    await talk.head()
    talk.reset()


@on_both_loops
async def test_get_over_a_stale_connection_is_asked_anew() -> None:
    async with raw("a", _once, always(HELLO)) as a, before(a) as world:
        await (await world.ask(get())).reads(HELLO)
        await (await world.ask(get())).reads(HELLO)
        assert len(a.talks) == 2
        record = await world.record(2)
        assert record["tried"][0]["result"] == "cancelled"
        assert world.pool.state.members["a"].standing.errors == 0


@on_both_loops
async def test_post_over_a_connection_that_breaks_is_not_sent_twice() -> None:
    async with raw("a", _once, always(HELLO)) as a, before(a) as world:
        await (await world.ask(get())).reads(HELLO)
        status, _, _ = await (await world.ask(post(b"body"))).answer()
        assert (status, len(a.talks)) == (502, 1)


@on_uvloop
async def test_connection_that_was_closed_while_idle_is_not_used() -> None:
    async def closing(talk: Talk) -> None:
        await talk.request()
        talk.send(HELLO)
        talk.close()

    async with raw("a", closing) as a, before(a) as world:
        for turn in range(3):
            await (await world.ask(post(b"body"))).reads(HELLO)
            await until(lambda turn=turn: not world.pool._connections or turn == 3)
        assert len(a.talks) == 3


@on_uvloop
async def test_budget_ends_retries() -> None:
    retry = RetrySettings(attempts=1, min_retries=1, budget=0.0)
    held = asyncio.Event()

    async def hanging(talk: Talk) -> None:
        await talk.request()
        await held.wait()
        talk.send(HELLO)

    async with (
        raw("a", breaking) as a,
        raw("b", hanging) as b,
        then(a, b, pool={"retry": retry}) as world,
    ):
        first = await world.ask(get())
        await until(lambda: b.count == 1)
        assert world.pool.state.budget.on_the_way == 1
        status, _, _ = await (await world.ask(get())).answer()
        assert (status, b.count) == (502, 1)
        held.set()
        await first.reads(HELLO)


@on_uvloop
async def test_body_is_sent_again_octet_for_octet() -> None:
    body = bytes(range(256)) * 200
    async with raw("a", breaking) as a, raw("b", always(HELLO)) as b, then(a, b) as world:
        await (await world.ask(post(body, method=b"PUT"))).reads(HELLO)
        assert a.requests == b.requests
        assert b.requests[0].endswith(b"\r\n\r\n" + body)


@on_uvloop
async def test_body_that_is_too_large_to_keep_is_not_sent_again() -> None:
    async with raw("a", breaking) as a, raw("b", always(HELLO)) as b, then(a, b) as world:
        status, _, _ = await (await world.ask(post(b"x" * 70_000, method=b"PUT"))).answer()
        assert (status, b.count) == (502, 0)


@on_both_loops
async def test_nothing_is_tried_after_octets_of_an_answer() -> None:
    async def half(talk: Talk) -> None:
        await talk.request()
        talk.send(HELLO[:-1])
        await read.wait()
        talk.reset()

    read = asyncio.Event()
    async with raw("a", half) as a, raw("b", always(HELLO)) as b, then(a, b) as world:
        caller = await world.ask(get())
        await caller.reads(HELLO[:-1])
        read.set()
        await caller.ends()
        assert b.count == 0


@on_uvloop
async def test_nobody_up_is_a_503_that_says_when_to_come_again() -> None:
    async with raw("a", always(HELLO)) as a, proxying(make_proxy([a.backend()]), up=False) as world:
        status, fields, _ = await (await world.ask(get())).answer()
        assert status == 503
        assert 1 <= int(fields[b"retry-after"]) <= 5


@on_uvloop
async def test_client_that_leaves_during_a_back_off_ends_it() -> None:
    async with raw("a", always(BUSY)) as a, raw("b", always(HELLO)) as b, then(a, b) as world:
        for _ in range(20):
            caller = await world.ask(get())
            await until(lambda: world.tier.in_flight or world.records)
            caller.reset()
        await until(lambda: len(world.records) == 20)
