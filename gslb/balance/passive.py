"""Passive health: real traffic takes a backend out, and one trial brings it back.

Laws:
1. A backend goes out at `error_share` of at least `min_requests` attempts within `window_s`, or at
   `connect_failures` in a row. Cancelled attempts say nothing.
2. It stays out for `eject_s` times the number of ejections in a row, at most `max_eject_s`. Then
   one attempt at a time may try it: success brings it back with an empty window, failure is one
   more ejection in a row.
3. Every `window_s` in service takes one off that number.
4. At most `max_ejected` of the pool is out this way, but one may be where there are two; the only
   backend of a pool never is, nor the last one that is left usable. A backend in trial is still
   out.
5. A check that passes does not bring it back: checks often do not go the way that fails.
"""

from __future__ import annotations

from gslb.balance.trial import Trial
from gslb.balance.window import ErrorWindow
from gslb.model.proxy import PassiveSettings


def ejections_allowed(settings: PassiveSettings, total: int) -> int:
    """How many of so many backends may be out at once (law 4)."""
    if total < 2:
        return 0
    return min(max(1, int(settings.max_ejected * total + 1e-9)), total)


class Passive:
    """What traffic says of one backend. out_until: when it may be tried, None is in service. trial:
    is there once it may be tried.
    """

    __slots__ = ("_failures", "_settings", "_well_since", "_window", "out_until", "times", "trial")

    def __init__(self, settings: PassiveSettings, *, now: float) -> None:
        self._settings = settings
        self._window = ErrorWindow(settings.window_s, now=now)
        self._failures = 0
        self._well_since = now
        self.times = 0
        self.out_until: float | None = None
        self.trial: Trial | None = None

    def change(self, settings: PassiveSettings, *, now: float) -> None:
        """Other settings from now on; an ejection goes on as it was."""
        if settings.window_s != self._settings.window_s:
            self._window = ErrorWindow(settings.window_s, now=now)
        self._settings = settings

    def record(self, now: float, *, is_error: bool, no_connection: bool = False) -> bool:
        """Whether the backend should go out, after one more attempt. Only while in service."""
        self._window.record(now, is_error=is_error)
        if not is_error:
            self._failures = 0
            return False
        self._failures = self._failures + 1 if no_connection else 0
        settings = self._settings
        return self._failures >= settings.connect_failures or self._window.trips(
            error_share=settings.error_share, min_requests=settings.min_requests
        )

    def eject(self, now: float) -> None:
        """Out, once more in a row (law 2)."""
        settings = self._settings
        self.times += 1
        self.out_until = now + min(settings.eject_s * self.times, settings.max_eject_s)
        self.trial = None

    def stay(self, now: float) -> None:
        """It should be out but may not (law 4): that is no time in good service."""
        self._well_since = now

    def tick(self, now: float, *, in_flight: int) -> bool:
        """Whether time changed who may be picked."""
        if self.out_until is None:
            self._forgive(now)
            return False
        if self.trial is not None:
            return self.trial.expire(now)
        if now < self.out_until:
            return False
        self.trial = Trial(in_flight)
        return True

    def end_trial(self, now: float, *, is_ok: bool | None) -> bool:
        """Whether the end of an attempt, at a backend in trial, may change who is picked. is_ok:
        None is cancelled.
        """
        assert self.trial is not None, "only a backend in trial ends one"
        was_taken = self.trial.is_on_the_way
        verdict = self.trial.leave(is_ok=is_ok)
        if verdict:
            self.come_back(now)
        elif verdict is False:
            self.eject(now)
        return was_taken

    def come_back(self, now: float) -> None:
        """In service, with nothing held against it but the number of ejections."""
        self._window.clear(now)
        self._failures = 0
        self._well_since = now
        self.out_until = self.trial = None

    def _forgive(self, now: float) -> None:
        while self.times and now - self._well_since >= self._settings.window_s:
            self.times -= 1
            self._well_since += self._settings.window_s
