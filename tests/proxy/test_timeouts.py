"""Every phase has a deadline: whose fault it was, what the client is told, what the audit says."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from gslb.model.proxy import Algorithm, BalanceSpec, RetrySettings
from tests.proxy.backends import Talk, always, plain, raw, silent
from tests.proxy.world import Caller, before, get, on_uvloop, post, until

HELLO = plain("hello")
TRICKLE_S = 0.02
ROUND_ROBIN = BalanceSpec(Algorithm.ROUND_ROBIN)
NO_RETRY = {"retry": RetrySettings(attempts=0)}


@contextlib.asynccontextmanager
async def trickling(caller: Caller, octets: bytes) -> AsyncIterator[None]:
    """A client that goes on to send one octet after the other."""

    async def trickle() -> None:
        for octet in octets:
            caller.send(bytes([octet]))
            await asyncio.sleep(TRICKLE_S)

    task = asyncio.create_task(trickle())
    try:
        yield
    finally:
        task.cancel()


@on_uvloop
async def test_head_that_trickles_in_is_408_in_its_time() -> None:
    async with raw("a", always(HELLO)) as a, before(a, timeouts={"headers_s": 0.3}) as world:
        caller = await world.connect()
        async with trickling(caller, get(b"/" + b"x" * 4000)):
            got = await caller.rest()
        assert got.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
        record = await world.record()
        assert (record["status"], record["reason"], record["route"]) == (408, "head_timeout", None)
        assert a.count == 0


@on_uvloop
async def test_second_head_of_a_connection_has_a_deadline_of_its_own() -> None:
    async with raw("a", always(HELLO)) as a, before(a, timeouts={"headers_s": 0.3}) as world:
        caller = await world.ask(get())
        assert (await caller.answer())[0] == 200
        async with trickling(caller, get(b"/" + b"x" * 4000)):
            assert (await caller.rest()).startswith(b"HTTP/1.1 408 ")


@on_uvloop
async def test_client_that_says_nothing_is_closed_without_a_word() -> None:
    async with raw("a", always(HELLO)) as a, before(a, timeouts={"headers_s": 0.1}) as world:
        await (await world.connect()).ends()
        assert world.records == []


@on_uvloop
async def test_idle_connection_is_closed_in_its_time() -> None:
    async with raw("a", always(HELLO)) as a, before(a, timeouts={"keep_alive_s": 0.1}) as world:
        caller = await world.ask(get())
        assert (await caller.answer())[0] == 200
        await caller.ends()


@on_uvloop
async def test_body_that_stops_is_408() -> None:
    async with raw("a", always(HELLO)) as a, before(a, timeouts={"body_idle_s": 0.2}) as world:
        caller = await world.ask(post(b"hello")[:-1])
        got = await caller.rest()
        assert got.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
        record = await world.record()
        assert (record["ended_by"], record["reason"]) == ("client", "body_timeout")


@on_uvloop
async def test_body_below_the_least_rate_is_408_though_it_never_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gslb.proxy.passage.BODY_GRACE_S", 0.2)
    async with raw("a", always(HELLO)) as a, before(a) as world:
        caller = await world.ask(post(b"x" * 4000)[:-4000])
        async with trickling(caller, b"x" * 4000):
            assert (await caller.rest()).startswith(b"HTTP/1.1 408 ")


@on_uvloop
async def test_backend_that_says_nothing_is_a_504() -> None:
    settings = {"timeouts": {"response_s": 0.2}, "pool": NO_RETRY}
    async with raw("a", silent) as a, before(a, **settings) as world:
        status, _, _ = await (await world.ask(get())).answer()
        record = await world.record()
        assert (status, record["tried"][0]["result"]) == (504, "timeout")
        await until(a.talks[0].writer.transport.is_closing)


@on_uvloop
async def test_backend_that_says_nothing_is_left_for_another() -> None:
    async with raw("a", silent) as a, raw("b", always(HELLO)) as b:
        settings = {"timeouts": {"response_s": 0.2}, "pool": {"balance": ROUND_ROBIN}}
        async with before(a, b, **settings) as world:
            for _ in range(2):  # one of them begins at the silent one
                assert (await (await world.ask(get())).answer())[0] == 200
            choices = sorted(record["choice"] for record in world.records)
            assert choices == ["algorithm", "retry"]


@on_uvloop
async def test_total_time_ends_it_whatever_is_still_tried() -> None:
    settings = {"timeouts": {"response_s": 5.0, "total_s": 0.3}}
    async with raw("a", silent) as a, raw("b", silent) as b, before(a, b, **settings) as world:
        status, _, _ = await (await world.ask(get())).answer()
        record = await world.record()
        assert (status, record["reason"]) == (504, "total_timeout")


@on_uvloop
async def test_answer_that_stalls_is_cut_off() -> None:
    async def stalls(talk: Talk) -> None:
        await talk.request()
        talk.send(HELLO[:-1])
        await talk.gone()

    async with raw("a", stalls) as a, before(a, timeouts={"body_idle_s": 0.2}) as world:
        caller = await world.ask(get())
        got = await caller.rest()
        assert got.startswith(b"HTTP/1.1 200 OK\r\n")
        assert got.endswith(b"hell")
        record = await world.record()
        assert (record["ended_by"], record["reason"]) == ("backend", "answer_stalled")
