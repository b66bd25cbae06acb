"""Each algorithm over sockets: who gets how many of which requests, by weight, cost and load."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from ipaddress import ip_network

import pytest

from gslb.model.proxy import (
    Algorithm,
    Backend,
    BalanceSpec,
    KeyKind,
    KeySpec,
    Match,
    RetrySettings,
    Route,
)
from tests.proxy.backends import Talk, always, plain, raw
from tests.proxy.world import World, get, make_proxy, on_uvloop, proxying, until

BY_USER = KeySpec(KeyKind.HEADER, "X-User")
SPECS = {
    "round_robin": BalanceSpec(Algorithm.ROUND_ROBIN),
    "least_connections": BalanceSpec(Algorithm.LEAST_CONNECTIONS),
    "least_response_time": BalanceSpec(Algorithm.LEAST_RESPONSE_TIME),
    "power_of_two": BalanceSpec(Algorithm.POWER_OF_TWO),
    "ip_hash": BalanceSpec(Algorithm.IP_HASH),
    "consistent_hash": BalanceSpec(Algorithm.CONSISTENT_HASH, BY_USER),
    "maglev": BalanceSpec(Algorithm.MAGLEV, BY_USER),
}
HASHING = ("ip_hash", "consistent_hash", "maglev")
SHARING = ("round_robin", "least_connections", "power_of_two")
TRUSTED = {"trusted_proxies": (ip_network("127.0.0.0/8"),)}
COSTLY = Route("costly", Match(path="/costly"), {"main": 1}, cost=3.0)


def user(number: int) -> tuple[bytes, bytes]:
    """Who asks: another address and another name for each number."""
    return b"X-User: u%d" % number, b"X-Forwarded-For: 198.51.%d.%d" % divmod(number, 256)


@asynccontextmanager
async def balancing(
    algorithm: str, weights: Sequence[int] = (1, 1, 1), **pool: object
) -> AsyncIterator[World]:
    """A data plane before backends a, b, c, ... of these weights, which answer their names."""
    async with AsyncExitStack() as stack:
        members: list[Backend] = []
        for name, weight in zip("abcdefgh", weights, strict=False):
            one = await stack.enter_async_context(raw(name, always(plain(name))))
            members.append(one.backend(weight=weight))
        proxy = make_proxy(members, pool={"balance": SPECS[algorithm], **pool}, **TRUSTED)
        proxy = replace(proxy, routes=(COSTLY, *proxy.routes))
        yield await stack.enter_async_context(proxying(proxy))


def enumerate_draws(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Chance goes through all of its cases once, evenly, and again."""
    draws = [(number + 0.5) / count for number in range(count)] * 9
    monkeypatch.setattr("random.random", lambda: draws.pop(0))


async def answers(world: World, users: Sequence[int], target: bytes = b"/") -> list[str]:
    """Who answered each of these users, one after the other over one connection."""
    caller = await world.connect()
    names = []
    for number in users:
        caller.send(get(target, *user(number)))
        names.append((await caller.answer())[2].decode())
    await caller.close()
    return names


@pytest.mark.parametrize("algorithm", SHARING)
@on_uvloop
async def test_shares_are_by_weight_to_the_last_request(
    algorithm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    enumerate_draws(monkeypatch, 40)
    async with balancing(algorithm, (5, 3, 2)) as world:
        found = Counter(await answers(world, range(40)))
        assert found == {"a": 20, "b": 12, "c": 8}
        assert world.records[-1]["algorithm"] == algorithm
        assert set(world.records[-1]["candidates"]) == {"a", "b", "c"}


@on_uvloop
async def test_round_robin_goes_smoothly() -> None:
    async with balancing("round_robin", (5, 1, 1)) as world:
        assert "".join(await answers(world, range(14))) == "aabacaa" * 2


@pytest.mark.parametrize("algorithm", [*SHARING, *HASHING, "least_response_time"])
@on_uvloop
async def test_weight_0_gets_nobody(algorithm: str) -> None:
    async with balancing(algorithm, (1, 0, 1)) as world:
        assert set(await answers(world, range(40))) == {"a", "c"}


@pytest.mark.parametrize("algorithm", HASHING)
@on_uvloop
async def test_key_stays_and_only_those_of_the_lost_one_move(algorithm: str) -> None:
    async with balancing(algorithm, (1, 1, 1)) as world:
        users = range(200)
        first = await answers(world, users)
        assert await answers(world, users) == first
        assert min(Counter(first).values()) >= 40
        world.tier.take_check("main", "b", up=False)
        second = await answers(world, users)
        moved = [one for one, other in zip(first, second, strict=True) if one != other]
        assert moved == ["b"] * first.count("b")
        assert {other for one, other in zip(first, second, strict=True) if one == "b"} == set("ac")
        world.tier.take_check("main", "b", up=True)
        assert await answers(world, users) == first


@pytest.mark.parametrize("algorithm", HASHING)
@on_uvloop
async def test_shares_of_keys_are_by_weight(algorithm: str) -> None:
    async with balancing(algorithm, (3, 1)) as world:
        found = Counter(await answers(world, range(400)))
        assert 260 <= found["a"] <= 340


@on_uvloop
async def test_ring_is_the_same_for_every_proxy_with_the_same_names() -> None:
    found = []
    for _ in range(2):  # other ports, other processes: other addresses
        async with balancing("consistent_hash") as world:
            found.append(await answers(world, range(50)))
    assert found[0] == found[1]


class Held:
    """Backends that hold every request until all are let go."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.go = asyncio.Event()

    def script(self, name: str):
        async def script(talk: Talk) -> None:
            while True:
                await talk.request()
                self.counts[name] += 1
                await self.go.wait()
                talk.send(plain(name))

        return script


@asynccontextmanager
async def holding(algorithm: str, weights: Sequence[int], **spec: object):
    held = Held()
    async with AsyncExitStack() as stack:
        members = []
        for name, weight in zip("abcd", weights, strict=False):
            one = await stack.enter_async_context(raw(name, held.script(name)))
            members.append(one.backend(weight=weight))
        pool = {"balance": replace(SPECS[algorithm], **spec)}
        proxy = make_proxy(members, pool=pool, **TRUSTED)
        proxy = replace(proxy, routes=(COSTLY, *proxy.routes))
        world = await stack.enter_async_context(proxying(proxy))
        yield held, world
        held.go.set()


async def send_all(world: World, held: Held, targets: Sequence[bytes], same: bool = False) -> None:
    """One client after the other: each has reached its backend before the next one comes."""
    for number, target in enumerate(targets):
        await world.ask(get(target, *user(0 if same else number)))
        await until(lambda number=number: held.counts.total() == number + 1)


@pytest.mark.parametrize(
    ("algorithm", "weights", "expected"),
    [
        ("least_connections", (1, 1, 1), {"a": 10, "b": 10, "c": 10}),
        ("least_connections", (3, 2, 1), {"a": 15, "b": 10, "c": 5}),
        ("power_of_two", (1, 1, 1), {"a": 10, "b": 10, "c": 10}),
        ("power_of_two", (3, 2, 1), {"a": 15, "b": 10, "c": 5}),
        ("least_response_time", (1, 1, 1), {"a": 10, "b": 10, "c": 10}),
        ("least_response_time", (3, 2, 1), {"a": 15, "b": 10, "c": 5}),
    ],
)
@on_uvloop
async def test_what_is_on_the_way_decides(
    algorithm: str, weights: Sequence[int], expected: dict[str, int]
) -> None:
    async with holding(algorithm, weights) as (held, world):
        await send_all(world, held, [b"/"] * 30)
        assert held.counts == expected


@pytest.mark.parametrize(
    "algorithm", ["round_robin", "least_connections", "power_of_two", "least_response_time"]
)
@on_uvloop
async def test_costly_request_counts_as_three(algorithm: str) -> None:
    async with holding(algorithm, (1, 1)) as (held, world):
        await send_all(world, held, [b"/costly", *[b"/"] * 3])
        assert sorted(held.counts.values()) == [1, 3]
        member = max(world.pool.state.members.values(), key=lambda one: one.active / one.count)
        assert (member.active, member.count) == (3.0, 1)


@pytest.mark.parametrize("algorithm", ["consistent_hash", "maglev"])
@on_uvloop
async def test_bounded_load_lets_no_key_bury_its_backend(algorithm: str) -> None:
    async with holding(algorithm, (1, 1, 1, 1), bounded_load=1.25) as (held, world):
        await send_all(world, held, [b"/"] * 20, same=True)
        assert max(held.counts.values()) <= 7  # 1.25 x 20 / 4, rounded up
        assert held.counts.total() == 20


@pytest.mark.parametrize("algorithm", ["consistent_hash", "maglev"])
@on_uvloop
async def test_without_a_bound_a_key_stays_whatever_its_backend_has(algorithm: str) -> None:
    async with holding(algorithm, (1, 1, 1, 1)) as (held, world):
        await send_all(world, held, [b"/"] * 20, same=True)
        assert list(held.counts.values()) == [20]


@on_uvloop
async def test_least_response_time_prefers_the_quick_one_and_starves_nobody() -> None:
    async def slow(talk: Talk) -> None:
        while True:
            await talk.request()
            await asyncio.sleep(0.2)
            talk.send(plain("slow"))

    spec = SPECS["least_response_time"]
    async with raw("slow", slow) as a, raw("quick", always(plain("quick"))) as b:
        proxy = make_proxy([a.backend(), b.backend()], pool={"balance": spec})
        async with proxying(proxy) as world:
            assert set(await answers(world, range(2))) == {"slow", "quick"}  # each is measured
            assert set(await answers(world, range(20))) == {"quick"}
            member = world.pool.state.members["slow"]
            assert member.ewma_s is not None
            assert member.ewma_s >= 0.19  # uvloop counts in milliseconds
            member.ewma_at -= 200.0  # as if that was long ago
            assert "slow" in await answers(world, range(2))


@on_uvloop
async def test_refusing_backend_does_not_look_quick() -> None:
    """What refuses takes no time at all: it must not draw everything."""
    spec, retry = SPECS["least_response_time"], RetrySettings(attempts=1)
    async with raw("a", always(plain("a"))) as a, raw("b", always(plain("b"))) as b:
        a.stop_listening()
        pool = {"balance": spec, "retry": retry}
        async with proxying(make_proxy([a.backend(), b.backend()], pool=pool)) as world:
            assert set(await answers(world, range(10))) == {"b"}
            assert sum(record["attempts"] for record in world.records) == 11


# ---------------------------------------------------------------- slow start


@pytest.mark.parametrize("algorithm", [*SHARING, *HASHING])
@on_uvloop
async def test_slow_start_holds_back_who_comes_back(
    algorithm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with balancing(algorithm, (1, 1), slow_start_s=10_000.0) as world:
        enumerate_draws(monkeypatch, 220)
        full = Counter(await answers(world, range(220)))
        world.tier.take_check("main", "b", up=False)
        assert set(await answers(world, range(10))) == {"a"}
        world.tier.take_check("main", "b", up=True)
        enumerate_draws(monkeypatch, 220)
        slow = Counter(await answers(world, range(220)))
        if algorithm in SHARING:
            assert (full["b"], slow["b"]) == (110, 20)  # a tenth of a's
        else:
            assert 0 < slow["b"] < full["b"] / 3


@on_uvloop
async def test_slow_start_of_least_response_time() -> None:
    """Nothing is measured yet, so all count as equally quick: what is on the way decides."""
    held = Held()
    async with raw("a", held.script("a")) as a, raw("b", held.script("b")) as b:
        pool = {"balance": SPECS["least_response_time"], "slow_start_s": 10_000.0}
        async with proxying(make_proxy([a.backend(), b.backend()], pool=pool)) as world:
            world.tier.take_check("main", "b", up=False)
            world.tier.take_check("main", "b", up=True)
            await send_all(world, held, [b"/"] * 22)
            assert held.counts == {"a": 20, "b": 2}
            held.go.set()


@pytest.mark.parametrize("algorithm", [*SHARING, *HASHING])
@on_uvloop
async def test_slow_start_ends(algorithm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with balancing(algorithm, (1, 1), slow_start_s=0.2) as world:
        first = await answers(world, range(60))
        world.tier.take_check("main", "b", up=False)
        world.tier.take_check("main", "b", up=True)
        member = world.pool.state.members["b"]
        assert member.scale < 1.0
        await until(lambda: member.scale == 1.0)
        enumerate_draws(monkeypatch, 60)
        again = await answers(world, range(60))
        assert again == first if algorithm in HASHING else Counter(again) == {"a": 30, "b": 30}


@on_uvloop
async def test_slow_start_lowers_the_ceiling() -> None:
    held = Held()
    async with raw("a", held.script("a")) as a:
        member = a.backend(max_connections=40)
        proxy = make_proxy([member], pool={"slow_start_s": 10_000.0})
        async with proxying(proxy) as world:
            world.tier.take_check("main", "a", up=False)
            world.tier.take_check("main", "a", up=True)
            await send_all(world, held, [b"/"] * 4)
            assert (await (await world.ask(get())).answer())[0] == 503
            held.go.set()
