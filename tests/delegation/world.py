"""A parent zone, two name servers below it, and resolvers that know nothing but a root.

    clients ──► Unbound (client subnets), BIND (none) ──► NSD, Knot: the root and shop.example
                                     └──────────────────► ns1, ns2: gslb.shop.example

All on loopback addresses of one block; who is asked by resolvers listens on port 53. The parent
zone has exactly what `gslb delegation` prints, so it will have DS records when that prints them.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import dns.message
import dns.query
import pytest
from typer.testing import CliRunner

from gslb.cli.main import app
from tests.app.failstatic.sites import Site, open_sites
from tests.app.world import Serving, make_query, records, serving, wait_for
from tests.delegation.servers import Place, bind, knot, nsd, unbound
from tests.geo.samples import DE, US, write
from tests.ports import free_port, is_free
from tests.redis_servers import running

ZONE = "gslb.shop.example"
PROGRAMS = ("nsd", "knotd", "unbound", "named", "dig")
SERVERS = ("ns1", "ns2")
PAGE_SERVERS = ("192.0.2.53", "198.51.100.53")
PAGE_RESOLVER = "198.51.100.99"
EU, US_, OFFICE, BRANCH = (f"203.0.113.{last}" for last in (1, 2, 3, 4))
INTERVAL_S, FALL, TIMEOUT_S, TTL_MAX, TTL_MIN = 1.5, 2, 0.3, 3, 1
BRIEF_S = NEGATIVE_S = 2

MAIN = """
node: {node}
listen: {{dns: ["{host}:53"], admin: "127.0.0.1:{admin}"}}
geo: {{database: geo.mmdb, maps: {{office: [{office}/24], branch: [{branch}/24]}}}}
zones: [zones/*.yaml]
store: {store}
state_dir: state
log: {{decisions: decisions, decision_share: 1}}
sites:
  eu:
    addresses: [203.0.113.1]
    check: {{tcp: {{port: {web}, address: {eu}}}, interval_s: 1.5, timeout_s: 0.3, fall: 2}}
  us:
    addresses: [203.0.113.2]
    check: {{tcp: {{port: {web}, address: {us}}}, interval_s: 1.5, timeout_s: 0.3, fall: 2}}
  office: {{addresses: [203.0.113.3]}}
  branch: {{addresses: [203.0.113.4]}}
  many: {{addresses: {many}}}
  more: {{addresses: {more}}}
  most: {{addresses: {most}}}
"""

SERVICES = """
zone: gslb.shop.example
nameservers: {{ns1.gslb.shop.example: [{ns1}], ns2.gslb.shop.example: [{ns2}]}}
contact: hostmaster@shop.example
negative_ttl: 2
records: more.zone
services:
  place: {{ttl: 30, answers: &places {{eu: {{serves: [continent:EU, default]}},
      us: {{serves: [continent:NA]}}, office: {{serves: [map:office]}},
      branch: {{serves: [map:branch]}}}},
    policy: [geo]}}
  www: {{ttl: 30, answers: *places, policy: [geo]}}
  brief: {{ttl: 2, answers: *places, policy: [geo]}}
  checked: {{ttl: {{max: 3, min: 1}}, answers: {{eu: {{serves: [default]}},
      us: {{serves: [continent:NA]}}}},
    policy: [health, geo]}}
  pinned: {{ttl: 30, answers: {{eu: {{}}, us: {{}}}}, policy: [sticky]}}
  many: {{ttl: 30, answers: {{many: {{}}, more: {{}}}}, policy: [round_robin], max_answers: 2}}
  crowd: {{ttl: 30, answers: {{many: {{}}, more: {{}}, most: {{}}}}, policy: [round_robin],
    max_answers: 3}}
"""

RECORDS = """
*.each 30 IN A 203.0.113.9
"""

OTHERS = {
    "outside": "{ns1.shop.example: [], ns2.shop.example: []}",
    "forgotten": "{ns1.forgotten.shop.example: [192.0.2.53]}",
}
"""More zones that our name servers have, and their own names there."""
OTHER = """
zone: {name}.shop.example
nameservers: {servers}
services: {{www: {{answers: {{eu: {{}}}}}}}}
"""

PARENT = """
$ORIGIN shop.example.
@ 3600 IN SOA ns-a hostmaster 1 3600 900 86400 60
@ 3600 IN NS ns-a
@ 3600 IN NS ns-b
ns-a 3600 IN A {nsd}
ns-b 3600 IN A {knot}
www 3600 IN CNAME www.gslb
* 3600 IN A 203.0.113.78
hidden.gslb 3600 IN A 203.0.113.77
; names of servers outside of the delegated zone, and glue that was forgotten
outside 3600 IN NS ns1
outside 3600 IN NS ns2
ns1 3600 IN A {ns1}
ns2 3600 IN A {ns2}
forgotten 3600 IN NS ns1.forgotten
"""

ROOT = """
$ORIGIN .
@ 3600 IN SOA a.root. hostmaster.root. 1 3600 900 86400 60
@ 3600 IN NS a.root.
a.root. 3600 IN A {nsd}
shop.example. 3600 IN NS ns-a.shop.example.
shop.example. 3600 IN NS ns-b.shop.example.
ns-a.shop.example. 3600 IN A {nsd}
ns-b.shop.example. 3600 IN A {knot}
"""


@dataclass(frozen=True, slots=True)
class Block:
    """The loopback addresses of one world: servers, then two networks of clients that maps name."""

    first: int

    @classmethod
    def free(cls) -> Block:
        """One whose port 53 nobody has."""
        while True:
            block = cls(
                (127 << 24) + (random.randrange(16, 250) << 16) + (random.randrange(60) << 10)
            )
            hosts = (block.nsd, block.knot, block.server("ns1"), block.server("ns2"), block.unbound)
            if all(is_free(host, 53) for host in hosts):
                return block

    def host(self, number: int) -> str:
        return str(IPv4Address(self.first + number))

    def server(self, name: str) -> str:
        return self.host({"ns1": 3, "ns2": 4}[name])

    nsd = property(lambda self: self.host(1))
    knot = property(lambda self: self.host(2))
    unbound = property(lambda self: self.host(5))
    eu = property(lambda self: self.host(11))
    us = property(lambda self: self.host(12))
    office = property(lambda self: self.host(256))
    branch = property(lambda self: self.host(512))


@dataclass
class World:
    """Everything at work. bind_source: from where BIND's resolver asks: an address of `branch`."""

    folder: Path
    block: Block
    store: str
    sites: dict[str, Site]
    web: int
    bind_port: int = field(default_factory=lambda: free_port("127.0.0.1"))
    admin: dict[str, int] = field(
        default_factory=lambda: {name: free_port("127.0.0.1") for name in SERVERS}
    )
    stack: ExitStack = field(default_factory=ExitStack)
    servers: dict[str, Serving] = field(default_factory=dict)

    @property
    def bind_source(self) -> str:
        return self.block.host(512 + 7)

    @property
    def resolvers(self) -> dict[str, tuple[str, int]]:
        return {"unbound": (self.block.unbound, 53), "bind": ("127.0.0.1", self.bind_port)}

    # ------------------------------------------------------------ our name servers

    def main(self, name: str) -> Path:
        return self.folder / name / "gslb.yaml"

    def write(self, name: str) -> None:
        """The files of a name server; its zone and its sites are the same on both."""
        block, folder = self.block, self.folder / name
        (folder / "zones").mkdir(parents=True)
        own = {"node": name, "host": block.server(name), "admin": self.admin[name]}
        values = own | {"store": self.store, "web": self.web, "eu": block.eu, "us": block.us}
        maps = {"office": block.office, "branch": block.branch}
        many = {"many": _hosts(100), "more": _hosts(150), "most": _hosts(200)}
        self.main(name).write_text(MAIN.format(**values, **maps, **many))
        names = {name: block.server(name) for name in SERVERS}
        (folder / "zones" / "shop.yaml").write_text(SERVICES.format(**names))
        (folder / "zones" / "more.zone").write_text(RECORDS)
        for other, servers in OTHERS.items():
            text = OTHER.format(name=other, servers=servers)
            (folder / "zones" / f"{other}.yaml").write_text(text)
        write(folder / "geo.mmdb", {"192.0.2.0/24": DE, "198.51.0.0/16": US})

    def serve(self, name: str) -> Serving:
        """Starts a name server."""
        made = serving(self.main(name), dns_port=53, admin_port=self.admin[name])
        self.servers[name] = self.stack.enter_context(made)
        return self.servers[name]

    def kill(self, name: str) -> None:
        self.servers[name].process.kill()
        self.servers.pop(name).process.wait()

    def is_calm(self) -> bool:
        """Both are there, all sites are up, nothing is ordered."""
        return set(self.servers) == set(SERVERS) and all(
            site["state"] == "up" and site["order"] is None and site["flip_s"] in (None, TTL_MAX)
            for server in self.servers.values()
            for site in server.status()["sites"].values()
        )

    def order(self, name: str, *words: str) -> None:
        """A command of `gslb` to a name server's admin port."""
        gslb(*words, "--owner", "ann", "--admin", f"127.0.0.1:{self.admin[name]}")

    # ------------------------------------------------------------ asking

    def ask(
        self, resolver: str, name: str, rtype: str = "A", *, client: str = "", source: str = ""
    ) -> dns.message.Message:
        """What a resolver says. name: in the zone, unless it ends with a dot. client: a subnet that
        is named. source: where the client is.
        """
        host, port = self.resolvers[resolver]
        full = name if name.endswith(".") else f"{name}.{ZONE}"
        query = make_query(full, rtype, client or None)
        query.flags |= dns.flags.RD
        origin = source or None
        reply, _ = dns.query.udp_with_fallback(query, host, 10, port, source=origin)
        return reply

    def answers(self, resolver: str, name: str, rtype: str = "A", **who: str) -> list[str]:
        return records(self.ask(resolver, name, rtype, **who))

    def asked(self, name: str, rtype: str = "A") -> list[dict[str, Any]]:
        """The queries for a name that have reached our name servers, as their logs of decisions
        tell them: each one that was answered before now is there.
        """
        wait_for(self._has_told_all)
        told = [json.loads(line) for one in SERVERS for line in self._decisions(one)]
        wanted = (f"{name}.{ZONE}.".lower(), rtype)
        return [one for one in told if (one["name"].lower(), one["rtype"]) == wanted]

    def _has_told_all(self) -> bool:
        counts = [server.status()["counters"] for server in self.servers.values()]
        return all(
            one["decisions_written"] == one["udp_queries"] + one["tcp_queries"] for one in counts
        )

    def _decisions(self, server: str) -> list[str]:
        path = self.main(server).with_name("decisions")
        return path.read_text().splitlines() if path.exists() else []


def _hosts(first: int) -> str:
    """45 addresses, as a list in YAML: two such lists do not fit into 1232 octets, three are more
    than BIND takes.
    """
    return json.dumps([str(IPv4Address("203.0.113.0") + first + n) for n in range(45)])


def gslb(*words: str) -> str:
    """What a command prints."""
    found = CliRunner().invoke(app, words)
    assert found.exit_code == 0, found.output
    return found.stdout


@contextmanager
def delegated(folder: Path) -> Iterator[World]:
    """All of it, until the end; the test is skipped where it cannot be."""
    _skip_unless_possible()
    block, web = Block.free(), free_port("127.0.0.1")
    with ExitStack() as stack:
        redis = stack.enter_context(running(folder))
        sites = stack.enter_context(open_sites({"eu": block.eu, "us": block.us}, web))
        made = World(folder, block, redis.url, sites, web)
        for name in SERVERS:
            made.write(name)
        stack.enter_context(made.stack)
        for name in SERVERS:
            made.serve(name)
        _start_parents(made, stack)
        _start_resolvers(made, stack)
        wait_for(made.is_calm)
        yield made


def _start_parents(made: World, stack: ExitStack) -> None:
    hosts = {"nsd": made.block.nsd, "knot": made.block.knot}
    hosts |= {name: made.block.server(name) for name in SERVERS}
    parent = PARENT.format(**hosts)
    parent += gslb("delegation", ZONE, "--config", str(made.main("ns1")))
    zones = {"shop.example.": parent}
    place = Place(_folder(made, "nsd"), hosts["nsd"])
    stack.enter_context(nsd(place, {".": ROOT.format(**hosts), **zones}))
    stack.enter_context(knot(Place(_folder(made, "knot"), hosts["knot"]), zones))


def _start_resolvers(made: World, stack: ExitStack) -> None:
    block = made.block
    ours = {page: block.server(name) for page, name in zip(PAGE_SERVERS, SERVERS, strict=True)}
    place = Place(_folder(made, "unbound"), block.unbound, source=block.unbound)
    stack.enter_context(unbound(place, block.nsd, ours))
    place = Place(_folder(made, "bind"), "127.0.0.1", made.bind_port, made.bind_source)
    stack.enter_context(bind(place, block.nsd, PAGE_RESOLVER))


def _folder(made: World, name: str) -> Path:
    folder = made.folder / name
    folder.mkdir()
    return folder


def _skip_unless_possible() -> None:
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (packages of .ci/run)")
    if os.geteuid() != 0:
        pytest.skip("resolvers ask port 53, which takes root")
