"""One by one: how a backend that was ejected, or a pool whose circuit was open, comes back.

Laws:
1. At most one trial is on the way. Who asks meanwhile goes elsewhere.
2. A success decides at once, whoever reports it: it is as fresh as the trial's.
3. What was on the way before trials began ends, too, and nobody can tell which is which. Failures
   and cancellations are taken for theirs while any is left, so an old request that times out late
   does not fail the trial. When none is left, the next failure is the trial's.
4. A cancelled trial decides nothing and leaves the place to another.
5. A trial of which nothing is heard for LOST_S leaves its place, too.
"""

from __future__ import annotations

LOST_S = 60.0
"""Longer than any attempt with default timeouts; a tunnel as trial must not keep a backend out."""


class Trial:
    """Who may try, and what the trial said. in_flight: what is on the way without being a trial."""

    __slots__ = ("_entered_at", "_old")

    def __init__(self, in_flight: int) -> None:
        self._old = in_flight
        self._entered_at: float | None = None

    @property
    def is_on_the_way(self) -> bool:
        """Whether the place is taken."""
        return self._entered_at is not None

    def enter(self, now: float) -> None:
        """The place is taken; while it is, whoever else begins is none of the trial's."""
        if self._entered_at is None:
            self._entered_at = now
        else:
            self._old += 1

    def expire(self, now: float) -> bool:
        """Whether the place just got free because nothing was heard (law 5)."""
        if self._entered_at is None or now - self._entered_at < LOST_S:
            return False
        self._entered_at = None
        self._old += 1
        return True

    def leave(self, *, is_ok: bool | None) -> bool | None:
        """What an end decides: True is a success, False a failure, None nothing yet. is_ok: None is
        cancelled.
        """
        if self._entered_at is None:
            self._old = max(0, self._old - 1)
            return None
        if is_ok:
            return True
        if self._old:
            self._old -= 1
            return None
        self._entered_at = None
        return is_ok
