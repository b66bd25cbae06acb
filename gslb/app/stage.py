"""The demo's stage: a serving process, its agents and the applications of its regions, all in one
event loop; if wanted, with a Redis of its own beside it.

Laws:
1. The configuration is taken as it is, but for what this machine cannot do: addresses of a family
   that it lacks are left out, and so are worker processes, which would not share the stage.
2. A site gets a backend when it has an HTTP check and a loopback address: there its check goes.
3. Where no agents are declared, the demo declares its own (gslb.app.stage_agents).
4. A reload changes nothing of this: what is read again is fitted again.
5. What was opened is closed, whatever happens.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import gslb
from gslb.app.assemble import Assembled, assemble
from gslb.app.backends import Backend, start_backend
from gslb.app.process import keep_running
from gslb.app.serve import Server
from gslb.app.stage_agents import StageAgent, declare, make_keys
from gslb.app.stage_redis import StageRedis, open_redis_server
from gslb.errors import ListenError
from gslb.model.agent import Agent
from gslb.model.check import HttpCheck
from gslb.model.endpoint import Endpoint
from gslb.model.service import Site
from gslb.model.system import RedisSettings, System
from gslb.probe.target import pick_target
from gslb.server.sockets import describe_failure
from gslb.store.open import open_store


@dataclass(frozen=True, slots=True)
class Stage:
    """All that runs. system: the configuration as it was started. backends: site -> application.
    agents: the demo's own, empty where the configuration declares others. redis: None for a store
    inside the process, or another one that the configuration names.
    """

    system: System
    server: Server
    backends: Mapping[str, Backend]
    agents: Mapping[str, StageAgent]
    redis: StageRedis | None

    @property
    def dns(self) -> Endpoint:
        """Where queries go."""
        return self.system.dns[0]


@dataclass(frozen=True, slots=True)
class Props:
    """What the stage brings along. store: the URL of its own Redis, None for the configured one."""

    agents: Mapping[str, Agent]
    store: str | None = None


@dataclass(frozen=True, slots=True)
class Staged(Assembled):
    """What was assembled, fitted to the stage (laws 1, 3 and 4)."""

    props: Props

    def load_again(self) -> Staged:
        """The same files, read anew. Raises ConfigError."""
        return fit(assemble(self.path, self), self.props)


def example_file() -> Path:
    """The main file of the project's own example: as installed with the program, or in a
    checkout.
    """
    package = Path(gslb.__file__).parent
    installed = package / "data" / "example" / "gslb.yaml"
    return installed if installed.is_file() else package.parent / "zones" / "gslb.yaml"


@asynccontextmanager
async def open_stage(path: Path, *, has_redis: bool = False) -> AsyncIterator[Stage]:
    """A stage on which everything runs until the context is left. has_redis: with its own Redis.

    Raises ConfigError, GeoError, ListenError or StoreError when it cannot be set up.
    """
    assembled = await asyncio.to_thread(assemble, path)
    async with AsyncExitStack() as opened:
        redis = await opened.enter_async_context(open_redis_server()) if has_redis else None
        keys = {} if assembled.system.agents else make_keys()
        staged = fit(assembled, Props(declare(keys), redis.url if redis else None))
        backends = await opened.enter_async_context(_open_backends(staged.system))
        store = open_store(staged.system, {} if redis else os.environ)
        server = Server(staged, store)
        agents = {
            name: StageAgent(staged.system.agents[name], key, store, lambda: _system(server))
            for name, key in keys.items()
        }
        async with _running(server, agents):
            yield Stage(staged.system, server, backends, agents, redis)


@asynccontextmanager
async def _running(server: Server, agents: Mapping[str, StageAgent]) -> AsyncIterator[None]:
    """All of them, until the context is left: the agents end first, the server closes the store."""
    async with asyncio.TaskGroup() as group:
        group.create_task(server.run(), name="server")
        tasks = [
            group.create_task(keep_running(f"agent {name}", agent.run), name=f"agent {name}")
            for name, agent in agents.items()
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            server.stop()


def _system(server: Server) -> System:
    """The configuration in force."""
    return server.node.assembled.system


# ---------------------------------------------------------------- what is configured


def fit(assembled: Assembled, props: Props) -> Staged:
    """What was assembled, as far as this machine and one process can do it, with the props."""
    configuration = replace(assembled.configuration, system=_fit_system(assembled.system, props))
    return Staged(
        assembled.path,
        configuration,
        assembled.watched,
        assembled.ground,
        assembled.stamp,
        props,
    )


def _fit_system(system: System, props: Props) -> System:
    usable = tuple(endpoint for endpoint in system.dns if _has_family(endpoint))
    agents = system.agents or props.agents
    fitted = replace(system, dns=usable or system.dns, workers=1, agents=agents)
    if props.store is None:
        return fitted
    return replace(fitted, store=props.store, redis=RedisSettings())


def _has_family(endpoint: Endpoint) -> bool:
    """Whether the machine has addresses of the endpoint's family at all: containers often lack
    IPv6.
    """
    if ":" not in endpoint.host:
        return True
    with suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as opened:
        opened.bind(("::1", 0))
        return True
    return False


# ---------------------------------------------------------------- the applications


def backend_endpoints(sites: Mapping[str, Site]) -> dict[str, Endpoint]:
    """Where the backend of each site that gets one listens (law 2)."""
    found = {}
    for name, site in sites.items():
        target = pick_target(site)
        if target is None or target.address is None or not target.address.is_loopback:
            continue
        kind = target.check.kinds[0]
        if isinstance(kind, HttpCheck) and kind.address is None:
            found[name] = Endpoint(str(target.address), kind.port)
    return found


@asynccontextmanager
async def _open_backends(system: System) -> AsyncIterator[Mapping[str, Backend]]:
    backends: dict[str, Backend] = {}
    try:
        for name, endpoint in backend_endpoints(system.sites).items():
            backends[name] = await _start(name, endpoint)
        yield backends
    finally:
        for backend in backends.values():
            await backend.stop()


async def _start(name: str, endpoint: Endpoint) -> Backend:
    try:
        return await start_backend(endpoint.host, endpoint.port, site=name)
    except OSError as error:
        raise ListenError(describe_failure(endpoint, socket.SOCK_STREAM, error)) from error
