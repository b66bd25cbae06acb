"""Hedging: a second request when the first takes longer than usual.

Laws:
1. The delay is the quantile of the response times of the last minute, None under min_samples.
2. A request earns max_extra of a token, a hedge costs one, and no more than BURST are kept. So in
   any stretch there are at most max_extra x requests + BURST hedges, and at most max_extra x
   requests since the beginning.
3. When everything is slow, the measured quantile follows and tokens run out: it stops by itself.
"""

from __future__ import annotations

from gslb.balance.histogram import Histogram
from gslb.model.proxy import HedgeSettings

BURST = 10.0
"""Enough for one slow moment of a backend with 200 requests in it; more would be load at the worst
of times."""


class Hedging:
    """When a hedge is sent, and whether it may be. share: this worker's part of the burst."""

    __slots__ = ("_burst", "_delay_s", "_settings", "_tokens", "_version")

    def __init__(self, settings: HedgeSettings, *, share: float = 1.0) -> None:
        self._settings = settings
        self._burst = max(1.0 + settings.max_extra, BURST * share)
        self._tokens = 0.0
        self._delay_s: float | None = None
        self._version = -1

    @property
    def delay_s(self) -> float | None:
        """How long the first request is waited for, None does not hedge."""
        return self._delay_s

    def measure(self, histogram: Histogram) -> None:
        """The delay is the one of these times. 25 us when there are new ones."""
        if histogram.version == self._version:
            return
        self._version = histogram.version
        times = histogram.merge()
        enough = times.samples >= self._settings.min_samples
        self._delay_s = times.quantile_s(self._settings.after_quantile) if enough else None

    def earn(self) -> None:
        """One more attempt has begun."""
        tokens = self._tokens + self._settings.max_extra
        self._tokens = min(self._burst, tokens)

    def take(self) -> bool:
        """Whether a hedge may be sent; if so, it is paid, with what it will earn itself."""
        price = 1.0 + self._settings.max_extra
        if self._tokens < price - 1e-9:
            return False
        self._tokens -= price
        return True
