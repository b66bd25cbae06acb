"""An anycast address that is announced by BGP while the name server behind it answers.

Two name servers with the same address, each in a network namespace of its own, and a router with a
client in a third. The files are those of packaging/.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.anycast.world import (
    GSLB,
    Asked,
    Client,
    Namespace,
    adapt,
    connect,
    namespaces,
    need,
    tell,
)
from tests.app.world import ROOT, wait_for

PACKAGING = ROOT / "packaging"
SCRIPT = Path(__file__).with_name("ask_dns.py")
ANYCAST = "192.0.2.53"
MAIN = """\
node: {node}
listen: {{dns: ["192.0.2.53:53"]}}
log: {{format: json}}
zones: [zone.yaml]
"""
ZONE = """\
zone: any.test
nameservers: {ns.any.test: [192.0.2.53]}
contact: hostmaster@any.test
services: {}
"""
PACE = ["--interval", "0.3", "--timeout", "0.5", "--rise", "2", "--fall", "2"]
DOWN_S = 2 * 0.5 + 0.3
"""Seconds within which a watch with this pace says down (docs/install.md)."""


class NameServer:
    """A name server with what announces it."""

    def __init__(self, place: Namespace, node: str, address: str, router: str) -> None:
        self.place = place
        self.node = node
        self.control = str(place.folder / "bird.ctl")
        self.main = place.folder / "gslb.yaml"
        self.main.write_text(MAIN.format(node=node))
        (place.folder / "zone.yaml").write_text(ZONE)
        self._ends = {"198.51.100.1": address, "198.51.100.2": router}
        place.ip("address", "add", f"{ANYCAST}/32", "dev", "lo")
        place.ip("route", "add", "default", "via", router)
        self.server = self.serve()
        self.watch: subprocess.Popen[bytes] | None = None

    def serve(self) -> subprocess.Popen[bytes]:
        return self.place.start("serve", *GSLB, "serve", str(self.main))

    def start_bird(self) -> None:
        folder = self.place.folder
        changes = {"log syslog all;": "log stderr all;", **self._ends}
        path = adapt(PACKAGING / "bird" / "gslb.conf", folder / "bird.conf", changes)
        self.place.start("bird", "bird", "-f", "-c", str(path), "-s", self.control)

    def start_watch(self) -> None:
        tell = [f"birdc -s {self.control} {word} gslb4" for word in ("enable", "disable")]
        command = [*GSLB, "healthcheck", str(self.main), "--watch", *PACE]
        self.watch = self.place.start("watch", *command, "--on-up", tell[0], "--on-down", tell[1])

    def start_exabgp(self) -> None:
        folder = self.place.folder
        check = " ".join([*GSLB, "healthcheck", str(self.main)])
        changes = {
            "/usr/bin/gslb healthcheck /etc/gslb/gslb.yaml": check,
            "--timeout 5 --rise 2": "--timeout 30 --rise 2 --no-syslog",  # for a busy machine
            **self._ends,
        }
        path = adapt(PACKAGING / "exabgp" / "exabgp.conf", folder / "exabgp.conf", changes)
        environ = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "exabgp.daemon.user": "root",
            "exabgp.api.cli": "false",
            "exabgp.tcp.bind": "",
        }
        self.place.start("exabgp", "exabgp", str(path), env=environ)


@pytest.fixture
def world(tmp_path) -> Iterator[tuple[NameServer, NameServer, Namespace, Client]]:
    """Two name servers that serve, a router that knows no route yet, a client that asks."""
    need("bird", "birdc")
    with namespaces(tmp_path, "a1", "a2", "router") as (one, two, router):
        connect(one, router, ("198.51.100.1/30", "198.51.100.2/30"), "a1")
        connect(two, router, ("198.51.100.5/30", "198.51.100.6/30"), "a2")
        changes = {"log syslog all;": "log stderr all;"}
        path = adapt(PACKAGING / "bird" / "router.conf", router.folder / "bird.conf", changes)
        control = str(router.folder / "bird.ctl")
        router.start("bird", "bird", "-f", "-c", str(path), "-s", control)
        servers = (
            NameServer(one, "a1", "198.51.100.1", "198.51.100.2"),
            NameServer(two, "a2", "198.51.100.5", "198.51.100.6"),
        )
        client = Client(router, SCRIPT, ANYCAST, "53", "any.test")
        try:
            yield (*servers, router, client)
        finally:
            client.stop()


@pytest.fixture
def announced(world) -> tuple[NameServer, NameServer, Namespace, Client]:
    """The same, announced by both; the client is answered by the first."""
    one, two, router, client = world
    for server in (one, two):
        server.start_bird()
        server.start_watch()
    wait_for(lambda: len(routes(router)) == 2, within_s=60)
    client.settled("a1")
    return world


def routes(router: Namespace) -> list[str]:
    """The next hops that the router has for the anycast address, by BGP."""
    control = str(router.folder / "bird.ctl")
    told = router.run("birdc", "-s", control, "show", "route", "for", f"{ANYCAST}/32")
    return [line.split()[1] for line in told.splitlines() if line.strip().startswith("via ")]


def gap(asked: list[Asked], until: Asked) -> float:
    """Seconds from the last answer of another one to the first of this one."""
    before = [one.at for one in asked if one.at < until.at and one.by not in ("", until.by)]
    return until.at - max(before)


def test_killed_the_other_one_answers(announced):
    one, _, router, client = announced
    killed = time.monotonic()
    one.server.kill()
    moved = client.until_by("a2", killed)
    client.settled("a2", killed)
    assert routes(router) == ["198.51.100.5"]
    tell(f"moved after {moved.at - killed:.2f} s")
    assert "state" in one.place.log("watch")
    one.server.wait()
    one.server = one.serve()
    client.settled("a1", killed)


def test_hung_the_other_one_answers(announced):
    one, _, _, client = announced
    stopped = time.monotonic()
    one.server.send_signal(signal.SIGSTOP)
    moved = client.until_by("a2", stopped)
    client.settled("a2", stopped)
    tell(f"moved after {moved.at - stopped:.2f} s")
    assert moved.at - stopped > DOWN_S / 4
    one.server.send_signal(signal.SIGCONT)
    client.settled("a1", stopped)


def test_drained_no_question_is_lost(announced):
    """SIGTERM to the watch withdraws first; the server is stopped when nobody comes any more."""
    one, _, router, client = announced
    began = time.monotonic()
    one.watch.terminate()
    assert one.watch.wait(15) == 0
    moved = client.until_by("a2", began)
    client.settled("a2", began)
    assert routes(router) == ["198.51.100.5"]
    one.server.terminate()
    one.server.wait(15)
    client.settled("a2", time.monotonic())
    tell(f"moved after {moved.at - began:.2f} s")
    assert [one for one in client.since(began) if not one.by] == []
    assert gap(client.asked(), moved) < 1


def test_exabgp_announces_by_the_same_check(world):
    need("exabgp")
    one, two, router, client = world
    two.start_bird()
    two.start_watch()
    one.start_exabgp()
    wait_for(lambda: len(routes(router)) == 2, within_s=90)
    client.settled("a1")
    killed = time.monotonic()
    one.server.kill()
    moved = client.until_by("a2", killed)
    client.settled("a2", killed)
    tell(f"moved after {moved.at - killed:.2f} s")
    assert routes(router) == ["198.51.100.5"]
    one.server.wait()
    one.server = one.serve()
    client.settled("a1", killed)
