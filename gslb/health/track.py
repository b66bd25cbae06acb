"""The state of one site as one observer sees it: a fold over the results of its checks.

Laws:
1. The first result is taken as truth at once: waiting for `fall` results at start would answer dead
   sites meanwhile.
2. A state changes only after `fall` (up -> down) or `rise` (down -> up) results in a row that
   contradict it.
3. One result that agrees clears all doubt.
4. The earliest possible change is `checks_left` checks away, and never less than one.
5. In seconds: the next check comes after an interval while results agree, and at the fast pace, if
   there is one, while they do not; all later ones that could change the state come at that pace.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from gslb.model.check import Check


@dataclass(frozen=True, slots=True)
class Track:
    """What the results so far say of one site.

    up: None before the first result. streak: results in a row that contradict `up`. since_at: Unix
    seconds of the last change of `up`.
    """

    up: bool | None = None
    streak: int = 0
    since_at: float = 0.0


def step(track: Track, *, ok: bool, check: Check, at: float) -> Track:
    """The state after one more result. at: Unix seconds of that result."""
    if track.up is None:
        return Track(up=ok, since_at=at)
    if ok is track.up:
        return track if track.streak == 0 else replace(track, streak=0)
    if track.streak + 1 >= _needed(track, check):
        return Track(up=ok, since_at=at)
    return replace(track, streak=track.streak + 1)


def checks_left(track: Track, check: Check) -> int:
    """How many results the earliest possible change of state still takes: at least 1, and 1 while
    unknown.
    """
    return max(1, _needed(track, check) - track.streak)


def seconds_left(track: Track, check: Check) -> float:
    """Seconds to the earliest possible change of state (law 5), counted in whole paces: what has
    already passed of the current one is not known here.
    """
    fast_s = check.interval_s
    if check.fast_interval_s is not None:
        fast_s = min(fast_s, check.fast_interval_s)
    next_s = fast_s if track.streak else check.interval_s
    return next_s + (checks_left(track, check) - 1) * fast_s


def _needed(track: Track, check: Check) -> int:
    if track.up is None:
        return 1
    return check.fall if track.up else check.rise
