"""The measurement of load: every case, every proxy, several rounds in turn, so that a drift of the
machine meets all alike.

Laws:
1. All proxies run from the beginning to the end; only one of them has load at a time.
2. Before anything is timed, each must hand over each body octet for octet, plain and over TLS, in
   the same way on the second request of a connection.
3. A run is a warm-up that is not counted, then the timed part. CPU is read right before and after
   the timed part; CPU per request is the proxy's divided by the answers that came back.
4. The proxy has one core, wrk and the backends share another, where there are two.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Final

from tests.bench import l7_load, process, traffic
from tests.bench.l7_engines import Engine, Ports
from tests.bench.l7_load import Case
from tests.bench.l7_place import (
    BODIES,
    HOST,
    Place,
    answers_http,
    backends_running,
    make_place,
    pinned,
)
from tests.ports import free_port

WARM_UP_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Served:
    """A proxy that runs."""

    engine: Engine
    pid: int
    ports: Ports


@dataclass(frozen=True, slots=True)
class Run:
    """One timed run of one proxy. Latency in microseconds."""

    engine: str
    case: str
    round: int
    requests: int
    errors: int
    run_s: float
    cpu_s: float
    p50_us: float
    p95_us: float
    p99_us: float
    max_us: float
    rss_octets: int

    @property
    def cpu_us(self) -> float:
        """Microseconds of CPU for one request."""
        return self.cpu_s * 1e6 / self.requests

    @property
    def rate(self) -> float:
        """Answers in a second."""
        return self.requests / self.run_s


def cores() -> tuple[int | None, int | None]:
    """Where proxies run, and where wrk and the backends do; None is anywhere."""
    usable = traffic.usable_cores()
    if len(usable) < 2 or not traffic.can_pin():
        return None, None
    return usable[0], usable[1]


@contextmanager
def all_running(
    engines: Sequence[Engine], folder: Path, tell: Callable[[str], None]
) -> Iterator[tuple[Place, dict[str, Served]]]:
    """The backends and those proxies that start and answer as they should, by name; the others are
    told.
    """
    place = make_place(folder)
    proxy_core, other_core = cores()
    with ExitStack() as stack:
        stack.enter_context(backends_running(place, other_core))
        served = {}
        for engine in engines:
            try:
                one = stack.enter_context(_running(engine, place, proxy_core))
            except process.BenchError as error:
                tell(f"{engine.name} is left out: {error}")
                continue
            faults = find_faults(one, place)
            if faults:
                tell(f"{engine.name} is left out: {'; '.join(faults)}")
            else:
                served[engine.name] = one
        yield place, served


@contextmanager
def _running(engine: Engine, place: Place, core: int | None) -> Iterator[Served]:
    folder = place.folder / engine.name.replace(" ", "-")
    folder.mkdir()
    ports = Ports(free_port(), free_port())
    argv = pinned(engine.prepare(place, folder, ports), core)
    with process.running(argv, directory=folder, port=ports.plain, answers=answers_http) as pid:
        yield Served(engine, pid, ports)


def find_faults(served: Served, place: Place) -> list[str]:
    """What is wrong with what a proxy hands over (law 2)."""
    faults = []
    context = ssl.create_default_context(cafile=str(place.certificate))
    for scheme, connection in (
        ("plain", HTTPConnection(HOST, served.ports.plain, timeout=5)),
        ("TLS", HTTPSConnection(HOST, served.ports.tls, timeout=5, context=context)),
    ):
        for path in [*BODIES, *BODIES]:
            try:
                connection.request("GET", path)
                answer = connection.getresponse()
                status, body = answer.status, answer.read()
            except (OSError, HTTPException) as error:
                faults.append(f"{scheme} {path}: {error!r}")
                continue
            if (status, body) != (200, BODIES[path]):
                faults.append(f"{scheme} {path}: {status} with {len(body)} octets")
        connection.close()
    return faults


def measure(
    cases: Sequence[Case],
    served: Mapping[str, Served],
    *,
    rounds: int,
    seconds: float,
    folder: Path,
) -> Iterator[Run]:
    """Every run, in rounds over cases and proxies. Raises BenchError."""
    for number in range(1, rounds + 1):
        for case in cases:
            for one in served.values():
                yield _measure_one(case, one, number, seconds=seconds, folder=folder)


def _measure_one(case: Case, one: Served, number: int, *, seconds: float, folder: Path) -> Run:
    core = cores()[1]
    port = one.ports.tls if case.is_tls else one.ports.plain
    l7_load.send(case, port=port, seconds=WARM_UP_S, folder=folder, core=core)
    before = process.cpu_s(one.pid)
    load = l7_load.send(case, port=port, seconds=seconds, folder=folder, core=core)
    spent = process.cpu_s(one.pid) - before
    if not load.requests:
        raise process.BenchError(f"{one.engine.name} answered nothing of {case.name}")
    return Run(
        engine=one.engine.name,
        case=case.name,
        round=number,
        requests=load.requests,
        errors=load.errors,
        run_s=load.run_s,
        cpu_s=spent,
        p50_us=load.p50_us,
        p95_us=load.p95_us,
        p99_us=load.p99_us,
        max_us=load.max_us,
        rss_octets=process.rss_octets(one.pid),
    )
