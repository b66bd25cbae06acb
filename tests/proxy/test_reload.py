"""Another configuration in the middle of everything: what was begun ends as it began."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace

import pytest

from gslb.balance.pool_state import Mode
from gslb.model.endpoint import Endpoint
from gslb.model.proxy import (
    AffinitySettings,
    CacheSettings,
    Fault,
    HeaderChanges,
    Listener,
    Match,
    PassiveSettings,
    Proxy,
    RetrySettings,
    Route,
)
from tests.proxy.backends import RawBackend, Talk, always, plain, raw
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

HELLO = plain("hello")


class Held:
    """A backend that holds `/held` until it is let go, and answers its name to all else."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.go = asyncio.Event()
        self.count = 0

    async def script(self, talk: Talk) -> None:
        while True:
            if b" /held " in await talk.request():
                self.count += 1
                await self.go.wait()
            talk.send(plain(self.name))


def elsewhere(*backends: RawBackend) -> Proxy:
    """A proxy that has another pool than `main`."""
    made = make_proxy([one.backend() for one in backends])
    pool = replace(made.pools["main"], name="other")
    return replace(made, routes=(Route("all", pools={"other": 1}),), pools={"other": pool})


@on_both_loops
async def test_connections_of_an_unchanged_pool_are_used_on() -> None:
    async with raw("a", always(HELLO)) as a, before(a) as world:
        caller = await world.ask(get())
        await caller.reads(HELLO)
        for total_s in (5.0, 6.0, 7.0):
            world.apply(make_proxy([a.backend(weight=3)], timeouts={"total_s": total_s}))
            caller.send(get())
            await caller.reads(HELLO)
        assert len(a.talks) == 1
        assert a.count == 4


@on_both_loops
async def test_request_on_its_way_ends_under_the_configuration_that_it_came_under() -> None:
    held = Held("a")
    marked = {"response_headers": HeaderChanges(set={"X-Of": "old"})}
    async with raw("a", held.script) as a, before(a, route=marked) as world:
        caller = await world.ask(get(b"/held"))
        await until(lambda: held.count == 1)
        fresh = {"response_headers": HeaderChanges(set={"X-Of": "new"})}
        world.apply(make_proxy([a.backend()], route=fresh))
        held.go.set()
        assert (await caller.answer())[1][b"x-of"] == b"old"
        caller.send(get())
        assert (await caller.answer())[1][b"x-of"] == b"new"


@on_both_loops
async def test_pool_that_goes_ends_what_it_has() -> None:
    held = Held("a")
    async with raw("a", held.script) as a, raw("b", always(plain("b"))) as b, before(a) as world:
        idle = await world.ask(get())
        await idle.reads(plain("a"))
        caller = await world.ask(get(b"/held"))
        await until(lambda: held.count == 1)
        world.apply(elsewhere(b))
        await (await world.ask(get())).reads(plain("b"))
        held.go.set()
        await caller.reads(plain("a"))
        for talk in a.talks:
            await until(talk.writer.transport.is_closing)
        idle.send(get())
        await idle.reads(plain("b"))


@on_both_loops
async def test_backend_that_moved_gets_new_connections_only_there() -> None:
    held = Held("old")
    async with (
        raw("a", held.script) as old,
        raw("a", always(plain("new"))) as new,
        before(old) as world,
    ):
        await (await world.ask(get())).reads(plain("old"))
        caller = await world.ask(get(b"/held"))
        await until(lambda: held.count == 1)
        world.apply(make_proxy([new.backend()]))
        await (await world.ask(get())).reads(plain("new"))
        held.go.set()
        await caller.reads(plain("old"))
        for talk in old.talks:
            await until(talk.writer.transport.is_closing)
        assert world.pool.state.members["a"].count == 0


@on_uvloop
async def test_what_is_known_of_a_backend_stays_known() -> None:
    failed = plain("oh", status=b"500 Oh")
    settings = {
        "passive": PassiveSettings(60.0, 0.5, 2, eject_s=100.0),
        "retry": RetrySettings(attempts=0),
    }
    async with (
        raw("a", always(failed)) as a,
        raw("b", always(plain("b"))) as b,
        raw("c", always(plain("c"))) as c,
        before(a, b, c, pool=settings) as world,
    ):
        for _ in range(20):
            await world.gets()
        assert world.pool.state.members["a"].standing.state == "ejected"
        world.tier.take_mode("main", "c", Mode.DRAIN)
        proxy = make_proxy([one.backend(weight=2) for one in (a, b, c)], pool=settings)
        world.tier.apply(proxy, [world.listening], {})
        standings = {name: one.standing for name, one in world.pool.state.members.items()}
        assert (standings["a"].state, standings["b"].state) == ("ejected", "up")
        assert standings["c"].mode is Mode.DRAIN


@on_both_loops
async def test_upload_goes_on_through_a_reload_that_takes_its_pool_away() -> None:
    async with raw("a", always(HELLO)) as a, raw("b", always(plain("b"))) as b, before(a) as world:
        body = b"x" * 100_000
        octets = post(body)
        caller = await world.ask(octets[:-50_000])
        await until(lambda: a.count == 1)
        world.apply(elsewhere(b))
        caller.send(octets[-50_000:])
        await caller.reads(HELLO)
        assert a.requests[0].endswith(b"\r\n\r\n" + body)


@pytest.mark.parametrize("is_kept", [True, False], ids=["kept", "gone"])
@pytest.mark.parametrize("where", ["drill", "back-off", "connecting"])
@on_uvloop
async def test_request_that_is_nowhere_yet_is_answered_by_its_own_pool(
    where: str, is_kept: bool
) -> None:
    busy = plain("busy", status=b"503 Busy")
    settings: dict[str, object] = {"pool": {"retry": RetrySettings(attempts=1)}}
    if where == "drill":
        settings["route"] = {"fault": Fault(delay_ms=100.0, delay_share=1.0)}
    first = always(busy) if where == "back-off" else always(plain("c"))
    async with (
        raw("a", first) as a,
        raw("b", always(plain("c"))) as b,
        raw("other", always(plain("other"))) as other,
    ):
        members = [a.backend(), b.backend(backup=True)]
        async with proxying(make_proxy(members, **settings)) as world:
            caller = await world.ask(get())
            while not (a.count if where == "back-off" else world.tier.in_flight):  # noqa: ASYNC110  within one turn of the loop
                await asyncio.sleep(0)
            world.apply(make_proxy(members) if is_kept else elsewhere(other))
            await caller.reads(plain("c"))
            assert other.count == 0


@on_uvloop
async def test_those_who_wait_for_the_cache_are_answered_when_it_goes() -> None:
    held = Held("a")
    route = {"cache": CacheSettings()}
    async with raw("a", held.script) as a, before(a, route=route) as world:
        callers = [await world.ask(get(b"/held")) for _ in range(5)]
        await until(lambda: world.tier.in_flight == 5)
        world.apply(make_proxy([a.backend()]))
        held.go.set()
        for caller in callers:
            await caller.reads(plain("a"))


@on_uvloop
async def test_file_that_cannot_be_used_changes_nothing() -> None:
    async with raw("a", always(HELLO)) as a, raw("b", always(plain("b"))) as b, before(a) as world:
        caller = await world.ask(get())
        await caller.reads(HELLO)
        missing = {"affinity": AffinitySettings(cookie="SID", secret_file="/nowhere/secret")}
        with pytest.raises(OSError, match="nowhere"):
            world.apply(make_proxy([b.backend()], pool=missing))
        caller.send(get())
        await caller.reads(HELLO)
        assert len(a.talks) == 1
        assert b.count == 0


@on_both_loops
async def test_listener_that_goes_leaves_its_connections_and_one_that_comes_is_served() -> None:
    async with raw("a", always(HELLO)) as a, before(a) as world:
        caller = await world.ask(get())
        await caller.reads(HELLO)
        with socket.create_server(("127.0.0.1", 0)) as fresh:
            fresh.setblocking(False)
            port = fresh.getsockname()[1]
            proxy = replace(
                make_proxy([a.backend()]), listeners=(Listener(Endpoint("127.0.0.1", port)),)
            )
            world.tier.apply(proxy, [fresh], {})
            caller.send(get())
            await caller.reads(HELLO)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(get())
            assert await reader.readexactly(len(HELLO)) == HELLO
            writer.close()
            await writer.wait_closed()


async def _reloads(world: World, proxies: list[Proxy], done: asyncio.Event) -> int:
    count = 0
    while not done.is_set():
        world.apply(proxies[count % len(proxies)])
        count += 1
        await asyncio.sleep(0.002)
    return count


@on_both_loops
async def test_steady_traffic_through_a_hundred_reloads_fails_nobody() -> None:
    async with raw("a", always(plain("x"))) as a, raw("b", always(plain("x"))) as b:
        routes = (Route("b", Match(path="/b"), {"main": 1}),)
        proxies = [
            make_proxy([a.backend(), b.backend()]),
            make_proxy([b.backend()]),
            elsewhere(a, b),
            replace(make_proxy([a.backend()]), health_path="/healthz"),
        ]
        proxies.append(replace(proxies[0], routes=(*routes, *proxies[0].routes)))
        async with proxying(proxies[0]) as world:
            done = asyncio.Event()
            reloading = asyncio.create_task(_reloads(world, proxies, done))
            callers = [await world.connect() for _ in range(8)]
            for turn in range(40):
                for caller in callers:
                    caller.send(get(b"/b") if turn % 2 else post(b"body"))
                for caller in callers:
                    await caller.reads(plain("x"))
            done.set()
            assert await reloading > 10
            assert {record["status"] for record in world.records} == {200}
