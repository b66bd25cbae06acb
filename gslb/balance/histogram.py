"""Response times in constant memory: those of the last minute and their quantiles, and how many
there were since the start.

Laws:
1. A time falls into one of 8 buckets per doubling; a quantile is the upper bound of its bucket, at
   most 9 % too large, never too small: a hedge rather waits.
2. Times are kept in SLOTS slots of SLOT_S; the oldest is dropped whole. Of a slot that is dropped
   the numbers go on to count in what is told since the start.
"""

from __future__ import annotations

from math import ceil, log2

SLOTS = 6
SLOT_S = 10.0
_LEAST_S = 1e-5
_PER_DOUBLING = 8
_BUCKETS = 24 * _PER_DOUBLING  # up to 168 s
TOLD = range(6 * _PER_DOUBLING - 1, _BUCKETS, _PER_DOUBLING)
"""The buckets whose bounds are told of since the start: doublings from 0.64 ms to 168 s."""
_SHIFT = -log2(_LEAST_S) * _PER_DOUBLING


class Histogram:
    """Times of late. version grows with each recorded time and each slot that is dropped. sum_s: of
    all times since the start.
    """

    __slots__ = ("_current", "_dropped", "_ends_at", "_index", "_slots", "sum_s", "version")

    def __init__(self, *, now: float) -> None:
        self._slots = [[0] * _BUCKETS for _ in range(SLOTS)]
        self._index = 0
        self._current = self._slots[0]
        self._ends_at = now + SLOT_S
        self._dropped = [0] * _BUCKETS
        self.version = 0
        self.sum_s = 0.0

    def record(self, now: float, taken_s: float) -> None:
        """One more time. 0.28 us."""
        if now >= self._ends_at:
            self.advance(now)
        bucket = int(log2(taken_s) * _PER_DOUBLING + _SHIFT) if taken_s > _LEAST_S else 0
        self._current[bucket if bucket < _BUCKETS else -1] += 1
        self.version += 1
        self.sum_s += taken_s

    def advance(self, now: float) -> None:
        """Slots that are too old by now are dropped."""
        if now < self._ends_at:
            return
        steps = int((now - self._ends_at) / SLOT_S) + 1
        for _ in range(min(steps, SLOTS)):
            self._index = (self._index + 1) % SLOTS
            self._dropped = _add(self._dropped, self._slots[self._index])
            self._slots[self._index] = [0] * _BUCKETS
        self._current = self._slots[self._index]
        self._ends_at += steps * SLOT_S
        self.version += 1

    def merge(self, slots: int = SLOTS) -> Summary:
        """The times of the newest slots, the one that is being filled included."""
        chosen = [self._slots[(self._index - back) % SLOTS] for back in range(slots)]
        return Summary([sum(column) for column in zip(*chosen, strict=True)])

    def since_start(self) -> dict[float, int]:
        """How many of all times were at most so many seconds, by the bounds of TOLD."""
        counts = [sum(column) for column in zip(self._dropped, *self._slots, strict=True)]
        return {bound_s(last): sum(counts[: last + 1]) for last in TOLD}


class Summary:
    """Times of some slots, added up."""

    __slots__ = ("_counts", "samples")

    def __init__(self, counts: list[int]) -> None:
        self._counts = counts
        self.samples = sum(counts)

    def quantile_s(self, quantile: float) -> float | None:
        """The time that this share of the samples stays within, None without samples."""
        if not self.samples:
            return None
        rank = max(1, ceil(quantile * self.samples))
        seen = 0
        for bucket, count in enumerate(self._counts):
            seen += count
            if seen >= rank:
                return bound_s(bucket)
        raise AssertionError("the counts add up to the samples")


def _add(first: list[int], second: list[int]) -> list[int]:
    return [one + other for one, other in zip(first, second, strict=True)]


def bound_s(bucket: int) -> float:
    """The upper bound of a bucket."""
    return float(_LEAST_S * 2.0 ** ((bucket + 1) / _PER_DOUBLING))
