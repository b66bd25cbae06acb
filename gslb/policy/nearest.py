"""`nearest`: the sites at the least great-circle distance from the client.

Laws:
1. Candidates within (1 + band) x the least distance stay, the nearest first; equally near ones keep
   their order.
2. A candidate without a point (somebody else's name, a site without coordinates) stays only if no
   candidate has one.
3. If the client's place is not known, all stay and the step says so.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from pydantic import Field

from gslb.model.place import Location
from gslb.model.service import Candidate
from gslb.policy.base import NO_MEASUREMENTS, Context, Measurements, Options, Step
from gslb.policy.ranking import measure_distances, pick_cheapest, sign_costs


class NearestOptions(Options):
    """How much farther than the nearest site another one may be and still share with it."""

    band: float = Field(
        default=0.05,
        ge=0,
        le=10,
        allow_inf_nan=False,
        description="Sites up to this share farther away than the nearest stay too; 0.05 is 5 %.",
    )


@dataclass(frozen=True, slots=True)
class Nearest:
    """Keeps the candidates nearest to the client."""

    name: ClassVar[str] = "nearest"
    client_prefix: ClassVar[None] = None
    reads_measurements: ClassVar[bool] = False
    Options: ClassVar[type[NearestOptions]] = NearestOptions

    options: NearestOptions

    def apply(self, candidates: Sequence[Candidate], context: Context) -> Step:
        """The candidates within the band of the nearest one, the nearest first."""
        distances = measure_distances(candidates, context.location)
        if not distances:
            missing = "candidates" if context.location.point else "client"
            return Step(
                tuple(candidates),
                f"nearest: all stay, the coordinates of the {missing} are not known",
            )
        kept = pick_cheapest(candidates, distances, self._reach)
        told = ", ".join(f"{one.name} {distances[one.name]:.0f} km" for one in kept)
        return Step(kept, f"nearest: {told} (band {self.options.band:.0%})")

    def client_class(
        self,
        candidates: Sequence[Candidate],
        location: Location,
        measurements: Measurements = NO_MEASUREMENTS,
    ) -> Hashable:
        """The order by distance, and from each candidate how far the band reaches."""
        return sign_costs(candidates, measure_distances(candidates, location), self._reach)

    def _reach(self, least_km: float) -> float:
        return least_km * (1 + self.options.band)
