"""`health`: only sites that may be answered go on.

Laws:
1. A candidate without a site (somebody else's name) is never checked and always stays.
2. Unknown is not down: while one candidate is unknown, all stay (DESIGN law 8), but for those that
   are forced down. A forced site is not unknown.
3. A held site is down but stays: to withdraw it would pass a withdrawal limit (DESIGN law 9).
4. A drained site counts by its checks: it is only here because nobody else can serve
   (gslb.policy.orders).
5. If nothing would stay, all stay and the step says so; the service's `when_all_down` decides then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from gslb.health.snapshot import SiteHealth
from gslb.model.service import Candidate
from gslb.policy.base import ClientBlind, Context, Options, Step
from gslb.policy.orders import health_of, is_forced, tell_order
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
        states = [(one, health_of(one, context.health)) for one in candidates]
        unknown = [one for one, state in states if is_unknown(state)]
        if unknown:
            why = f"health: no full round of checks yet for {join_names(unknown)}, all stay"
            return _keep_unforced(states, why)
        kept = tuple(one for one, state in states if is_well(state))
        if not kept:
            return Step(
                tuple(candidates), f"health: all down: {_tell_down(states)}", is_all_down=True
            )
        return Step(kept, f"health: {_tell(kept, states)}")


def _keep_unforced(states: Sequence[tuple[Candidate, SiteHealth]], why: str) -> Step:
    """All but those that are forced down (law 2)."""
    kept = tuple(one for one, state in states if is_well(state) or not is_forced(state))
    out = [(one, state) for one, state in states if is_forced(state) and not is_well(state)]
    return Step(kept, f"{why} but {_tell_down(out)}" if out else why)


def is_unknown(state: SiteHealth) -> bool:
    """Whether no full round of checks has decided yet, and nobody has ordered what to think."""
    return state.up is None and not is_forced(state)


def is_well(state: SiteHealth) -> bool:
    """Whether the site may be answered, as far as its checks or an order to think so say."""
    return state.is_serving or state.is_drained


def _tell(kept: Sequence[Candidate], states: Sequence[tuple[Candidate, SiteHealth]]) -> str:
    removed = [(one, state) for one, state in states if not is_well(state)]
    held = [(one, s) for one, s in states if s.held and s.up is False and not is_forced(s)]
    parts = [f"{join_names(kept)} stay" if removed else f"all {len(kept)} stay"]
    if removed:
        parts.append(f"removed {_tell_down(removed)}")
    if held:
        parts.append(f"held although down, a withdrawal limit is reached: {_tell_down(held)}")
    return "; ".join(parts)


def _tell_down(states: Sequence[tuple[Candidate, SiteHealth]]) -> str:
    return ", ".join(f"{one.name} ({_why_down(state)})" for one, state in states)


def _why_down(state: SiteHealth) -> str:
    if state.order is not None and is_forced(state):
        return tell_order(state.order)
    return f"down since {tell_time(state.since_at)}: {state.reason or 'no reason given'}"
