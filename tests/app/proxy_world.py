"""A small world for tests of `gslb proxy`: backends that answer, files, and running processes."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.app.world import DEADLINE_S, ROOT, wait_for
from tests.ports import free_port

PROXY = "127.0.9.1"
BACKENDS = {"web1": "127.0.9.11", "web2": "127.0.9.12"}

MAIN = """
node: {node}
store: {store}
log: {{format: json}}
proxies:
  eu:
    site: eu-west
    listen: [{{address: "{host}:{port}"}}{more_listeners}]
    health_path: /healthz
    access_log: {log}
    admin: "{host}:{admin}"
    workers: {workers}
    drain_timeout_s: 5
    routes: [{{name: default, pool: web}}]
    pools:
      web:
        balance: round_robin
        backends:
          web1: {{address: "127.0.9.11:{web}"}}
          web2: {{address: "127.0.9.12:{web}"}}
        check: {{http: {{path: /health}}, interval_s: 0.3, timeout_s: 0.2, fall: 2, rise: 1}}
"""


@dataclass
class ProxyFiles:
    """The files of a proxy in a folder, on free ports."""

    folder: Path
    workers: int = 1
    more_listeners: str = ""
    node: str = ""
    store: str = "memory"
    host: str = PROXY
    port: int = field(default_factory=lambda: free_port(PROXY))
    admin: int = field(default_factory=lambda: free_port(PROXY))
    web: int = field(default_factory=lambda: free_port(*BACKENDS.values()))

    def __post_init__(self) -> None:
        self.node = (
            self.node or f"l7-{self.port}"
        )  # two tests at once must not take over from each other
        self.write()

    @property
    def main(self) -> Path:
        return self.folder / "gslb.yaml"

    @property
    def log(self) -> Path:
        return self.folder / "access.log"

    def write(self) -> None:
        self.main.write_text(MAIN.format(log=self.log, **vars(self)))

    def take_port(self) -> socket.socket:
        """Somebody else who listens where the proxy should."""
        return socket.create_server((self.host, self.port))

    def records(self) -> list[dict[str, Any]]:
        """What the access log holds."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    name = ""
    hold: threading.Event

    def do_GET(self) -> None:
        if self.path == "/slow":
            self.hold.wait(DEADLINE_S)
        body = self.name.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Tests read the proxy's log."""


class Web:
    """Backends that answer their names; /slow waits until `hold` is set."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.hold = threading.Event()
        self._servers: dict[str, ThreadingHTTPServer] = {}

    def start(self, name: str) -> None:
        handler = type("Handler", (_Handler,), {"name": name, "hold": self.hold})
        server = ThreadingHTTPServer((BACKENDS[name], self.port), handler)
        server.daemon_threads = True
        self._servers[name] = server
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self, name: str) -> None:
        server = self._servers.pop(name)
        server.shutdown()
        server.server_close()

    def close(self) -> None:
        self.hold.set()
        for name in list(self._servers):
            self.stop(name)


@contextmanager
def backends(port: int) -> Iterator[Web]:
    """Both of them running."""
    web = Web(port)
    try:
        for name in BACKENDS:
            web.start(name)
        yield web
    finally:
        web.close()


class Running:
    """A `gslb proxy` in a process of its own."""

    def __init__(self, files: ProxyFiles, *options: str) -> None:
        self.files = files
        self._log = files.folder / f"log-{time.monotonic_ns()}"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gslb", "proxy", str(files.main), *options],
                cwd=ROOT,
                stderr=log,
            )

    def text(self) -> str:
        return self._log.read_text()

    def log(self, event: str = "") -> list[dict[str, Any]]:
        """The lines that were logged, or those of an event."""
        whole = self.text().rpartition("\n")[0].splitlines()
        lines = [json.loads(line) for line in whole if line.startswith("{")]
        return [line for line in lines if event in ("", line["event"])]

    def ask(self, path: str, *, port: int | None = None) -> tuple[int, str]:
        """Status and body of one request, on a connection of its own."""
        connection = HTTPConnection(self.files.host, port or self.files.port, timeout=DEADLINE_S)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def status(self) -> Any:
        return json.loads(self.ask("/api/v1/status", port=self.files.admin)[1])

    def order(self, backend: str, do: str, **more: Any) -> tuple[int, Any]:
        """The admin port's answer to an order."""
        connection = HTTPConnection(self.files.host, self.files.admin, timeout=DEADLINE_S)
        try:
            body = {"site": backend, "do": do, "reason": "test", **more}
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/api/v1/orders", json.dumps(body), headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def states(self) -> dict[str, str]:
        return {name: one["state"] for name, one in self.status()["backends"].items()}

    def until(self, event: str) -> dict[str, Any]:
        """The first line of an event, when it has come."""
        wait_for(lambda: self.log(event) or self.process.poll() is not None)
        assert self.log(event), self.text()
        return self.log(event)[0]

    def stop(self, within_s: float = DEADLINE_S) -> int:
        """SIGTERM; its exit status."""
        self.process.terminate()
        return self.process.wait(within_s)

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextmanager
def proxying(files: ProxyFiles, *options: str) -> Iterator[Running]:
    """A proxy that serves with both backends up; killed at the end if it still runs."""
    running = Running(files, *options)
    try:
        running.until("proxying")
        wait_for(lambda: set(running.states().values()) == {"up"})
        yield running
    finally:
        running.kill()


class Clients:
    """A steady stream of new connections, one request each, until stopped; what came of each."""

    def __init__(self, ask: Callable[[str], tuple[int, str]], count: int = 2) -> None:
        self.results: list[str] = []
        self._ask = ask
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> list[str]:
        """All that was not answered with 200."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        return [result for result in self.results if result != "200"]

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.results.append(str(self._ask("/")[0]))
            except OSError as error:
                self.results.append(repr(error))
