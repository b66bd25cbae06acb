"""An observer in each region that asks its name server steadily, and the replay of all it saw.

Every query comes from another client network, so that a reply and the decision that the name server
wrote down of it can be told to belong together. Laws, beside those of tests/app/failstatic/load.py:
4. Each reply is the one that the name server says it decided, once.
5. A decision's id names a snapshot of health. Snapshots follow each other, none comes back.
6. Two decisions of one snapshot and one turn are the same, however far apart.
7. What was decided under a snapshot is what the status has said of that snapshot, wherever it was
   looked at while it was in force.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from threading import Event, Thread
from typing import Any

from tests.app.failstatic.load import Answer, Load, Views, allowed
from tests.app.failstatic.worlds import read_views
from tests.app.world import Serving, make_query

PACE_S = 0.02
LOOK_S = 0.1
_FIRST = int(IPv4Address("8.0.0.0"))
_ID = re.compile(r"(?P<snapshot>\S+-h(?P<number>\d+))-t\d+")


class Clients(Load):
    """Queries, each from another client."""

    def __init__(self, port: int, name: str) -> None:
        super().__init__(port, name, pace_s=PACE_S)
        self._name = name

    def compose(self, number: int) -> bytes:
        return make_query(self._name, client=f"{client_of(number)}/32").to_wire()[2:]


def client_of(number: int) -> str:
    """The address behind a query."""
    return str(IPv4Address(_FIRST + number))


@dataclass(frozen=True, slots=True)
class Look:
    """What a status said. snapshot: its number."""

    snapshot: int
    views: Views


class Recorder(Thread):
    """Looks at the status again and again until `finish`."""

    def __init__(self, server: Serving) -> None:
        super().__init__(name="recorder", daemon=True)
        self.looks: list[Look] = []
        self.failure: Exception | None = None
        self._server = server
        self._done = Event()

    def run(self) -> None:
        try:
            while not self._done.wait(LOOK_S):
                status = self._server.status()
                self.looks.append(Look(status["health_generation"], read_views(status)))
        except OSError as error:
            self.failure = error

    def finish(self) -> None:
        self._done.set()
        self.join()


class Observer:
    """Clients and a recorder of one name server. decisions: the file that it writes them to."""

    def __init__(self, server: Serving, name: str, decisions: Path) -> None:
        self.load = Clients(server.dns_port, name)
        self.recorder = Recorder(server)
        self._file = decisions
        self._skip = len(decisions.read_text().splitlines()) if decisions.exists() else 0

    def start(self) -> None:
        self.load.start()
        self.recorder.start()

    def finish(self) -> None:
        self.load.finish()
        self.recorder.finish()

    def decisions(self) -> list[dict[str, Any]]:
        """What the name server wrote of this observer's queries; the last line may be late."""
        end = time.monotonic() + 5
        while True:
            lines = self._file.read_text().splitlines()[self._skip :]
            if len(lines) >= self.load.sent or time.monotonic() > end:
                return [json.loads(line) for line in lines]
            time.sleep(0.01)

    def find_faults(self, addresses: Mapping[str, str]) -> list[str]:
        """What was against laws 4 to 7, in words. addresses: by site."""
        if self.recorder.failure is not None:
            return [f"no status: {self.recorder.failure}"]
        decisions = self.decisions()
        return [
            *_unlike(self.load.answers, decisions),
            *_going_back(decisions),
            *_differing(decisions),
            *_unlike_status(decisions, self.recorder.looks, addresses),
        ]


def sites_of(decision: Mapping[str, Any]) -> frozenset[str]:
    """The addresses that were decided."""
    return frozenset(line.split()[-1] for line in decision["answer"])


def snapshot_of(decision: Mapping[str, Any]) -> int:
    """The number of the snapshot of a decision."""
    found = _ID.fullmatch(decision["decision_id"])
    assert found is not None, decision["decision_id"]
    return int(found["number"])


def _unlike(answers: Sequence[Answer], decisions: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Law 4."""
    by_client = {one["client"].partition("/")[0]: one for one in decisions}
    if len(by_client) != len(decisions):
        yield f"{len(decisions)} decisions of {len(by_client)} queries"
    for answer in answers:
        decided = by_client.get(client_of(answer.number))
        if decided is None:
            yield f"nothing was decided for {answer}"
        elif sites_of(decided) != answer.addresses:
            yield f"{answer} is not what was decided: {decided['answer']}"


def _going_back(decisions: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Law 5."""
    newest = 0
    for decision in decisions:
        number = snapshot_of(decision)
        if number < newest:
            yield f"snapshot {number} came back after {newest}"
        newest = max(newest, number)


def _differing(decisions: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Law 6."""
    known: dict[str, list[str]] = {}
    for decision in decisions:
        answer = known.setdefault(decision["decision_id"], decision["answer"])
        if answer != decision["answer"]:
            yield f"{decision['decision_id']} is {answer} and {decision['answer']}"


def _unlike_status(
    decisions: Sequence[dict[str, Any]], looks: Sequence[Look], addresses: Mapping[str, str]
) -> Iterator[str]:
    """Law 7."""
    told = {look.snapshot: look.views for look in looks}
    for decision in decisions:
        views = told.get(snapshot_of(decision))
        if views is None:
            continue
        wanted = {addresses[name] for name in allowed(views)}
        if sites_of(decision) != wanted:
            yield f"{decision['decision_id']}: {decision['answer']}; the status says {dict(views)}"
