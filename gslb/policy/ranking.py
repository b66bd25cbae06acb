"""Candidates by what they cost a client (kilometres, milliseconds), and the classes of clients.

Laws:
1. A cost does not depend on the other candidates or on health: losing one site never changes what
   another costs.
2. Costs are rounded to a thousandth, so that float noise does not part sites that share a place;
   equal costs share.
3. A candidate without a cost stays only if no candidate has one; then all stay, in the order they
   came.
4. Two clients with equal signatures get the same from `pick_cheapest`, whichever part of the
   candidates is left.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from itertools import groupby

from gslb.model.place import Location
from gslb.model.service import Candidate
from gslb.model.sphere import distance_km

Costs = Mapping[str, float]
Limit = Callable[[float], float]
"""From the cheapest cost to the highest cost that still shares with it."""


def measure_distances(candidates: Iterable[Candidate], location: Location) -> dict[str, float]:
    """Great-circle kilometres to each candidate that has a point, by name; none without a place."""
    point = location.point
    if point is None:
        return {}
    return {
        one.name: round(distance_km(point, one.site.point), 3)
        for one in candidates
        if one.site is not None and one.site.point is not None
    }


def pick_cheapest(
    candidates: Sequence[Candidate], costs: Costs, limit: Limit
) -> tuple[Candidate, ...]:
    """The candidates that limit lets share with the cheapest one, the cheapest first."""
    known = sorted(
        (one for one in candidates if one.name in costs), key=lambda one: costs[one.name]
    )
    if not known:
        return tuple(candidates)
    highest = limit(costs[known[0].name])
    return tuple(one for one in known if costs[one.name] <= highest)


def sign_costs(candidates: Sequence[Candidate], costs: Costs, limit: Limit) -> Hashable:
    """What of the costs decides: names by rising cost, and how many groups of equals each reaches.

    () when the costs part nobody.
    """
    groups = [
        (cost, frozenset(names))
        for cost, names in groupby(sorted(costs, key=costs.__getitem__), key=costs.__getitem__)
    ]
    if not groups or len(groups[0][1]) == len(candidates):
        return ()
    return tuple(
        (names, sum(other <= limit(cost) for other, _ in groups[index:]))
        for index, (cost, names) in enumerate(groups)
    )


def equals_only(cost: float) -> float:
    """The limit under which only equals of the cheapest share with it."""
    return cost
