"""What operators order holds for every service, before its chain and whatever its policy is.

Laws:
1. A site that is ordered out (drained, or forced down) takes no part while another candidate can:
   one that is not ordered out and may serve, be it somebody else's name.
2. Where none can, drained sites that are well are the first resort, then the sites that are only
   down, for `when_all_down` to decide; then drained ones, then those forced down. Never nobody.
3. A policy without `health` does not ask who is well: there every site that is not ordered out can
   serve.
4. What is ordered for a candidate is told with who ordered it and why.

A step beside the chain and not a part of `health`: after `geo`, `health` could only choose among
the sites that serve the client's place, and a drained one would keep the clients it has to lose.
"""

from __future__ import annotations

from collections.abc import Sequence

from gslb.health.snapshot import UNCHECKED, HealthSnapshot, SiteHealth
from gslb.model.order import Order, OrderKind
from gslb.model.service import Candidate
from gslb.policy.base import Step
from gslb.policy.words import join_names, tell_time

_WORDS = {
    OrderKind.DRAIN: "drained",
    OrderKind.UP: "forced up",
    OrderKind.DOWN: "forced down",
    OrderKind.MAINT: "in maintenance",
}


def follow_orders(
    candidates: Sequence[Candidate], health: HealthSnapshot, *, looks_at_health: bool
) -> Step | None:
    """The candidates that orders leave to the chain, or None where nothing is ordered."""
    states = [(one, health_of(one, health)) for one in candidates]
    told = [f"{one.name} {tell_order(s.order)}" for one, s in states if s.order is not None]
    if not told:
        return None
    kept = _pick(states, looks_at_health=looks_at_health)
    parts = [*told, f"{join_names(kept)} {'stays' if len(kept) == 1 else 'stay'}"]
    if is_ordered_out(health_of(kept[0], health)):
        parts[-1] += ", nobody else can serve"
    return Step(kept, f"orders: {'; '.join(parts)}")


def _pick(
    states: Sequence[tuple[Candidate, SiteHealth]], *, looks_at_health: bool
) -> tuple[Candidate, ...]:
    """Laws 1 to 3."""
    free = tuple(one for one, state in states if not is_ordered_out(state))
    drained = [(one, s) for one, s in states if _kind(s) is OrderKind.DRAIN]
    well = tuple(one for one, state in drained if state.is_drained)
    can_serve = any(not is_ordered_out(s) and s.is_serving for _, s in states)
    if looks_at_health and well and not can_serve:
        return well
    return free or tuple(one for one, _ in drained) or tuple(one for one, _ in states)


def health_of(candidate: Candidate, health: HealthSnapshot) -> SiteHealth:
    """The health of a candidate's site; without a site it counts as not checked, which is up."""
    return UNCHECKED if candidate.site is None else health.of(candidate.site.name)


def is_ordered_out(state: SiteHealth) -> bool:
    """Whether somebody has ordered that a site gets no new clients."""
    return _kind(state) in (OrderKind.DRAIN, OrderKind.DOWN, OrderKind.MAINT)


def is_forced(state: SiteHealth) -> bool:
    """Whether an order says what the site's checks would."""
    return _kind(state) in (OrderKind.UP, OrderKind.DOWN, OrderKind.MAINT)


def _kind(state: SiteHealth) -> OrderKind:
    return OrderKind.NONE if state.order is None else state.order.kind


def tell_order(order: Order) -> str:
    """An order as people read it: `drained by alice until 2026-01-31 12:00:00Z: maintenance`."""
    told = _WORDS.get(order.kind, "not ordered")
    if order.owner:
        told += f" by {_one_line(order.owner)}"
    if order.until_at is not None:
        told += f" until {tell_time(order.until_at)}"
    return f"{told}: {_one_line(order.reason)}" if order.reason else told


def _one_line(text: str) -> str:
    return " ".join(text.split())
