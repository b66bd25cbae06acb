"""What every HealthStore must do: each `check_*` is run over each twin.

A twin's test file hands in `make`, an async function that opens an empty store, and runs every
function of CONTRACT.
"""

import asyncio

import pytest

from gslb.errors import StoreError
from gslb.model.report import Report, SiteReport
from gslb.store.base import MAX_AGENTS

DEADLINE_S = 5.0


def report(agent="fra", boot="b1", sequence=1, at=1000.0, *, up=True):
    return Report(agent, boot, sequence, at, {"eu-west": SiteReport(up, 1, 990.0, 1.5, "why")})


async def wait(awaitable):
    async with asyncio.timeout(DEADLINE_S):
        return await awaitable


async def check_an_empty_store_has_no_reports(make):
    store = await make()
    assert await store.snapshot() == ()
    await store.close()


async def check_a_report_comes_back_as_it_was(make):
    store = await make()
    await store.put(report())
    assert await store.snapshot() == (report(),)
    await store.close()


async def check_reports_come_in_the_order_of_agents(make):
    store = await make()
    for agent in ("sin", "fra", "iad"):
        await store.put(report(agent))
    assert [kept.agent for kept in await store.snapshot()] == ["fra", "iad", "sin"]
    await store.close()


async def check_the_newest_sequence_of_a_boot_wins(make):
    store = await make()
    for sequence, up in ((1, True), (3, False), (2, True), (3, True)):
        await store.put(report(sequence=sequence, up=up))
    assert await store.snapshot() == (report(sequence=3, up=False),)
    await store.close()


async def check_a_new_boot_starts_its_sequence_anew(make):
    store = await make()
    await store.put(report(boot="b1", sequence=900, at=1000.0))
    await store.put(report(boot="b2", sequence=1, at=1000.5))
    assert await store.snapshot() == (report(boot="b2", sequence=1, at=1000.5),)
    await store.close()


async def check_a_late_report_of_an_earlier_boot_is_dropped(make):
    store = await make()
    await store.put(report(boot="b2", sequence=1, at=1000.5))
    await store.put(report(boot="b1", sequence=901, at=1000.0))
    assert await store.snapshot() == (report(boot="b2", sequence=1, at=1000.5),)
    await store.close()


async def check_changed_returns_at_once_when_something_is_new(make):
    store = await make()
    await store.put(report())
    seen = await wait(store.changed(0))
    assert seen > 0
    await store.close()


async def check_changed_waits_for_the_next_change(make):
    store = await make()
    await store.put(report())
    seen = await wait(store.changed(0))
    waiter = asyncio.create_task(store.changed(seen))
    done, _ = await asyncio.wait({waiter}, timeout=0.05)
    assert not done
    await store.put(report(sequence=2))
    assert await wait(waiter) > seen
    await store.close()


async def check_a_dropped_report_is_no_change(make):
    store = await make()
    await store.put(report(sequence=2))
    seen = await wait(store.changed(0))
    await store.put(report(sequence=1))
    waiter = asyncio.create_task(store.changed(seen))
    done, _ = await asyncio.wait({waiter}, timeout=0.05)
    assert not done
    waiter.cancel()
    await store.close()


async def check_every_waiter_is_woken(make):
    store = await make()
    waiters = [asyncio.create_task(store.changed(0)) for _ in range(3)]
    await asyncio.sleep(0)
    await store.put(report())
    assert len(set(await wait(asyncio.gather(*waiters)))) == 1
    await store.close()


async def check_a_cancelled_waiter_leaves_the_others(make):
    store = await make()
    first, second = (asyncio.create_task(store.changed(0)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await store.put(report())
    assert await wait(second) > 0
    await store.close()


async def check_a_reader_loop_ends_with_the_last_report(make):
    store = await make()

    async def read_until(sequence):
        seen = 0
        while True:
            seen = await store.changed(seen)
            if (await store.snapshot())[0].sequence == sequence:
                return sequence

    reader = asyncio.create_task(read_until(50))
    for sequence in range(1, 51):
        await store.put(report(sequence=sequence))
        if sequence % 7 == 0:
            await asyncio.sleep(0)
    assert await wait(reader) == 50
    await store.close()


async def check_one_agent_too_many_is_refused(make):
    store = await make()
    for number in range(MAX_AGENTS):
        await store.put(report(f"agent{number}"))
    with pytest.raises(StoreError, match="no room for agent 'one-more'"):
        await store.put(report("one-more"))
    await store.put(report("agent0", sequence=2))
    kept = await store.snapshot()
    assert len(kept) == MAX_AGENTS
    assert kept[0].sequence == 2
    await store.close()


async def check_a_closed_store_raises(make):
    store = await make()
    await store.close()
    await store.close()
    for call in (store.put(report()), store.snapshot(), store.changed(0)):
        with pytest.raises(StoreError):
            await call


async def check_close_wakes_who_waits(make):
    store = await make()
    waiter = asyncio.create_task(store.changed(0))
    await asyncio.sleep(0)
    await store.close()
    with pytest.raises(StoreError):
        await wait(waiter)


CONTRACT = tuple(check for name, check in sorted(globals().items()) if name.startswith("check_"))
