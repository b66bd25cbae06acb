"""A chain of filters over a service's candidates: what is answered, and every step's reason.

Laws:
1. What is ordered for the sites comes first, whatever the policy is (gslb.policy.orders). Then the
   filters run in the operator's order; each sees what the one before handed on.
2. If `health` finds nothing healthy, the service's `when_all_down` decides at once: `all` goes on
   with all that it saw, `last_good` with those that went down last, `nodata` and `addresses` end
   the chain with no candidate.
3. `max_answers` cuts last. Each move, that of a filter or of these three rules, is one step with
   its reason; orders are one only where something is ordered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from math import lcm

from gslb.health.snapshot import HealthSnapshot
from gslb.model.place import Address
from gslb.model.service import Candidate, Service
from gslb.policy.base import Context, Filter, Step
from gslb.policy.orders import follow_orders
from gslb.policy.words import join_names, tell_time

LONGEST_PERIOD = 8192
"""Turns after which a chain starts over at the latest. One `weighted` alone stays far below;
several filters that turn in one chain could multiply to more, and then the slower ones start over
early instead of filling memory with turns."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a chain decided.

    candidates: to be answered, in order; empty for NODATA or fixed addresses. fixed: the addresses
    to answer instead of candidates (`when_all_down: {addresses: ...}`). steps: the name of each
    step and what it did. period: after how many turns the answers repeat. all_down: nothing was
    healthy.
    """

    candidates: tuple[Candidate, ...]
    steps: tuple[tuple[str, Step], ...]
    period: int = 1
    all_down: bool = False
    fixed: tuple[Address, ...] = ()

    @property
    def why(self) -> tuple[str, ...]:
        """The reasons of all steps, for people."""
        return tuple(step.why for _, step in self.steps)


def run_chain(
    filters: Sequence[Filter], service: Service, candidates: Sequence[Candidate], context: Context
) -> Chosen:
    """What a service's filters choose among its candidates, or among those of the asked family."""
    left = tuple(candidates)
    steps: list[tuple[str, Step]] = []
    all_down = False
    looks_at_health = any(each.name == "health" for each in filters)
    ordered = follow_orders(left, context.health, looks_at_health=looks_at_health)
    if ordered is not None:
        steps.append(("orders", ordered))
        left = ordered.kept
    for each in filters:
        if not left:
            break
        steps.append((each.name, each.apply(left, context)))
        left = steps[-1][1].kept
        if steps[-1][1].is_all_down:
            all_down = True
            steps.append(("when_all_down", apply_all_down(service, left, context.health)))
            left = steps[-1][1].kept
    if left:
        steps.append(("max_answers", _cut(service, left)))
        left = steps[-1][1].kept
    fixed = service.when_all_down.addresses if all_down and not left else ()
    return Chosen(left, tuple(steps), _repeat(steps) if left else 1, all_down, fixed)


def apply_all_down(
    service: Service, candidates: Sequence[Candidate], health: HealthSnapshot
) -> Step:
    """What `when_all_down` makes of candidates that are all down. Only here may nothing be kept."""
    rule = service.when_all_down
    if rule.rule == "last_good":
        return _keep_last_good(candidates, health)
    if rule.rule == "nodata":
        return Step((), "when_all_down: nodata -> no answer")
    if rule.rule == "addresses":
        return Step((), f"when_all_down: addresses -> {', '.join(map(str, rule.addresses))}")
    return Step(tuple(candidates), f"when_all_down: all -> {join_names(candidates)}")


def _keep_last_good(candidates: Sequence[Candidate], health: HealthSnapshot) -> Step:
    since = {
        one.name: health.of(one.site.name).since_at for one in candidates if one.site is not None
    }
    latest = max(since.values(), default=0.0)
    kept = tuple(one for one in candidates if since.get(one.name) == latest)
    told = f"{join_names(kept)}, up until {tell_time(latest)}"
    return Step(kept, f"when_all_down: last_good -> {told}")


def _cut(service: Service, candidates: tuple[Candidate, ...]) -> Step:
    kept = candidates[: service.max_answers]
    return Step(kept, f"max_answers: {len(kept)} of {len(candidates)} -> {join_names(kept)}")


def _repeat(steps: Sequence[tuple[str, Step]]) -> int:
    """The least common multiple of all periods, less those that lead past LONGEST_PERIOD."""
    periods = sorted((step.period for _, step in steps), reverse=True)
    return reduce(
        lambda all_, one: lcm(all_, one) if lcm(all_, one) <= LONGEST_PERIOD else all_, periods, 1
    )
