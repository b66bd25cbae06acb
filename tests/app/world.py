"""A small world for tests of whole nodes: files in a folder, real backends, a running server."""

from __future__ import annotations

import asyncio
import inspect
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import dns.edns
import dns.message
import dns.query
import dns.rrset

from gslb.app.backends import Backend
from tests.geo.samples import DE, US, write
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
HOSTS = {"eu": "127.0.1.1", "us": "127.0.2.1"}
DEADLINE_S = 15.0
EUROPE, AMERICA = "192.0.2.0/24", "198.51.100.0/24"

MAIN = """
node: ns-test
listen: {{dns: ["127.0.0.1:{dns}"], admin: "127.0.0.1:{admin}"}}
workers: {workers}
geo: {{database: {geo}, maps: {{office: [203.0.113.0/24]}}}}
zones: [zones/*.yaml]
log: {log}
sites:
  eu:
    addresses: [127.0.1.1]
    location: {{country: DE, latitude: 51, longitude: 10}}
    check: &web
      http: {{port: {web}, path: /healthz, expect_body: ok}}
      interval_s: {interval_s}
      timeout_s: 0.2
      fall: 4
      rise: 2
  us:
    addresses: [127.0.2.1]
    location: {{country: US, latitude: 39, longitude: -77}}
    check: *web
"""

ZONE = """
zone: w.test
nameservers: {ns1.w.test: [192.0.2.53]}
contact: hostmaster@w.test
services:
  www:
    ttl: {max: 60, min: 1}
    answers: {eu: {serves: [continent:EU, map:office]}, us: {serves: [continent:NA]}}
    policy: [health, geo]
  both: {answers: {eu: {}, us: {}}, policy: [health, round_robin], max_answers: 8}
  split: {answers: {eu: {weight: 2}, us: {}}, policy: [weighted]}
"""


@dataclass
class Files:
    """The files of a configuration in a folder, on free ports."""

    folder: Path
    workers: int = 1
    interval_s: float = 0.5
    log: str = "{}"
    geo: str = "geo.mmdb"
    dns: int = field(default_factory=lambda: free_port("127.0.0.1"))
    admin: int = field(default_factory=lambda: free_port("127.0.0.1"))
    web: int = field(default_factory=lambda: free_port(*HOSTS.values()))

    def __post_init__(self) -> None:
        (self.folder / "zones").mkdir()
        self.zone.write_text(ZONE)
        self.locate({EUROPE: DE, AMERICA: US})
        self.write()

    @property
    def main(self) -> Path:
        return self.folder / "gslb.yaml"

    @property
    def zone(self) -> Path:
        return self.folder / "zones" / "w.yaml"

    @property
    def database(self) -> Path:
        return self.folder / "geo.mmdb"

    def write(self, more: str = "") -> None:
        """The main file as the fields say, and something after it."""
        self.main.write_text(MAIN.format(**vars(self)) + more)

    def locate(self, networks: dict[str, Any]) -> None:
        """A new database in place of the old one."""
        draft = self.folder / "geo.draft"
        write(draft, networks)
        draft.rename(self.database)


def wait_for(
    holds: Callable[[], Any], *, within_s: float = DEADLINE_S, every_s: float = 0.01
) -> Any:
    """What `holds` returns as soon as that is true. AssertionError when it never is. every_s: how
    often it is looked at; looking may cost more than what is looked at.
    """
    end = time.monotonic() + within_s
    while not (found := holds()):
        assert time.monotonic() < end, f"not within {within_s} s"
        time.sleep(every_s)
    return found


async def until(holds: Callable[[], Any]) -> None:
    """The same in a loop. holds: a function or a coroutine function."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            found = holds()
            if await found if inspect.isawaitable(found) else found:
                return
            await asyncio.sleep(0.005)


# ---------------------------------------------------------------- asking


def make_query(name: str, rtype: str = "A", client: str | None = None) -> dns.message.Message:
    """A query, with the client's network as EDNS Client Subnet."""
    options = []
    if client is not None:
        address, _, length = client.partition("/")
        options.append(dns.edns.ECSOption(address, int(length)))
    return dns.message.make_query(name, rtype, use_edns=0, options=options)


def records(message: dns.message.Message) -> list[str]:
    """The data of all answer records."""
    return [rdata.to_text() for rrset in message.answer for rdata in rrset]


# ---------------------------------------------------------------- backends


class LoopThread:
    """An event loop in a thread of its own, for what must go on while a test blocks."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="backends")
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(DEADLINE_S)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Regions:
    """Backends that can be killed and brought back."""

    def __init__(self, hosts: dict[str, str], port: int) -> None:
        self._thread = LoopThread()
        self._backends = {site: Backend(host, port, site) for site, host in hosts.items()}

    def start(self, site: str) -> None:
        self._thread.run(self._backends[site].start())

    def stop(self, site: str) -> None:
        self._thread.run(self._backends[site].stop())


@contextmanager
def regions(hosts: dict[str, str], port: int) -> Iterator[Regions]:
    """All of them running."""
    made = Regions(hosts, port)
    try:
        for site in hosts:
            made.start(site)
        yield made
    finally:
        for site in hosts:
            made.stop(site)
        made._thread.close()


# ---------------------------------------------------------------- the server


class Serving:
    """A `gslb serve` in a process of its own."""

    def __init__(self, main: Path, *, dns_port: int, admin_port: int) -> None:
        self.dns_port = dns_port
        self.admin_port = admin_port
        self._log = main.with_name("serve.log")
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gslb", "serve", str(main)], cwd=ROOT, stderr=log
            )

    def log(self, event: str = "") -> list[dict[str, Any]]:
        """The lines that were logged, or those of an event."""
        whole = self._log.read_text().rpartition("\n")[0].splitlines()
        lines = [json.loads(line) for line in whole]
        return [line for line in lines if event in ("", line["event"])]

    def get(self, path: str) -> tuple[int, Any]:
        """Status and JSON of an admin page."""
        connection = HTTPConnection("127.0.0.1", self.admin_port, timeout=5)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def status(self) -> Any:
        return self.get("/api/v1/status")[1]

    def states(self) -> dict[str, str]:
        return {name: site["state"] for name, site in self.status()["sites"].items()}

    def ask(
        self, name: str, rtype: str = "A", client: str | None = None, *, tcp: bool = False
    ) -> dns.message.Message:
        """The reply to one query."""
        exchange = dns.query.tcp if tcp else dns.query.udp
        query = make_query(name, rtype, client)
        return exchange(query, "127.0.0.1", port=self.dns_port, timeout=5)

    def answers(self, name: str, client: str | None = None) -> list[str]:
        return records(self.ask(name, client=client))

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def stop(self, within_s: float = 5.0) -> int:
        """SIGTERM; its exit status."""
        self.process.terminate()
        return self.process.wait(within_s)

    def wait_until_all_are(self, state: str) -> None:
        wait_for(lambda: set(self.states().values()) == {state})


@contextmanager
def serving(main: Path, *, dns_port: int, admin_port: int) -> Iterator[Serving]:
    """A server that answers; stopped at the end, if the test has not done so."""
    server = Serving(main, dns_port=dns_port, admin_port=admin_port)
    try:
        wait_for(lambda: server.process.poll() is not None or server.log("serving"))
        assert server.process.poll() is None, server._log.read_text()
        yield server
    finally:
        if server.process.poll() is None:
            server.process.terminate()
        try:
            server.process.wait(10)
        except subprocess.TimeoutExpired:
            server.process.kill()
            server.process.wait()


@contextmanager
def serving_files(files: Files) -> Iterator[Serving]:
    """The same for files of ours."""
    with serving(files.main, dns_port=files.dns, admin_port=files.admin) as server:
        yield server
