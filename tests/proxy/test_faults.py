"""Drills: a share of a route's requests is held or answered with an error, and the log says so."""

from __future__ import annotations

import pytest

from gslb.model.proxy import Fault
from tests.proxy.backends import always, plain, raw
from tests.proxy.world import before, get, on_both_loops, on_uvloop, post, until

HELLO = plain("hello")


def draws(monkeypatch: pytest.MonkeyPatch, *values: float) -> None:
    """What chance says next: of the delay and of the abort of a request, and so on."""
    left = list(values)
    monkeypatch.setattr("random.random", lambda: left.pop(0))


@on_uvloop
async def test_shares_are_of_the_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    fault = Fault(delay_ms=30.0, delay_share=0.5, abort_status=418, abort_share=0.25)
    async with raw("a", always(HELLO)) as a, before(a, route={"fault": fault}) as world:
        picks = 0.0  # which backend, of those that ask for one
        draws(monkeypatch, 0.1, 0.9, picks, *[0.49, 0.1], *[0.5, 0.24], 0.9, 0.25, picks)
        statuses = [(await (await world.ask(get())).answer())[0] for _ in range(4)]
        assert statuses == [200, 418, 418, 200]
        await until(lambda: len(world.records) == 4)
        marks = [
            (record.get("fault_delay_ms"), record.get("fault_abort")) for record in world.records
        ]
        assert marks == [(30.0, None), (30.0, 418), (None, 418), (None, None)]
        assert all(record["timers"]["total"] >= 30 for record in world.records[:2])
        aborted = world.records[2]
        assert (aborted["reason"], aborted["backend"], aborted["ended_by"]) == (
            "fault",
            None,
            "proxy",
        )
        assert a.count == 2


@on_both_loops
async def test_body_that_comes_during_a_delay_is_kept() -> None:
    fault = Fault(delay_ms=50.0, delay_share=1.0)
    body = b"x" * 200_000
    async with raw("a", always(HELLO)) as a, before(a, route={"fault": fault}) as world:
        await (await world.ask(post(body))).reads(HELLO)
        assert a.requests[0].endswith(b"\r\n\r\n" + body)


@on_uvloop
async def test_abort_before_a_body_was_read_closes() -> None:
    fault = Fault(abort_status=503, abort_share=1.0)
    async with raw("a", always(HELLO)) as a, before(a, route={"fault": fault}) as world:
        got = await (await world.ask(post(b"x" * 10)[:-1])).rest()
        assert got.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nConnection: close\r\n" in got
        assert a.talks == []


@on_both_loops
async def test_client_that_leaves_during_a_delay_asks_nobody() -> None:
    fault = Fault(delay_ms=100.0, delay_share=1.0)
    async with raw("a", always(HELLO)) as a, before(a, route={"fault": fault}) as world:
        caller = await world.ask(get())
        await until(lambda: world.tier.in_flight == 1)
        caller.reset()
        await until(lambda: world.records)
        await (await world.ask(get(b"/2"))).reads(HELLO)  # whose delay ends after the first one's
        assert a.count == 1


@on_uvloop
async def test_delay_longer_than_the_total_time_is_a_504() -> None:
    fault = Fault(delay_ms=1000.0, delay_share=1.0)
    settings = {"route": {"fault": fault}, "timeouts": {"total_s": 0.2}}
    async with raw("a", always(HELLO)) as a, before(a, **settings) as world:
        assert (await (await world.ask(get())).answer())[0] == 504
        assert (await world.record())["fault_delay_ms"] == 1000.0
        assert a.talks == []
