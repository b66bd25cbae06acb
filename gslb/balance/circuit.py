"""The circuit of a pool: when too much fails, the whole pool is left alone for a while.

Laws:
1. Closed: all may enter. At `error_share` of at least `min_requests` attempts within `window_s` it
   opens. Cancelled attempts say nothing.
2. Open: nobody may enter, for `open_s`. What was on the way ends without any effect.
3. Half open: one at a time may enter (gslb.balance.trial). A success closes it with an empty
   window; a failure opens it again.
"""

from __future__ import annotations

from enum import StrEnum

from gslb.balance.trial import Trial
from gslb.balance.window import ErrorWindow
from gslb.model.proxy import CircuitSettings


class Phase(StrEnum):
    """What a circuit does with those who want to enter."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Circuit:
    """One pool's circuit."""

    __slots__ = ("_opened_at", "_settings", "_trial", "_window", "phase")

    def __init__(self, settings: CircuitSettings, *, now: float) -> None:
        self._settings = settings
        self._window = ErrorWindow(settings.window_s, now=now)
        self._trial = Trial(0)
        self._opened_at = now
        self.phase = Phase.CLOSED

    @property
    def admits(self) -> bool:
        """Whether a request may enter now."""
        if self.phase is Phase.HALF_OPEN:
            return not self._trial.is_on_the_way
        return self.phase is Phase.CLOSED

    def begin(self, now: float) -> bool:
        """Whether that attempt takes the last place. For circuits that are not closed."""
        if self.phase is not Phase.HALF_OPEN:
            return False
        self._trial.enter(now)
        return True

    def end(self, now: float, *, is_ok: bool | None) -> bool:
        """Whether an attempt's end changes who may enter. is_ok: None is cancelled."""
        if self.phase is Phase.CLOSED:
            return is_ok is not None and self._count(now, is_error=not is_ok)
        if self.phase is Phase.OPEN:
            return False
        was_taken = self._trial.is_on_the_way
        verdict = self._trial.leave(is_ok=is_ok)
        if verdict:
            self._window.clear(now)
            self.phase = Phase.CLOSED
        elif verdict is False:
            self._open(now)
        return was_taken

    def tick(self, now: float, *, in_flight: int) -> bool:
        """Whether time changed who may enter."""
        if self.phase is Phase.HALF_OPEN:
            return self._trial.expire(now)
        if self.phase is Phase.CLOSED or now - self._opened_at < self._settings.open_s:
            return False
        self.phase = Phase.HALF_OPEN
        self._trial = Trial(in_flight)
        return True

    def _count(self, now: float, *, is_error: bool) -> bool:
        self._window.record(now, is_error=is_error)
        settings = self._settings
        if not is_error or not self._window.trips(
            error_share=settings.error_share, min_requests=settings.min_requests
        ):
            return False
        self._open(now)
        return True

    def _open(self, now: float) -> None:
        self.phase = Phase.OPEN
        self._opened_at = now
