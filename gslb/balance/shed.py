"""Load shedding: refusing some requests so that the others stay quick.

Laws:
1. How full this process is is the larger of requests on the way to max_in_flight and of the event
   loop's lag to max_lag_ms.
2. Low priority is refused from 1/2 on, normal from 3/4, high from 1.
"""

from __future__ import annotations

from gslb.model.proxy import Priority, ShedSettings

_FULL_AT = (0.5, 0.75, 1.0)
"""By Priority."""


def admits(settings: ShedSettings, priority: Priority, *, in_flight: float, lag_ms: float) -> bool:
    """Whether a request of that priority is taken. in_flight: weighed by cost. 0.2 us."""
    full_at = _FULL_AT[priority]
    return in_flight < full_at * settings.max_in_flight and lag_ms < full_at * settings.max_lag_ms


def retry_after_s(draw: float) -> int:
    """Whole seconds from 1 to 5: those refused at once must not come back at once."""
    return 1 + int(draw * 5.0)
