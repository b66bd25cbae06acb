"""`gslb serve`: one process that answers, probes and reloads, or one that leads several workers.

With `workers: 1` everything is in this process. With more, each worker answers on the shared port
(SO_REUSEPORT) and gets its reports through a pipe, while this process probes, watches the files,
serves the admin port and starts a worker again that has died.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path

from gslb.admin.http import AdminServer
from gslb.app.assemble import Assembled, assemble
from gslb.app.insight import NodeInsight
from gslb.app.node import Node
from gslb.app.process import on_signals, settle_memory
from gslb.app.reload import Reloader
from gslb.app.workers import Workers, require_free
from gslb.model.report import Report
from gslb.probe.prober import Prober
from gslb.server.sockets import open_tcp
from gslb.store.memory import MemoryStore
from gslb.telemetry import logs

RESTART_S = 1.0

log = logs.get_logger(__name__)


def serve(path: Path) -> None:
    """Serves a configuration until SIGTERM or SIGINT.

    Raises ConfigError or ListenError when it cannot start.
    """
    assembled = assemble(path)
    logs.configure(assembled.system.log)
    for warning in assembled.configuration.warnings:
        log.warning("configuration", problem=str(warning))
    asyncio.run(_serve(assembled))


async def _serve(assembled: Assembled) -> None:
    server = Server(assembled)
    on_signals(stop=server.stop, reload=server.reloader.ask)
    settle_memory()
    await server.run()


class _RelayStore(MemoryStore):
    """A memory store that also hands every report to the workers."""

    def __init__(self, relay: Callable[[Report], None]) -> None:
        super().__init__()
        self._relay = relay

    async def put(self, report: Report) -> None:
        """Keeps a report and relays it."""
        await super().put(report)
        self._relay(report)


class Server:
    """All parts of a serving process, started and stopped together."""

    def __init__(self, assembled: Assembled) -> None:
        system = assembled.system
        if system.workers > 1:
            require_free(system.dns)
        self._workers = Workers(assembled.path, system.workers) if system.workers > 1 else None
        store = _RelayStore(self._workers.send_report) if self._workers else MemoryStore()
        with ExitStack() as opened:  # closed again if the next one cannot be had
            admin = None
            if system.admin is not None:
                admin = opened.enter_context(open_tcp(system.admin, share=False))
            self.node = Node(assembled, store, endpoints=() if self._workers else system.dns)
            opened.pop_all()
        self.prober = Prober(system.sites, store, system.node)
        self.reloader = Reloader(assembled, self._apply)
        self.insight = NodeInsight(self.node, self.reloader, self._workers)
        self._admin = None if admin is None else AdminServer(self.insight, admin)
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Has `run` finish."""
        self._stop.set()

    async def run(self) -> None:
        """Serves until stopped or cancelled, and closes everything either way."""
        try:
            await self.node.start()
            if self._admin is not None:
                await self._admin.start()
            self._tell_start()
            await self._work()
        finally:
            await self.node.close()
            if self._admin is not None:
                await self._admin.close()
        log.info("stopped")

    async def _work(self) -> None:
        """All that goes on beside answering, until stopped."""
        async with asyncio.TaskGroup() as group:
            runs = {"probes": self.prober.run, "health": self.node.follow_health}
            runs["reload"] = self.reloader.run
            if self._workers is not None:
                runs["workers"] = self._workers.run
            tasks = [
                group.create_task(keep_running(name, run), name=name) for name, run in runs.items()
            ]
            await self._stop.wait()
            for task in tasks:
                task.cancel()

    def _apply(self, assembled: Assembled) -> None:
        self.node.apply(assembled)
        self.prober.reconfigure(assembled.system.sites)
        if self._workers is not None:
            self._workers.send_reload()

    def _tell_start(self) -> None:
        assembled = self.node.assembled
        system = assembled.system
        log.info(
            "serving",
            node=system.node,
            dns=" ".join(map(str, system.dns)),
            admin=str(system.admin) if system.admin else "none",
            zones=len(assembled.configuration.zones),
            sites=len(system.sites),
            workers=system.workers,
            configuration=system.digest,
            geography=assembled.watched.table.build,
        )


async def keep_running(name: str, run: Callable[[], Awaitable[None]]) -> None:
    """Runs something that should never end, again after RESTART_S if it does.

    A fault of ours beside the answer path must not end answering: it is logged with its cause.
    """
    while True:
        try:
            await run()
            log.error("ended by itself, starting it again", task=name)
        except Exception as error:  # noqa: BLE001  the border: answering goes on
            _tell_failure(name, error)
        await asyncio.sleep(RESTART_S)


def _tell_failure(name: str, error: Exception) -> None:
    log.error("failed, starting it again", task=name, cause=repr(error))
