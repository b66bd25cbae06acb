"""Where the last report of every agent is kept, and how a name server learns of new ones.

Laws, the same for every twin (tests/store/contract.py runs over all of them):
1. One report an agent: within a boot the higher sequence wins, and a new boot wins only with a
   later `at`. What loses is dropped without an error: late messages are a matter of course.
2. At most MAX_AGENTS agents; one more is refused with StoreError and what is stored stays.
3. `changed` never misses a change: its numbers only grow, and a number read before a snapshot is
   never newer than it.
4. A store that fails says so with StoreError and nothing else; what the caller knew before still
   holds. The store is a convenience, never a dependency of answering.
5. After `close` every call raises StoreError, and calls that wait are woken by it.
"""

from __future__ import annotations

from typing import Protocol

from gslb.model.report import Report

MAX_AGENTS = 1000
"""Bounds memory when agents invent names: far above the agents of any real system, some MB of
reports at most.
"""


class HealthStore(Protocol):
    """Keeps the last report of each agent.

    The usual loop of a reader, which needs no lock and loses nothing:
    `seen = await store.changed(seen)`, then `reports = await store.snapshot()`.
    """

    async def put(self, report: Report) -> None:
        """Keep a report as the last of its agent, unless a newer one is there already.

        Raises StoreError when it cannot be kept.
        """

    async def snapshot(self) -> tuple[Report, ...]:
        """The last report of each agent, in the order of their names. Raises StoreError."""

    async def changed(self, since: int) -> int:
        """Wait for a change after the one numbered `since`, and return the number of the last one.

        Start with 0. Numbers belong to this object: they mean nothing to another process or after a
        restart. Raises StoreError.
        """

    async def close(self) -> None:
        """Let go of everything; a second call does nothing."""


def is_newer(report: Report, kept: Report) -> bool:
    """Whether a report replaces the one that is kept of the same agent (law 1)."""
    if report.boot == kept.boot:
        return report.sequence > kept.sequence
    return report.at > kept.at
