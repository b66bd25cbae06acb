"""`gslb probe`: an agent, which probes the sites it was given and leaves signed reports in a store.

Laws:
1. Checks go on whatever the store does (gslb.app.courier).
2. A file that does not load changes nothing. What a reload cannot change (the store, the key, the
   log) is said.
3. An agent that is no longer declared goes on and says so: whose word counts is for name servers to
   judge, and the file may have changed here first.
4. The last report stays where it is when the agent ends: silence is not "down" (R3).
"""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gslb.app.assemble import look
from gslb.app.courier import Courier
from gslb.app.process import keep_running, on_signals, raise_descriptor_limit
from gslb.app.reload import Reloader
from gslb.config.load import Configuration, load
from gslb.errors import ConfigError, Problem
from gslb.geo.watch import Stamp
from gslb.model.agent import Agent
from gslb.model.service import Site
from gslb.model.system import System
from gslb.probe.prober import Prober
from gslb.server.notify import of_this_process
from gslb.store.base import HealthStore
from gslb.store.open import open_store
from gslb.store.signing import load_key
from gslb.store.target import redacted
from gslb.telemetry import logs

_NO_STORE = (
    "memory is inside one process; an agent needs one that name servers can read, "
    "such as redis://192.0.2.1:6379"
)

# Fields of `System` that are read once, and what the operator calls them (law 2).
_FIXED = {"store": "store", "redis": "redis", "log": "log"}

log = logs.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Assignment:
    """What the operator's files say, as an agent reads them: no geography.

    stamp: what the files looked like right after they were read.
    """

    path: Path
    configuration: Configuration
    stamp: Stamp

    @property
    def system(self) -> System:
        """What the files say."""
        return self.configuration.system

    @property
    def stale(self) -> None:
        """Nothing is ever loaded in part."""

    def as_read(self) -> Stamp:
        """What the files looked like when they were read."""
        return self.stamp

    def look(self) -> Stamp:
        """What they look like now."""
        return look(self.configuration)

    def load_again(self) -> Assignment:
        """The same files, read anew. Raises ConfigError."""
        return load_assignment(self.path)

    def is_same(self, other: Assignment) -> bool:
        """Whether both say the same."""
        return self.system.digest == other.system.digest

    def summary(self) -> Mapping[str, object]:
        """What the log says of it."""
        return {"digest": self.system.digest}


def load_assignment(path: Path) -> Assignment:
    """What an agent reads of a configuration. Raises ConfigError."""
    configuration = load(path)
    return Assignment(path, configuration, look(configuration))


@dataclass(frozen=True, slots=True)
class Identity:
    """Who an agent is and what proves it."""

    name: str
    key_file: Path
    key: Ed25519PrivateKey

    @property
    def public_key(self) -> bytes:
        """What name servers verify its reports with."""
        return self.key.public_key().public_bytes_raw()


def probe(path: Path, name: str, key_file: Path | None = None) -> None:
    """Probes as an agent until SIGTERM or SIGINT. key_file: NAME.key beside the configuration.

    Raises ConfigError when it cannot start.
    """
    assignment = load_assignment(path)
    identity = identify(assignment, name, key_file or path.with_name(f"{name}.key"))
    logs.configure(assignment.system.log)
    for warning in assignment.configuration.warnings:
        log.warning("configuration", problem=str(warning))
    asyncio.run(_probe(assignment, identity))


async def _probe(assignment: Assignment, identity: Identity) -> None:
    raise_descriptor_limit()
    store = open_store(assignment.system, os.environ)
    agent = ProbeAgent(assignment, identity, store)
    on_signals(stop=agent.stop, reload=agent.reloader.ask)
    await agent.run()


def identify(assignment: Assignment, name: str, key_file: Path) -> Identity:
    """Who the agent of a name is. Raises ConfigError with all that keeps its word from counting."""
    system, problems = assignment.system, []
    if system.store == "memory":
        problems.append(_fault(assignment, "store", _NO_STORE))
    declared = system.agents.get(name)
    if declared is None:
        names = ", ".join(system.agents) or "none"
        problems.append(_fault(assignment, "agents", f"there is no {name}; declared: {names}"))
        raise ConfigError(problems)
    try:
        identity = Identity(name, key_file, load_key(key_file))
    except ConfigError as error:
        raise ConfigError([*problems, *error.problems]) from None
    if identity.public_key not in declared.public_keys:
        keys = ", ".join(map(show_key, declared.public_keys)) or "none"
        why = f"{key_file} belongs to {show_key(identity.public_key)}; declared: {keys}"
        problems.append(_fault(assignment, f"agents.{name}.public_key", why))
    if problems:
        raise ConfigError(problems)
    return identity


def _fault(assignment: Assignment, path: str, message: str) -> Problem:
    return Problem(str(assignment.path), 0, 0, path, message)


def show_key(octets: bytes) -> str:
    """A public key as the configuration has it."""
    return base64.b64encode(octets).decode()


class ProbeAgent:
    """Probes and reports, as the assignment of the moment says.

    identity: its name is declared in the first assignment. Closes the store when it ends.
    """

    def __init__(self, assignment: Assignment, identity: Identity, store: HealthStore) -> None:
        system = assignment.system
        self._running = system
        self._identity = identity
        self._store = store
        self._declared = system.agents[identity.name]
        self._stop = asyncio.Event()
        self._manager = of_this_process()
        self.reloader = Reloader(assignment, self._apply, self._manager)
        self.prober = Prober(
            self._sites(system),
            Courier(store, identity.key, system.redis.timeout_s).deliver,
            identity.name,
            canaries=system.health.canaries,
        )

    def stop(self) -> None:
        """Has `run` finish."""
        self._stop.set()

    async def run(self) -> None:
        """Probes until stopped or cancelled."""
        self._tell_start()
        try:
            await self._work()
        finally:
            await self._store.close()
        log.info("stopped")

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as group:
            runs = {
                "probes": self.prober.run,
                "reload": self.reloader.run,
                "watchdog": self._manager.beat,
            }
            tasks = [
                group.create_task(keep_running(name, run), name=name) for name, run in runs.items()
            ]
            self._manager.tell_ready()
            await self._stop.wait()
            self._manager.tell_stopping()
            for task in tasks:
                task.cancel()

    def _apply(self, assignment: Assignment) -> None:
        system = assignment.system
        for name, key in _FIXED.items():
            if getattr(self._running, name) != getattr(system, name):
                log.warning("needs a restart to take effect", key=key)
        self._tell_other_key()
        self._declare(system.agents.get(self._identity.name))
        self.prober.reconfigure(self._sites(system), system.health.canaries)

    def _declare(self, declared: Agent | None) -> None:
        """Takes up what the configuration says of this agent (law 3)."""
        if declared is None:
            log.warning("no longer declared, reports will not count", agent=self._identity.name)
            return
        self._declared = declared
        if self._identity.public_key not in declared.public_keys:
            own = show_key(self._identity.public_key)
            log.warning("key is no longer declared, reports will not count", public_key=own)

    def _tell_other_key(self) -> None:
        try:
            other = load_key(self._identity.key_file).public_key().public_bytes_raw()
        except ConfigError as error:
            log.warning("key file cannot be used at the next start", problem=str(error))
            return
        if other != self._identity.public_key:
            log.warning("needs a restart to take effect", key=str(self._identity.key_file))

    def _sites(self, system: System) -> dict[str, Site]:
        """The sites that this agent was given."""
        sites = system.sites.items()
        return {name: site for name, site in sites if self._declared.may_report(name)}

    def _tell_start(self) -> None:
        system = self._running
        log.info(
            "probing",
            agent=self._identity.name,
            sites=len(self._sites(system)),
            canaries=len(system.health.canaries),
            store=redacted(system.store),
            public_key=show_key(self._identity.public_key),
            configuration=system.digest,
        )
