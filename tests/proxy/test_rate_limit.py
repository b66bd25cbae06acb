"""Rate limits between sockets: what clients are told, and two proxies with one Redis."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path

import pytest

from gslb.model.proxy import KeyKind, KeySpec, Proxy, RateLimit
from gslb.proxy import limiter as module
from gslb.proxy.limiter import Limiter
from gslb.store.connection import Access, Credentials
from gslb.store.location import Location
from gslb.store.rate_limit import RedisRateLimit
from gslb.store.target import parse_target
from tests.proxy.backends import always, plain, raw
from tests.proxy.world import (
    World,
    before,
    get,
    make_proxy,
    on_both_loops,
    on_uvloop,
    post,
    proxying,
    until,
)
from tests.redis_servers import running

HELLO = plain("hello")
HOURLY = RateLimit(requests=4, per_s=3600.0)
TRUSTED = {"trusted_proxies": (ip_network("127.0.0.0/8"),)}


async def ask(world: World, *lines: bytes) -> tuple[int, dict[bytes, bytes]]:
    status, fields, _ = await (await world.ask(get(b"/", *lines))).answer()
    return status, fields


async def statuses(world: World, count: int, *lines: bytes) -> list[int]:
    return [(await ask(world, *lines))[0] for _ in range(count)]


@on_both_loops
async def test_every_answer_says_where_a_client_stands() -> None:
    async with raw("a", always(HELLO)) as a, before(a, route={"rate_limit": HOURLY}) as world:
        for left in (3, 2, 1, 0):
            status, fields = await ask(world)
            assert status == 200
            assert fields[b"ratelimit-limit"] == b"4"
            assert fields[b"ratelimit-remaining"] == b"%d" % left
            assert 0 < int(fields[b"ratelimit-reset"]) <= 3600
            assert b"retry-after" not in fields
        status, fields = await ask(world)
        assert status == 429
        assert fields[b"ratelimit-remaining"] == b"0"
        assert 880 <= int(fields[b"retry-after"]) <= 900  # a quarter of an hour for each
        record = world.records[-1]
        assert (record["status"], record["reason"], record["backend"]) == (
            429,
            "rate_limited",
            None,
        )
        assert a.count == 4


@on_uvloop
async def test_refused_request_keeps_its_connection_unless_its_body_is_unread() -> None:
    limit = RateLimit(requests=1, per_s=3600.0)
    async with raw("a", always(HELLO)) as a, before(a, route={"rate_limit": limit}) as world:
        caller = await world.ask(get() + get() + get())
        assert [(await caller.answer())[0] for _ in range(3)] == [200, 429, 429]
        got = await (await world.ask(post(b"x" * 100_000))).rest()
        assert got.startswith(b"HTTP/1.1 429 ")
        assert a.count == 1


@on_uvloop
async def test_each_client_has_a_limit_of_its_own() -> None:
    route = {"rate_limit": HOURLY}
    async with raw("a", always(HELLO)) as a, before(a, route=route, **TRUSTED) as world:
        for client in (b"192.0.2.1", b"192.0.2.2", b"2001:db8:1:2::1"):
            found = await statuses(world, 5, b"X-Forwarded-For: " + client)
            assert found == [200] * 4 + [429]
        same_64 = b"X-Forwarded-For: 2001:db8:1:2:ffff::9"
        assert await statuses(world, 1, same_64) == [429]
        other_64 = b"X-Forwarded-For: 2001:db8:1:3::1"
        assert await statuses(world, 1, other_64) == [200]


@on_uvloop
async def test_key_may_be_a_header() -> None:
    limit = RateLimit(requests=2, per_s=3600.0, key=KeySpec(KeyKind.HEADER, "X-User"))
    async with raw("a", always(HELLO)) as a, before(a, route={"rate_limit": limit}) as world:
        for user in (b"ann", b"bob"):
            assert await statuses(world, 3, b"X-User: " + user) == [200, 200, 429]


@on_uvloop
async def test_cost_counts() -> None:
    route = {"rate_limit": HOURLY, "cost": 3.0}
    async with raw("a", always(HELLO)) as a, before(a, route=route) as world:
        assert await statuses(world, 3) == [200, 429, 429]


@on_uvloop
async def test_sliding_window() -> None:
    limit = RateLimit(requests=3, per_s=3600.0, sliding=True)
    async with raw("a", always(HELLO)) as a, before(a, route={"rate_limit": limit}) as world:
        assert await statuses(world, 5) == [200, 200, 200, 429, 429]


# ---------------------------------------------------------------- one Redis


@contextlib.asynccontextmanager
async def sharing(proxy: Proxy, port: int, prefix: str) -> AsyncIterator[World]:
    """A data plane that counts in a Redis, one of two that are known."""
    access = Access(Credentials(), None, 1.0)
    location = Location(parse_target(f"redis://127.0.0.1:{port}"), access)
    limiter = Limiter(RedisRateLimit(access, location, prefix=prefix), lambda: 2)
    task = asyncio.create_task(limiter.run())
    try:
        await until(lambda: limiter.is_shared)
        async with proxying(proxy, limiter=limiter) as world:
            yield world
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_two_proxies_count_together_and_by_their_share_when_redis_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DEADLINE_S", 2.0)  # a busy machine is not to fail tests
    limit = RateLimit(requests=10, per_s=3600.0)

    @on_uvloop
    async def scenario() -> None:
        prefix = f"t{uuid.uuid4().hex}"
        async with raw("a", always(HELLO)) as a:
            proxy = make_proxy([a.backend()], route={"rate_limit": limit})
            async with (
                sharing(proxy, server.port, prefix) as one,
                sharing(proxy, server.port, prefix) as other,
            ):
                for left in range(9, -1, -1):
                    status, fields = await ask(one if left % 2 else other)
                    assert (status, fields[b"ratelimit-remaining"]) == (200, b"%d" % left)
                for world in (one, other):
                    status, fields = await ask(world)
                    assert status == 429
                    assert 1 <= int(fields[b"retry-after"]) <= 360
                assert a.count == 10

                server.kill()
                for world in (one, other):  # each has half of it, for itself
                    found = await statuses(world, 7)
                    assert found == [200] * 5 + [429] * 2
                    assert world.tier.limiter.fallbacks == 7
                server.start()
                await until(lambda: one.tier.limiter.is_shared and other.tier.limiter.is_shared)
                found = await statuses(one, 6) + await statuses(other, 6)
                assert found == [200] * 10 + [429] * 2  # it came back empty

    with running(tmp_path) as server:
        scenario()


def test_redis_that_hangs_delays_and_refuses_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DEADLINE_S", 0.5)

    @on_uvloop
    async def scenario() -> None:
        async with raw("a", always(HELLO)) as a:
            proxy = make_proxy([a.backend()], route={"rate_limit": HOURLY})
            async with sharing(proxy, server.port, f"t{uuid.uuid4().hex}") as world:
                server.pause()
                leaving = await world.ask(get())
                await until(lambda: world.tier.in_flight == 1)
                leaving.reset()  # while its verdict is waited for
                await until(lambda: world.tier.in_flight == 0)
                found = await statuses(world, 3)
                assert found[0] == 200
                await until(lambda: not world.tier.limiter.is_shared or len(world.records) >= 4)
                server.resume()

    with running(tmp_path) as server:
        scenario()
