"""All proxies of a process with what goes on beside them: built, started, reloaded, drained, ended.

Laws:
1. Building opens every socket and file, or leaves none open and says why.
2. A reload is judged whole before anything changes; what cannot change while it runs (which proxies
   there are, their sites) refuses it, and says that --replace does it.
3. Until somebody else serves, or a signal came, nothing ends this.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack

from gslb.admin.http import AdminServer
from gslb.app.process import keep_running
from gslb.app.proxy_files import ProxyFiles
from gslb.app.proxy_front import Front, LocalFront, MakePlane, Plan
from gslb.app.proxy_insight import ProxyInsight
from gslb.app.proxy_region import Region, region_system
from gslb.app.proxy_replace import ADMIN, Inheritance, tell_known
from gslb.app.proxy_sockets import Listening, count_workers
from gslb.app.proxy_station import Station, endpoints_of
from gslb.app.proxy_workers import Workers
from gslb.app.reload import Reloader
from gslb.errors import ConfigError, GslbError, ListenError, Problem
from gslb.model.event import Event
from gslb.model.proxy import Proxy
from gslb.proxy.handover import HandoverServer, Offer, control_address, open_control
from gslb.server.notify import of_this_process
from gslb.server.sockets import open_tcp
from gslb.store.open import open_store
from gslb.telemetry.logs import get_logger

AFFINITY_OCTETS = 32

log = get_logger(__name__)

Release = Callable[[], Awaitable[None]]


class House:
    """All proxies of a process. taken: what a process before this one hands over. make: makes data
    planes. Raises ListenError when something cannot be opened.
    """

    def __init__(self, files: ProxyFiles, taken: Inheritance, *, make: MakePlane) -> None:
        self.files = files
        self._manager = of_this_process()
        self.reloader = Reloader(files, self._apply, self._manager)
        self._make = make
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._is_replaced = False
        self._stations: dict[str, Station] = {}
        self._regions: dict[str, Region] = {}
        self._admins: dict[str, AdminServer] = {}
        self._admin_sockets: dict[str, tuple[str, object]] = {}
        with ExitStack() as undo:
            self._undo = undo
            for name, proxy in files.proxies.items():
                self._stations[name] = self._build_station(proxy, taken)
            self._build_regions(taken)
            for station in self._stations.values():
                self._build_admin(station, taken)
            self._control = self._build_control(taken)
            undo.pop_all()

    # ------------------------------------------------------------ its life

    def stop(self) -> None:
        """Drains, and has `run` finish; the second time at once."""
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    async def run(self, release: Release) -> None:
        """Serves until stopped or replaced, and closes everything either way. release: is called
        when this process serves.
        """
        try:
            async with asyncio.TaskGroup() as group:
                await self._live(group, release)
        except ExceptionGroup as errors:  # one error of the operator's, not a tree of them
            known, _ = errors.split(GslbError)
            raise (errors if known is None else known.exceptions[0]) from None
        finally:
            await self._close()
        log.info("stopped")

    async def _live(self, group: asyncio.TaskGroup, release: Release) -> None:
        checks = self._begin(group, self._check_runs())
        for admin in self._admins.values():
            await admin.start()
        for station in self._stations.values():
            await station.start()
        await release()
        rest = self._begin(group, self._rest_runs())
        self._tell_start()
        self._manager.tell_ready()
        await self._stop.wait()
        self._manager.tell_stopping()
        if self._is_replaced:
            await self._leave(rest)
        await self._drain()
        for task in (*checks, *rest):
            task.cancel()

    def _begin(
        self, group: asyncio.TaskGroup, runs: Mapping[str, Callable[[], Awaitable[None]]]
    ) -> list[asyncio.Task[None]]:
        return [group.create_task(keep_running(name, run), name=name) for name, run in runs.items()]

    def _check_runs(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """What goes on as long as there are clients."""
        return {
            f"{what} of {name}": run
            for name, station in self._stations.items()
            for what, run in station.runs().items()
        } | {"watchdog": self._manager.beat}

    def _rest_runs(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """What only one process does at a time."""
        runs = {
            f"{what} of region {site}": run
            for site, region in self._regions.items()
            for what, run in region.runs().items()
        }
        return {**runs, "reload": self.reloader.run, "hot restart": self._serve_handover}

    async def _leave(self, rest: list[asyncio.Task[None]]) -> None:
        """Leaves to whoever serves now what only one process does."""
        for task in rest:
            task.cancel()
        for admin in self._admins.values():
            await admin.close()

    async def _drain(self) -> None:
        began = asyncio.get_running_loop().time()
        log.info("draining", replaced=self._is_replaced)
        async with asyncio.TaskGroup() as group:
            hurried: asyncio.Task[object] = group.create_task(self._hurry.wait(), name="hurry")
            drains: list[asyncio.Task[object]] = [
                group.create_task(self._drain_one(station), name=f"drain {name}")
                for name, station in self._stations.items()
            ]
            pending = {hurried, *drains}
            while hurried in pending and len(pending) > 1:
                _, pending = await asyncio.wait(pending, return_when="FIRST_COMPLETED")
            for task in pending:
                task.cancel()
        took_s = asyncio.get_running_loop().time() - began
        log.info("drained", took_s=round(took_s, 3), hurried=self._hurry.is_set())

    async def _drain_one(self, station: Station) -> None:
        station.begin_drain(is_replaced=self._is_replaced)
        timeout_s = station.proxy.drain_timeout_s
        if not await station.front.drained(timeout_s):
            left = station.load().get("in_flight")
            log.warning("drain timed out", proxy=station.proxy.name, left=left)

    async def _close(self) -> None:
        for admin in self._admins.values():
            await admin.close()
        for station in self._stations.values():
            await station.close()
        for region in self._regions.values():
            await region.close()
        if self._control is not None:
            self._control.close()

    def _tell_start(self) -> None:
        system = self.files.system
        for name, station in self._stations.items():
            proxy = station.proxy
            log.info(
                "proxying",
                node=system.node,
                proxy=name,
                site=proxy.site,
                listen=" ".join(map(str, endpoints_of(proxy))),
                admin=str(proxy.admin) if proxy.admin else "none",
                workers=station.plan.workers,
                configuration=system.digest,
                pid=os.getpid(),
            )

    # ------------------------------------------------------------ hot restart

    async def _serve_handover(self) -> None:
        """Waits for somebody who takes over; without a control socket for ever."""
        if self._control is not None:
            await HandoverServer(self._control, self._offer, self._release).run()
        await asyncio.Event().wait()

    def _offer(self) -> Offer:
        sockets = {name: dict(one.listening.all()) for name, one in self._stations.items()}
        for name, (address, listener) in self._admin_sockets.items():
            sockets[name][ADMIN + address] = (listener,)  # type: ignore[assignment]
        known = tell_known(
            {name: one.plan.affinity for name, one in self._stations.items()},
            {name: one.states for name, one in self._stations.items()},
            {site: region.kept for site, region in self._regions.items()},
        )
        return Offer(sockets, known)

    def _release(self) -> None:
        """Somebody else serves: all that is left is to let the clients go."""
        self._is_replaced = True
        self._stop.set()

    # ------------------------------------------------------------ building

    def _build_control(self, taken: Inheritance) -> socket.socket | None:
        """The control socket: that of the process before, or a new one. It is there from the
        beginning, so that a process that begins right after this one waits for it.
        """
        try:
            control = taken.maybe_control() or open_control(
                control_address(self.files.system.node, self.files.names)
            )
        except ListenError as error:
            log.warning("no hot restart of this process", cause=str(error))
            return None
        self._undo.callback(control.close)
        return control

    def _build_station(self, proxy: Proxy, taken: Inheritance) -> Station:
        inherited = taken.listeners(proxy.name)
        workers = count_workers(inherited, proxy.workers)
        if workers > proxy.workers:
            log.warning(
                "more workers than configured until a full restart: connections wait at each socket"
                " that was handed over",
                proxy=proxy.name,
                workers=workers,
            )
        listening = Listening(endpoints_of(proxy), workers, inherited)
        self._undo.callback(listening.close)
        affinity = taken.maybe_affinity(proxy.name) or secrets.token_bytes(AFFINITY_OCTETS)
        plan = self._plan(proxy, affinity, workers)
        station = Station(
            plan, listening, self._build_front(plan, listening), self._teller(proxy.site)
        )
        station.begin_with(taken.states(proxy.name))
        return station

    def _plan(self, proxy: Proxy, affinity: bytes, workers: int) -> Plan:
        system = region_system(self.files.system, proxy.site)
        return Plan(
            proxy,
            self.files.keys_of(proxy),
            affinity,
            workers=workers,
            store=system.store,
            redis=system.redis,
            generation=system.digest,
        )

    def _build_front(self, plan: Plan, listening: Listening) -> Front:
        if plan.workers > 1:
            return Workers(plan, listening, self.files.system.log)
        return LocalFront(plan, lambda proxy: listening.of(endpoints_of(proxy), 0), self._make)

    def _build_regions(self, taken: Inheritance) -> None:
        system = self.files.system
        for site in dict.fromkeys(one.proxy.site for one in self._stations.values()):
            members = [one for one in self._stations.values() if one.proxy.site == site]
            regional = region_system(system, site)
            region = Region(regional, members, open_store(regional, os.environ))
            self._regions[site] = region
            region.restore(taken.orders(site))

    def _build_admin(self, station: Station, taken: Inheritance) -> None:
        endpoint = station.proxy.admin
        if endpoint is None:
            return
        name = station.proxy.name
        found = taken.maybe_admin(name, str(endpoint))
        listener = self._undo.enter_context(found or open_tcp(endpoint, share=False))
        insight = ProxyInsight(station, self._regions[station.proxy.site], self.reloader)
        self._admins[name] = AdminServer(insight, listener, self.files.system.admin_access)
        self._admin_sockets[name] = (str(endpoint), listener)

    def _teller(self, site: str) -> Callable[[Event], None]:
        """Tells of what happens to backends as soon as there is somebody to tell."""

        def tell(event: Event) -> None:
            if site in self._regions:
                self._regions[site].herald.tell(event)

        return tell

    # ------------------------------------------------------------ reloading

    async def _apply(self, files: ProxyFiles) -> None:
        """Law 2. Raises ConfigError and ListenError."""
        problems = list(self._list_obstacles(files))
        if problems:
            raise ConfigError(problems)
        with ExitStack() as undo:
            for name, proxy in files.proxies.items():
                station = self._stations[name]
                undo.callback(station.listening.keep, endpoints_of(station.proxy))
                station.listening.add(endpoints_of(proxy))
            before, self.files = self.files, files
            undo.callback(setattr, self, "files", before)
            for name, proxy in files.proxies.items():
                plan = self._stations[name].plan
                await self._stations[name].apply(self._plan(proxy, plan.affinity, plan.workers))
            undo.pop_all()
        for site, region in self._regions.items():
            region.reconfigure(region_system(files.system, site))
        self._take_tokens(files)

    def _list_obstacles(self, files: ProxyFiles) -> list[Problem]:
        before, after = self.files.proxies, files.proxies
        found = [(name, "the proxy is new") for name in after.keys() - before.keys()]
        found += [(name, "the proxy is gone") for name in before.keys() - after.keys()]
        for name in before.keys() & after.keys():
            for part in ("site", "workers", "access_log", "admin"):
                if getattr(before[name], part) != getattr(after[name], part):
                    found.append((name, f"{part} has changed"))
        words = "; this needs a hot restart: gslb proxy --replace"
        file = str(files.path)
        return [Problem(file, 0, 0, f"proxies.{name}", why + words) for name, why in sorted(found)]

    def _take_tokens(self, files: ProxyFiles) -> None:
        for name, admin in self._admins.items():
            try:
                admin.reconfigure(files.system.admin_access)
            except ListenError as error:
                log.warning("admin tokens not changed", proxy=name, cause=str(error))
