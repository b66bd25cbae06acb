"""Brings an agent's reports to the store, signed.

Laws:
1. The newest report wins: one at most is on its way, and none is queued. What a store did not take,
   the next report tells.
2. A report is given up after PATIENCE times the store's timeout.
3. A store that failed is left alone for a random time that grows from FIRST_RETRY_S to at most
   LAST_RETRY_S (R23): many agents do not come back in one moment.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from gslb.errors import StoreError
from gslb.model.report import Report
from gslb.store.base import HealthStore
from gslb.store.envelope import Signer, seal

PATIENCE = 4
"""Times the store's timeout: to find the server, to connect, to log in, to write."""
FIRST_RETRY_S, LAST_RETRY_S = 0.2, 5.0


class Courier:
    """Delivers to one store. timeout_s: of the store, for each of its steps. draw: uniform in
    [0, 1).
    """

    def __init__(
        self,
        store: HealthStore,
        key: Signer,
        timeout_s: float,
        *,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._key = key
        self._patience_s = PATIENCE * timeout_s
        self._draw = draw
        self._is_under_way = False
        self._failures = 0
        self._retry_at = 0.0  # of the loop's clock

    async def deliver(self, report: Report) -> None:
        """Puts one report. Raises StoreError, also for one that comes too early after a failure."""
        assert not self._is_under_way, "one report at a time"
        clock = asyncio.get_running_loop().time
        if clock() < self._retry_at:
            raise StoreError("the store has just failed; it is tried again soon")
        self._is_under_way = True
        try:
            await self._put(report)
            self._failures = 0
        except StoreError:
            longest_s = min(LAST_RETRY_S, FIRST_RETRY_S * 2 ** min(self._failures, 10))
            self._failures += 1
            self._retry_at = clock() + self._draw() * longest_s
            raise
        finally:
            self._is_under_way = False

    async def _put(self, report: Report) -> None:
        try:
            octets = seal(report, self._key)
        except ValueError as error:
            raise StoreError(str(error)) from error
        try:
            async with asyncio.timeout(self._patience_s):
                await self._store.put_report(report.agent, octets)
        except TimeoutError as error:
            raise StoreError(f"not taken within {self._patience_s:g} s") from error
