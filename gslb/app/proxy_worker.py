"""One worker of a proxy: `python -m gslb.app.proxy_worker PIPE RIGHTS`, started by
`gslb.app.proxy_workers`.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from gslb.app.process import ignore_signals, keep_running, raise_descriptor_limit, settle_memory
from gslb.app.proxy_front import LocalFront, MakePlane, Plan, load_plan
from gslb.app.proxy_loop import pick_loop
from gslb.app.proxy_plane import make_plane
from gslb.app.proxy_workers import TELL_EVERY_S
from gslb.app.workers import MAX_LINE, Line, read_lines
from gslb.balance.words import Mode
from gslb.errors import GslbError
from gslb.model.proxy import Proxy
from gslb.model.system import LogSettings
from gslb.proxy.handover import receive_sockets
from gslb.telemetry import logs

FOR_EVER_S = 1e9
"""The leader keeps the time of a drain."""


class WorkerProcess:
    """Serves as its leader says. rights: where sockets come from. make: makes data planes."""

    def __init__(self, rights: socket.socket, make: MakePlane) -> None:
        self._rights = rights
        self._make = make
        self._front: LocalFront | None = None
        self._sockets: list[socket.socket] = []
        self._early: list[Line] = []
        self._lasting: list[asyncio.Task[None]] = []
        self._ended = asyncio.Event()

    async def run(self, pipe: socket.socket) -> None:
        """Serves until drained, or until the leader closes the pipe."""
        reader, writer = await asyncio.open_connection(sock=pipe, limit=MAX_LINE)
        obeying = asyncio.create_task(self._obey(read_lines(reader), writer), name="obey")
        telling = asyncio.create_task(self._tell(writer), name="tell the leader")
        ended = asyncio.create_task(self._ended.wait(), name="drained")
        try:
            await asyncio.wait([obeying, ended], return_when="FIRST_COMPLETED")
        finally:
            for task in (telling, obeying, ended, *self._lasting):
                task.cancel()
            if self._front is not None:
                await self._front.close()
            writer.close()
        if obeying.done() and not obeying.cancelled():
            obeying.result()  # raises what was wrong

    async def _obey(self, lines: AsyncIterator[Line], writer: asyncio.StreamWriter) -> None:
        async for line in lines:
            if "logs" in line:
                logs.configure(LogSettings(**line["logs"]))
            elif "apply" in line:
                await self._take_plan(load_plan(line["apply"]), line["sockets"], writer)
            elif self._front is None:
                self._early.append(line)
            else:
                await self._take(self._front, line)

    async def _take_plan(self, plan: Plan, count: int, writer: asyncio.StreamWriter) -> None:
        before, self._sockets = self._sockets, receive_sockets(self._rights, count)
        if self._front is None:
            self._front = LocalFront(plan, self._lend, self._make, is_shared=True)
            for line in self._early:
                await self._take(self._front, line)
            await self._front.start()
            self._lasting = [
                asyncio.create_task(keep_running(name, run), name=name)
                for name, run in self._front.runs().items()
            ]
            settle_memory()
            self._write_word(writer)
            return
        try:
            await self._front.apply(plan)
        except (GslbError, ValueError, OSError) as error:
            writer.write(json.dumps({"refused": str(error)}).encode() + b"\n")
            before, self._sockets = self._sockets, before
        for one in before:  # what is accepted from is a duplicate
            one.close()

    def _lend(self, _proxy: Proxy) -> list[socket.socket]:
        return self._sockets

    async def _take(self, front: LocalFront, line: Line) -> None:
        if "check" in line:
            pool, backend, up = line["check"]
            front.take_check(pool, backend, up=up)
        elif "mode" in line:
            pool, backend, mode = line["mode"]
            front.take_mode(pool, backend, Mode(mode))
        elif "neighbours" in line:
            front.take_neighbours(line["neighbours"])
        elif "log" in line:
            front.reopen_log()
        elif "drain" in line:
            front.begin_drain(is_replaced=line["is_replaced"])
            for one in self._sockets:
                one.close()
            self._draining = asyncio.create_task(self._drain(front), name="drain")

    async def _drain(self, front: LocalFront) -> None:
        await front.drained(FOR_EVER_S)
        self._ended.set()

    async def _tell(self, writer: asyncio.StreamWriter) -> None:
        """Writes what there is to know, while the leader is there."""
        with suppress(ConnectionError):  # it is gone, as its lines will say by their end
            while True:
                await asyncio.sleep(TELL_EVERY_S)
                if self._front is not None:
                    self._write_word(writer)
                    await writer.drain()

    def _write_word(self, writer: asyncio.StreamWriter) -> None:
        front = self._front
        assert front is not None, "there is something to tell of"
        line: dict[str, Any] = {
            "load": front.load(),
            "counters": dict(front.counters()),
            "status": front.status(),
        }
        writer.write(json.dumps(line).encode() + b"\n")


def main() -> None:
    """Runs one worker; exit status 1 when it cannot start."""
    ignore_signals()
    raise_descriptor_limit()
    pipe, rights = (socket.socket(fileno=int(number)) for number in sys.argv[1:])
    rights.settimeout(5.0)
    try:
        with asyncio.Runner(loop_factory=pick_loop()) as runner:
            runner.run(WorkerProcess(rights, make_plane).run(pipe))
    except GslbError as error:
        sys.exit(f"gslb: {error}")


if __name__ == "__main__":
    main()
