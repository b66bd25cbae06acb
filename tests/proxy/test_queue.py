"""The ceilings of backends, and who waits for a place: in which order, how long, and who is sent
away.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace

import pytest

from gslb.balance.pool_state import Mode
from gslb.model.proxy import Match, Priority, QueueSettings, RetrySettings, Route
from tests.proxy.backends import Talk, always, plain, raw
from tests.proxy.world import (
    Caller,
    World,
    before,
    get,
    make_proxy,
    on_both_loops,
    on_uvloop,
    proxying,
    until,
)

HELLO = plain("hello")
ROUTES = tuple(
    Route(
        str(priority), Match(path_prefix=f"/{priority.name.lower()}"), {"main": 1}, None, priority
    )
    for priority in Priority
)
COSTLY = Route("costly", Match(path_prefix="/costly"), {"main": 1}, cost=3.0)


class Gate:
    """A backend that holds every request until it is let go. targets: of those that came."""

    def __init__(self) -> None:
        self.targets: list[str] = []
        self._waiting: list[asyncio.Event] = []

    async def script(self, talk: Talk) -> None:
        while True:
            request = await talk.request()
            found = re.match(rb"\S+ (\S+)", request)
            assert found is not None
            self.targets.append(found[1].decode())
            go = asyncio.Event()
            self._waiting.append(go)
            await go.wait()
            talk.send(HELLO)

    def let_go(self) -> None:
        """Answers the request that has waited longest."""
        self._waiting.pop(0).set()


def queueing(address, *, ceiling: int = 1, size: int = 2, timeout_s: float = 5.0, share: float = 1):
    """A data plane before one backend with a ceiling and a queue."""
    member = replace(address, max_connections=ceiling)
    made = make_proxy([member], pool={"queue": QueueSettings(size, timeout_s)})
    return proxying(replace(made, routes=(*ROUTES, COSTLY, *made.routes)), share=share)


async def in_line(world: World, *targets: str) -> list[Caller]:
    """Clients that wait, one behind the other."""
    callers = []
    for target in targets:
        length = len(world.pool.queue)
        callers.append(await world.ask(get(target.encode())))
        await until(lambda length=length: len(world.pool.queue) == length + 1)
    return callers


async def refused(caller: Caller) -> None:
    """Reads a 503 that says when to come again."""
    status, fields, _ = await caller.answer()
    assert status == 503
    assert 1 <= int(fields[b"retry-after"]) <= 5


@on_both_loops
async def test_who_comes_to_a_full_backend_waits_for_a_place() -> None:
    gate = Gate()
    async with raw("a", gate.script) as a, queueing(a.backend(), ceiling=2) as world:
        first = [await world.ask(get(b"/%d" % number)) for number in range(2)]
        await until(lambda: len(gate.targets) == 2)
        waiting = await in_line(world, "/2", "/3")
        assert (len(gate.targets), world.pool.state.in_flight) == (2, 2)
        gate.let_go()
        await until(lambda: len(gate.targets) == 3)
        for _ in range(3):
            await until(lambda: gate._waiting)
            gate.let_go()
        for caller in (*first, *waiting):
            await caller.reads(HELLO)
        assert gate.targets[2:] == ["/2", "/3"]
        await until(lambda: len(world.records) == 4)
        waited = [record for record in world.records if "queue" in record["timers"]]
        assert [record["path"] for record in waited] == ["/2", "/3"]
        assert all(record["timers"]["queue"] > 0 for record in waited)


@on_both_loops
async def test_higher_priority_goes_first() -> None:
    gate = Gate()
    async with raw("a", gate.script) as a, queueing(a.backend(), size=9) as world:
        first = await world.ask(get())
        await until(lambda: gate.targets)
        lined = ["/low/1", "/normal/1", "/low/2", "/high/1", "/normal/2", "/high/2"]
        callers = await in_line(world, *lined)
        for turn in range(7):
            await until(lambda turn=turn: len(gate.targets) == turn + 1)
            gate.let_go()
        for caller in (first, *callers):
            await caller.reads(HELLO)
        assert gate.targets[1:] == sorted(lined, key=lambda one: "hnl".index(one[1]))


@on_uvloop
async def test_who_waits_too_long_is_told_when_to_come_again() -> None:
    gate = Gate()
    async with raw("a", gate.script) as a, queueing(a.backend(), timeout_s=0.1) as world:
        first = await world.ask(get(b"/first"))
        await until(lambda: gate.targets)
        await refused(await world.ask(get(b"/late")))
        record = await world.record()
        assert (record["status"], record["reason"]) == (503, "queue_timeout")
        assert record["timers"]["queue"] >= 100
        assert record["excluded"] == {"a": "full"}
        gate.let_go()
        await first.reads(HELLO)
        assert gate.targets == ["/first"]


@on_uvloop
async def test_full_queue_sends_the_newest_of_lower_priority_away() -> None:
    gate = Gate()
    async with raw("a", gate.script) as a, queueing(a.backend(), size=3) as world:
        first = await world.ask(get())
        await until(lambda: gate.targets)
        old, middle, new = await in_line(world, "/low/old", "/normal", "/low/new")
        high = await world.ask(get(b"/high"))
        await refused(new)
        assert (await world.record())["reason"] == "evicted"
        higher = await world.ask(get(b"/high/er"))
        await refused(old)
        await refused(await world.ask(get(b"/low")))  # nobody is lower
        assert (await world.record(3))["reason"] == "queue_full"
        for turn in range(4):
            await until(lambda turn=turn: len(gate.targets) == turn + 1)
            gate.let_go()
        for caller in (first, high, higher, middle):
            await caller.reads(HELLO)
        assert gate.targets[1:] == ["/high", "/high/er", "/normal"]


@on_both_loops
async def test_client_that_leaves_makes_room() -> None:
    gate = Gate()
    async with raw("a", gate.script) as a, queueing(a.backend(), size=1) as world:
        first = await world.ask(get())
        await until(lambda: gate.targets)
        (gone,) = await in_line(world, "/gone")
        gone.reset()
        await until(lambda: not len(world.pool.queue))
        record = await world.record()
        assert (record["status"], record["ended_by"]) == (0, "client")
        (patient,) = await in_line(world, "/patient")
        gate.let_go()
        await until(lambda: len(gate.targets) == 2)
        gate.let_go()
        await first.reads(HELLO)
        await patient.reads(HELLO)
        assert gate.targets[1:] == ["/patient"]


@on_both_loops
async def test_client_that_leaves_its_backend_lets_the_next_one_in() -> None:
    gate = Gate()
    async with raw("a", gate.script) as a, queueing(a.backend()) as world:
        first = await world.ask(get())
        await until(lambda: gate.targets)
        (second,) = await in_line(world, "/second")
        first.reset()
        await until(lambda: len(gate.targets) == 2)
        gate._waiting[-1].set()
        await second.reads(HELLO)


@on_uvloop
async def test_without_a_queue_a_full_backend_is_a_503() -> None:
    gate = Gate()
    async with raw("a", gate.script) as a, queueing(a.backend(), size=0) as world:
        first = await world.ask(get())
        await until(lambda: gate.targets)
        await refused(await world.ask(get()))
        assert (await world.record())["reason"] == "full"
        gate.let_go()
        await first.reads(HELLO)


@on_uvloop
async def test_cost_counts_at_the_ceiling() -> None:
    gate = Gate()
    async with raw("a", gate.script) as a, queueing(a.backend(), ceiling=3, size=9) as world:
        costly = await world.ask(get(b"/costly"))
        await until(lambda: gate.targets)
        cheap = dict(zip("123", await in_line(world, "/1", "/2", "/3"), strict=True))
        (again,) = await in_line(world, "/costly/2")
        gate.let_go()
        await until(lambda: len(gate.targets) == 4)
        came = [target.removeprefix("/") for target in gate.targets[1:]]
        assert set(came) == set(cheap)  # each on a connection of its own: any may be there first
        for number in came[:2]:
            gate.let_go()
            await cheap[number].reads(HELLO)
        assert len(gate.targets) == 4  # one of 3 places is taken: no room for 3
        gate.let_go()
        await until(lambda: len(gate.targets) == 5)
        gate.let_go()
        for caller in (costly, cheap[came[2]], again):
            await caller.reads(HELLO)


@on_uvloop
async def test_ceiling_and_queue_are_divided_among_workers() -> None:
    gate = Gate()
    async with (
        raw("a", gate.script) as a,
        queueing(a.backend(), ceiling=4, size=4, share=0.5) as world,
    ):
        callers = [await world.ask(get()) for _ in range(2)]
        await until(lambda: len(gate.targets) == 2)
        callers += await in_line(world, "/2", "/3")
        await refused(await world.ask(get()))
        assert len(gate.targets) == 2
        for turn in range(4):
            await until(lambda turn=turn: len(gate.targets) > turn)
            gate.let_go()
        for caller in callers:
            await caller.reads(HELLO)


@on_uvloop
async def test_full_backend_is_no_reason_to_wait_when_another_has_room() -> None:
    gate = Gate()
    async with raw("a", gate.script) as a, raw("b", always(plain("b"))) as b:
        members = [a.backend(max_connections=1), b.backend(weight=1, max_connections=1)]
        made = make_proxy(members, pool={"queue": QueueSettings(5)})
        async with proxying(made) as world:
            world.tier.take_check("main", "b", up=False)
            held = await world.ask(get(b"/held"))
            await until(lambda: gate.targets)
            (waiting,) = await in_line(world, "/waiting")
            world.tier.take_check("main", "b", up=True)  # there is room now: seen at the next tick
            await waiting.reads(plain("b"))
            for _ in range(3):
                await (await world.ask(get())).reads(plain("b"))
            gate.let_go()
            await held.reads(HELLO)


@on_uvloop
async def test_retry_waits_in_the_line_and_gets_the_held_answer_when_that_takes_too_long() -> None:
    gate, busy = Gate(), plain("busy", status=b"503 Busy")
    async with raw("a", always(busy)) as a, raw("b", gate.script) as b:
        members = [a.backend(), b.backend(max_connections=1)]
        pool = {"queue": QueueSettings(5, 0.1), "retry": RetrySettings(attempts=1)}
        async with proxying(make_proxy(members, pool=pool)) as world:
            world.tier.take_check("main", "a", up=False)
            held = await world.ask(get(b"/held"))
            await until(lambda: gate.targets)
            world.tier.take_check("main", "a", up=True)
            for _ in range(3):
                await (await world.ask(get())).reads(busy)
            assert gate.targets == ["/held"]
            gate.let_go()
            await held.reads(HELLO)


@pytest.mark.parametrize("what", ["down", "maintenance", "removed"])
@on_uvloop
async def test_queue_that_waits_for_nobody_is_sent_away(what: str) -> None:
    gate = Gate()
    async with raw("a", gate.script) as a, queueing(a.backend()) as world:
        held = await world.ask(get())
        await until(lambda: gate.targets)
        (waiting,) = await in_line(world, "/waiting")
        if what == "down":
            world.tier.take_check("main", "a", up=False)
            await refused(waiting)
            assert (await world.record())["reason"] == "all_down"
        elif what == "maintenance":
            world.tier.take_mode("main", "a", Mode.MAINT)
            await refused(waiting)
            assert (await world.record())["reason"] == "all_down"
        else:  # the configuration that it came under is its own, and so is the pool
            proxy = make_proxy([a.backend()])
            pool = replace(proxy.pools["main"], name="other")
            route = replace(proxy.routes[0], pools={"other": 1})
            world.apply(replace(proxy, routes=(route,), pools={"other": pool}))
            gate.let_go()
            await until(lambda: len(gate.targets) == 2)
            gate.let_go()
            await waiting.reads(HELLO)
            await held.reads(HELLO)
            return
        gate.let_go()
        await held.reads(HELLO)


@on_uvloop
async def test_hundred_clients_through_two_places() -> None:
    active, most = 0, 0

    async def counting(talk: Talk) -> None:
        nonlocal active, most
        while True:
            await talk.request()
            active += 1
            most = max(most, active)
            await asyncio.sleep(0)
            active -= 1
            talk.send(HELLO)

    async with raw("a", counting) as a, before(a) as world:
        member = replace(a.backend(), max_connections=2)
        world.apply(make_proxy([member], pool={"queue": QueueSettings(100, 30.0)}))
        callers = [await world.ask(get(b"/%d" % number)) for number in range(100)]
        for caller in callers:
            await caller.reads(HELLO)
        assert most <= 2
        assert len(a.talks) <= 2  # and connections are used again
