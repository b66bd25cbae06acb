"""How many requests failed of late: a sliding window in constant memory.

Laws:
1. The window is BUCKETS buckets; the one that holds `now` is partly filled. So what is counted is
   never older than the window, and nothing younger than 9/10 of it is missing.
2. Time that goes back counts into the newest bucket.
"""

from __future__ import annotations

BUCKETS = 10


class ErrorWindow:
    """Counts of requests and errors within the last window_s."""

    __slots__ = (
        "_bucket_s",
        "_ends_at",
        "_error_buckets",
        "_index",
        "_started_at",
        "_total_buckets",
        "errors",
        "total",
    )

    def __init__(self, window_s: float, *, now: float) -> None:
        self._bucket_s = window_s / BUCKETS
        self.clear(now)

    def clear(self, now: float) -> None:
        """Nothing has been counted."""
        self._index = 0
        self._started_at = now
        self._ends_at = now + self._bucket_s
        self._total_buckets = [0] * BUCKETS
        self._error_buckets = [0] * BUCKETS
        self.total = 0
        self.errors = 0

    def record(self, now: float, *, is_error: bool) -> None:
        """One more request. 0.15 us."""
        if now >= self._ends_at:
            self.advance(now)
        self._total_buckets[self._index] += 1
        self.total += 1
        if is_error:
            self._error_buckets[self._index] += 1
            self.errors += 1

    def advance(self, now: float) -> None:
        """What is too old by now is forgotten; `total` and `errors` are those of now."""
        if now < self._ends_at:
            return
        steps = int((now - self._ends_at) / self._bucket_s) + 1
        for _ in range(min(steps, BUCKETS)):
            self._index = (self._index + 1) % BUCKETS
            self.total -= self._total_buckets[self._index]
            self.errors -= self._error_buckets[self._index]
            self._total_buckets[self._index] = self._error_buckets[self._index] = 0
        self._ends_at += steps * self._bucket_s

    def share(self) -> float:
        """The errors among all, 0 when there are none."""
        return self.errors / self.total if self.total else 0.0

    def rate(self, now: float) -> float:
        """Requests a second over what the window covers, at least one bucket."""
        self.advance(now)
        covered_s = now - (self._ends_at - BUCKETS * self._bucket_s)
        covered_s = max(min(covered_s, now - self._started_at), self._bucket_s)
        return self.total / covered_s

    def trips(self, *, error_share: float, min_requests: int) -> bool:
        """Whether there are enough requests, and that share of them, one at least, failed."""
        enough = self.total >= min_requests and self.errors > 0
        return enough and self.errors >= error_share * self.total
