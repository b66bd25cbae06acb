"""What a filter is: a pure function that narrows or orders candidates and says why.

Laws (DESIGN section 1):
1. A filter never hands on an empty set; one that would remove everything keeps all and says so.
   Only `health` may report that nothing is left, and then the service's `when_all_down` decides.
2. A filter depends on its arguments only. What it takes from the client is either the class that
   `client_class` returns for the client's location, or the network that `client_prefix` cuts from
   its address; never more.
3. A filter that uses `turn` only orders, and its order repeats after `period` turns.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from pydantic import BaseModel, ConfigDict

from gslb.health.snapshot import HealthSnapshot
from gslb.model.place import NOWHERE, Location
from gslb.model.service import Candidate


class Options(BaseModel):
    """The parent of every filter's options: checked on loading, immutable, no unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Measurements(Protocol):
    """Round-trip times that somebody measured (gslb.policy.measured). The same location and site
    always get the same from one object: a change is another object, with a higher generation.
    """

    @property
    def generation(self) -> int:
        """Names these measurements, for decision ids; 0 while there are none."""

    def client_rtt_ms(self, location: Location, site: str) -> float | None:
        """Milliseconds from the client's own network to a site, or None where nobody measured."""

    def agent_rtt_ms(self, location: Location, site: str) -> float | None:
        """Milliseconds from the agents nearest to the client to a site, or None."""

    def agent_names(self, location: Location, site: str) -> tuple[str, ...]:
        """The agents behind `agent_rtt_ms`, for people; empty where that is None."""


class NoMeasurements:
    """Nobody has measured anything."""

    generation = 0

    def client_rtt_ms(self, location: Location, site: str) -> float | None:
        """None: there is no measurement."""
        return None

    def agent_rtt_ms(self, location: Location, site: str) -> float | None:
        """None: there is no measurement."""
        return None

    def agent_names(self, location: Location, site: str) -> tuple[str, ...]:
        """(): no agent has measured."""
        return ()


NO_MEASUREMENTS = NoMeasurements()


@dataclass(frozen=True, slots=True)
class Context:
    """All that a decision may depend on, besides the candidates.

    service: the absolute name, lower case, for hashing. network: the packed client address cut to
    `client_prefix`, b"" when no filter asked for it. turn: how often this candidate set was asked
    before.
    """

    service: str = ""
    health: HealthSnapshot = HealthSnapshot()
    location: Location = NOWHERE
    network: bytes = b""
    turn: int = 0
    measurements: Measurements = NO_MEASUREMENTS


@dataclass(frozen=True, slots=True)
class Step:
    """What a filter did. kept: the candidates handed on, in order. why: one line for people.

    period: after how many turns the order repeats. is_all_down: nothing healthy was left (`health`
    only).
    """

    kept: tuple[Candidate, ...]
    why: str
    period: int = 1
    is_all_down: bool = False


class Filter(Protocol):
    """One step of a chain, made from its options. reads_measurements: whether its classes of
    clients must be made anew when measurements are swapped.
    """

    name: ClassVar[str]
    reads_measurements: ClassVar[bool]

    def apply(self, candidates: Sequence[Candidate], context: Context) -> Step:
        """The candidates that go on, in order."""

    def client_class(
        self,
        candidates: Sequence[Candidate],
        location: Location,
        measurements: Measurements = NO_MEASUREMENTS,
    ) -> Hashable:
        """A value that is equal for two locations only if `apply` treats them alike whatever the
        health is.

        candidates: all of the service; `apply` may be handed any part of them, in any order.
        measurements: the ones that the context of `apply` will hold, so classes are made anew when
        they are swapped.
        """

    @property
    def client_prefix(self) -> tuple[int, int] | None:
        """The IPv4 and IPv6 prefix lengths of the client network that `apply` reads, or None."""


class ClientBlind:
    """The half of a filter that takes nothing from the client."""

    reads_measurements: ClassVar[bool] = False

    def client_class(
        self,
        candidates: Sequence[Candidate],
        location: Location,
        measurements: Measurements = NO_MEASUREMENTS,
    ) -> Hashable:
        """None: all locations are treated alike."""
        return None

    @property
    def client_prefix(self) -> tuple[int, int] | None:
        """None: the address is not read."""
        return None
