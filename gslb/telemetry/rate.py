"""How often the same event may be logged, so that bad packets never fill a disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

# Keys are event names written in our sources, a few dozen. Should one ever be made from input, all
# that come after the bound share one allowance, and memory stays flat.
MAX_KEYS = 1000
OVERFLOW = "(all other events)"


@dataclass(slots=True)
class _Allowance:
    """second: the clock's second that used belongs to. suppressed: since the last admitted line."""

    second: int
    used: int = 0
    suppressed: int = 0


class Limiter:
    """At most `lines_per_second` lines of each key in any one second of the clock.

    clock: monotonic seconds, such as time.monotonic.
    """

    def __init__(self, lines_per_second: int, *, clock: Callable[[], float]) -> None:
        self._lines_per_second = lines_per_second
        self._clock = clock
        self._allowances: dict[str, _Allowance] = {}

    def admit(self, key: str) -> int | None:
        """How many of this key were suppressed since the last admitted one; None: suppress this."""
        second = int(self._clock())
        allowance = self._find(key, second)
        if allowance.second != second:
            allowance.second, allowance.used = second, 0
        if allowance.used >= self._lines_per_second:
            allowance.suppressed += 1
            return None
        suppressed, allowance.suppressed = allowance.suppressed, 0
        allowance.used += 1
        return suppressed

    def _find(self, key: str, second: int) -> _Allowance:
        found = self._allowances.get(key)
        if found is not None:
            return found
        if len(self._allowances) >= MAX_KEYS:
            key = OVERFLOW
        return self._allowances.setdefault(key, _Allowance(second))
