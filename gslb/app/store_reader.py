"""Reading a store for ever: what it holds is handed on, and whether it can be reached is known.

Laws:
1. A store that fails is tried again after a random time that grows from FIRST_RETRY_S to at most
   LAST_RETRY_S (R23): many name servers do not come back in one moment.
2. Reads begin at least PAUSE_S apart, and nine times as far apart as taking up what was read takes:
   a busy store costs a tenth of the process at most.
3. One event tells that the store is lost, one that it is back, with how long it was away.
4. A store is away when it cannot be read. One that cannot be waited at is read soon, which tells
   which of the two it is; while it can be read, at random times that grow to at most BLIND_S.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

from gslb.app.clock import Clocks
from gslb.errors import StoreError
from gslb.model.event import Event, EventKind
from gslb.store.base import HealthStore, Holding
from gslb.telemetry.logs import get_limited_logger

FIRST_RETRY_S = 0.2
LAST_RETRY_S = 5.0
PAUSE_S = 0.05
BLIND_S = 2.0

Tell = Callable[[Event], None]

log = get_limited_logger(__name__)


@dataclass(frozen=True, slots=True)
class StoreState:
    """Whether the store can be reached. since_at: Unix seconds. error: why not, None if it can."""

    is_connected: bool
    since_at: float
    error: str | None = None


class StoreReader:
    """Hands everything that a store holds to `take_up`, again after each change.

    agents: the names of the agents that are declared now.
    """

    def __init__(
        self,
        store: HealthStore,
        agents: Callable[[], Collection[str]],
        take_up: Callable[[Holding], Awaitable[None]],
        *,
        tell: Tell,
        clocks: Clocks,
    ) -> None:
        self._store = store
        self._agents = agents
        self._take_up = take_up
        self._tell = tell
        self._clocks = clocks
        self._failures = 0
        self._blind_waits = 0
        self.state = StoreState(is_connected=False, since_at=clocks.wall(), error="not read yet")

    async def run(self) -> None:
        """Reads until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                holding = await self._store.read(self._agents())
                self._note_back()
                started = loop.time()
                await self._take_up(holding)
                await asyncio.sleep(max(PAUSE_S, 9 * (loop.time() - started)))  # law 2
                await self._wait()
            except StoreError as error:
                self._note_lost(str(error))
                await asyncio.sleep(_pause_s(self._failures, LAST_RETRY_S))

    async def _wait(self) -> None:
        """Until there is news (law 4)."""
        try:
            await self._store.wait()
        except StoreError as error:
            log.warning("store cannot be waited at, it is read at intervals", cause=str(error))
            await asyncio.sleep(_pause_s(self._blind_waits, BLIND_S))
            self._blind_waits += 1
        else:
            self._blind_waits = 0

    def _note_back(self) -> None:
        failures, self._failures = self._failures, 0
        if self.state.is_connected:
            return
        at, before = self._clocks.wall(), self.state
        self.state = StoreState(is_connected=True, since_at=at)
        if not failures:  # the first time: it was never lost
            return
        away_s = round(max(0.0, at - before.since_at), 1)
        self._tell(Event(EventKind.STORE_BACK, at, fields={"away_s": away_s}))

    def _note_lost(self, error: str) -> None:
        self._failures += 1
        at, before = self._clocks.wall(), self.state
        is_news = before.is_connected or self._failures == 1
        since_at = at if is_news else before.since_at
        self.state = StoreState(is_connected=False, since_at=since_at, error=error)
        if is_news:
            fields = {"cause": error, "then": "the last reports hold until they are stale"}
            self._tell(Event(EventKind.STORE_LOST, at, fields=fields))


def _pause_s(failures: int, longest_s: float) -> float:
    """A random time that grows with what has failed in a row, from FIRST_RETRY_S to longest_s."""
    bound_s = min(longest_s, FIRST_RETRY_S * 2 ** min(failures, 10))
    return random.uniform(FIRST_RETRY_S / 2, bound_s)
