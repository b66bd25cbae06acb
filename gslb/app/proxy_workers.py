"""Worker processes of one proxy: each has its own event loop, data plane and sockets.

The leader writes JSON lines to each worker: {"logs": settings}, {"check": [pool, backend, up]},
{"mode": [pool, backend, mode]}, {"neighbours": number}, {"apply": plan, "sockets": number}, {"log":
true}, {"drain": true, "is_replaced": truth}. The sockets of a plan come over a second pair, before
their line. A worker writes a line every TELL_EVERY_S: {"load": ..., "counters": ..., "status":
...}; and {"refused": why} after a plan that it could not use.

Laws:
1. A worker that dies is started again, at once if it had lived for a while; its sockets stay open
   here, so that clients wait meanwhile and are not refused.
2. A worker whose leader is gone ends.
3. A new worker is told all checks and orders before it accepts.
4. A worker that does not read is ended when MAX_BACKLOG octets wait for it.
"""

from __future__ import annotations

import asyncio
import json
import socket
from dataclasses import asdict, dataclass, field
from typing import Any

from gslb.app.build import command_of
from gslb.app.proxy_front import Plain, Plan, Runs, dump_plan
from gslb.app.proxy_sockets import Listening
from gslb.app.proxy_sum import add_counters, add_plain
from gslb.app.workers import END_S, MAX_BACKLOG, MAX_LINE, RESTART_S, read_lines
from gslb.balance.words import Mode
from gslb.errors import ListenError
from gslb.model.system import LogSettings
from gslb.proxy.handover import send_sockets
from gslb.telemetry.logs import get_logger

TELL_EVERY_S = 0.5
SETTLED_S = 5.0
"""A worker that has lived this long is started again at once."""

log = get_logger(__name__)


@dataclass(slots=True)
class Worker:
    """One worker process as its leader sees it. told: the last of each kind of word. past: what the
    processes before it had counted. settled: it serves, or is gone.
    """

    number: int
    writer: asyncio.StreamWriter | None = None
    rights: socket.socket | None = None
    pid: int = 0
    restarts: int = 0
    told: dict[str, Any] = field(default_factory=dict)
    past: Plain = field(default_factory=dict)
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    def send(self, line: Plain) -> None:
        """Writes a line, if the worker runs (law 4)."""
        if self.writer is None:
            return
        if self.writer.transport.get_write_buffer_size() > MAX_BACKLOG:
            self.writer.transport.abort()
        else:
            self.writer.write(json.dumps(line).encode() + b"\n")

    def counters(self) -> Plain:
        """Its counters, those of the processes before it included."""
        return add_counters([self.past, self.told.get("counters", {})])


class Workers:
    """All workers of a proxy; a `Front`."""

    def __init__(self, plan: Plan, listening: Listening, logs: LogSettings) -> None:
        self._plan = plan
        self._listening = listening
        self._logs = logs
        self._workers = [Worker(number) for number in range(plan.workers)]
        self._checks: dict[tuple[str, str], bool] = {}
        self._modes: dict[tuple[str, str], Mode] = {}
        self._neighbours = 1
        self._is_stopping = False
        self._must_start = asyncio.Event()

    async def start(self) -> None:
        """See Front: returns when every worker has said that it serves. Raises ListenError when one
        ends before; its last words were its own.
        """
        self._must_start.set()
        for worker in self._workers:
            await worker.settled.wait()
            if worker.gone.is_set():
                raise ListenError(f"worker {worker.number} of {self._plan.proxy.name} cannot start")

    async def apply(self, plan: Plan) -> None:
        """See Front. A worker that cannot use it goes on with the plan of before."""
        self._plan = plan
        names = {
            (pool.name, one.name) for pool in plan.proxy.pools.values() for one in pool.backends
        }
        self._checks = {name: up for name, up in self._checks.items() if name in names}
        self._modes = {name: mode for name, mode in self._modes.items() if name in names}
        for worker in self._workers:
            await self._send_plan(worker)

    def take_check(self, pool: str, backend: str, *, up: bool) -> None:
        """See Front."""
        self._checks[pool, backend] = up
        self._send({"check": [pool, backend, up]})

    def take_mode(self, pool: str, backend: str, mode: Mode) -> None:
        """See Front."""
        self._modes[pool, backend] = mode
        self._send({"mode": [pool, backend, mode.value]})

    def take_neighbours(self, count: int) -> None:
        """See Front."""
        if count != self._neighbours:
            self._neighbours = count
            self._send({"neighbours": count})

    def status(self) -> Plain:
        """See Front: what the workers say, added up, and each of them under `workers`."""
        told = [worker.told.get("status", {}) for worker in self._workers]
        each = [
            {"number": worker.number, "pid": worker.pid, "restarts": worker.restarts}
            for worker in self._workers
        ]
        return {**add_plain(told), "workers": each}

    def load(self) -> Plain:
        """See Front."""
        return add_plain([worker.told.get("load", {}) for worker in self._workers])

    def counters(self) -> Plain:
        """See Front."""
        restarts = sum(worker.restarts for worker in self._workers)
        counted = add_counters(worker.counters() for worker in self._workers)
        return {**counted, "worker_restarts": restarts}

    def reopen_log(self) -> None:
        """See Front."""
        self._send({"log": True})

    def begin_drain(self, *, is_replaced: bool) -> None:
        """See Front."""
        self._is_stopping = True
        self._send({"drain": True, "is_replaced": is_replaced})

    async def drained(self, timeout_s: float) -> bool:
        """See Front: a worker that has drained ends."""
        try:
            async with asyncio.timeout(timeout_s):
                for worker in self._workers:
                    await worker.gone.wait()
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """See Front: `run` ends the workers when it is cancelled."""
        self._is_stopping = True

    def runs(self) -> Runs:
        """See Front."""
        return {"workers": self.run}

    async def run(self) -> None:
        """Keeps all workers alive until they are drained or this is cancelled, then ends them."""
        await self._must_start.wait()
        async with asyncio.TaskGroup() as group:
            for worker in self._workers:
                group.create_task(self._keep_alive(worker), name=f"worker {worker.number}")
        await asyncio.Event().wait()

    def _is_ending(self) -> bool:
        return self._is_stopping

    def _send(self, line: Plain) -> None:
        for worker in self._workers:
            worker.send(line)

    async def _keep_alive(self, worker: Worker) -> None:
        loop = asyncio.get_running_loop()
        while not self._is_ending():
            began = loop.time()
            status = await self._run_once(worker)
            worker.past, worker.told = worker.counters(), {}
            if self._is_ending() or not worker.settled.is_set():
                break
            worker.restarts += 1
            log.error(
                "worker ended, starting it again",
                proxy=self._plan.proxy.name,
                worker=worker.number,
                status=status,
            )
            if loop.time() - began < SETTLED_S:
                await asyncio.sleep(RESTART_S)
        worker.gone.set()
        worker.settled.set()

    async def _run_once(self, worker: Worker) -> int:
        """Runs one process of a worker; returns its exit status. Ends it when cancelled."""
        ours, theirs = socket.socketpair()
        worker.rights, rights = socket.socketpair()
        numbers = (theirs.fileno(), rights.fileno())
        process = await asyncio.create_subprocess_exec(
            *command_of("gslb.app.proxy_worker"),
            *map(str, numbers),
            pass_fds=numbers,
        )
        theirs.close()
        rights.close()
        worker.pid = process.pid
        reader, worker.writer = await asyncio.open_connection(sock=ours, limit=MAX_LINE)
        try:
            await self._brief(worker)
            async for line in read_lines(reader):
                self._hear(worker, line)
        finally:
            worker.writer.close()  # the worker ends when it sees this (law 2)
            worker.writer = None
            worker.rights.close()
            await asyncio.shield(_end(process))
        return process.returncode or 0

    async def _brief(self, worker: Worker) -> None:
        """All that a worker needs before it accepts (law 3)."""
        worker.send({"logs": asdict(self._logs)})
        for (pool, backend), up in self._checks.items():
            worker.send({"check": [pool, backend, up]})
        for (pool, backend), mode in self._modes.items():
            worker.send({"mode": [pool, backend, mode.value]})
        worker.send({"neighbours": self._neighbours})
        await self._send_plan(worker)

    async def _send_plan(self, worker: Worker) -> None:
        if worker.rights is None or worker.writer is None:
            return
        proxy = self._plan.proxy
        sockets = self._listening.of([one.endpoint for one in proxy.listeners], worker.number)
        await asyncio.to_thread(send_sockets, worker.rights, sockets)
        worker.send({"apply": dump_plan(self._plan), "sockets": len(sockets)})

    def _hear(self, worker: Worker, line: Plain) -> None:
        if "refused" in line:
            log.error(
                "worker could not use the configuration, the old one holds",
                proxy=self._plan.proxy.name,
                worker=worker.number,
                cause=line["refused"],
            )
        worker.told.update(line)
        worker.settled.set()


async def _end(process: asyncio.subprocess.Process) -> None:
    try:
        async with asyncio.timeout(END_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
