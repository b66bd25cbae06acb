"""Worker processes: each answers on the shared port; health and reloads reach them over a pipe.

The leader writes JSON lines to each worker: {"health": ...}, {"times": ...} and {"reload": true}. A
worker writes one line every two seconds: {"counters": {...}, "answers": [[service, site, number],
...]}. Laws:
1. A worker that dies is started again after RESTART_S; the others answer meanwhile.
2. A worker whose leader is gone ends: nobody would tell it about health any more.
3. A worker that does not read is ended when MAX_BACKLOG octets wait for it, and started again.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from gslb.app.build import command_of
from gslb.health.plain import dump_health
from gslb.health.snapshot import HealthSnapshot
from gslb.model.endpoint import Endpoint
from gslb.model.place import Location
from gslb.policy.measured import AgentRow, AgentTimes
from gslb.server.sockets import Pair, open_tcp, open_udp
from gslb.telemetry.logs import get_logger

RESTART_S = 1.0
MAX_LINE = 8 * 1024 * 1024  # the health of 10,000 sites has 3 MB
MAX_BACKLOG = 4 * MAX_LINE
END_S = 10.0  # for a worker to finish what it has; its TCP clients get 5 s

_CONNECTIONS = "tcp_connections"  # the one number that is no sum over time

log = get_logger(__name__)

Line = Mapping[str, Any]
Key = TypeVar("Key")


@dataclass(slots=True)
class Worker:
    """One worker process as its leader sees it. told: its last line. past: what the processes
    before it had counted.
    """

    number: int
    writer: asyncio.StreamWriter | None = None
    told: Line = field(default_factory=dict)
    past: Counter[str] = field(default_factory=Counter)
    past_answers: Counter[tuple[str, str]] = field(default_factory=Counter)

    def count(self) -> Counter[str]:
        """Its counters, those of the processes before it included."""
        return _add([self.past, self.told.get("counters", {})])

    def count_answers(self) -> Counter[tuple[str, str]]:
        """How many answers each (service, first candidate) has had from them."""
        told = {(service, site): number for service, site, number in self.told.get("answers", ())}
        return _add([self.past_answers, told])

    def forget(self) -> None:
        """Keeps what was counted by a process that is no more."""
        self.past, self.past_answers = self.count(), self.count_answers()
        self.past.pop(_CONNECTIONS, None)
        self.told = {}

    def send(self, line: Line) -> None:
        """Writes a line, if the worker runs; one that does not read is cut off (law 3)."""
        if self.writer is None:
            return
        if self.writer.transport.get_write_buffer_size() > MAX_BACKLOG:
            self.writer.transport.abort()
        else:
            self.writer.write(json.dumps(line).encode() + b"\n")


class Workers:
    """All workers of a leader. path: the configuration that they serve. pairs: sockets that all of
    them answer on, where they do not open their own.
    """

    def __init__(self, path: Path, count: int, pairs: Sequence[Pair] = ()) -> None:
        self._path = path
        self._pairs = pairs
        self._are_serving = asyncio.Event()
        self._workers = [Worker(number) for number in range(count)]
        self._health: Line = {}
        self._times: Line = {}

    async def run(self) -> None:
        """Keeps all workers alive until cancelled, then ends them."""
        async with asyncio.TaskGroup() as group:
            for worker in self._workers:
                group.create_task(self._keep_alive(worker), name=f"worker {worker.number}")

    async def until_serving(self) -> None:
        """Returns once every worker has told something, which it does when it answers."""
        await self._are_serving.wait()

    def send_health(self, health: HealthSnapshot) -> None:
        """Hands a snapshot to every worker, and to those that start later."""
        self._health = {"health": dump_health(health)}
        for worker in self._workers:
            worker.send(self._health)

    def send_times(self, times: AgentTimes) -> None:
        """Hands a table of measured times to every worker, and to those that start later."""
        self._times = {"times": dump_times(times)}
        for worker in self._workers:
            worker.send(self._times)

    def send_reload(self) -> None:
        """Has every worker load the files again."""
        for worker in self._workers:
            worker.send({"reload": True})

    def count(self) -> Counter[str]:
        """The workers' counters, added up."""
        return _add(worker.count() for worker in self._workers)

    def count_answers(self) -> Counter[tuple[str, str]]:
        """How many answers each (service, first candidate) has had."""
        return _add(worker.count_answers() for worker in self._workers)

    async def _keep_alive(self, worker: Worker) -> None:
        while True:
            status = await self._run_once(worker)
            worker.forget()
            log.error("worker ended, starting it again", worker=worker.number, status=status)
            await asyncio.sleep(RESTART_S)

    async def _run_once(self, worker: Worker) -> int:
        """Runs one process of a worker; returns its exit status. Ends it when cancelled."""
        ours, theirs = socket.socketpair()
        numbers = [theirs.fileno(), *(each.fileno() for pair in self._pairs for each in pair)]
        argv = (*command_of("gslb.app.worker"), str(self._path), *map(str, numbers))
        process = await asyncio.create_subprocess_exec(*argv, pass_fds=numbers)
        theirs.close()
        reader, worker.writer = await asyncio.open_connection(sock=ours, limit=MAX_LINE)
        for line in filter(None, (self._health, self._times)):
            worker.send(line)
        try:
            async for line in read_lines(reader):
                worker.told = line
                if all(each.told for each in self._workers):
                    self._are_serving.set()
        finally:
            worker.writer.close()  # the worker ends when it sees this (law 2)
            worker.writer = None
            await asyncio.shield(_end(process))
        return process.returncode or 0


def require_free(endpoints: Iterable[Endpoint]) -> None:
    """Raises ListenError if anybody listens there already: a port that workers share among
    themselves could be shared with a stranger unnoticed.
    """
    for endpoint in endpoints:
        open_udp(endpoint, share=False).close()
        open_tcp(endpoint, share=False).close()


async def read_lines(reader: asyncio.StreamReader) -> AsyncIterator[Line]:
    """Every whole JSON line until the other side closes or dies."""
    with suppress(ConnectionError):  # it died before it had read all
        while (octets := await reader.readline()).endswith(b"\n"):
            yield json.loads(octets)


async def _end(process: asyncio.subprocess.Process) -> None:
    try:
        async with asyncio.timeout(END_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _add(counts: Iterable[Mapping[Key, int]]) -> Counter[Key]:
    """Their sum, which keeps what nobody has counted yet as 0."""
    total: Counter[Key] = Counter()
    for each in counts:
        total.update(each)
    return total


def dump_times(times: AgentTimes) -> Line:
    """A table of measured times as plain data."""
    rows = [
        {"name": row.name, "location": asdict(row.location), "rtt_ms": dict(row.rtt_ms)}
        for row in times.agents
    ]
    return {"generation": times.generation, "agents": rows}


def load_times(told: Line) -> AgentTimes:
    """The table in a line."""
    rows = (
        AgentRow(row["name"], Location(**row["location"]), row["rtt_ms"]) for row in told["agents"]
    )
    return AgentTimes(told["generation"], tuple(rows))
