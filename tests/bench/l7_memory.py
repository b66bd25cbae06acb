"""What this proxy's memory does: many idle TLS connections, and bodies far larger than it may keep.

Laws:
1. An idle connection has had its handshake and one request; all are open at once when memory is
   read.
2. Growth of a transfer is the highest resident memory during it, less what there was before it,
   after a small one of the same kind. Whoever takes the body begins late, so that whatever the
   proxy is willing to keep, it keeps.
3. Each octet of a transfer is counted where it arrives.
"""

from __future__ import annotations

import resource
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench import process
from tests.bench.l7_place import HOST, HUGE_OCTETS, SMALL, Place
from tests.bench.l7_rounds import Served
from tests.bench.process import BenchError

MIB: Final = 1 << 20
_PIECE: Final = MIB
_LATE_S: Final = 0.5
_DEADLINE_S: Final = 60.0
_WARM_UP_OCTETS: Final = MIB
_OTHERS: Final = 512
"""Descriptors for something else than clients and what they ask for."""

_PER_SOURCE: Final = 2000
"""Connections from one loopback address: far fewer than it has ports."""


@dataclass(frozen=True, slots=True)
class Idle:
    """Resident memory with so many idle TLS connections. whole_mib: for `aim` of them, measured or
    reckoned from fewer.
    """

    connections: int
    aim: int
    before_mib: float
    after_mib: float
    whole_mib: float
    handshakes_per_s: float

    @property
    def each_kib(self) -> float:
        """What one connection takes."""
        return (self.after_mib - self.before_mib) * 1024 / self.connections


@dataclass(frozen=True, slots=True)
class Transfer:
    """A large body through the proxy."""

    kind: str
    octets: int
    growth_mib: float
    seconds: float


def measure_idle(served: Served, place: Place, *, connections: int, aim: int) -> Idle:
    """Opens connections, as many as the system grants, keeps them, reads memory, closes them.

    Raises BenchError when one is not taken.
    """
    connections = fit_connections(connections)
    context = ssl.create_default_context(cafile=str(place.certificate))
    before = process.rss_octets(served.pid) / MIB
    began = time.monotonic()
    with ExitStack() as stack:
        for number in range(connections):
            source = f"127.0.0.{2 + number // _PER_SOURCE}"
            try:
                stack.enter_context(_open_tls(served.ports.tls, source, context))
            except OSError as error:
                raise BenchError(f"connection {number} was not taken: {error!r}") from error
        spent = time.monotonic() - began
        after = process.rss_octets(served.pid) / MIB
    return Idle(
        connections=connections,
        aim=aim,
        before_mib=before,
        after_mib=after,
        whole_mib=before + (after - before) * aim / connections,
        handshakes_per_s=connections / spent,
    )


def fit_connections(wanted: int) -> int:
    """How many connections this process and the proxy may have open, wanted at most: a proxy keeps
    a descriptor for a backend beside that of each client. Raises our own soft limit.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 2 * wanted + _OTHERS
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return (most - _OTHERS) // 2


@contextmanager
def _open_tls(port: int, source: str, context: ssl.SSLContext) -> Iterator[None]:
    raw = socket.create_connection((HOST, port), timeout=10, source_address=(source, 0))
    with context.wrap_socket(raw, server_hostname=HOST) as client:
        client.sendall(b"GET /small HTTP/1.1\r\nHost: bench\r\n\r\n")
        octets = b""
        while not octets.endswith(SMALL):
            piece = client.recv(4096)
            if not piece:
                raise BenchError(f"the proxy closed an idle connection after {octets[:80]!r}")
            octets += piece
        yield


# ---------------------------------------------------------------- transfers


def measure_download(served: Served, *, octets: int = HUGE_OCTETS) -> Transfer:
    """A large answer. octets: at most HUGE_OCTETS, which is what is cut off when it is less."""
    _download(served.ports.plain, _WARM_UP_OCTETS, late_s=0.0)
    with _Watched(served.pid) as watched:
        _download(served.ports.plain, octets, late_s=_LATE_S)
    return Transfer("download", octets, watched.growth_mib, watched.seconds)


def measure_upload(served: Served, place: Place, *, octets: int = HUGE_OCTETS) -> Transfer:
    """A large request, to a backend that takes it late."""
    with Sink(place.sink):
        _upload(served.ports.plain, _WARM_UP_OCTETS)
        with _Watched(served.pid) as watched:
            _upload(served.ports.plain, octets)
    return Transfer("upload", octets, watched.growth_mib, watched.seconds)


class _Watched:
    """Highest resident memory of a process in a block, against that at its beginning."""

    growth_mib = 0.0
    seconds = 0.0

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._before = 0
        self._began = 0.0

    def __enter__(self) -> _Watched:
        Path(f"/proc/{self._pid}/clear_refs").write_text("5")  # proc(5): resets the highest
        self._before = _peak_octets(self._pid)
        self._began = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.monotonic() - self._began
        self.growth_mib = (_peak_octets(self._pid) - self._before) / MIB


def _peak_octets(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def _download(port: int, octets: int, *, late_s: float) -> None:
    with socket.create_connection((HOST, port), timeout=_DEADLINE_S) as client:
        asked = f"GET /huge HTTP/1.1\r\nHost: bench\r\nRange: bytes=0-{octets - 1}\r\n\r\n"
        client.sendall(asked.encode())
        time.sleep(late_s)
        head, body = _read_head(client)
        if b"200" not in head[:15] and b"206" not in head[:15]:
            raise BenchError(f"the proxy answered {head[:80]!r} to a large download")
        _read_count(client, octets - len(body))


def _upload(port: int, octets: int) -> None:
    with socket.create_connection((HOST, port), timeout=_DEADLINE_S) as client:
        head = f"POST /upload HTTP/1.1\r\nHost: bench\r\nContent-Length: {octets}\r\n\r\n"
        client.sendall(head.encode())
        piece = bytes(_PIECE)
        for _ in range(octets // _PIECE):
            client.sendall(piece)
        head, body = _read_head(client)
        while len(body) < len(str(octets)):
            body += client.recv(100)
        if b"200" not in head[:15] or int(body) != octets:
            raise BenchError(f"the backend took {body!r} of {octets} octets: {head[:80]!r}")


def _read_head(client: socket.socket) -> tuple[bytes, bytes]:
    octets = b""
    while b"\r\n\r\n" not in octets:
        piece = client.recv(4096)
        if not piece:
            raise BenchError(f"a connection was closed after {octets[:80]!r}")
        octets += piece
    head, _, body = octets.partition(b"\r\n\r\n")
    return head, body


def _read_count(client: socket.socket, octets: int) -> None:
    room = bytearray(_PIECE)
    while octets > 0:
        count = client.recv_into(room, min(octets, _PIECE))
        if not count:
            raise BenchError(f"a connection was closed {octets} octets too early")
        octets -= count


class Sink:
    """A backend in threads that takes bodies of any length, late, and answers how many octets they
    had.
    """

    def __init__(self, port: int) -> None:
        self._listening = socket.create_server((HOST, port), backlog=64)

    def __enter__(self) -> Sink:
        threading.Thread(target=self._accept, name="sink", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:  # the end
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            while True:
                try:
                    head, body = _read_head(client)
                except (BenchError, OSError):  # the proxy has let go of the connection
                    return
                length = _content_length(head)
                time.sleep(_LATE_S)
                _read_count(client, length - len(body))
                text = str(length).encode()
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text) + text)


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0
