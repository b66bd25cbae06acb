"""`latency`: the sites with the shortest round trip to the client.

Laws (DESIGN section 1, law 5):
1. The time of a candidate is the first that is known of: measured from the client's own network,
   measured from the agents nearest to the client (gslb.policy.measured says which), guessed from
   the distance at 100 km for each millisecond.
2. Each candidate has its time for itself. A source chosen for all of them at once would change with
   the candidates that are left, and one lost site would move the clients of the others.
3. Candidates within the tolerance of the least time stay, the fastest first. A candidate without a
   time stays only if no candidate has one; then all stay. Each time is told with its source.

100 km for each millisecond is light in fibre, 200 km a millisecond, there and back. It is the least
that a network can do, so a site that nobody measured looks better than it is: clients find their
way there, and then it is measured.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from pydantic import Field

from gslb.model.place import Location
from gslb.model.service import Candidate
from gslb.policy.base import NO_MEASUREMENTS, Context, Measurements, Options, Step
from gslb.policy.ranking import measure_distances, pick_cheapest, sign_costs

KM_PER_MS = 100.0
BY_AGENTS = "measured by agent"


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """A round-trip time, and who says so in words for people."""

    rtt_ms: float
    source: str


class LatencyOptions(Options):
    """How much slower than the fastest site another one may be and still share with it."""

    tolerance_ms: float = Field(
        default=10.0,
        ge=0,
        le=10_000,
        allow_inf_nan=False,
        description="Sites up to this many milliseconds slower than the fastest one stay too.",
    )


@dataclass(frozen=True, slots=True)
class Latency:
    """Keeps the candidates with the shortest round trip to the client."""

    name: ClassVar[str] = "latency"
    client_prefix: ClassVar[None] = None
    reads_measurements: ClassVar[bool] = True
    Options: ClassVar[type[LatencyOptions]] = LatencyOptions

    options: LatencyOptions

    def apply(self, candidates: Sequence[Candidate], context: Context) -> Step:
        """The candidates within the tolerance of the fastest one, the fastest first."""
        trips = find_round_trips(candidates, context.location, context.measurements)
        if not trips:
            return Step(
                tuple(candidates), "latency: all stay, nothing is measured and no distance is known"
            )
        kept = pick_cheapest(candidates, _times(trips), self._reach)
        told = ", ".join(_tell(one, trips[one.name], context) for one in kept)
        return Step(kept, f"latency: {told} (tolerance {self.options.tolerance_ms:g} ms)")

    def client_class(
        self,
        candidates: Sequence[Candidate],
        location: Location,
        measurements: Measurements = NO_MEASUREMENTS,
    ) -> Hashable:
        """The order by time, and from each candidate how far the tolerance reaches."""
        trips = find_round_trips(candidates, location, measurements)
        return sign_costs(candidates, _times(trips), self._reach)

    def _reach(self, least_ms: float) -> float:
        return least_ms + self.options.tolerance_ms


def find_round_trips(
    candidates: Sequence[Candidate], location: Location, measurements: Measurements
) -> dict[str, RoundTrip]:
    """The time of each candidate that any source knows, from its best source, by name."""
    found = {one.name: _find(one, location, measurements) for one in candidates}
    return {name: trip for name, trip in found.items() if trip is not None}


def _find(candidate: Candidate, location: Location, measurements: Measurements) -> RoundTrip | None:
    if candidate.site is None:
        return None
    site = candidate.site.name
    if (rtt_ms := measurements.client_rtt_ms(location, site)) is not None:
        return RoundTrip(round(rtt_ms, 3), "measured by client")
    if (rtt_ms := measurements.agent_rtt_ms(location, site)) is not None:
        return RoundTrip(round(rtt_ms, 3), BY_AGENTS)
    for distance in measure_distances((candidate,), location).values():
        return RoundTrip(round(distance / KM_PER_MS, 3), "guessed from distance")
    return None


def _times(trips: Mapping[str, RoundTrip]) -> dict[str, float]:
    return {name: trip.rtt_ms for name, trip in trips.items()}


def _tell(candidate: Candidate, trip: RoundTrip, context: Context) -> str:
    """One candidate's time and where it is from; agents by their names."""
    told = f"{candidate.name} {trip.rtt_ms:.0f} ms {trip.source}"
    if trip.source != BY_AGENTS or candidate.site is None:
        return told
    agents = context.measurements.agent_names(context.location, candidate.site.name)
    return f"{told}{'s' if len(agents) > 1 else ''} {', '.join(agents)}"
