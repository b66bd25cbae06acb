"""A whole system for tests of failures: Redis behind proxies, sites, agents, `gslb serve`, a load.

redis <- store_way <- name server          agents, in this process or in processes of their own
      <- agents_way <- agents              four sites, each a real TCP server
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from uuid import uuid4

from gslb.app.agent import ProbeAgent, identify, load_assignment
from gslb.app.assemble import assemble
from gslb.app.serve import Server
from gslb.model.event import Event
from gslb.model.report import Report, SiteReport
from gslb.probe.prober import Clock
from gslb.store.envelope import seal
from gslb.store.open import open_store
from gslb.store.signing import load_key, make_key, write_key
from tests.app.failstatic.load import Change, Load, Readiness, View, Views, find_faults
from tests.app.failstatic.sites import Site, open_sites
from tests.app.world import LoopThread, Serving, serving, wait_for
from tests.geo.samples import DE, US, write
from tests.ports import free_port
from tests.redis_servers import Proxy, Watched, running, watched
from tests.redis_servers import Server as Redis

SITES = {"eu": "127.0.1.1", "us": "127.0.2.1", "ap": "127.0.3.1", "sa": "127.0.4.1"}
AGENTS = ("fra", "iad", "sin")
TTLS = range(2, 7)
STALE_S = 1.5
TIMEOUT_S = 0.3
LEAST = 50
"""Answers of a load before anything goes wrong."""
INTERVAL_S, FALL = 0.2, 2
NAME = "all.w.test"

MAIN = """
node: {node}
listen: {{dns: ["127.0.0.1:{dns}"], admin: "127.0.0.1:{admin}"}}
geo: {{database: geo.mmdb}}
zones: [zones/*.yaml]
store: {store}
redis: {{timeout_s: 0.3}}
{state}
health: {{stale_after_s: {stale_s}, flap_hold_s: 0, min_capacity: 0,
  max_withdrawn_per_min: {pace}, own_probes: {own_probes}}}
agents: {agents}
sites:
  eu: {{addresses: [127.0.1.1], check: &tcp {check}}}
  us: {{addresses: [127.0.2.1], check: *tcp}}
  ap: {{addresses: [127.0.3.1], check: *tcp}}
  sa: {{addresses: [127.0.4.1], check: *tcp}}
"""
CHECK = "{{tcp: {{port: {web}}}, interval_s: 0.2, timeout_s: 0.2, fall: 2, rise: 1}}"

ZONE = """
zone: w.test
nameservers: {ns1.w.test: [192.0.2.53]}
contact: hostmaster@w.test
services:
  all: {ttl: {max: 6, min: 2}, answers: {eu: {}, us: {}, ap: {}, sa: {}},
    policy: [health, round_robin], max_answers: 8}
  first: {ttl: {max: 6, min: 2}, answers: {eu: {}, us: {}, ap: {}, sa: {}}, policy: [health],
    max_answers: 8}
"""


@dataclass
class Files:
    """The files of a system in a folder, on free ports. agents: as the configuration has them;
    their keys lie beside it. given: the sites of those that were not given all.
    """

    folder: Path
    store: str
    node: str = "ns1"
    own_probes: str = "true"
    stale_s: float = STALE_S
    pace: float = 1.0
    state: str = "state_dir: state"
    names: tuple[str, ...] = AGENTS
    dns: int = field(default_factory=lambda: free_port("127.0.0.1"))
    admin: int = field(default_factory=lambda: free_port("127.0.0.1"))
    web: int = field(default_factory=lambda: free_port(*SITES.values()))
    agents: dict[str, Any] = field(default_factory=dict)
    given: Mapping[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        (self.folder / "zones").mkdir(parents=True)
        (self.folder / "zones" / "w.yaml").write_text(ZONE)
        write(self.folder / "geo.mmdb", {"192.0.2.0/24": DE, "198.51.100.0/24": US})
        for name in self.names:
            pem, public_key = make_key()
            write_key(self.folder / f"{name}.key", pem)
            self.agents[name] = {"public_key": public_key, "failure_domain": f"home of {name}"}
        for name, sites in self.given.items():
            self.agents[name]["sites"] = sites
        self.write()

    @property
    def main(self) -> Path:
        return self.folder / "gslb.yaml"

    def write(self, more: str = "") -> None:
        """The main file as the fields say, and something after it."""
        values = vars(self) | {
            "agents": json.dumps(self.agents),
            "check": CHECK.format(web=self.web),
        }
        self.main.write_text(MAIN.format(**values) + more)


class Agents:
    """Agents in this process, in a thread of their own. store: the URL that they use."""

    def __init__(self, files: Files, store: str) -> None:
        self._files = files
        self._store = store
        self._thread = LoopThread()
        self._running: dict[str, tuple[ProbeAgent, Any]] = {}

    def start(self, *names: str, clock: Clock | None = None) -> None:
        for name in names:
            agent = self.make(name)
            if clock is not None:
                agent.prober._clock = clock
            loop = self._thread._loop
            self._running[name] = agent, asyncio.run_coroutine_threadsafe(agent.run(), loop)

    def make(self, name: str) -> ProbeAgent:
        assignment = load_assignment(self._files.main)
        identity = identify(assignment, name, self._files.folder / f"{name}.key")
        store = open_store(replace(assignment.system, store=self._store), {})
        return ProbeAgent(assignment, identity, store)

    @contextmanager
    def saying(self, name: str, says: Mapping[str, bool]) -> Iterator[None]:
        """Somebody with the key of an agent says something of sites, again and again."""
        mouth = Mouth(self._files, name, self._store, says)
        future = asyncio.run_coroutine_threadsafe(mouth.run(), self._thread._loop)
        try:
            yield
            assert not future.done(), future.exception()
        finally:
            future.cancel()
            self._thread.run(asyncio.sleep(0))

    def put(self, name: str, octets: bytes) -> None:
        """Leaves octets as the report of an agent, once."""
        store = open_store(replace(load_assignment(self._files.main).system, store=self._store), {})

        async def put() -> None:
            try:
                await store.put_report(name, octets)
            finally:
                await store.close()

        self._thread.run(put())

    def stop(self, *names: str) -> None:
        """All of them, if none is named."""
        for name in names or tuple(self._running):
            agent, future = self._running.pop(name)
            self._thread._loop.call_soon_threadsafe(agent.stop)
            future.result(10)

    def run(self, work: Any) -> Any:
        """What a coroutine returns in their loop."""
        return self._thread.run(work)

    def close(self) -> None:
        self.stop()
        self._thread.close()


def place_order(server: Serving, site: str, do: str) -> Any:
    """What the admin port says of an order that it takes."""
    connection = HTTPConnection("127.0.0.1", server.admin_port, timeout=10)
    body = json.dumps({"site": site, "do": do, "reason": "test", "owner": "ann"})
    try:
        connection.request("POST", "/api/v1/orders", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        told = json.loads(response.read())
        assert response.status == 200, told
        return told
    finally:
        connection.close()


def read_views(status: Mapping[str, Any]) -> dict[str, View]:
    """What the status says of sites."""
    return {
        name: View(site["state"], site["held"], site["order"] and site["order"]["kind"])
        for name, site in status["sites"].items()
    }


def replay(views: Views, lines: list[dict[str, Any]]) -> Iterator[Change]:
    """The history that log lines tell, from given views on."""
    now = dict(views)
    for line in lines:
        match line["event"]:
            case "site changed":
                change = {"state": line["state"], "held": line["held"]}
            case "order applied":
                change = {"order": line["order"]}
            case "order over":
                change = {"order": None}
            case _:
                continue
        now[line["site"]] = now[line["site"]]._replace(**change)
        yield Change(datetime.fromisoformat(line["at"]).timestamp(), dict(now))


@contextmanager
def under_load(server: Serving) -> Iterator[Load]:
    """A load, and that nothing was lost or wrong and the server was ready meanwhile (R1, R13)."""
    first, seen = _begin(server)
    load, readiness = Load(server.dns_port, NAME), Readiness(server.admin_port)
    load.start()
    readiness.start()
    try:
        wait_for(lambda: len(load.answers) > LEAST)
        yield load
        asked = readiness.asked
        wait_for(lambda: readiness.asked > asked + 1)
    finally:
        load.finish()
        readiness.finish()
    history = [Change(0.0, first), *replay(first, server.log()[seen:])]
    faults = find_faults(load, history, SITES, TTLS)
    assert not faults, (len(faults), faults[:3], history)
    assert readiness.refused == []


def _begin(server: Serving) -> tuple[Views, int]:
    """The views, and after how many log lines they were."""
    while True:
        before = len(server.log())
        views = read_views(server.status())
        if len(server.log()) == before:
            return views, before


class Mouth:
    """Says with an agent's own key whatever it is told to, every 0.2 s. says: by site."""

    def __init__(self, files: Files, name: str, store: str, says: Mapping[str, bool]) -> None:
        assignment = load_assignment(files.main)
        self._name = name
        self._says = says
        self._key = load_key(files.folder / f"{name}.key")
        self._store = open_store(replace(assignment.system, store=store), {})

    async def run(self) -> None:
        boot, sequence = uuid4().hex, 0
        try:
            while True:
                sequence += 1
                sites = {name: SiteReport(up=up, samples=9) for name, up in self._says.items()}
                report = Report(self._name, boot, sequence, time.time(), sites)
                await self._store.put_report(self._name, seal(report, self._key))
                await asyncio.sleep(0.2)
        finally:
            await self._store.close()


@dataclass
class World:
    """Everything at work."""

    files: Files
    redis: Redis
    store_way: Proxy
    agents_way: Proxy
    sites: dict[str, Site]
    agents: Agents
    voters: tuple[str, ...]
    dead: set[str] = field(default_factory=set)
    server: Serving = field(init=False)

    def kill(self, *sites: str) -> None:
        for site in sites:
            self.sites[site].stop()
            self.dead.add(site)

    def revive(self) -> None:
        for site in tuple(self.dead):
            self.sites[site].start()
            self.dead.discard(site)

    def is_calm(self) -> bool:
        """Redis there, all agents heard, everything up, no order."""
        status = self.server.status()
        return (
            status["store"]["is_connected"]
            and status["own_probes"] != "active"
            and all(status["agents"][name]["has_vote"] for name in self.voters)
            and set(read_views(status).values()) == {View("up")}
        )

    def calm_down(self) -> None:
        self.revive()
        wait_for(self.is_calm, within_s=25)

    def state(self, site: str) -> str:
        return self.server.states()[site]

    def status(self) -> Any:
        return self.server.status()


def took(holds: Callable[[], Any], *, within_s: float = 15.0) -> float:
    """The seconds until something holds."""
    since = time.monotonic()
    wait_for(holds, within_s=within_s)
    return time.monotonic() - since


def name_server(files: Files) -> AbstractContextManager[Serving]:
    """A `gslb serve` that answers."""
    return serving(files.main, dns_port=files.dns, admin_port=files.admin)


class Here(Serving):
    """A server in this process, whose clocks a test may set. changes: of what the files say."""

    def __init__(self, files: Files, **changes: Any) -> None:
        self.dns_port, self.admin_port = files.dns, files.admin
        self._lines: list[dict[str, Any]] = []
        self._thread = LoopThread()
        self.server: Server = self._thread.run(self._make(files, changes))
        self.clocks = self.server.follower._clocks
        self._run = asyncio.run_coroutine_threadsafe(self.server.run(), self._thread._loop)

    async def _make(self, files: Files, changes: Mapping[str, Any]) -> Server:
        assembled = assemble(files.main)
        system = replace(assembled.system, **changes)
        configuration = replace(assembled.configuration, system=system)
        server = Server(replace(assembled, configuration=configuration))
        herald, tell = server.follower.herald, server.follower.herald.tell

        def note(event: Event) -> None:
            at = datetime.now(UTC).isoformat()
            self._lines.append(
                {"at": at, "event": event.kind, "site": event.subject} | event.fields
            )
            tell(event)

        herald.tell = note
        return server

    def log(self, event: str = "") -> list[dict[str, Any]]:
        """What was told, or what was told of one kind."""
        return [line for line in self._lines if event in ("", line["event"])]

    def step(self, wall_s: float, now_s: float = 0.0) -> None:
        """From now on its clocks are so much ahead of the true ones."""
        self.clocks.wall = lambda: time.time() + wall_s
        self.clocks.now = lambda: time.monotonic() + now_s

    def merge(self) -> None:
        """Has it look at its evidence at once."""

        async def merge() -> None:
            self.server.follower._merge_now()

        self._thread.run(merge())

    def stop(self, within_s: float = 10.0) -> int:
        self._thread._loop.call_soon_threadsafe(self.server.stop)
        self._run.result(within_s)
        self._thread.close()
        return 0


@contextmanager
def server_here(files: Files, **changes: Any) -> Iterator[Here]:
    """It, once it answers, until the end."""
    server = Here(files, **changes)
    try:
        wait_for(lambda: server.server.node.udp)
        yield server
    finally:
        server.stop()


@contextmanager
def world(
    folder: Path, *, names: tuple[str, ...] = AGENTS, local: tuple[str, ...] = AGENTS, **fields: Any
) -> Iterator[World]:
    """A system with a name server in a process of its own. names: of the agents that are declared.
    local: those that run in this process.
    """
    with _ground(folder, names, local, fields) as made, name_server(made.files) as server:
        made.server = server
        yield made


@contextmanager
def world_here(folder: Path, **fields: Any) -> Iterator[tuple[World, Here]]:
    """A system with a name server in this process."""
    with _ground(folder, AGENTS, AGENTS, fields) as made, server_here(made.files) as server:
        made.server = server
        yield made, server


@contextmanager
def _ground(
    folder: Path, names: tuple[str, ...], local: tuple[str, ...], fields: dict[str, Any]
) -> Iterator[World]:
    with ExitStack() as stack:
        redis = stack.enter_context(running(folder))
        store_way, agents_way = (stack.enter_context(Proxy(redis.port)) for _ in range(2))
        files = Files(folder / "gslb", f"redis://127.0.0.1:{store_way.port}", names=names, **fields)
        sites = stack.enter_context(open_sites(SITES, files.web))
        agents = Agents(files, f"redis://127.0.0.1:{agents_way.port}")
        stack.callback(agents.close)
        agents.start(*local)
        yield World(files, redis, store_way, agents_way, sites, agents, local)


@contextmanager
def watched_world(folder: Path) -> Iterator[tuple[World, Watched]]:
    """A system whose Redis is watched by Sentinels; there is no proxy before it."""
    with ExitStack() as stack:
        group = stack.enter_context(watched(folder))
        files = Files(folder / "gslb", group.url)
        sites = stack.enter_context(open_sites(SITES, files.web))
        agents = Agents(files, group.url)
        stack.callback(agents.close)
        agents.start(*AGENTS)
        server = stack.enter_context(name_server(files))
        nowhere = stack.enter_context(Proxy(1))
        made = World(files, group.master(), nowhere, nowhere, sites, agents, AGENTS)
        made.server = server
        yield made, group
