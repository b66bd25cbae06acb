"""A region's address that keepalived puts where a proxy answers.

Two proxies in network namespaces of their own, on one bridge with a client and a web server. The
file is that of packaging/.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.anycast.world import GSLB, Client, Namespace, adapt, ip, namespaces, need, tell
from tests.app.world import ROOT, wait_for

CONFIGURATION = ROOT / "packaging" / "keepalived" / "keepalived.conf"
SCRIPT = Path(__file__).with_name("ask_http.py")
VIP = "192.0.2.1"
MAIN = """\
node: {node}
log: {{format: json}}
proxies:
  eu-west:
    site: eu-west
    listen: [{{address: "0.0.0.0:80"}}]
    health_path: /healthz
    drain_timeout_s: 5
    routes: [{{name: all, pool: web, response_headers: {{set: {{X-Node: {node}}}}}}}]
    pools: {{web: {{backends: {{web1: {{address: "192.0.2.99:8080"}}}}}}}}
"""


class Proxy:
    """A proxy with its keepalived."""

    def __init__(self, place: Namespace, node: str, address: str, peer: str) -> None:
        self.place = place
        self.node = node
        self.main = place.folder / "gslb.yaml"
        self.main.write_text(MAIN.format(node=node))
        self._address, self._peer = address, peer
        self.proxy = self.start_proxy()
        self.keepalived: subprocess.Popen[bytes] | None = None

    def start_proxy(self) -> subprocess.Popen[bytes]:
        return self.place.start("proxy", *GSLB, "proxy", str(self.main))

    def start_keepalived(self, priority: int) -> None:
        folder = self.place.folder
        check = folder / "check"
        check.write_text(
            f"#!/bin/sh\ncd {ROOT} && exec {' '.join(GSLB)} healthcheck {self.main} "
            "--proxy eu-west --timeout 10\n"
        )
        check.chmod(0o755)
        asked = '"/usr/bin/gslb healthcheck /etc/gslb/gslb.yaml --proxy eu-west --timeout 1"'
        changes = {
            asked: str(check),
            "timeout 3": "timeout 300",  # for a busy machine, as is the check's own above
            "script_user gslb": "script_user root",
            "router_id proxy1": f"router_id {self.node}",
            "priority 100": f"priority {priority}",
            "192.0.2.11": self._address,
            "192.0.2.12": self._peer,
        }
        path = adapt(CONFIGURATION, folder / "keepalived.conf", changes)
        pids = [f"--{kind}={folder}/{kind}" for kind in ("pid", "vrrp_pid", "checkers_pid")]
        self.keepalived = self.place.start(
            "keepalived", "keepalived", "-n", "-l", "-P", "-f", str(path), *pids
        )

    def has_address(self) -> bool:
        return f"{VIP}/" in self.place.ip("-brief", "address", "show", "dev", "eth0")


@pytest.fixture
def world(tmp_path) -> Iterator[tuple[Proxy, Proxy, Client]]:
    """Two proxies that serve, the first with the address; a client that asks it."""
    need("keepalived")
    with namespaces(tmp_path, "p1", "p2", "lan") as (one, two, lan):
        lan.ip("link", "add", "lan0", "type", "bridge")
        lan.ip("address", "add", "192.0.2.99/24", "dev", "lan0")
        lan.ip("link", "set", "lan0", "up")
        for place, address in ((one, "192.0.2.11/24"), (two, "192.0.2.12/24")):
            port = f"to-{address[8:10]}"
            ends = ("eth0", "netns", place.name, "type", "veth", "peer", port, "netns", lan.name)
            ip("link", "add", *ends)
            place.ip("address", "add", address, "dev", "eth0")
            place.ip("link", "set", "eth0", "up")
            lan.ip("link", "set", port, "master", "lan0", "up")
        web = lan.folder / "web"
        web.mkdir()
        argv = [sys.executable, "-m", "http.server", "8080", "--directory", str(web)]
        lan.start("web", *argv)
        proxies = (
            Proxy(one, "p1", "192.0.2.11", "192.0.2.12"),
            Proxy(two, "p2", "192.0.2.12", "192.0.2.11"),
        )
        for proxy in proxies:
            wait_for(lambda each=proxy: "proxying" in each.place.log("proxy"), within_s=60)
        client = Client(lan, SCRIPT, VIP, "80")
        try:
            proxies[0].start_keepalived(110)
            client.settled("p1")
            proxies[1].start_keepalived(100)
            yield (*proxies, client)
        finally:
            client.stop()


def test_killed_the_other_one_has_the_address(world):
    one, two, client = world
    wait_for(lambda: "BACKUP STATE" in two.place.log("keepalived"), within_s=90)
    killed = time.monotonic()
    one.proxy.kill()
    moved = client.until_by("p2", killed)
    client.settled("p2", killed)
    assert two.has_address()
    assert not one.has_address()
    tell(f"moved after {moved.at - killed:.2f} s")
    one.proxy.wait()
    one.proxy = one.start_proxy()
    wait_for(lambda: one.place.log("proxy").count("proxying") == 2, within_s=60)
    client.settled("p2", time.monotonic())  # nopreempt: it stays


def test_drained_new_connections_go_on(world):
    """keepalived is stopped first: it hands the address over, then the proxy drains."""
    one, two, client = world
    wait_for(lambda: "BACKUP STATE" in two.place.log("keepalived"), within_s=90)
    began = time.monotonic()
    one.keepalived.terminate()
    moved = client.until_by("p2", began)
    client.settled("p2", began)
    one.proxy.terminate()
    assert one.proxy.wait(30) == 0
    client.settled("p2", time.monotonic())
    lost = [each for each in client.since(began) if not each.by]
    tell(f"moved after {moved.at - began:.2f} s")
    tell(f"{len(lost)} questions lost")
    assert all(each.at < moved.at for each in lost)
