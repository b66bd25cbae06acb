"""Clients that belong to a backend, by a cookie or by their address: how long, what breaks it."""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path

import pytest

from gslb.balance.pool_state import Mode
from gslb.model.proxy import AffinitySettings, Algorithm, BalanceSpec, RetrySettings
from tests.proxy.backends import Talk, always, breaking, plain, raw
from tests.proxy.world import (
    World,
    before,
    get,
    make_proxy,
    on_both_loops,
    on_uvloop,
    proxying,
    until,
)

ROUND_ROBIN = BalanceSpec(Algorithm.ROUND_ROBIN)
COOKIE = {"balance": ROUND_ROBIN, "affinity": AffinitySettings(cookie="SID", max_age_s=60)}
ADDRESS = {"balance": ROUND_ROBIN, "affinity": AffinitySettings()}
TRUSTED = {"trusted_proxies": (ip_network("127.0.0.0/8"),)}


async def visit(world: World, *lines: bytes) -> tuple[str, bytes | None]:
    """Who answered, and the cookie that came with it."""
    status, fields, body = await (await world.ask(get(b"/", *lines))).answer()
    assert status == 200
    return body.decode(), fields.get(b"set-cookie")


def carry(line: bytes | None) -> bytes:
    """The field that a browser sends after such a Set-Cookie."""
    assert line is not None
    return b"Cookie: " + line.partition(b";")[0]


@on_both_loops
async def test_cookie_keeps_a_client_and_names_nobody() -> None:
    async with (
        raw("alpha", always(plain("alpha"))) as a,
        raw("beta", always(plain("beta"))) as b,
        before(a, b, pool=COOKIE) as world,
    ):
        name, line = await visit(world)
        assert line is not None
        found = re.fullmatch(
            rb"SID=([A-Za-z0-9_-]{22}); Path=/; HttpOnly; SameSite=Lax; Max-Age=60", line
        )
        assert found is not None
        for secret in (name.encode(), b"main", b"127.0.0.1", str(a.address.port).encode()):
            assert secret not in line
        for _ in range(4):
            assert await visit(world, carry(line)) == (name, None)  # and it is given once
        other, _ = await visit(world)
        assert other != name
        told = [record["affinity"] for record in world.records]
        assert told == ["miss", "hit", "hit", "hit", "hit", "miss"]
        assert [record["choice"] for record in world.records][1:5] == ["affinity"] * 4


@on_uvloop
async def test_cookie_goes_no_further_than_here() -> None:
    async with raw("a", always(plain("a"))) as a, before(a, pool=COOKIE) as world:
        _, line = await visit(world)
        mine = carry(line)
        await visit(world, mine)
        await visit(world, b"Cookie: x=1; " + mine[8:] + b"; y=2")
        seen = b"".join(a.requests)
        assert b"SID" not in seen
        assert b"\r\nCookie: x=1; y=2\r\n" in seen


@pytest.mark.parametrize(
    "value", [b"made-up", b"", b"a", b"'; DROP", b"x" * 4000, b"AAAAAAAAAAAAAAAAAAAAAA"]
)
@on_uvloop
async def test_cookie_that_names_nobody_is_replaced(value: bytes) -> None:
    async with raw("a", always(plain("a"))) as a, before(a, pool=COOKIE) as world:
        _, line = await visit(world, b"Cookie: SID=" + value)
        assert line is not None
        assert (await world.record())["affinity"] == "broken"
        assert (await visit(world, carry(line)))[1] is None


@on_both_loops
async def test_drain_keeps_those_who_belong_there_and_takes_nobody_new() -> None:
    async with (
        raw("a", always(plain("a"))) as a,
        raw("b", always(plain("b"))) as b,
        before(a, b, pool=COOKIE) as world,
    ):
        name, line = await visit(world)
        world.tier.take_mode("main", name, Mode.DRAIN)
        for _ in range(3):
            assert await visit(world, carry(line)) == (name, None)
            assert (await visit(world))[0] != name


@pytest.mark.parametrize("how", ["maint", "forced down", "check", "gone"])
@on_both_loops
async def test_client_of_a_backend_that_is_out_gets_another_and_a_new_cookie(how: str) -> None:
    async with (
        raw("a", always(plain("a"))) as a,
        raw("b", always(plain("b"))) as b,
        before(a, b, pool=COOKIE) as world,
    ):
        name, line = await visit(world)
        other = ({"a", "b"} - {name}).pop()
        if how == "gone":
            left = [one.backend() for one in (a, b) if one.name == other]
            world.apply(make_proxy(left, pool=COOKIE))
        elif how == "check":
            world.tier.take_check("main", name, up=False)
        else:
            world.tier.take_mode("main", name, Mode.MAINT if how == "maint" else Mode.DOWN)
        found, fresh = await visit(world, carry(line))
        assert found == other
        assert await visit(world, carry(fresh)) == (other, None)


@on_uvloop
async def test_client_of_a_full_backend_gets_another() -> None:
    async def held(talk: Talk) -> None:
        while True:
            if b" /held " in await talk.request():
                return await talk.gone()
            talk.send(plain("a"))

    async with raw("a", held) as a, raw("b", always(plain("b"))) as b:
        members = [a.backend(max_connections=1), b.backend(backup=False)]
        async with proxying(make_proxy(members, pool=COOKIE)) as world:
            name, line = await visit(world)
            while name != "a":
                name, line = await visit(world)
            held_one = await world.ask(get(b"/held", carry(line)))
            await until(lambda: world.pool.state.members["a"].count == 1)
            assert (await visit(world, carry(line)))[0] == "b"
            held_one.reset()


@on_uvloop
async def test_client_whose_backend_breaks_is_answered_by_another_and_belongs_to_it() -> None:
    pool = {**COOKIE, "retry": RetrySettings(attempts=1)}
    async with (
        raw("a", always(plain("a")), breaking) as a,
        raw("b", always(plain("b"))) as b,
        before(a, b, pool=pool) as world,
    ):
        name, line = await visit(world)
        while name != "a":
            name, line = await visit(world)
        a.stop_listening()
        for talk in a.talks:
            talk.reset()
        await until(lambda: not world.pool._idle.get("a"))
        found, fresh = await visit(world, carry(line))
        assert found == "b"
        assert await visit(world, carry(fresh)) == ("b", None)


@on_uvloop
async def test_proxies_with_one_secret_file_know_each_others_cookies(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"a secret of many octets")
    settings = AffinitySettings(cookie="SID", secret_file=str(secret))
    pool = {"balance": ROUND_ROBIN, "affinity": settings}
    async with raw("a", always(plain("a"))) as a, raw("b", always(plain("b"))) as b:
        proxy = make_proxy([a.backend(), b.backend()], pool=pool)
        async with (
            proxying(proxy, affinity=b"one secret of this process") as one,
            proxying(proxy, affinity=b"and another one of that") as other,
        ):
            name, line = await visit(one)
            for _ in range(3):
                assert await visit(other, carry(line)) == (name, None)


@on_uvloop
async def test_proxies_with_secrets_of_their_own_do_not() -> None:
    async with raw("a", always(plain("a"))) as a:
        proxy = make_proxy([a.backend()], pool=COOKIE)
        async with (
            proxying(proxy) as one,
            proxying(proxy, affinity=b"sixteen or more again") as other,
        ):
            _, line = await visit(one)
            _, fresh = await visit(other, carry(line))
            assert fresh is not None
            assert other.records[-1]["affinity"] == "broken"


def client(address: str) -> bytes:
    return b"X-Forwarded-For: " + address.encode()


@on_both_loops
async def test_address_keeps_a_client() -> None:
    async with (
        raw("a", always(plain("a"))) as a,
        raw("b", always(plain("b"))) as b,
        before(a, b, pool=ADDRESS, **TRUSTED) as world,
    ):
        first, line = await visit(world, client("192.0.2.1"))
        second, _ = await visit(world, client("192.0.2.2"))
        assert line is None
        assert first != second
        for _ in range(3):
            assert (await visit(world, client("192.0.2.1")))[0] == first
            assert (await visit(world, client("192.0.2.2")))[0] == second
        world.tier.take_mode("main", first, Mode.DRAIN)
        assert (await visit(world, client("192.0.2.1")))[0] == first
        assert (await visit(world, client("192.0.2.3")))[0] == second
        world.tier.take_mode("main", first, Mode.MAINT)
        assert (await visit(world, client("192.0.2.1")))[0] == second
        world.tier.take_mode("main", first, Mode.READY)
        assert (await visit(world, client("192.0.2.1")))[0] == second  # it belongs there now


@on_uvloop
async def test_ipv6_client_is_its_64() -> None:
    async with (
        raw("a", always(plain("a"))) as a,
        raw("b", always(plain("b"))) as b,
        before(a, b, pool=ADDRESS, **TRUSTED) as world,
    ):
        name, _ = await visit(world, client("2001:db8:1:2::1"))
        for host in range(2, 6):
            assert (await visit(world, client(f"2001:db8:1:2::{host}")))[0] == name
        assert (await visit(world, client("2001:db8:1:3::1")))[0] != name


@on_uvloop
async def test_addresses_are_remembered_through_a_reload() -> None:
    async with (
        raw("a", always(plain("a"))) as a,
        raw("b", always(plain("b"))) as b,
        before(a, b, pool=ADDRESS, **TRUSTED) as world,
    ):
        name, _ = await visit(world, client("192.0.2.1"))
        members = [a.backend(weight=3), b.backend(weight=3)]
        world.apply(make_proxy(members, pool=ADDRESS, **TRUSTED))
        for _ in range(3):
            assert (await visit(world, client("192.0.2.1")))[0] == name
