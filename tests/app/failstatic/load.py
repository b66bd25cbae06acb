"""A steady load over UDP, and the law that each of its answers is held to.

1. Every query gets one reply within GRACE_S: none is lost.
2. A reply is NOERROR, has an address, and a TTL from the service's minimum to its maximum.
3. Its addresses are exactly those of the sites that the recorded health allowed at some moment
   between question and reply. What health allows is told here anew, in a few lines.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from threading import Event, Thread
from typing import NamedTuple

import dns.message
import dns.rcode

from tests.app.world import make_query

GRACE_S = 3.0
PACE_S = 0.004
CLOCK_S = 0.005
"""Log lines tell milliseconds."""


class View(NamedTuple):
    """What is recorded of a site. order: `drain`, `up`, `down` or None."""

    state: str
    held: bool = False
    order: str | None = None

    @property
    def is_out(self) -> bool:
        return self.order in {"drain", "down"}

    @property
    def is_well(self) -> bool:
        return self.order == "up" or self.state != "down" or self.held


Views = Mapping[str, View]


def allowed(views: Views) -> frozenset[str]:
    """The sites that an answer must have, no more and no less."""
    free = {name: view for name, view in views.items() if not view.is_out}
    well = {name for name, view in free.items() if view.is_well}
    drained = {name for name, view in views.items() if view.order == "drain" and view.is_well}
    if not well:
        return frozenset(drained or free or views)
    if any(view.state == "unknown" and view.order is None for view in free.values()):
        return frozenset(free)
    return frozenset(well)


class Change(NamedTuple):
    """From a moment in Unix seconds on, health was this."""

    at: float
    views: Views


@dataclass(frozen=True, slots=True)
class Answer:
    """One reply. sent_at, got_at: Unix seconds. number: of the query, as it was sent."""

    sent_at: float
    got_at: float
    rcode: str
    addresses: frozenset[str]
    ttl: int
    number: int = 0


class Load(Thread):
    """Some 200 queries a second until `finish`, or one each `pace_s`. lost: numbers of queries
    without a reply yet, and when they were sent; a subclass may compose another query for each.
    """

    def __init__(
        self, port: int, name: str, *, host: str = "127.0.0.1", pace_s: float = PACE_S
    ) -> None:
        super().__init__(name="load", daemon=True)
        self.answers: list[Answer] = []
        self.lost: dict[int, float] = {}
        self.sent = 0
        self._done = Event()
        self._to = (host, port)
        self.pace_s = pace_s
        self._query = make_query(name).to_wire()[2:]

    def compose(self, number: int) -> bytes:
        """A query without its id."""
        return self._query

    def run(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect(self._to)
            client.settimeout(self.pace_s)
            while not self._done.is_set():
                self._send(client)
                self._receive(client)
            end = time.monotonic() + GRACE_S
            while self.lost and time.monotonic() < end:
                self._receive(client)

    def finish(self) -> None:
        """Waits for the last replies."""
        self._done.set()
        self.join()

    def _send(self, client: socket.socket) -> None:
        self.sent += 1
        number = self.sent % 65_536
        self.lost[number] = time.time()
        client.send(number.to_bytes(2, "big") + self.compose(self.sent))

    def _receive(self, client: socket.socket) -> None:
        with suppress(TimeoutError):
            while True:
                octets = client.recv(4096)
                number = int.from_bytes(octets[:2], "big")
                sent_at = self.lost.pop(number)
                self.answers.append(_read(octets, sent_at, time.time(), number))


class Readiness(Thread):
    """Asks `/readyz` again and again until `finish`. refused: answers other than 200 (R13)."""

    def __init__(self, port: int) -> None:
        super().__init__(name="readiness", daemon=True)
        self.refused: list[object] = []
        self.asked = 0
        self._done = Event()
        self._port = port

    def run(self) -> None:
        while not self._done.wait(0.1):
            self.asked += 1
            connection = HTTPConnection("127.0.0.1", self._port, timeout=GRACE_S)
            try:
                connection.request("GET", "/readyz")
                status = connection.getresponse().status
                if status != 200:
                    self.refused.append(status)
            except OSError as error:
                self.refused.append(error)
            finally:
                connection.close()

    def finish(self) -> None:
        self._done.set()
        self.join()


def _read(octets: bytes, sent_at: float, got_at: float, number: int) -> Answer:
    message = dns.message.from_wire(octets)
    addresses = frozenset(rdata.to_text() for rrset in message.answer for rdata in rrset)
    ttl = min((rrset.ttl for rrset in message.answer), default=-1)
    rcode = dns.rcode.to_text(message.rcode())
    return Answer(sent_at, got_at, rcode, addresses, ttl, number)


def find_faults(
    load: Load, history: Sequence[Change], addresses: Mapping[str, str], ttls: range
) -> list[str]:
    """What was against the law, in words. addresses: by site. history: in order of time, from
    before the load began.
    """
    faults = [f"{len(load.lost)} of {load.sent} were lost"] if load.lost else []
    wanted = [(at, frozenset(addresses[name] for name in allowed(v))) for at, v in history]
    for answer in load.answers:
        if answer.rcode != "NOERROR" or answer.ttl not in ttls:
            faults.append(f"against law 2: {answer}")
        elif answer.addresses not in _in_force(wanted, answer):
            faults.append(f"against law 3: {answer}; allowed: {list(_in_force(wanted, answer))}")
    return faults


def _in_force(
    wanted: Sequence[tuple[float, frozenset[str]]], answer: Answer
) -> Iterator[frozenset[str]]:
    """What was allowed at some moment between question and reply."""
    for number, (at, sites) in enumerate(wanted):
        until_at = wanted[number + 1][0] if number + 1 < len(wanted) else answer.got_at
        if at <= answer.got_at + CLOCK_S and until_at >= answer.sent_at - CLOCK_S:
            yield sites
