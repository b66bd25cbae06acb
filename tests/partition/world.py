"""Three regions and a Redis, each on a machine of its own.

    eu: gslb serve, agent, site ──┐
    us: gslb serve, agent, site ──┼── Internet ── store: Redis
    ap: gslb serve, agent, site ──┘

Agents and sites are threads of the test that live on their machine. Clients are in the region of
the name server that they ask: what is cut off lies behind it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gslb.store.signing import make_key, write_key
from tests.app.failstatic.load import Change, View, Views, find_faults
from tests.app.failstatic.sites import Site
from tests.app.failstatic.worlds import Agents, place_order, read_views, replay
from tests.app.world import Serving, serving, wait_for
from tests.geo.samples import US, write
from tests.partition.network import Network
from tests.partition.observer import LOOK_S, Observer
from tests.redis_servers import running

REGIONS = ("eu", "us", "ap")
HOSTS = {"eu": "203.0.113.1", "us": "203.0.113.2", "ap": "203.0.113.3", "store": "203.0.113.9"}
SITES = {name: HOSTS[name] for name in REGIONS}
STALE_S, TTLS = 1.5, range(2, 7)
LEAST = 20
"""Answers before anything goes wrong."""
DNS, ADMIN, WEB, REDIS = 5300, 8053, 8080, 6379
NAME = "all.w.test"
ALL_UP = dict.fromkeys(REGIONS, View("up"))

MAIN = """
node: ns-{region}
listen: {{dns: ["127.0.0.1:5300"], admin: "127.0.0.1:8053"}}
geo: {{database: geo.mmdb}}
zones: [zones/*.yaml]
store: redis://203.0.113.9:6379
redis: {{timeout_s: 0.3}}
state_dir: state
log: {{decisions: decisions, decision_share: 1}}
health: {{stale_after_s: 1.5, flap_hold_s: 0, min_capacity: 0, max_withdrawn_per_min: 1.0}}
agents: {agents}
sites:
  eu: {{addresses: [203.0.113.1], check: &tcp {{tcp: {{port: 8080}}, interval_s: 0.3,
    timeout_s: 0.3, fall: 3, rise: 1}}}}
  us: {{addresses: [203.0.113.2], check: *tcp}}
  ap: {{addresses: [203.0.113.3], check: *tcp}}
"""

ZONE = """
zone: w.test
nameservers: {ns1.w.test: [192.0.2.53]}
contact: hostmaster@w.test
services:
  all: {ttl: {max: 6, min: 2}, answers: {eu: {}, us: {}, ap: {}}, policy: [health, round_robin],
    max_answers: 8}
"""


@dataclass
class Files:
    """The files of a region in a folder, as its name server and its agent have them."""

    folder: Path
    region: str
    agents: dict[str, Any]

    def __post_init__(self) -> None:
        (self.folder / "zones").mkdir(parents=True)
        (self.folder / "zones" / "w.yaml").write_text(ZONE)
        write(self.folder / "geo.mmdb", {"8.0.0.0/8": US})
        self.main.write_text(MAIN.format(region=self.region, agents=json.dumps(self.agents)))

    @property
    def main(self) -> Path:
        return self.folder / "gslb.yaml"


@dataclass
class Region:
    """What lives on one machine; whatever asks it does so from there."""

    name: str
    network: Network
    files: Files
    server: Serving
    agents: Agents
    site: Site

    def status(self) -> Any:
        with self.network.inside(self.name):
            return self.server.status()

    def views(self) -> dict[str, View]:
        return read_views(self.status())

    def state(self, site: str) -> str:
        return self.views()[site].state

    def order(self, site: str, do: str) -> None:
        with self.network.inside(self.name):
            place_order(self.server, site, do)

    def changes(self) -> int:
        """How many changes of sites it has told of."""
        return len(self.server.log("site changed"))

    def is_calm(self) -> bool:
        """The store is there, all agents are heard, all sites are up, nothing is ordered."""
        status = self.status()
        return (
            status["store"]["is_connected"]
            and status["own_probes"] != "active"
            and all(agent["has_vote"] for agent in status["agents"].values())
            and read_views(status) == ALL_UP
        )


@dataclass
class World:
    """Everything at work. dead: the sites that were stopped."""

    network: Network
    regions: dict[str, Region] = field(default_factory=dict)
    dead: set[str] = field(default_factory=set)

    def kill(self, site: str) -> None:
        self.regions[site].site.stop()
        self.dead.add(site)

    def revive(self) -> None:
        for name in tuple(self.dead):
            with self.network.inside(name):
                self.regions[name].site.start()
            self.dead.discard(name)

    def everywhere(self, holds: Callable[[Region], Any], *regions: str) -> float:
        """Waits until something holds in regions, in all if none is named; how long that took, in
        seconds.
        """
        since = time.monotonic()
        wanted = [self.regions[name] for name in regions or REGIONS]
        wait_for(lambda: all(map(holds, wanted)), within_s=40, every_s=LOOK_S)
        return time.monotonic() - since

    def calm_down(self) -> None:
        self.network.heal()
        self.revive()
        self.everywhere(Region.is_calm)

    @contextmanager
    def observed(self) -> Iterator[dict[str, Observer]]:
        """Observers in all regions; no query is lost and no answer is against a law."""
        observers, begun = {}, {}
        for name, region in self.regions.items():
            begun[name] = _begin(region)
            decisions = region.files.folder / "decisions"
            observers[name] = Observer(region.server, NAME, decisions)
            with self.network.inside(name):
                observers[name].start()
        try:
            wait_for(lambda: all(len(one.load.answers) > LEAST for one in observers.values()))
            yield observers
        finally:
            for one in observers.values():
                one.finish()
        for name, one in observers.items():
            first, seen = begun[name]
            lines = self.regions[name].server.log()[seen:]
            history = [Change(0.0, first), *replay(first, lines)]
            faults = [*find_faults(one.load, history, SITES, TTLS), *one.find_faults(SITES)]
            assert not faults, (name, len(faults), faults[:3], history)


def _begin(region: Region) -> tuple[Views, int]:
    """The views, and after how many log lines they were."""
    while True:
        before = len(region.server.log())
        views = region.views()
        if len(region.server.log()) == before:
            return views, before


@contextmanager
def parted_world(folder: Path) -> Iterator[World]:
    """All of it, calm, until the end; the test is skipped where it cannot be."""
    with ExitStack() as stack:
        network = stack.enter_context(Network(HOSTS))
        with network.inside("store"):
            lines = (f"bind 127.0.0.1 {HOSTS['store']}", "protected-mode no")
            redis = running(folder, *lines)
            redis.port = REDIS
            stack.enter_context(redis)
        made = World(network)
        for files in _write(folder):
            made.regions[files.region] = _start(network, files, stack)
        made.calm_down()
        yield made


def _write(folder: Path) -> list[Files]:
    """The files of all regions, and the keys of their agents."""
    agents = {}
    for name in REGIONS:
        (folder / name).mkdir()
        pem, public_key = make_key()
        write_key(folder / name / f"{name}.key", pem)
        agents[name] = {"public_key": public_key, "failure_domain": f"home of {name}"}
    return [Files(folder / name, name, agents) for name in REGIONS]


def _start(network: Network, files: Files, stack: ExitStack) -> Region:
    name = files.region
    with network.inside(name):
        site = Site(HOSTS[name], WEB)
        site.start()
        stack.callback(site.stop)
        store = f"redis://{HOSTS['store']}:{REDIS}"
        agents = Agents(files, store)
        stack.callback(agents.close)
        agents.start(name)
        made = serving(files.main, dns_port=DNS, admin_port=ADMIN)
        server = stack.enter_context(made)
    return Region(name, network, files, server, agents, site)
