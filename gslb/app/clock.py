"""The clocks of a process: one that people read, and one that never steps."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], float]


class Clocks:
    """Where a process takes the time from, so that tests can give it their own.

    wall: Unix seconds, which an administrator or NTP may step. now: monotonic seconds.
    """

    def __init__(self, wall: Clock = time.time, now: Clock = time.monotonic) -> None:
        self.wall = wall
        self.now = now
        self._offset_s = wall() - now()

    def steady(self) -> float:
        """Unix seconds as the wall clock had them at the start, counted on by the other one (R20):
        a step of the wall clock ages nothing.
        """
        return self._offset_s + self.now()
