"""Events of a name server, told to whoever wants to know: log, store, webhook, and who asks.

Laws:
1. `tell` never waits and never fails: the line is logged at once, the rest goes through bounded
   queues.
2. Store and webhook are told apart from each other: neither waits for the other one.
3. An event that the store does not take now waits, and the oldest of more than QUEUED is dropped
   and counted. A write whose answer got lost is written twice rather than never.
4. Whoever asks while the store is away is told what this process told last.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import deque
from typing import Any

from gslb.app.webhook import Webhook
from gslb.errors import StoreError
from gslb.model.event import WARNINGS, Event, EventKind
from gslb.store.base import MAX_OCTETS, HealthStore
from gslb.telemetry.logs import dump_line, get_logger

QUEUED = 1000
"""As many as the store keeps: of more, the store would forget the first ones anyway."""
KEPT = 200
"""Of this process's own events, in memory: a few screens, under 100 KB."""
FIRST_PAUSE_S, LAST_PAUSE_S = 0.2, 5.0
"""How long at most to wait before an event is tried again, at first and in the end."""

# What the subject of an event is called in its log line.
_SUBJECTS = {
    EventKind.SITE_CHANGED: "site",
    EventKind.BACKEND_CHANGED: "backend",
    EventKind.ORDER_GIVEN: "site",
    EventKind.ORDER_APPLIED: "site",
    EventKind.ORDER_OVER: "site",
    EventKind.VOTE_LOST: "agent",
    EventKind.VOTE_REGAINED: "agent",
}
# The keys of an event as JSON, and what each of them must hold.
_SHAPE = {"node": str, "at": int | float, "kind": str, "subject": str, "fields": dict}

log = get_logger(__name__)


class Herald:
    """Tells what happens at a node.

    webhook: the URL that gets each event, too. written, dropped: events that the store has taken,
    and those that it never will.
    """

    def __init__(self, node: str, store: HealthStore, webhook: str | None = None) -> None:
        self.written = 0
        self.dropped = 0
        self._node = node
        self._store = store
        self._webhook = None if webhook is None else Webhook(webhook)
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(QUEUED)
        self._recent: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._is_failing = False

    @property
    def webhook_failed(self) -> int:
        """How many events the webhook never took."""
        return 0 if self._webhook is None else self._webhook.failed

    def tell(self, event: Event) -> None:
        """Tells of an event (law 1)."""
        _log_event(event)
        told = _describe(self._node, event)
        self._recent.append(told)
        octets = dump_line(told).encode()
        if self._webhook is not None:
            self._webhook.put(octets)
        if len(octets) > MAX_OCTETS:  # no store takes it, and it would hold up all others
            self.dropped += 1
            return
        if self._queue.full():
            self._queue.get_nowait()
            self.dropped += 1
        self._queue.put_nowait(octets)

    async def run(self) -> None:
        """Brings events to the store and to the webhook, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._write(), name="events to the store")
            if self._webhook is not None:
                group.create_task(self._webhook.run(), name="events to the webhook")

    async def events(self, count: int) -> list[dict[str, Any]]:
        """The last events, at most count (from 1), oldest first: {node, at, kind, subject, fields}.

        Those of all name servers from the store; while it is away, those of this process.
        """
        try:
            stored = await self._store.events(count)
        except StoreError:
            return list(self._recent)[-count:]
        return [event for octets in stored if (event := _maybe_load(octets)) is not None]

    async def _write(self) -> None:
        while True:
            octets = await self._queue.get()
            pause_s = FIRST_PAUSE_S
            while not await self._is_taken(octets):
                await asyncio.sleep(random.uniform(0, pause_s))  # full jitter (R23)
                pause_s = min(2 * pause_s, LAST_PAUSE_S)
            self.written += 1

    async def _is_taken(self, octets: bytes) -> bool:
        """Whether the store takes an event now."""
        try:
            await self._store.add_event(octets)
        except StoreError as error:
            if not self._is_failing:
                log.warning("events are not stored", cause=str(error))
            self._is_failing = True
        else:
            if self._is_failing:
                log.info("events are stored again")
            self._is_failing = False
        return not self._is_failing


def _log_event(event: Event) -> None:
    write = log.warning if event.kind in WARNINGS else log.info
    subject = {_SUBJECTS.get(event.kind, "subject"): event.subject} if event.subject else {}
    write(event.kind, **(subject | dict(event.fields)))


def _describe(node: str, event: Event) -> dict[str, Any]:
    return {
        "node": node,
        "at": event.at,
        "kind": event.kind.value,
        "subject": event.subject,
        "fields": dict(event.fields),
    }


def _maybe_load(octets: bytes) -> dict[str, Any] | None:
    """The event that octets from the store tell, or None: they may be anybody's."""
    try:
        told = json.loads(octets)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict) or told.keys() != _SHAPE.keys():
        return None
    return told if all(isinstance(told[key], kind) for key, kind in _SHAPE.items()) else None
