"""One backend of a pool as the balancer sees it: its weight, what is on the way to it, how quick it
answers.

Laws of the response time (peak EWMA):
1. The first sample is taken as it is; a slower one than the average becomes it at once.
2. A faster one pulls the average down by 1 - e^(-elapsed / DECAY_S) of the distance, elapsed since
   the sample before: how soon a slow time is forgotten does not depend on how many requests come.
3. Without samples the average fades the same way towards 0. Whoever was slow once and gets nothing
   since is thus tried again after DECAY_S times ln(its average / the others'), whatever happens.
"""

from __future__ import annotations

from math import exp
from typing import TYPE_CHECKING

from gslb.model.proxy import Backend

if TYPE_CHECKING:
    from gslb.balance.standing import Standing

DECAY_S = 10.0
"""The time constant: after it 37 % of a slow time is left, after 23 s a tenth. Shorter forgets a
slow backend between two requests, longer keeps clients away from one that has long recovered.
Finagle and Envoy use 10 s, too."""

DEFAULT_S = 0.010
"""What a backend counts as until its first answer. Finagle and Envoy suggest the same; a larger one
holds a new backend back, a smaller one sends it everything that comes before that answer."""

FAILURE_S = 1.0
"""What a failed attempt counts as at least. A refused connection takes 0.1 ms: taken as it is, the
backend that refuses would be the quickest of all and draw every request."""


class Member:
    """A backend and what is known of it just now; mutable, owned by the state of its pool.

    weight: as configured. scale: the share of it that slow start allows, 1.0 usually. active: the
    costs of what is on the way, summed; its owner sets it to 0 when count is 0, so that no rounding
    adds up. count: how many those are. ewma_s: None before the first sample, of the time ewma_at.
    current: of the smooth weighted round robin. standing: its health, set by the state of its pool.
    """

    standing: Standing

    __slots__ = (
        "active",
        "backend",
        "count",
        "current",
        "ewma_at",
        "ewma_s",
        "name",
        "scale",
        "standing",
        "weight",
    )

    def __init__(self, backend: Backend) -> None:
        self.name = backend.name
        self.backend = backend
        self.weight = float(backend.weight)
        self.scale = 1.0
        self.active = 0.0
        self.count = 0
        self.ewma_s: float | None = None
        self.ewma_at = 0.0
        self.current = 0.0

    def __repr__(self) -> str:
        return f"Member({self.name})"

    def observe(self, elapsed_s: float, now: float) -> None:
        """Counts how long one answer took, up to its head (TCP mode: the connecting)."""
        average = self.ewma_s
        if average is not None and elapsed_s < average:
            left = exp((self.ewma_at - now) / DECAY_S)
            elapsed_s += (average - elapsed_s) * left
        self.ewma_s = elapsed_s
        self.ewma_at = now

    def observe_failure(self, elapsed_s: float, now: float) -> None:
        """Counts an attempt without a usable answer: as slow as it was, FAILURE_S at least."""
        self.observe(max(elapsed_s, FAILURE_S), now)

    def response_s(self, now: float) -> float:
        """What an answer takes, as far as is known: the average, faded since its last sample."""
        if self.ewma_s is None:
            return DEFAULT_S
        return self.ewma_s * exp((self.ewma_at - now) / DECAY_S)
