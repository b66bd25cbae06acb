"""Rate limits as the data plane asks for them: shared through Redis, or counted alone.

1. Without a shared counter (`store: memory`) everything is counted here, at once.
2. With one, a verdict is waited for as long as DEADLINE_S. Whoever waits longer, or gets an error,
   is judged by the counters here, with a share of 1 / known proxies: Redis away is neither a way
   round the limit nor an outage. What was asked for may be counted there all the same.
3. After an error, or MAX_LATE late answers in a row, nobody asks there any more, so nobody waits;
   `run` tries again once in RETRY_S and goes back when an answer came within DEADLINE_S. The same
   holds before the first answer.
4. Losing and finding it again are each logged once; every verdict without it is counted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from gslb.errors import StoreError
from gslb.model.proxy import RateLimit
from gslb.route.rate import RateTable, RateVerdict
from gslb.telemetry.logs import get_logger

DEADLINE_S = 0.05
"""What a shared verdict may cost a request. On one busy machine, Redis included, it took 0.14 ms
alone, and 39 ms (p99) where 256 at a time asked 11,000 times a second; beyond that it is better to
count alone. Envoy waits 20 ms for its rate limit service by default.
"""
MAX_LATE = 3
"""One late answer may be a new connection, which is made once a minute."""
RETRY_S = 1.0
CONNECT_S = 5.0
"""How long the first question of a new try may take: a connection may have to be made for it."""

_PROBE = RateLimit(requests=1000)

_log = get_logger(__name__)


class SharedLimit(Protocol):
    """Counters that all proxies of a region share: gslb.store.rate_limit."""

    async def run(self) -> None:
        """Answer those who ask, until cancelled."""

    async def take(self, rule_id: str, rule: RateLimit, key: bytes, *, cost: float) -> RateVerdict:
        """Whether a request may go on. Raises StoreError."""


class Limiter:
    """Verdicts of rate limits. known_proxies: how many count beside each other, this one included;
    workers count one by one.
    """

    def __init__(
        self,
        shared: SharedLimit | None,
        known_proxies: Callable[[], int],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._shared = shared
        self._known_proxies = known_proxies
        self._clock = clock
        self._table = RateTable()
        self._is_alone = shared is not None
        self._has_lost = asyncio.Event()
        self._late = 0
        self._fallbacks = 0

    @property
    def is_shared(self) -> bool:
        """Whether verdicts hold for the region at the moment."""
        return self._shared is not None and not self._is_alone

    @property
    def fallbacks(self) -> int:
        """How many verdicts were made alone although there is a shared counter."""
        return self._fallbacks

    def take_now(
        self, rule_id: str, rule: RateLimit, key: bytes, *, cost: float = 1.0
    ) -> RateVerdict | None:
        """The verdict for a request if it can be had at once, else None: then await `take`.

        key: from gslb.route.rate.compile_rate_key, which has the rule in it. Costs 6 us.
        """
        if self._shared is not None and not self._is_alone:
            return None
        return self._take_alone(rule, key, cost)

    async def take(
        self, rule_id: str, rule: RateLimit, key: bytes, *, cost: float = 1.0
    ) -> RateVerdict:
        """The verdict for a request, after DEADLINE_S at the latest. Costs some 30 us if shared."""
        if self._shared is None or self._is_alone:
            return self._take_alone(rule, key, cost)
        try:
            async with asyncio.timeout(DEADLINE_S):
                verdict = await self._shared.take(rule_id, rule, key, cost=cost)
        except TimeoutError:
            self._note_late()
        except StoreError as error:
            self._lose(str(error))
        else:
            self._late = 0
            return verdict
        return self._take_alone(rule, key, cost)

    async def run(self) -> None:
        """Keep the shared counter working, and find it again when it was lost; until cancelled."""
        if self._shared is None:
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(self._shared.run(), name="rate limits")
            group.create_task(self._keep(self._shared), name="rate limits: try again")

    # ---------------------------------------------------------------- alone

    def _take_alone(self, rule: RateLimit, key: bytes, cost: float) -> RateVerdict:
        self._fallbacks += self._shared is not None
        share = 1.0 / max(1, self._known_proxies())
        return self._table.take(rule, key, now=self._clock(), cost=cost, share=share)

    def _note_late(self) -> None:
        self._late += 1
        if self._late >= MAX_LATE:
            self._lose("no answer in time")

    def _lose(self, why: str) -> None:
        if not self._is_alone:
            self._is_alone = True
            self._has_lost.set()
            self._tell_alone(why)

    def _tell_alone(self, why: str) -> None:
        _log.warning("rate limits are counted alone", cause=why, proxies=self._known_proxies())

    # ---------------------------------------------------------------- and back

    async def _keep(self, shared: SharedLimit) -> None:
        is_told = False
        while True:
            why = await _why_not(shared)
            if why is None:
                self._find()
                await self._has_lost.wait()
            elif not is_told:
                self._tell_alone(why)
            is_told = True
            await asyncio.sleep(RETRY_S)

    def _find(self) -> None:
        self._is_alone, self._late = False, 0
        self._has_lost.clear()
        _log.info("rate limits are shared", verdicts_alone=self._fallbacks)


async def _why_not(shared: SharedLimit) -> str | None:
    """Why requests should not wait for the shared counter, None if they may."""
    try:
        for patience_s in (CONNECT_S, DEADLINE_S):
            async with asyncio.timeout(patience_s):
                await shared.take("probe", _PROBE, b"", cost=1.0)
    except TimeoutError:
        return "no answer in time"
    except StoreError as error:
        return str(error)
    return None
