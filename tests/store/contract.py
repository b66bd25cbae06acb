"""What every HealthStore must do: each `check_*` is run over each twin.

A twin's test file hands in `make`, an async function; each call opens a store on the same board,
which was empty before the check.
"""

import asyncio
from dataclasses import replace

import pytest

from gslb.errors import StoreError
from gslb.model.order import Order, OrderKind
from gslb.store.base import MAX_EVENTS, MAX_NODES, MAX_OCTETS, MAX_STRANGERS, Holding

DEADLINE_S = 8.0
ALL_OCTETS = bytes(range(256))
DRAIN = Order("eu-west", OrderKind.DRAIN, 1_000, "ann", "new racks: größer", 990.5, 2000.0)


async def wait(awaitable):
    async with asyncio.timeout(DEADLINE_S):
        return await awaitable


async def check_an_empty_store_holds_nothing(make):
    store = await make()
    assert await store.read(["fra"]) == Holding()
    assert await store.events(10) == ()


async def check_a_report_comes_back_octet_for_octet(make):
    store = await make()
    await store.put_report("fra", ALL_OCTETS)
    assert (await store.read(["fra"])).reports == {"fra": ALL_OCTETS}


async def check_law_1_the_last_report_put_is_what_is_read(make):
    store = await make()
    for octets in (b"newer", b"older"):
        await store.put_report("fra", octets)
    assert (await store.read(["fra"])).reports == {"fra": b"older"}


async def check_only_declared_agents_are_read(make):
    store = await make()
    for agent in ("fra", "sin", "iad"):
        await store.put_report(agent, agent.encode())
    holding = await store.read(["fra", "sin", "syd"])
    assert holding.reports == {"fra": b"fra", "sin": b"sin"}
    assert holding.strangers == {"iad"}


async def check_a_read_for_no_agents_tells_of_strangers(make):
    store = await make()
    await store.put_report("fra", b"x")
    assert await store.read([]) == Holding(strangers=frozenset({"fra"}))


async def check_law_2_strangers_are_bounded(make):
    store = await make()
    for number in range(MAX_STRANGERS + 5):
        await store.put_report(f"agent{number}", b"x")
    assert len((await store.read([])).strangers) == MAX_STRANGERS


async def check_law_2_values_that_are_too_large_are_refused(make):
    store = await make()
    large = bytes(MAX_OCTETS + 1)
    for call in (
        store.put_report("fra", large),
        store.put_node("ns1", large),
        store.add_event(large),
    ):
        with pytest.raises(StoreError, match="262145 octets are too many"):
            await call
    await store.put_report("fra", bytes(MAX_OCTETS))
    assert (await store.read(["fra"])).reports == {"fra": bytes(MAX_OCTETS)}


async def check_law_3_wait_returns_when_a_report_comes(make):
    reader, writer = await make(), await make()
    await reader.read(["fra"])
    waiter = asyncio.create_task(reader.wait())
    done, _ = await asyncio.wait({waiter}, timeout=0.05)
    assert not done
    await writer.put_report("fra", b"x")
    await wait(waiter)
    assert (await reader.read(["fra"])).reports == {"fra": b"x"}


async def check_law_3_wait_returns_when_an_order_comes(make):
    reader, writer = await make(), await make()
    await reader.read([])
    waiter = asyncio.create_task(reader.wait())
    done, _ = await asyncio.wait({waiter}, timeout=0.05)
    assert not done
    await writer.put_order(DRAIN)
    await wait(waiter)


async def check_law_3_wait_returns_at_once_for_a_change_since_the_read(make):
    store = await make()
    await store.put_report("fra", b"1")
    await store.read(["fra"])
    await store.put_report("fra", b"2")
    async with asyncio.timeout(1.0):
        await store.wait()


async def check_law_3_wait_before_the_first_read_sees_what_is_there(make):
    store = await make()
    await store.put_report("fra", b"1")
    async with asyncio.timeout(1.0):
        await store.wait()


async def check_law_3_every_waiter_is_woken(make):
    store = await make()
    await store.read([])
    waiters = [asyncio.create_task(store.wait()) for _ in range(3)]
    await asyncio.sleep(0.05)
    await store.put_report("fra", b"x")
    await wait(asyncio.gather(*waiters))


async def check_a_cancelled_waiter_leaves_the_others(make):
    store = await make()
    await store.read([])
    first, second = (asyncio.create_task(store.wait()) for _ in range(2))
    await asyncio.sleep(0.05)
    first.cancel()
    await store.put_report("fra", b"x")
    await wait(second)


async def check_law_3_a_reader_loop_ends_with_the_last_report(make):
    reader, writer = await make(), await make()

    async def read_until(octets):
        while (await reader.read(["fra"])).reports.get("fra") != octets:
            await reader.wait()

    task = asyncio.create_task(read_until(b"50"))
    for number in range(1, 51):
        await writer.put_report("fra", str(number).encode())
        if number % 7 == 0:
            await asyncio.sleep(0)
    await wait(task)


async def check_an_order_comes_back_as_it_was(make):
    store = await make()
    open_ended = Order("us-east", OrderKind.UP, 7)
    await store.put_order(DRAIN)
    await store.put_order(open_ended)
    found = (await store.read([])).orders
    assert sorted(found, key=lambda order: order.site) == [DRAIN, open_ended]


async def check_law_4_the_order_with_the_higher_version_holds(make):
    store = await make()
    for version, reason in ((5, "a"), (9, "b"), (7, "c"), (9, "d")):
        await store.put_order(replace(DRAIN, version=version, reason=reason))
    assert (await store.read([])).orders == (replace(DRAIN, version=9, reason="d"),)


async def check_law_4_holds_for_many_writers_at_once(make):
    stores = [await make() for _ in range(3)]
    orders = [replace(DRAIN, version=version) for version in range(1, 16)]
    await asyncio.gather(
        *(
            stores[order.version % 3].put_order(order)
            for order in sorted(orders, key=lambda order: order.version * 7 % 16)
        )
    )
    assert (await stores[0].read([])).orders == (orders[-1],)


async def check_an_order_taken_back_is_still_told(make):
    store = await make()
    await store.put_order(DRAIN)
    undrain = Order("eu-west", OrderKind.NONE, DRAIN.version + 1)
    await store.put_order(undrain)
    assert (await store.read([])).orders == (undrain,)


async def check_an_order_that_no_reader_would_take_is_refused(make):
    store = await make()
    for bad in ({"site": "no name"}, {"version": -1}, {"reason": "x" * 501}, {"owner": "a\nb"}):
        with pytest.raises(StoreError, match="no such order can be kept"):
            await store.put_order(replace(DRAIN, **bad))
    assert (await store.read([])).orders == ()


async def check_the_last_word_of_a_node_is_read(make):
    store = await make()
    for node, octets in (("ns1", b"a"), ("ns2", b"b"), ("ns1", ALL_OCTETS)):
        await store.put_node(node, octets)
    assert (await store.read([])).nodes == {"ns1": ALL_OCTETS, "ns2": b"b"}


async def check_law_2_nodes_are_bounded_and_the_newest_is_there(make):
    store = await make()
    for number in range(MAX_NODES + 3):
        await store.put_node(f"ns{number}", b"x")
        nodes = (await store.read([])).nodes if number >= MAX_NODES else {f"ns{number}": b"x"}
        assert f"ns{number}" in nodes
    assert len((await store.read([])).nodes) == MAX_NODES


async def check_events_come_oldest_first(make):
    store = await make()
    for octets in (b"1", b"2", ALL_OCTETS):
        await store.add_event(octets)
    assert await store.events(10) == (b"1", b"2", ALL_OCTETS)
    assert await store.events(2) == (b"2", ALL_OCTETS)
    assert await store.events(0) == ()


async def check_law_2_events_are_bounded(make):
    store = await make()
    for number in range(MAX_EVENTS + 10):
        await store.add_event(str(number).encode())
    events = await store.events(10 * MAX_EVENTS)
    assert len(events) == MAX_EVENTS
    assert events[-1] == str(MAX_EVENTS + 9).encode()


async def check_law_6_a_closed_store_raises(make):
    store = await make()
    await store.put_report("fra", b"x")
    await store.close()
    await store.close()
    for call in (
        store.put_report("fra", b"x"),
        store.read([]),
        store.wait(),
        store.put_order(DRAIN),
        store.put_node("ns1", b"x"),
        store.add_event(b"x"),
        store.events(1),
    ):
        with pytest.raises(StoreError, match="the store is closed"):
            await call


async def check_law_6_close_wakes_who_waits(make):
    store = await make()
    await store.read([])
    waiters = [asyncio.create_task(store.wait()) for _ in range(2)]
    await asyncio.sleep(0.05)
    await store.close()
    async with asyncio.timeout(0.5):
        found = await asyncio.gather(*waiters, return_exceptions=True)
    assert [str(error) for error in found] == ["the store is closed"] * 2


CONTRACT = tuple(check for name, check in sorted(globals().items()) if name.startswith("check_"))
CORE = (
    check_an_empty_store_holds_nothing,
    check_a_report_comes_back_octet_for_octet,
    check_only_declared_agents_are_read,
    check_law_3_a_reader_loop_ends_with_the_last_report,
    check_law_4_the_order_with_the_higher_version_holds,
    check_law_4_holds_for_many_writers_at_once,
    check_the_last_word_of_a_node_is_read,
    check_events_come_oldest_first,
    check_law_6_close_wakes_who_waits,
)
"""One of each call: what is run where another twin has shown the rest."""


def name_of(check):
    return check.__name__.removeprefix("check_")
