"""What the audit line of a request says."""

from __future__ import annotations

from gslb.model.proxy import Algorithm, BalanceSpec
from tests.proxy.backends import always, plain, raw
from tests.proxy.world import before, get, on_uvloop


@on_uvloop
async def test_line_of_a_usual_request() -> None:
    balance = BalanceSpec(Algorithm.LEAST_CONNECTIONS)
    async with (
        raw("a", always(plain("hello"))) as a,
        raw("b", always(plain("hello"))) as b,
        before(a, b, pool={"balance": balance}) as world,
    ):
        await world.gets(b"/x?secret")
        record = await world.record()
    times = record.pop("timers")
    assert list(times) == ["total", "head", "backend"]
    assert 0 < times["backend"] <= times["head"] <= times["total"] < 60_000
    assert record.pop("at") > 1.7e9
    assert record.pop("octets_in") == len(get(b"/x?secret", b"Connection: close"))
    assert len(record.pop("id")) == 14
    assert record == {
        "client": "127.0.0.1",
        "method": "GET",
        "host": "a.test",
        "path": "/x",
        "route": "all",
        "pool": "main",
        "backend": "a",
        "status": 200,
        "octets_out": 5,
        "configuration": "",
        "algorithm": "least_connections",
        "candidates": {"a": 0.0, "b": 0.0},
        "attempts": 1,
        "choice": "algorithm",
    }


@on_uvloop
async def test_line_holds_whatever_names_and_paths_hold() -> None:
    name = '5%d "x" \\ \u00fc'
    async with raw(name, always(plain("hello"))) as a, before(a) as world:
        await world.gets(b"/\"\\'%41")
        record = await world.record()
    assert (record["path"], record["backend"]) == ("/\"\\'%41", name)
    assert list(record["candidates"]) == [name]


@on_uvloop
async def test_line_of_a_request_without_a_backend() -> None:
    async with raw("a", always(plain("hello"))) as a, before(a) as world:
        world.tier.take_check("main", "a", up=False)
        await world.gets()
        record = await world.record()
    assert record["backend"] is None
    assert (record["status"], record["choice"], record["attempts"]) == (503, "none", 0)
    assert (record["candidates"], record["excluded"]) == ({}, {"a": "down"})
    assert (record["ended_by"], record["reason"]) == ("proxy", "all_down")
