"""Both engines as processes that run the same file, and a client that sees octets."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

from gslb.config.load import load
from gslb.render.haproxy import render_haproxy

HAPROXY = "haproxy"
GSLB = "gslb"
START_S = 15.0
TRUSTED = "127.0.0.1"
STRANGER = "127.0.0.9"


@dataclass(frozen=True)
class Answer:
    """What a client got. headers: lower case names, the last of each."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def seen(self) -> dict[str, Any]:
        """What the backend says it was asked."""
        found: dict[str, Any] = json.loads(self.body)
        return found

    def sent(self, name: str) -> list[str]:
        """The values of a header as the backend saw them."""
        return [value for each, value in self.seen["headers"] if each == name]


@dataclass(frozen=True)
class Engine:
    """A running engine. kind: GSLB or HAPROXY. ports: of its listeners, by their name."""

    kind: str
    ports: Mapping[str, int]

    def connect(self, listener: str = "http", *, source: str = TRUSTED) -> socket.socket:
        """A plain connection."""
        return socket.create_connection(("127.0.0.1", self.ports[listener]), 5, (source, 0))

    def ask(
        self,
        path: str,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        source: str = TRUSTED,
        listener: str = "http",
    ) -> Answer:
        """The answer to a request on a connection of its own."""
        connection = HTTPConnection("127.0.0.1", self.ports[listener], 5, (source, 0))
        try:
            connection.request(method, path, body, dict(headers or {}))
            return read_answer(connection.getresponse())
        finally:
            connection.close()

    def ask_octets(self, octets: bytes, listener: str = "http", source: str = TRUSTED) -> bytes:
        """All that comes back until the engine closes, or has been quiet for a while."""
        with self.connect(listener, source=source) as connection:
            connection.sendall(octets)
            connection.settimeout(0.7)
            return read_all(connection)

    def names(self, path: str, times: int, **more: Any) -> list[str]:
        """Which backends answer, one after the other; the status of an answer without one."""
        answers = (self.ask(path, **more) for _ in range(times))
        return [each.headers.get("x-backend", str(each.status)) for each in answers]


def read_answer(response: HTTPResponse) -> Answer:
    body = response.read()
    return Answer(response.status, {n.lower(): v for n, v in response.getheaders()}, body)


def read_all(connection: socket.socket) -> bytes:
    got = b""
    try:
        while piece := connection.recv(65536):
            got += piece
    except (TimeoutError, ConnectionError):
        pass
    return got


def until(true: Any, within_s: float = 6.0) -> None:
    """Waits for something to become true."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


@contextmanager
def running(kind: str, file: Path, ports: Mapping[str, int]) -> Iterator[Engine]:
    """An engine that runs the proxies of a main file, until it is left."""
    if kind == HAPROXY:
        rendered = render_haproxy(tuple(load(file).system.proxies.values()))
        configuration = file.with_suffix(".cfg")
        configuration.write_text(rendered.text)
        command = [HAPROXY, "-db", "-f", str(configuration)]
    else:
        command = [sys.executable, "-m", "gslb", "proxy", str(file)]
    log = file.with_suffix(f".{kind}.log")
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        engine = Engine(kind, ports)
        until(lambda: is_well(engine, process, log), START_S)
        yield engine
    finally:
        process.kill()
        process.wait()


def is_well(engine: Engine, process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    try:
        return engine.ask("/healthz").status == 200
    except OSError:
        return False
