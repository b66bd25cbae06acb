"""The measurement: every server, every mix, several rounds in turn, so that a drift of the machine
meets all alike.

Laws:
1. Only one server runs at a time, freshly started for each run; the first run of a server checks
   its answers.
2. A run is a warm-up that is not counted, then the timed part; CPU is read right before and after
   the timed part.
3. CPU per query is the server's CPU divided by the replies that came back.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench import checks, process, traffic
from tests.bench.files import WARM_UP_S, Mix
from tests.bench.peers.base import Peer, Setup
from tests.ports import free_port


@dataclass(frozen=True, slots=True)
class External:
    """A server that somebody else started and will end; it is not bound to a core."""

    name: str
    port: int
    pid: int
    is_geographic: bool = True
    processes: int = 1


Subject = Peer | External


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured. database: for the servers and for the check of their answers."""

    subjects: Sequence[Subject]
    mixes: Sequence[Mix]
    seconds: float
    rounds: int
    database: Path


@dataclass(frozen=True, slots=True)
class Run:
    """One timed run. cpu_s and rss_octets are the server's, all its processes together;
    is_repeating: the file's end was reached, so datagrams came twice. faults: only on the run that
    checked the answers.
    """

    subject: str
    mix: str
    round: int
    sent: int
    completed: int
    lost: int
    run_s: float
    cpu_s: float
    rss_octets: int
    is_repeating: bool
    rcodes: dict[str, int]
    faults: tuple[str, ...] = ()

    @property
    def cpu_us_per_query(self) -> float:
        """Microseconds of CPU for one answered query."""
        return self.cpu_s * 1e6 / self.completed

    @property
    def rate(self) -> float:
        """Replies per second."""
        return self.completed / self.run_s if self.run_s else 0.0

    @property
    def busy(self) -> float:
        """CPUs that the server kept busy; 1 is a whole core."""
        return self.cpu_s / self.run_s if self.run_s else 0.0

    @property
    def lost_share(self) -> float:
        """The share of queries without a reply."""
        return self.lost / self.sent if self.sent else 1.0


def measure(plan: Plan, tell: Callable[[str], None]) -> Iterator[Run]:
    """Every run of a plan, in rounds over mixes and servers. tell: called with what is about to
    happen.

    A server that cannot be started or does not answer is told and left out of the rest.
    """
    broken: set[str] = set()
    for number in range(1, plan.rounds + 1):
        for mix in plan.mixes:
            for subject in plan.subjects:
                if subject.name in broken:
                    continue
                tell(f"round {number} of {plan.rounds}: {subject.name}, {mix.name}")
                try:
                    yield _measure_one(plan, subject, mix, number)
                except process.BenchError as error:
                    broken.add(subject.name)
                    tell(f"{subject.name} is left out: {error}")


def _measure_one(plan: Plan, subject: Subject, mix: Mix, number: int) -> Run:
    server_core, client_core = _cores(subject)
    with _opened(subject, plan.database, server_core) as (pid, port):
        faults: tuple[str, ...] = ()
        if number == 1:
            faults = checks.check_mix(
                mix.name, port=port, database=plan.database, is_geographic=subject.is_geographic
            )
            faults += () if subject.is_geographic else ("static records only",)
        traffic.send(mix.warm_up.path, port=port, seconds=WARM_UP_S, core=client_core)
        before = process.cpu_s(pid)
        sent = traffic.send(mix.timed.path, port=port, seconds=plan.seconds, core=client_core)
        spent = process.cpu_s(pid) - before
        if not sent.completed:
            raise process.BenchError(f"none of {sent.sent} queries of {mix.name} was answered")
        return Run(
            subject=subject.name,
            mix=mix.name,
            round=number,
            sent=sent.sent,
            completed=sent.completed,
            lost=sent.lost,
            run_s=sent.run_s,
            cpu_s=spent,
            rss_octets=process.rss_octets(pid),
            is_repeating=not mix.timed.is_endless and sent.sent > mix.timed.count,
            rcodes=sent.rcodes,
            faults=faults,
        )


def _cores(subject: Subject) -> tuple[int | None, int | None]:
    """The cores of the server and of dnsperf: 0 and 1 for a single process, unbound for more."""
    cores = traffic.usable_cores()
    if subject.processes > 1 or len(cores) < 2 or not traffic.can_pin():
        return None, None
    return cores[0], cores[1]


@contextmanager
def _opened(subject: Subject, database: Path, core: int | None) -> Iterator[tuple[int, int]]:
    """The process id and port of a server that answers."""
    if isinstance(subject, External):
        yield subject.pid, subject.port
        return
    with tempfile.TemporaryDirectory(prefix="gslb-bench-") as name:
        setup = Setup(Path(name), free_port(), database)
        argv = traffic.pinned(subject.prepare(setup), core)
        with process.running(argv, directory=setup.directory, port=setup.port) as pid:
            yield pid, setup.port
