"""The store of one process: a dictionary, and an event that wakes the readers."""

from __future__ import annotations

import asyncio

from gslb.errors import StoreError
from gslb.model.report import Report
from gslb.store.base import MAX_AGENTS, is_newer


class MemoryStore:
    """A `HealthStore` for agents and readers inside one event loop. Memory: one report an agent."""

    def __init__(self) -> None:
        self._reports: dict[str, Report] = {}
        self._version = 0
        self._is_closed = False
        self._changed = asyncio.Event()

    async def put(self, report: Report) -> None:
        """See `HealthStore.put`."""
        self._require_open()
        kept = self._reports.get(report.agent)
        if kept is None and len(self._reports) >= MAX_AGENTS:
            raise StoreError(
                f"no room for agent {report.agent!a}: {MAX_AGENTS} agents are stored already"
            )
        if kept is not None and not is_newer(report, kept):
            return
        self._reports[report.agent] = report
        self._version += 1
        self._wake()

    async def snapshot(self) -> tuple[Report, ...]:
        """See `HealthStore.snapshot`."""
        self._require_open()
        return tuple(self._reports[agent] for agent in sorted(self._reports))

    async def changed(self, since: int) -> int:
        """See `HealthStore.changed`."""
        self._require_open()
        while self._version <= since:
            await self._changed.wait()
            self._require_open()
        return self._version

    async def close(self) -> None:
        """See `HealthStore.close`."""
        self._is_closed = True
        self._reports.clear()
        self._wake()

    def _require_open(self) -> None:
        if self._is_closed:
            raise StoreError("the store is closed")

    def _wake(self) -> None:
        """Wake all that wait now; whoever comes later waits on a new event."""
        self._changed.set()
        self._changed = asyncio.Event()
