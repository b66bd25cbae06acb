"""The demo's stage: a serving process and the applications of its regions, all in one event loop.

Laws:
1. The configuration is taken as it is, but for what this machine cannot do: addresses of a family
   that it lacks are left out, and so are worker processes, which would not share the stage.
2. A site gets a backend when it has an HTTP check and a loopback address: there its check goes.
3. What was opened is closed, whatever happens.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import gslb
from gslb.app.assemble import Assembled, assemble
from gslb.app.backends import Backend, start_backend
from gslb.app.serve import Server
from gslb.errors import ListenError
from gslb.model.check import HttpCheck
from gslb.model.service import Site
from gslb.model.system import Endpoint, System
from gslb.probe.prober import pick_target
from gslb.server.sockets import describe_failure


@dataclass(frozen=True, slots=True)
class Stage:
    """All that runs. system: the configuration as it was started. backends: site -> application."""

    system: System
    server: Server
    backends: Mapping[str, Backend]

    @property
    def dns(self) -> Endpoint:
        """Where queries go."""
        return self.system.dns[0]


def example_file() -> Path:
    """The main file of the project's own example: as installed with the program, or in a
    checkout.
    """
    package = Path(gslb.__file__).parent
    installed = package / "data" / "example" / "gslb.yaml"
    return installed if installed.is_file() else package.parent / "zones" / "gslb.yaml"


@asynccontextmanager
async def open_stage(path: Path) -> AsyncIterator[Stage]:
    """A stage on which the backends and the server run, until the context is left.

    Raises ConfigError, GeoError or ListenError when it cannot be set up.
    """
    assembled = fit(await asyncio.to_thread(assemble, path))
    backends: dict[str, Backend] = {}
    try:
        for name, endpoint in backend_endpoints(assembled.system.sites).items():
            backends[name] = await _start(name, endpoint)
        server = Server(assembled)
        async with asyncio.TaskGroup() as group:
            group.create_task(server.run(), name="server")
            try:
                yield Stage(assembled.system, server, backends)
            finally:
                server.stop()
    finally:
        for backend in backends.values():
            await backend.stop()


def fit(assembled: Assembled) -> Assembled:
    """What was assembled, as far as this machine and one process can do it (law 1)."""
    system = assembled.system
    usable = tuple(endpoint for endpoint in system.dns if _has_family(endpoint))
    fitted = replace(system, dns=usable or system.dns, workers=1)
    return replace(assembled, configuration=replace(assembled.configuration, system=fitted))


def backend_endpoints(sites: Mapping[str, Site]) -> dict[str, Endpoint]:
    """Where the backend of each site that gets one listens (law 2)."""
    found = {}
    for name, site in sites.items():
        target = pick_target(site)
        if target and isinstance(target.check.kind, HttpCheck) and target.address.is_loopback:
            found[name] = Endpoint(str(target.address), target.check.kind.port)
    return found


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


async def _start(name: str, endpoint: Endpoint) -> Backend:
    try:
        return await start_backend(endpoint.host, endpoint.port, site=name)
    except OSError as error:
        raise ListenError(describe_failure(endpoint, socket.SOCK_STREAM, error)) from error
