"""`geo`: the sites that the operator made responsible for the client's place.

Laws (DESIGN section 1, law 2):
1. The levels of a place are asked from the most specific to `default`; the first one that a
   candidate serves wins, and all candidates that serve it stay, in the order they came.
2. If no level is served by what is left, the nearest candidates stay (equally near ones share).
3. If nobody knows how far anything is, all stay. Never nothing.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from gslb.model.place import Location
from gslb.model.service import Candidate
from gslb.policy.base import NO_MEASUREMENTS, Context, Measurements, Options, Step
from gslb.policy.ranking import equals_only, measure_distances, pick_cheapest, sign_costs
from gslb.policy.words import join_names


class GeoOptions(Options):
    """`geo` has no options: who serves what is written at the answers, as `serves`."""


@dataclass(frozen=True, slots=True)
class Geo:
    """Keeps the candidates that serve the most specific level of the client's place."""

    name: ClassVar[str] = "geo"
    client_prefix: ClassVar[None] = None
    reads_measurements: ClassVar[bool] = False
    Options: ClassVar[type[GeoOptions]] = GeoOptions

    options: GeoOptions

    def apply(self, candidates: Sequence[Candidate], context: Context) -> Step:
        """The candidates that serve the client's place, or else the nearest ones."""
        levels = context.location.levels
        for index, level in enumerate(levels):
            kept = tuple(one for one in candidates if level in one.serves)
            if kept:
                return Step(
                    kept, f"geo: {level} -> {join_names(kept)}{_tell_missed(levels[:index])}"
                )
        return _apply_nearest(candidates, context.location)

    def client_class(
        self,
        candidates: Sequence[Candidate],
        location: Location,
        measurements: Measurements = NO_MEASUREMENTS,
    ) -> Hashable:
        """Who serves each level, and of those that serve none the order by distance.

        Without those that an earlier level names: a later level is asked only when they are gone.
        """
        rest = {one.name: one for one in candidates}
        served: list[frozenset[str]] = []
        for level in location.levels:
            names = frozenset(name for name, one in rest.items() if level in one.serves)
            if names:
                served.append(names)
                rest = {name: one for name, one in rest.items() if name not in names}
        others = tuple(rest.values())
        return tuple(served), sign_costs(others, measure_distances(others, location), equals_only)


def _apply_nearest(candidates: Sequence[Candidate], location: Location) -> Step:
    distances = measure_distances(candidates, location)
    missed = _tell_missed(location.levels)
    if not distances:
        return Step(tuple(candidates), f"geo: all stay, no distance is known{missed}")
    kept = pick_cheapest(candidates, distances, equals_only)
    nearest = f"nearest -> {join_names(kept)} at {distances[kept[0].name]:.0f} km"
    return Step(kept, f"geo: {nearest}{missed}")


def _tell_missed(levels: Sequence[str]) -> str:
    return f" (nobody left serves {', '.join(levels)})" if levels else ""
