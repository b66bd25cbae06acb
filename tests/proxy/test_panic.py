"""Too few are healthy, or none: all are used, or 503 says when to come again."""

from __future__ import annotations

from collections import Counter

import pytest

from gslb.balance.pool_state import Mode
from gslb.model.proxy import Algorithm, BalanceSpec, PassiveSettings, RetrySettings
from tests.proxy.backends import always, plain, raw
from tests.proxy.world import World, before, get, make_proxy, on_both_loops, on_uvloop, proxying

ROUND_ROBIN = BalanceSpec(Algorithm.ROUND_ROBIN)


async def counts(world: World, requests: int) -> Counter[bytes]:
    """Who answered so many requests."""
    found: Counter[bytes] = Counter()
    for _ in range(requests):
        found[(await world.gets()).rpartition(b"\r\n\r\n")[2]] += 1
    return found


@on_both_loops
async def test_all_are_used_when_too_few_look_healthy() -> None:
    async with (
        raw("a", always(plain("a"))) as a,
        raw("b", always(plain("b"))) as b,
        raw("c", always(plain("c"))) as c,
        before(a, b, c, pool={"balance": ROUND_ROBIN, "panic_below": 0.5}) as world,
    ):
        world.tier.take_check("main", "a", up=False)
        assert await counts(world, 4) == {b"b": 2, b"c": 2}
        assert world.records[-1]["choice"] == "algorithm"
        world.tier.take_check("main", "b", up=False)
        assert await counts(world, 6) == {b"a": 2, b"b": 2, b"c": 2}
        assert world.records[-1]["choice"] == "panic"
        world.tier.take_check("main", "c", up=False)
        assert await counts(world, 6) == {b"a": 2, b"b": 2, b"c": 2}
        world.tier.take_check("main", "b", up=True)
        world.tier.take_check("main", "c", up=True)
        assert await counts(world, 4) == {b"b": 2, b"c": 2}


@on_uvloop
async def test_orders_hold_in_a_panic() -> None:
    async with (
        raw("a", always(plain("a"))) as a,
        raw("b", always(plain("b"))) as b,
        raw("c", always(plain("c"))) as c,
        before(a, b, c, pool={"balance": ROUND_ROBIN, "panic_below": 0.9}) as world,
    ):
        world.tier.take_mode("main", "a", Mode.DRAIN)
        world.tier.take_check("main", "b", up=False)
        assert await counts(world, 4) == {b"b": 2, b"c": 2}


@on_uvloop
async def test_without_it_the_few_that_are_left_get_all() -> None:
    async with (
        raw("a", always(plain("a"))) as a,
        raw("b", always(plain("b"))) as b,
        raw("c", always(plain("c"))) as c,
        before(a, b, c) as world,
    ):
        world.tier.take_check("main", "a", up=False)
        world.tier.take_check("main", "b", up=False)
        assert await counts(world, 5) == {b"c": 5}


@pytest.mark.parametrize("how", ["checks", "orders", "weights"])
@on_both_loops
async def test_all_down_is_503_and_the_health_path_says_so(how: str) -> None:
    async with raw("a", always(plain("a"))) as a, raw("b", always(plain("b"))) as b:
        weight = 0 if how == "weights" else 1
        members = [one.backend(weight=weight) for one in (a, b)]
        proxy = make_proxy(members, health_path="/healthz")
        async with proxying(proxy, up=how != "checks") as world:
            if how == "orders":
                for name in "ab":
                    world.tier.take_mode("main", name, Mode.MAINT)
            status, fields, _ = await (await world.ask(get())).answer()
            assert status == 503
            assert 1 <= int(fields[b"retry-after"]) <= 5
            record = await world.record()
            assert (record["reason"], record["choice"], record["backend"]) == (
                "all_down",
                "none",
                None,
            )
            health = await (await world.ask(get(b"/healthz"))).answer()
            assert (health[0], health[2]) == (503, b"no backend\n")
            assert a.talks == b.talks == []
            assert len(world.records) == 1  # the health path is not in the log
            if how == "checks":
                world.tier.take_check("main", "b", up=True)
                assert await counts(world, 3) == {b"b": 3}
                assert (await (await world.ask(get(b"/healthz"))).answer())[0] == 200


@on_uvloop
async def test_nobody_is_left_out_when_only_traffic_says_so() -> None:
    """An ejection says that others are better; when checks take those out, it is not."""
    failed = plain("oh", status=b"500 Oh")
    passive = PassiveSettings(60.0, 0.5, 2, eject_s=100.0)
    settings = {"balance": ROUND_ROBIN, "passive": passive, "retry": RetrySettings(attempts=0)}
    async with (
        raw("a", always(failed)) as a,
        raw("b", always(plain("b"))) as b,
        before(a, b, pool=settings) as world,
    ):
        await counts(world, 6)
        assert world.pool.state.members["a"].standing.state == "ejected"
        world.tier.take_check("main", "b", up=False)
        assert await counts(world, 3) == {b"oh": 3}
