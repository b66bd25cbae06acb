"""Retries: how many may be on the way, and how long one waits.

Laws:
1. A retry is on the way from the decision for it to its end, back-off included: what waits comes
   later all the same, and a budget that forgot it would let through a storm.
2. At most max(min_retries, budget x requests on the way) retries are on the way.
3. After a connection that failed the next backend is asked at once: nothing was sent, no load is
   added. Else the delay is uniform in [0, (2^n - 1) x 25 ms), at most 250 ms, for the nth retry.
"""

from __future__ import annotations

from math import ceil

from gslb.model.proxy import RetrySettings

BASE_S = 0.025
CAP_S = 0.250
"""Base and cap as Envoy has them: longer than a busy loop's hiccup, shorter than patience."""


class RetryBudget:
    """How many retries are on the way. share: this worker's part of min_retries, at least 1."""

    __slots__ = ("_budget", "_min_retries", "on_the_way")

    def __init__(self, settings: RetrySettings, *, share: float = 1.0) -> None:
        self.on_the_way = 0
        self.change(settings, share=share)

    def change(self, settings: RetrySettings, *, share: float = 1.0) -> None:
        """Other settings from now on."""
        self._budget = settings.budget
        self._min_retries = ceil(settings.min_retries * share - 1e-9)

    def begin(self, requests: int) -> bool:
        """Whether one more retry may be; if so, it is on the way. requests: on the way."""
        if self.on_the_way + 1 > max(self._min_retries, self._budget * requests):
            return False
        self.on_the_way += 1
        return True

    def end(self) -> None:
        """A retry is over, however it ended."""
        assert self.on_the_way > 0, "every end has its begin"
        self.on_the_way -= 1


def retry_delay_s(attempt: int, draw: float, *, connect_failed: bool = False) -> float:
    """How long the nth retry waits. attempt: 1 for the first retry."""
    if connect_failed:
        return 0.0
    return draw * min(CAP_S, BASE_S * (2.0 ** min(attempt, 16) - 1.0))
