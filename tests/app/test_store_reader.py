"""Reading a store for ever, in virtual time."""

import asyncio

import pytest

from gslb.app.clock import Clocks
from gslb.app.store_reader import BLIND_S, FIRST_RETRY_S, LAST_RETRY_S, PAUSE_S, StoreReader
from gslb.errors import StoreError
from gslb.model.event import EventKind
from gslb.store.base import Holding
from gslb.store.memory import MemoryStore
from tests.probe.virtual import run_virtually


class Noticeboard(MemoryStore):
    """Fails while told to; remembers when it was read."""

    def __init__(self):
        super().__init__()
        self.is_away = False
        self.reads = []

    async def read(self, agents):
        self.reads.append(asyncio.get_running_loop().time())
        if self.is_away:
            raise StoreError("gone")
        return Holding(strangers=frozenset({"x"}))

    async def wait(self):
        await asyncio.sleep(0)  # there is always news


def play(script, take_up=None, board=None):
    """What a script does with a reader at work: (board, events, state at the end)."""

    async def work():
        loop = asyncio.get_running_loop()
        store, events = board or Noticeboard(), []

        async def take(holding):
            if take_up is not None:
                await take_up(holding)

        reader = StoreReader(
            store, tuple, take, tell=events.append, clocks=Clocks(loop.time, loop.time)
        )
        task = asyncio.create_task(reader.run())
        await script(store, reader)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return store, events, reader.state

    return run_virtually(work())


def test_law_1_a_store_that_is_away_is_tried_at_random_times_that_grow_to_a_bound_r23():
    async def script(store, reader):
        store.is_away = True
        await asyncio.sleep(120)

    store, events, state = play(script)
    gaps = [later - earlier for earlier, later in zip(store.reads, store.reads[1:], strict=False)]
    assert min(gaps) >= FIRST_RETRY_S / 2
    assert max(gaps) <= LAST_RETRY_S
    assert max(gaps[:2]) < LAST_RETRY_S / 4  # soon at first
    assert len({round(gap, 6) for gap in gaps}) == len(gaps)  # drawn, not fixed
    assert 120 / LAST_RETRY_S <= len(store.reads) < 120 / LAST_RETRY_S * 4
    assert [event.kind for event in events] == [EventKind.STORE_LOST]
    assert (state.is_connected, state.error) == (False, "gone")


def test_law_2_a_busy_store_is_read_at_intervals():
    async def script(store, reader):
        await asyncio.sleep(1)

    store, events, state = play(script)
    assert len(store.reads) == pytest.approx(1 / PAUSE_S, abs=1)
    assert state.is_connected
    assert events == []  # it was never lost


def test_law_2_taking_up_costs_a_tenth_at_most():
    async def take_slowly(_holding):
        await asyncio.sleep(0.1)  # stands for work, which virtual time does not see

    async def script(store, reader):
        await asyncio.sleep(10)

    store, _, _ = play(script, take_slowly)
    assert len(store.reads) == pytest.approx(10, abs=1)


def test_law_3_one_event_when_it_is_lost_and_one_when_it_is_back():
    async def script(store, reader):
        await asyncio.sleep(1)
        store.is_away = True
        await asyncio.sleep(60)
        store.is_away = False
        await asyncio.sleep(LAST_RETRY_S)

    _, events, state = play(script)
    assert [event.kind for event in events] == [EventKind.STORE_LOST, EventKind.STORE_BACK]
    assert events[0].fields["cause"] == "gone"
    assert 59 <= events[1].fields["away_s"] <= 61 + LAST_RETRY_S
    assert state.is_connected


class Silent(Noticeboard):
    """Can be read, but never waited at, until it is away altogether."""

    async def wait(self):
        raise StoreError("no word")


def test_law_4_a_store_that_cannot_be_waited_at_is_read_at_random_times_that_grow_to_a_bound():
    async def script(store, reader):
        await asyncio.sleep(120)

    store, events, state = play(script, board=Silent())
    gaps = [later - earlier for earlier, later in zip(store.reads, store.reads[1:], strict=False)]
    assert gaps[0] <= FIRST_RETRY_S + PAUSE_S
    assert BLIND_S / 2 < max(gaps) <= BLIND_S + PAUSE_S
    assert len({round(gap, 6) for gap in gaps}) == len(gaps)  # drawn, not fixed
    assert state.is_connected
    assert events == []


class Dying(Noticeboard):
    """Dies while it is waited at."""

    async def wait(self):
        await asyncio.sleep(10)
        self.is_away = True
        raise StoreError("cut off")


def test_law_4_a_store_that_dies_while_it_is_waited_at_is_known_to_be_away_at_once():
    async def script(store, reader):
        await asyncio.sleep(10 + 2 * PAUSE_S + FIRST_RETRY_S)

    _, events, state = play(script, board=Dying())
    assert [event.kind for event in events] == [EventKind.STORE_LOST]
    assert not state.is_connected
