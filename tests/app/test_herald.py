"""Events told to log, store and webhook; the module's laws bear their numbers."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable

import pytest

from gslb.app import herald as module
from gslb.app import webhook
from gslb.app.herald import KEPT, QUEUED, Herald
from gslb.errors import StoreError
from gslb.model.event import Event, EventKind
from gslb.store.base import MAX_OCTETS
from gslb.store.memory import MemoryStore
from tests.app.hook import FAILED, HANG, Hook
from tests.app.world import until

DOWN = Event(EventKind.SITE_CHANGED, 1.5, "eu", {"state": "down", "reason": "refused"})
DOWN_TOLD = {
    "node": "ns1",
    "at": 1.5,
    "kind": "site changed",
    "subject": "eu",
    "fields": {"state": "down", "reason": "refused"},
}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(module, "LAST_PAUSE_S", 0.02)
    monkeypatch.setattr(webhook, "PAUSE_S", 0.01)


def make_event(number: int) -> Event:
    return Event(EventKind.SITE_CHANGED, float(number), f"s{number}")


class FaultyStore(MemoryStore):
    """A store that can be away, or hang when it is written to."""

    def __init__(self) -> None:
        super().__init__()
        self.is_away = False
        self.hanging = asyncio.Event()
        self.hanging.set()  # it does not
        self.tries = 0

    async def add_event(self, octets: bytes) -> None:
        self.tries += 1
        await self.hanging.wait()
        self.fail()
        await super().add_event(octets)

    async def events(self, count: int) -> tuple[bytes, ...]:
        self.fail()
        return await super().events(count)

    def fail(self) -> None:
        if self.is_away:
            raise StoreError("gone")


Script = Callable[[Herald, FaultyStore, Hook], Awaitable[None]]


def run(script: Script, *, with_webhook: bool = True) -> None:
    """Runs a script while a herald is at work."""

    async def main() -> None:
        async with Hook() as hook:
            store = FaultyStore()
            herald = Herald("ns1", store, hook.url if with_webhook else None)
            task = asyncio.create_task(herald.run())
            try:
                await script(herald, store, hook)
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())


def subjects(events: list[dict[str, object]]) -> list[object]:
    return [event["subject"] for event in events]


def test_an_event_goes_to_store_and_webhook():
    async def script(herald: Herald, store: FaultyStore, hook: Hook) -> None:
        herald.tell(DOWN)
        await until(lambda: herald.written and hook.bodies)
        assert hook.bodies == [DOWN_TOLD]
        assert [json.loads(octets) for octets in await store.events(9)] == [DOWN_TOLD]
        assert await herald.events(9) == [DOWN_TOLD]
        assert (herald.written, herald.dropped, herald.webhook_failed) == (1, 0, 0)

    run(script)


def test_without_a_webhook_the_store_gets_events():
    async def script(herald: Herald, store: FaultyStore, hook: Hook) -> None:
        herald.tell(DOWN)
        await until(lambda: herald.written)
        assert (await herald.events(1), herald.webhook_failed) == ([DOWN_TOLD], 0)

    run(script, with_webhook=False)


@pytest.mark.parametrize(
    ("event", "level", "fields"),
    [
        (DOWN, "INFO", {"site": "eu", "state": "down", "reason": "refused"}),
        (
            Event(EventKind.VOTE_LOST, 0, "fra", {"why": "x"}),
            "WARNING",
            {"agent": "fra", "why": "x"},
        ),
        (Event(EventKind.STORE_LOST, 0, "redis"), "WARNING", {"subject": "redis"}),
        (Event(EventKind.ALERT, 0, "", {"event": "x"}), "WARNING", {"event": "x"}),
        (Event(EventKind.STORE_BACK, 0, "", {"site": None}), "INFO", {"site": None}),
        (Event(EventKind.SITE_CHANGED, 0, "eu", {"site": "x"}), "INFO", {"site": "x"}),
    ],
)
def test_law_1_one_line_is_logged_at_once(caplog, event: Event, level: str, fields: dict):
    with caplog.at_level(logging.INFO, logger="gslb"):
        Herald("ns1", MemoryStore()).tell(event)
    (record,) = caplog.records
    assert (record.levelname, record.getMessage()) == (level, event.kind.value)
    assert record.gslb_fields == fields


def test_law_1_telling_never_waits_nor_fails_and_queues_are_bounded():
    async def script(herald: Herald, store: FaultyStore, hook: Hook) -> None:
        store.hanging.clear()
        hook.reply = HANG
        herald.tell(make_event(0))
        await until(lambda: store.tries and hook.bodies)  # both hold the first one
        for number in range(1, QUEUED + 4):  # nothing else runs meanwhile
            herald.tell(make_event(number))
        assert (herald.dropped, herald.webhook_failed) == (3, 3)
        store.hanging.set()
        await until(lambda: herald.written == QUEUED + 1)
        kept = subjects(await herald.events(QUEUED))
        assert kept == [f"s{number}" for number in range(4, QUEUED + 4)]

    run(script)


def test_law_1_an_event_that_no_store_takes_holds_up_no_other():
    async def script(herald: Herald, store: FaultyStore, hook: Hook) -> None:
        herald.tell(Event(EventKind.ALERT, 0, "", {"text": "x" * MAX_OCTETS}))
        herald.tell(DOWN)
        await until(lambda: herald.written)
        assert (herald.dropped, await herald.events(9)) == (1, [DOWN_TOLD])

    run(script, with_webhook=False)


@pytest.mark.parametrize("reply", [HANG, FAILED, None], ids=["hangs", "500", "refuses"])
def test_law_2_a_bad_webhook_does_not_hold_up_the_store(reply: bytes | None, monkeypatch):
    monkeypatch.setattr(webhook, "TIMEOUT_S", 0.3)

    async def script(herald: Herald, store: FaultyStore, hook: Hook) -> None:
        if reply is None:
            await hook.refuse()
        else:
            hook.reply = reply
        herald.tell(make_event(0))
        if reply == HANG:
            await until(lambda: hook.bodies)
        started = time.monotonic()
        for number in range(1, 50):
            herald.tell(make_event(number))
        await until(lambda: herald.written == 50)
        if reply == HANG:
            assert time.monotonic() - started < webhook.TIMEOUT_S
            assert len(hook.bodies) == 1
        await until(lambda: herald.webhook_failed)
        assert herald.dropped == 0

    run(script)


def test_law_2_a_store_that_hangs_does_not_hold_up_the_webhook():
    async def script(herald: Herald, store: FaultyStore, hook: Hook) -> None:
        store.hanging.clear()
        for number in range(3):
            herald.tell(make_event(number))
        await until(lambda: len(hook.bodies) == 3)
        assert (store.tries, herald.written) == (1, 0)

    run(script)


def test_law_3_events_wait_for_the_store_in_order_and_its_loss_is_logged_once(caplog):
    async def script(herald: Herald, store: FaultyStore, hook: Hook) -> None:
        store.is_away = True
        for number in range(3):
            herald.tell(make_event(number))
        await until(lambda: store.tries > 3)
        assert herald.written == 0
        store.is_away = False
        await until(lambda: herald.written == 3)
        assert subjects(await herald.events(9)) == ["s0", "s1", "s2"]

    with caplog.at_level(logging.INFO, logger="gslb"):
        run(script)
    told = [one for one in caplog.records if one.getMessage() != EventKind.SITE_CHANGED]
    assert [(one.getMessage(), one.gslb_fields) for one in told] == [
        ("events are not stored", {"cause": "gone"}),
        ("events are stored again", {}),
    ]


def test_law_4_own_events_are_told_while_the_store_is_away():
    async def script(herald: Herald, store: FaultyStore, hook: Hook) -> None:
        await store.add_event(b'{"node":"ns2","at":1,"kind":"alert","subject":"","fields":{}}')
        assert [event["node"] for event in await herald.events(9)] == ["ns2"]
        store.is_away = True
        assert await herald.events(9) == []
        for number in range(KEPT + 5):
            herald.tell(make_event(number))
        kept = subjects(await herald.events(KEPT + 5))
        assert kept == [f"s{number}" for number in range(5, KEPT + 5)]
        assert subjects(await herald.events(2)) == [f"s{KEPT + 3}", f"s{KEPT + 4}"]

    run(script, with_webhook=False)


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\xff",
        b"5",
        b"{}",
        b"[" * 100_000,
        json.dumps(DOWN_TOLD | {"at": "now"}).encode(),
        json.dumps(DOWN_TOLD | {"fields": None}).encode(),
        json.dumps(DOWN_TOLD | {"more": 1}).encode(),
    ],
)
def test_what_is_no_event_in_the_store_is_left_out(octets: bytes):
    async def script(herald: Herald, store: FaultyStore, hook: Hook) -> None:
        await store.add_event(octets)
        await store.add_event(json.dumps(DOWN_TOLD).encode())
        assert await herald.events(9) == [DOWN_TOLD]

    run(script, with_webhook=False)
