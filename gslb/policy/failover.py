"""`failover`: strict order. The candidates of the lowest tier that is left stay; the higher tiers
wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from gslb.model.service import Candidate
from gslb.policy.base import ClientBlind, Context, Options, Step
from gslb.policy.words import join_names


class FailoverOptions(Options):
    """`failover` has no options: the tiers are written at the answers, as `order`."""


@dataclass(frozen=True, slots=True)
class Failover(ClientBlind):
    """Keeps the candidates with the lowest `order`."""

    name: ClassVar[str] = "failover"
    Options: ClassVar[type[FailoverOptions]] = FailoverOptions

    options: FailoverOptions

    def apply(self, candidates: Sequence[Candidate], context: Context) -> Step:
        """The candidates of the lowest tier, in the order they came."""
        lowest = min((one.order for one in candidates), default=0)
        kept = tuple(one for one in candidates if one.order == lowest)
        return Step(kept, f"failover: tier {lowest} -> {join_names(kept)}")
