"""What a drill does to one request."""

from __future__ import annotations

from dataclasses import dataclass

from gslb.model.proxy import Fault


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """delay_s: how long the request is held first. abort_status: the answer it gets then instead of
    a backend's, None for a backend's.
    """

    delay_s: float = 0.0
    abort_status: int | None = None


UNHARMED = FaultPlan()


def decide(fault: Fault, *, draw_delay: float, draw_abort: float) -> FaultPlan:
    """What is done to a request. Both draws are uniform in [0, 1) and independent: of the delayed
    requests the same share is aborted as of the others.
    """
    is_delayed, is_aborted = draw_delay < fault.delay_share, draw_abort < fault.abort_share
    if not (is_delayed or is_aborted):
        return UNHARMED
    delay_s = fault.delay_ms / 1000 if is_delayed else 0.0
    return FaultPlan(delay_s, fault.abort_status if is_aborted else None)
