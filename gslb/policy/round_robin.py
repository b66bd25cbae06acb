"""`round_robin`: all stay, and the first place goes round, once for each candidate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from gslb.model.service import Candidate
from gslb.policy.base import ClientBlind, Context, Options, Step
from gslb.policy.words import join_names


class RoundRobinOptions(Options):
    """`round_robin` has no options."""


@dataclass(frozen=True, slots=True)
class RoundRobin(ClientBlind):
    """Rotates the candidates by the turn."""

    name: ClassVar[str] = "round_robin"
    Options: ClassVar[type[RoundRobinOptions]] = RoundRobinOptions

    options: RoundRobinOptions

    def apply(self, candidates: Sequence[Candidate], context: Context) -> Step:
        """All candidates, beginning with the one whose turn it is."""
        period = max(1, len(candidates))
        at = context.turn % period
        kept = (*candidates[at:], *candidates[:at])
        return Step(kept, f"round_robin: turn {at + 1} of {period} -> {join_names(kept)}", period)
