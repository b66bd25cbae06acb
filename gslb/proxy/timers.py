"""Deadlines of many connections by one timer, and the event loop's lag, which the same timer shows.

A timer of its own for each request would cost more than the rest of its bookkeeping. So a thing
that can expire has a deadline, which costs an assignment to move, and is looked at TICKS_PER_S
times a second: deadlines are met up to 1 / TICKS_PER_S late. 10,000 idle connections cost some
0.3 ms a look. The clock is `time.monotonic`: uvloop's own goes by whole milliseconds.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Protocol

from gslb.telemetry.logs import get_limited_logger

TICKS_PER_S = 4
NEVER = math.inf
LATE_LOOKS = 3
"""Looks in a row that must be late: a machine that stood still for a moment is not overloaded, and
to refuse requests after that helps nobody."""
_LAG_KEPT = 0.7
"""Of the lag seen before, at each look: it is forgotten within two seconds."""

log = get_limited_logger(__name__)


class Expiring(Protocol):
    """Something with a deadline. deadline: seconds of `time.monotonic`, NEVER for none."""

    deadline: float

    def expire(self, now: float) -> None:
        """The deadline has passed: called at every look until it is moved."""


class Sweeper:
    """Looks at deadlines, and calls what should happen every tick.

    lag_ms: by how much the loop was late at each of LATE_LOOKS looks, remembered for a moment.
    """

    def __init__(self) -> None:
        self.lag_ms = 0.0
        self._late_ms = deque([0.0] * LATE_LOOKS, maxlen=LATE_LOOKS)
        self._loop = asyncio.get_running_loop()
        self._things: set[Expiring] = set()
        self._ticks: list[Callable[[float], None]] = []
        self._due_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begins to look; until `stop`."""
        self._due_at = monotonic() + 1 / TICKS_PER_S
        self._timer = self._loop.call_later(1 / TICKS_PER_S, self._look)

    def stop(self) -> None:
        """Looks no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def add(self, thing: Expiring) -> None:
        """Watches a thing from now on."""
        self._things.add(thing)

    def discard(self, thing: Expiring) -> None:
        """Watches a thing no more; one that is not watched is no fault."""
        self._things.discard(thing)

    def each_tick(self, call: Callable[[float], None]) -> None:
        """Has a function called at each look, with the time."""
        self._ticks.append(call)

    def _look(self) -> None:
        now = monotonic()
        self._late_ms.append((now - self._due_at) * 1000)
        self.lag_ms = max(min(self._late_ms), self.lag_ms * _LAG_KEPT)
        self._due_at = max(now, self._due_at) + 1 / TICKS_PER_S
        self._timer = self._loop.call_later(self._due_at - now, self._look)
        for call in self._ticks:
            _guard(call, now)
        for thing in [one for one in self._things if one.deadline <= now]:
            _guard(thing.expire, now)


def _guard(call: Callable[[float], None], now: float) -> None:
    """One that fails takes no other's turn."""
    try:
        call(now)
    except Exception as error:  # noqa: BLE001  the border: the other deadlines hold
        log.error("deadline", cause=repr(error))  # noqa: TRY400 - has the cause
