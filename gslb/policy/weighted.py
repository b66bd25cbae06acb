"""`weighted`: an even weighted round robin. Over 6 turns a 3:2:1 split is 3, 2 and 1 (DESIGN
section 1, law 3).

The first candidate is the one whose turn it is in the schedule of `weights`; the others follow by
how soon each is next. The turn comes from the caller, so a replay gives the same answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from gslb.model.service import Candidate
from gslb.policy.base import ClientBlind, Context, Options, Step
from gslb.policy.weights import drop_drained, make_schedule
from gslb.policy.words import join_names


class WeightedOptions(Options):
    """`weighted` has no options: the weights are written at the answers, as `weight`."""


@dataclass(frozen=True, slots=True)
class Weighted(ClientBlind):
    """Orders the candidates so that each is first as often as its weight says."""

    name: ClassVar[str] = "weighted"
    Options: ClassVar[type[WeightedOptions]] = WeightedOptions

    options: WeightedOptions

    def apply(self, candidates: Sequence[Candidate], context: Context) -> Step:
        """The candidates with a weight, beginning with the one whose turn it is."""
        if not candidates:
            return Step((), "weighted: no candidates")
        taking_part, weights = drop_drained(candidates)
        schedule = make_schedule(weights)
        kept = tuple(taking_part[index] for index in schedule.rank(context.turn))
        place = f"turn {context.turn % schedule.period + 1} of {schedule.period}"
        drained = [one for one in candidates if one not in taking_part]
        removed = f"; removed {join_names(drained)} (weight 0)" if drained else ""
        shares = ", ".join(
            f"{one.name} {weight}" for one, weight in zip(taking_part, weights, strict=True)
        )
        return Step(
            kept, f"weighted: {place} -> {kept[0].name} ({shares}){removed}", schedule.period
        )
