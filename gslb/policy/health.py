"""`health`: only sites that may be answered go on.

Laws:
1. A candidate without a site (somebody else's name) is never checked and always stays.
2. Unknown is not down: while one checked candidate is unknown, all candidates stay (DESIGN law 8).
3. A held site is down but stays: to withdraw it would pass the withdrawal budget (DESIGN law 9).
4. If nothing would stay, all stay and the step says so; the service's `when_all_down` decides then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from gslb.health.snapshot import UNCHECKED, SiteHealth
from gslb.model.service import Candidate
from gslb.policy.base import ClientBlind, Context, Options, Step
from gslb.policy.words import join_names, tell_time


class HealthOptions(Options):
    """`health` has no options: how a site is judged is written at the site's check."""


@dataclass(frozen=True, slots=True)
class Health(ClientBlind):
    """Keeps the candidates whose site is serving."""

    name: ClassVar[str] = "health"
    Options: ClassVar[type[HealthOptions]] = HealthOptions

    options: HealthOptions

    def apply(self, candidates: Sequence[Candidate], context: Context) -> Step:
        """The candidates that may be answered; all of them while one is unknown or none is up."""
        states = [(one, health_of(one, context)) for one in candidates]
        unknown = [one for one, state in states if state.up is None]
        if unknown:
            why = f"health: no full round of checks yet for {join_names(unknown)}, all stay"
            return Step(tuple(candidates), why)
        kept = tuple(one for one, state in states if state.is_serving)
        if not kept:
            return Step(
                tuple(candidates), f"health: all down: {_tell_down(states)}", is_all_down=True
            )
        return Step(kept, f"health: {_tell(kept, states)}")


def health_of(candidate: Candidate, context: Context) -> SiteHealth:
    """The health of a candidate's site; without a site it counts as not checked, which is up."""
    return UNCHECKED if candidate.site is None else context.health.of(candidate.site.name)


def _tell(kept: Sequence[Candidate], states: Sequence[tuple[Candidate, SiteHealth]]) -> str:
    removed = [(one, state) for one, state in states if not state.is_serving]
    held = [(one, state) for one, state in states if state.held and state.up is False]
    parts = [f"{join_names(kept)} stay" if removed else f"all {len(kept)} stay"]
    if removed:
        parts.append(f"removed {_tell_down(removed)}")
    if held:
        parts.append(f"held although down, the withdrawal budget is used up: {_tell_down(held)}")
    return "; ".join(parts)


def _tell_down(states: Sequence[tuple[Candidate, SiteHealth]]) -> str:
    return ", ".join(
        f"{one.name} (down since {tell_time(state.since_at)}: {state.reason or 'no reason given'})"
        for one, state in states
    )
