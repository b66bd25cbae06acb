"""Flap damping: a site that keeps going down after it came back must be well for longer each time.

Laws (R7):
1. The first return after an outage follows the votes at once.
2. A site that goes down within `flap_hold_max_s` of its return has flapped once more. While it has,
   it comes back only after the votes have said up without a break for `flap_hold_s`, doubled with
   each flap after the first, at most `flap_hold_max_s`.
3. Once it has been up for `flap_hold_max_s` since its return, its flaps are forgotten.
4. `flap_hold_s` 0 is off. Going down is never delayed here: `fall` and the quorum do that.
"""

from __future__ import annotations

from typing import NamedTuple

from gslb.health.snapshot import SiteHealth
from gslb.model.system import HealthSettings

TOLERANCE_S = 1e-6
"""Times are sums of floats: a hold of 30 s is over at 1,700,000,030.0000001, too."""
_MAX_DOUBLINGS = 30


class State(NamedTuple):
    """What a site is after damping; the fields of SiteHealth with the same names."""

    up: bool | None
    since_at: float
    flaps: int = 0
    well_since_at: float | None = None


def hold_s(flaps: int, settings: HealthSettings) -> float:
    """How long the votes must say up before a site that flapped so often comes back."""
    if not flaps:
        return 0.0
    doubled = settings.flap_hold_s * 2.0 ** min(flaps - 1, _MAX_DOUBLINGS)
    return min(doubled, settings.flap_hold_max_s)


def damp(before: SiteHealth, *, said: bool | None, at: float, settings: HealthSettings) -> State:
    """The state that follows on before. said: what the votes say, None for nothing."""
    if said is None:
        well = before.well_since_at if before.up else None
        return State(before.up, before.since_at, before.flaps, well)
    if before.up is None:
        return State(said, at)
    if said:
        return _stay_up(before, at, settings) if before.up else _come_back(before, at, settings)
    return _go_down(before, at, settings) if before.up else _stay_down(before)


def _stay_up(before: SiteHealth, at: float, settings: HealthSettings) -> State:
    if at - before.since_at >= settings.flap_hold_max_s:
        return State(True, before.since_at)
    return State(True, before.since_at, before.flaps, before.well_since_at)


def _come_back(before: SiteHealth, at: float, settings: HealthSettings) -> State:
    if not settings.flap_hold_s:
        return State(True, at)
    well = at if before.well_since_at is None else before.well_since_at
    if at - well < hold_s(before.flaps, settings) - TOLERANCE_S:
        return State(False, before.since_at, before.flaps, well)
    return State(True, at, before.flaps, well)


def _go_down(before: SiteHealth, at: float, settings: HealthSettings) -> State:
    has_returned = before.well_since_at is not None and settings.flap_hold_s > 0
    if has_returned and at - before.since_at <= settings.flap_hold_max_s:
        return State(False, at, before.flaps + 1)
    return State(False, at)


def _stay_down(before: SiteHealth) -> State:
    return State(False, before.since_at, before.flaps)
