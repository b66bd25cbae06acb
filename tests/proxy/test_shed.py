"""Load that is refused: by priority, from requests on the way and from the loop's lag."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from gslb.model.proxy import Match, Priority, Proxy, Route, ShedSettings
from tests.proxy.backends import RawBackend, Talk, always, plain, raw
from tests.proxy.world import World, get, make_proxy, on_both_loops, on_uvloop, proxying, until

HELLO = plain("hello")
WORDS = {Priority.LOW: b"/low", Priority.NORMAL: b"/normal", Priority.HIGH: b"/high"}


def shedding(backend: RawBackend, **settings: float) -> Proxy:
    """A proxy with a route for each priority."""
    made = make_proxy(
        [backend.backend()],
        health_path="/healthz",
        shed=ShedSettings(**{"max_lag_ms": 1e9, **settings}),
    )
    routes = tuple(
        Route(priority.name, Match(path=path.decode()), {"main": 1}, priority=priority)
        for priority, path in WORDS.items()
    )
    return replace(made, routes=(*routes, *made.routes))


async def statuses(world: World) -> dict[Priority, int]:
    """What a request of each priority is answered, one after the other."""
    found = {}
    for priority, path in WORDS.items():
        status, fields, _ = await (await world.ask(get(path))).answer()
        found[priority] = status
        if status == 503:
            assert 1 <= int(fields[b"retry-after"]) <= 5
            await until(lambda: world.records)
            assert world.records[-1]["reason"] == "shed"
    return found


class Held:
    """A backend that holds `/held` until it is let go."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.count = 0

    async def script(self, talk: Talk) -> None:
        while True:
            if b" /held " in await talk.request():
                self.count += 1
                await self.go.wait()
            talk.send(HELLO)


async def switching(talk: Talk) -> None:
    """Becomes a tunnel at the first request."""
    await talk.request()
    talk.send(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    )
    await talk.gone()


@on_uvloop
async def test_tunnels_are_no_reason_to_shed() -> None:
    upgrade = get(b"/ws", b"Connection: Upgrade", b"Upgrade: websocket")
    async with (
        raw("a", *[switching] * 8, always(HELLO)) as a,
        proxying(shedding(a, max_in_flight=4)) as world,
    ):
        callers = []
        for _ in range(8):  # one by one: until it is a tunnel, each is a request on its way
            callers.append(await world.ask(upgrade))
            assert (await callers[-1].head()).startswith(b"HTTP/1.1 101 ")
        assert (world.tier.in_flight, world.tier.tunnels) == (8, 8)
        assert set((await statuses(world)).values()) == {200}
        for caller in callers:
            await caller.close()
        await until(lambda: not world.tier.in_flight)
        assert world.tier.tunnels == 0


@pytest.mark.parametrize(
    ("held", "shed"),
    [
        (2, []),
        (3, [Priority.LOW]),
        (5, [Priority.LOW, Priority.NORMAL]),
        (7, [Priority.LOW, Priority.NORMAL, Priority.HIGH]),
    ],
)
@on_both_loops
async def test_requests_on_the_way_shed_by_priority(held: int, shed: list[Priority]) -> None:
    """Of 8, with the one that is judged: low from 4 on, normal from 6, high from 8."""
    backend = Held()
    async with raw("a", backend.script) as a:
        proxy = shedding(a, max_in_flight=1000)
        async with proxying(proxy) as world:
            callers = [await world.ask(get(b"/held")) for _ in range(held)]
            await until(lambda: backend.count == held)
            world.apply(replace(proxy, shed=replace(proxy.shed, max_in_flight=8)))
            assert [one for one, status in (await statuses(world)).items() if status == 503] == shed
            status, _, body = await (await world.ask(get(b"/healthz"))).answer()
            assert (status, body) == ((503, b"busy\n") if Priority.HIGH in shed else (200, b"ok"))
            backend.go.set()
            for caller in callers:
                await caller.reads(HELLO)
            assert set((await statuses(world)).values()) == {200}


@on_uvloop
async def test_burst_within_a_moment_is_shed() -> None:
    """No tick comes in between: what counts is what is on the way now."""
    backend = Held()
    async with raw("a", backend.script) as a, proxying(shedding(a, max_in_flight=8)) as world:
        callers = [await world.connect() for _ in range(40)]
        for caller in callers:
            caller.send(get(b"/held"))  # a route of normal priority
        await until(lambda: len(world.records) == 35)
        assert {record["status"] for record in world.records} == {503}
        await until(lambda: backend.count == 5)
        backend.go.set()


async def be_late(world: World) -> None:
    """The loop is late at look after look, by 200 ms and more."""
    for _ in range(20):
        if world.tier.sweeper.lag_ms >= 200:
            return
        time.sleep(0.5)  # noqa: ASYNC251  what is tested
        await asyncio.sleep(0.001)
    raise AssertionError("the loop is never late")


@pytest.mark.parametrize(
    ("part", "shed"),
    [
        (0.4, []),
        (0.6, [Priority.LOW]),
        (0.8, [Priority.LOW, Priority.NORMAL]),
        (1.1, [Priority.LOW, Priority.NORMAL, Priority.HIGH]),
    ],
)
@on_uvloop
async def test_lag_of_the_loop_sheds_by_priority(
    part: float, shed: list[Priority], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gslb.proxy.timers._LAG_KEPT", 1.0)
    async with raw("a", always(HELLO)) as a:
        proxy = shedding(a, max_lag_ms=1e9)
        async with proxying(proxy) as world:
            await be_late(world)
            most = world.tier.sweeper.lag_ms / part
            world.apply(replace(proxy, shed=ShedSettings(max_lag_ms=most)))
            assert [one for one, status in (await statuses(world)).items() if status == 503] == shed


@on_uvloop
async def test_lag_is_forgotten() -> None:
    async with raw("a", always(HELLO)) as a, proxying(shedding(a, max_lag_ms=100)) as world:
        await be_late(world)
        assert set((await statuses(world)).values()) == {503}
        await until(lambda: world.tier.sweeper.lag_ms < 50)
        assert set((await statuses(world)).values()) == {200}


@on_uvloop
async def test_one_stall_sheds_nothing() -> None:
    """A machine that stands still for a moment is no overload."""
    async with raw("a", always(HELLO)) as a, proxying(shedding(a, max_lag_ms=100)) as world:
        late = world.tier.sweeper._late_ms
        time.sleep(0.6)  # noqa: ASYNC251  what is tested: one look is late
        await until(lambda: max(late) >= 200)
        assert set((await statuses(world)).values()) == {200}
