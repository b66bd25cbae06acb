"""A node and its follower in this process, and an agent that says what a test wants it to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

import dns.asyncquery
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gslb.app.assemble import Assembled, assemble
from gslb.app.follower import Follower, Outlet
from gslb.app.herald import Herald
from gslb.app.node import Node
from gslb.app.process import keep_running
from gslb.model.agent import Agent
from gslb.model.report import Report, SiteReport
from gslb.store.base import HealthStore
from gslb.store.envelope import seal
from gslb.store.memory import MemoryStore
from tests.app.world import EUROPE, Files, make_query, records, until

KEY = Ed25519PrivateKey.generate()
OBSERVER = Agent("observer", "home", (KEY.public_key().public_bytes_raw(),))
UP = SiteReport(up=True)


def observed(assembled: Assembled) -> Assembled:
    """The configuration with one agent, and without own probes."""
    configuration = assembled.configuration
    system = replace(
        configuration.system,
        agents={OBSERVER.name: OBSERVER},
        health=replace(configuration.system.health, own_probes=False),
    )
    return replace(assembled, configuration=replace(configuration, system=system))


class Running:
    """A node at work, an agent that reports to it, and a client."""

    def __init__(
        self, files: Files, store: HealthStore | None = None, *, is_listening: bool = True
    ) -> None:
        self.files = files
        self.store = store or MemoryStore()
        assembled = observed(assemble(files.main))
        system = assembled.system
        self.follower = Follower(
            system,
            self.store,
            Herald(system.node, self.store),
            Outlet(self._take_health, self._take_times),
        )
        self.node = Node(assembled, self.follower.health, endpoints=system.dns * is_listening)
        self._sequence = 0

    def _take_health(self, health) -> None:
        self.node.take_health(health)

    async def _take_times(self, times) -> None:
        await self.node.take_times(times)

    async def report(self, **sites: SiteReport) -> None:
        self._sequence += 1
        report = Report("observer", "b" * 32, self._sequence, time.time(), sites)
        await self.store.put_report("observer", seal(report, KEY))

    def reload(self) -> None:
        """Applies the files as they are now."""
        assembled = observed(assemble(self.files.main, self.node.assembled))
        self.node.apply(assembled, self.follower.reconfigure(assembled.system))

    async def ask(self, name: str = "www.w.test", *, tcp: bool = False):
        exchange = dns.asyncquery.tcp if tcp else dns.asyncquery.udp
        query = make_query(name, client=EUROPE)
        return await exchange(query, "127.0.0.1", port=self.files.dns, timeout=5)

    async def seen(self, name: str = "www.w.test") -> tuple[list[str], int]:
        """Addresses and TTL, which UDP and TCP agree about."""
        udp, tcp = await self.ask(name), await self.ask(name, tcp=True)
        assert str(udp.answer[0]) == str(tcp.answer[0])  # TTLs, too
        return records(udp), udp.answer[0].ttl

    async def until(self, *wanted: object) -> None:
        """Until an answer is as wanted."""

        async def is_as_wanted() -> bool:
            reply = await self.ask()
            return (records(reply), reply.answer[0].ttl) == wanted

        await until(is_as_wanted)
        assert await self.seen() == wanted


def run(
    files: Files, script: Callable[[Running], Awaitable[None]], store: HealthStore | None = None
) -> None:
    """Plays a script with everything at work."""

    async def play() -> None:
        running = Running(files, store)
        await running.node.start()
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(keep_running(name, task), name=name)
                    for name, task in running.follower.runs().items()
                ]
                await script(running)
                for task in tasks:
                    task.cancel()
        finally:
            await running.node.close()
            await running.store.close()

    asyncio.run(play())
