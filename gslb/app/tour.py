"""`gslb demo --tour`: a list of steps that are done and judged one after the other.

Laws:
1. A step does something, and returns what was expected beside what was seen, point by point. It
   prints nothing.
2. A step that cannot be carried out has failed; the next one is done all the same.
3. The tour was as told only if every point of every step was.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Protocol

from gslb.app.client import Client, Reply, Transport
from gslb.app.stage import Stage
from gslb.app.traffic import find_site
from gslb.errors import GslbError
from gslb.health.flaps import hold_s

MARGIN_S = 1.0
"""What the tour grants on top of the checks' own time. Reports are gathered for 0.05 s, snapshots
swapped in at most every 0.2 s, and the tour asks every 0.02 s; the rest is for a busy machine.
"""


class Point(NamedTuple):
    """One thing that was expected, what was seen, and whether that is it."""

    expected: str
    seen: str
    ok: bool


class Limit(NamedTuple):
    """How long something may take, and what that is made of."""

    seconds: float
    parts: str

    def __str__(self) -> str:
        return f"within {self.seconds:.1f} s ({self.parts})"


@dataclass(frozen=True, slots=True)
class Tour:
    """What steps work with. progress: is told what is being waited for."""

    stage: Stage
    progress: Callable[[str], None]

    async def ask(
        self, name: str, *, subnet: str | None = None, transport: Transport = "udp"
    ) -> Reply:
        """The reply to a query for A. Raises OSError when there is none within 2 s."""
        return await Client(self.stage.dns, transport).ask(name, subnet=subnet)

    def find_site(self, reply: Reply) -> str | None:
        """The site that a reply sends its client to, or None."""
        return find_site(self.stage.system.sites, reply)

    def voteless(self) -> list[str]:
        """The stage's agents whose word does not count now."""
        agents = self.stage.server.node.health.agents
        return [name for name in self.stage.agents if not agents[name].has_vote]

    def limit(self, site: str, *, is_up: bool) -> Limit:
        """How long it may take until answers follow a site that died, or (is_up) that is back.

        A site that flapped must besides be well for a time before it comes back.
        """
        system = self.stage.system
        check = system.sites[site].check
        assert check is not None, "the example checks every site"
        rounds = check.rise if is_up else check.fall
        flaps = self.stage.server.node.health.of(site).flaps if is_up else 0
        hold = hold_s(flaps, system.health)
        parts = [
            f"{rounds} checks x {check.interval_s:g} s",
            f"{check.timeout_s:g} s timeout",
            *([f"{hold:g} s because it flapped"] if hold else []),
            f"{MARGIN_S:g} s margin",
        ]
        whole_s = rounds * check.interval_s + check.timeout_s + hold + MARGIN_S
        return Limit(whole_s, " + ".join(parts))


class Step(NamedTuple):
    """One step: what it is about, what it does, and the function that does it."""

    title: str
    does: str
    run: Callable[[Tour], Awaitable[Sequence[Point]]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one step."""

    number: int
    title: str
    does: str
    points: tuple[Point, ...]
    took_s: float

    @property
    def ok(self) -> bool:
        """Whether all was as told."""
        return all(point.ok for point in self.points)


class Narrator(Protocol):
    """Who tells the tour to people."""

    def begin(self, number: int, step: Step) -> None:
        """A step begins. number: from 1."""

    def progress(self, text: str) -> None:
        """What is waited for, many times a second."""

    def end(self, outcome: Outcome) -> None:
        """A step is done."""


async def walk(stage: Stage, steps: Sequence[Step], narrator: Narrator) -> list[Outcome]:
    """Does the steps in order; what became of each (law 2)."""
    tour, outcomes = Tour(stage, narrator.progress), []
    for number, step in enumerate(steps, start=1):
        narrator.begin(number, step)
        start = time.monotonic()
        try:
            points = tuple(await step.run(tour))
        except (OSError, GslbError) as error:
            points = (Point("the step can be carried out", describe(error), ok=False),)
        took_s = time.monotonic() - start
        outcomes.append(Outcome(number, step.title, step.does, points, took_s))
        narrator.end(outcomes[-1])
    return outcomes


def describe(error: Exception) -> str:
    """An error in words; some errors of the system have none."""
    return str(error) or type(error).__name__


def tell_tour(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The whole tour as plain data."""
    return {
        "ok": is_as_told(outcomes),
        "took_s": round(sum(outcome.took_s for outcome in outcomes), 2),
        "steps": [_tell(outcome) for outcome in outcomes],
    }


def is_as_told(outcomes: Sequence[Outcome]) -> bool:
    """Law 3; nothing done is nothing proved."""
    return bool(outcomes) and all(outcome.ok for outcome in outcomes)


def _tell(outcome: Outcome) -> dict[str, Any]:
    told = asdict(outcome) | {"ok": outcome.ok, "took_s": round(outcome.took_s, 2)}
    return told | {"points": [point._asdict() for point in outcome.points]}
