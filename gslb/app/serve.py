"""`gslb serve`: one process that answers, follows health and reloads, or one that leads several
workers.

With `workers: 1` everything is in this process. With more, each worker answers on the shared port
(SO_REUSEPORT) and gets health through a pipe, while this process follows the store, watches the
files, serves the admin port and starts a worker again that has died.

Sockets that a service manager hands over (gslb.server.inherited) are used instead of opening any;
several workers then answer on the same ones.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from gslb.admin.http import AdminServer
from gslb.app.assemble import Assembled, assemble
from gslb.app.follower import Follower, Outlet
from gslb.app.herald import Herald
from gslb.app.insight import NodeInsight
from gslb.app.node import Node
from gslb.app.process import (
    keep_running,
    on_signals,
    raise_descriptor_limit,
    settle_memory,
)
from gslb.app.reload import Reloader
from gslb.app.workers import Workers, require_free
from gslb.errors import ListenError
from gslb.health.snapshot import HealthSnapshot
from gslb.model.system import AdminSettings
from gslb.policy.measured import AgentTimes
from gslb.server.inherited import pair_inherited, take_inherited
from gslb.server.notify import of_this_process
from gslb.server.sockets import Pair, open_tcp
from gslb.store.base import HealthStore
from gslb.store.open import open_store
from gslb.telemetry import logs

log = logs.get_logger(__name__)


def serve(path: Path) -> None:
    """Serves a configuration until SIGTERM or SIGINT.

    Raises ConfigError or ListenError when it cannot start.
    """
    inherited = take_inherited(os.environ, os.getpid())
    assembled = assemble(path)
    logs.configure(assembled.system.log)
    pairs = pair_inherited(assembled.system.dns, inherited) if inherited else []
    for warning in assembled.configuration.warnings:
        log.warning("configuration", problem=str(warning))
    asyncio.run(_serve(assembled, pairs))


async def _serve(assembled: Assembled, pairs: Sequence[Pair]) -> None:
    raise_descriptor_limit()
    server = Server(assembled, pairs=pairs)
    on_signals(stop=server.stop, reload=server.reloader.ask)
    settle_memory()
    await server.run()


class Server:
    """All parts of a serving process, started and stopped together. store: the configured one by
    default; it is closed at the end. pairs: sockets that listen already, for each address.
    """

    def __init__(
        self,
        assembled: Assembled,
        store: HealthStore | None = None,
        *,
        pairs: Sequence[Pair] = (),
    ) -> None:
        system = assembled.system
        self._manager = of_this_process()
        self._workers = _make_workers(assembled, pairs) if system.workers > 1 else None
        self.store = open_store(system, os.environ) if store is None else store
        herald = Herald(system.node, self.store, system.events.webhook)
        outlet = Outlet(self._take_health, self._take_times)
        self.follower = Follower(system, self.store, herald, outlet)
        with ExitStack() as opened:  # closed again if the next one cannot be had
            admin = None
            if system.admin is not None:
                admin = opened.enter_context(open_tcp(system.admin, share=False))
            own = ((), ()) if self._workers else (system.dns, pairs)
            self.node: Node = Node(assembled, self.follower.health, endpoints=own[0], pairs=own[1])
            opened.pop_all()
        if self._workers is not None:
            self._workers.send_health(self.follower.health)
        self.reloader = Reloader(assembled, self._apply, self._manager)
        self.insight = NodeInsight(self.node, self.follower, self.reloader, self._workers)
        self._admin = None
        if admin is not None:
            self._admin = AdminServer(self.insight, admin, system.admin_access)
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
            await self.store.close()
        log.info("stopped")

    async def _work(self) -> None:
        """All that goes on beside answering, until stopped."""
        async with asyncio.TaskGroup() as group:
            runs = {
                **self.follower.runs(),
                "reload": self.reloader.run,
                "watchdog": self._manager.beat,
            }
            if self._workers is not None:
                runs["workers"] = self._workers.run
            tasks = [
                group.create_task(keep_running(name, run), name=name) for name, run in runs.items()
            ]
            tasks.append(group.create_task(self._tell_ready(), name="ready"))
            await self._stop.wait()
            self._manager.tell_stopping()
            for task in tasks:
                task.cancel()

    async def _tell_ready(self) -> None:
        """Tells the service manager, once queries are answered."""
        if self._workers is not None:
            await self._workers.until_serving()
        self._manager.tell_ready()

    def _take_health(self, health: HealthSnapshot) -> None:
        self.node.take_health(health)
        if self._workers is not None:
            self._workers.send_health(health)

    async def _take_times(self, times: AgentTimes) -> None:
        await self.node.take_times(times)
        if self._workers is not None:
            self._workers.send_times(times)

    def _apply(self, assembled: Assembled) -> None:
        health = self.follower.reconfigure(assembled.system)
        self.node.apply(assembled, health)
        self._take_tokens(assembled.system.admin_access)
        if self._workers is not None:
            self._workers.send_health(health)
            self._workers.send_reload()

    def _take_tokens(self, access: AdminSettings) -> None:
        if self._admin is None:
            return
        try:
            self._admin.reconfigure(access)
        except ListenError as error:  # the file has moved it to loopback, which needs a restart
            log.warning("admin tokens not changed", cause=str(error))

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


def _make_workers(assembled: Assembled, pairs: Sequence[Pair]) -> Workers:
    """The worker processes. Raises ListenError where they could not listen."""
    system = assembled.system
    if not pairs:
        require_free(system.dns)
    return Workers(assembled.path, system.workers, pairs)
