"""Asks what a file says should serve, as a client would, through sockets of its own.

Laws:
1. Everything is asked at once, each within the timeout; what is wrong is told of each.
2. A name server serves when every zone's SOA is answered with authority, on every address, over UDP
   and TCP. A query over UDP is sent again once, at half of the time: a datagram may be lost.
3. A proxy serves when every HTTP listener answers its health path with 200, and every TCP listener
   (and an HTTP one where no health path is configured) accepts a connection.
4. The name in a certificate is not judged: who asks here knows the address, not the name.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address

from gslb.config.outline import ListenerOutline, Outline, ProxyOutline
from gslb.errors import ConfigError, Problem
from gslb.model.endpoint import Endpoint
from gslb.wire.soa import compose_soa_query, judge_soa_reply

MAX_AT_ONCE = 128
"""Threads: 64 addresses over UDP and TCP."""
MAX_ANSWER_OCTETS = 64 * 1024
_TCP_QUERIES = 500
"""Queries on one connection; the name server closes it after a thousand."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One question and what was wrong with its answer; "" if nothing. what: who was asked what."""

    what: str
    problem: str

    @property
    def ok(self) -> bool:
        """Whether it was answered as it must be."""
        return not self.problem


Question = Callable[[float], list[Asked]]
"""Asks within a timeout in seconds."""


def ask_all(questions: Sequence[Question], timeout_s: float) -> list[Asked]:
    """What came of all questions, in their order."""
    with ThreadPoolExecutor(min(MAX_AT_ONCE, len(questions)) or 1) as threads:
        found = [threads.submit(question, timeout_s) for question in questions]
        return [asked for one in found for asked in one.result()]


def plan(outline: Outline, proxy: str | None = None) -> list[Question]:
    """What is to be asked: of the name server, or of the proxy with this name. Raises ConfigError
    where the file has neither.
    """
    path = str(outline.files[0])
    if proxy is None:
        if not outline.zones:
            problem = "no zones, so no name server that could be asked; a proxy: --proxy NAME"
            raise ConfigError([Problem(path, 0, 0, "zones", problem)])
        return _name_server_questions(outline)
    if proxy not in outline.proxies:
        allowed = ", ".join(outline.proxies) or "it has none"
        problem = f"there is no proxy {proxy!r:.80}; allowed: {allowed:.400}"
        raise ConfigError([Problem(path, 0, 0, "proxies", problem)])
    return _proxy_questions(outline.proxies[proxy])


def _name_server_questions(outline: Outline) -> list[Question]:
    """What a name server is asked (law 2)."""
    questions: list[Question] = []
    for endpoint in outline.dns:
        questions.append(partial(_ask_udp, endpoint, outline.zones))
        for first in range(0, len(outline.zones), _TCP_QUERIES):
            zones = outline.zones[first : first + _TCP_QUERIES]
            questions.append(partial(_ask_tcp, endpoint, zones))
    return questions


def _proxy_questions(proxy: ProxyOutline) -> list[Question]:
    """What a proxy is asked (law 3)."""
    return [partial(_ask_listener, proxy, one) for one in proxy.listeners]


def reach(endpoint: Endpoint) -> tuple[str, int]:
    """Where a socket that listens on an address is reached from this machine: one that listens
    everywhere on loopback.
    """
    address = ip_address(endpoint.host)
    if address.is_unspecified:
        return ("127.0.0.1" if address.version == 4 else "::1", endpoint.port)
    return (endpoint.host, endpoint.port)


def judge_health_answer(octets: bytes) -> str:
    """What is wrong with an HTTP answer of a health path; "" for 200."""
    head, _, body = octets.partition(b"\r\n\r\n")
    words = head.split(b"\r\n", 1)[0].decode("latin-1").split()
    if len(words) < 2 or not words[0].startswith("HTTP/1."):
        return "no HTTP answer"
    if words[1] == "200":
        return ""
    said = body.decode("ascii", "replace").strip().partition("\n")[0]
    return f"HTTP status {words[1]}" + (f": {said:.80}" if said.isprintable() and said else "")


class _Clock:
    """What is left of the time for one question. Raises TimeoutError when nothing is."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._ends_at = time.monotonic() + timeout_s

    def left(self) -> float:
        """Seconds, more than none."""
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


def _tell(error: OSError, clock: _Clock) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {clock.timeout_s:g} s"
    return (error.strerror or str(error) or type(error).__name__).lower()


# ---------------------------------------------------------------- name servers


def _ask_udp(endpoint: Endpoint, zones: Iterable[str], timeout_s: float) -> list[Asked]:
    return list(_ask_zones(f"{endpoint} (UDP)", zones, partial(_over_udp, endpoint), timeout_s))


def _ask_tcp(endpoint: Endpoint, zones: Iterable[str], timeout_s: float) -> list[Asked]:
    return list(_ask_zones(f"{endpoint} (TCP)", zones, partial(_over_tcp, endpoint), timeout_s))


Exchange = Callable[[str], str]
"""Asks for a zone: what is wrong with the answer. Raises OSError."""


def _ask_zones(
    where: str,
    zones: Iterable[str],
    connect: Callable[[_Clock], tuple[socket.socket, Exchange]],
    timeout_s: float,
) -> Iterator[Asked]:
    """Asks one socket for all zones; where it does not answer, the rest need not be asked."""
    clock = _Clock(timeout_s)
    what = where
    try:
        opened, exchange = connect(clock)
        with opened:
            for zone in zones:
                what = f"{where}: {zone}"
                yield Asked(what, exchange(zone))
    except OSError as error:
        yield Asked(what, _tell(error, clock))


def _over_udp(endpoint: Endpoint, clock: _Clock) -> tuple[socket.socket, Exchange]:
    opened = _connect(endpoint, socket.SOCK_DGRAM, clock)

    def exchange(zone: str) -> str:
        id_ = int.from_bytes(os.urandom(2))
        query = compose_soa_query(id_, zone)
        for wait_s in (clock.timeout_s / 2, clock.timeout_s):
            opened.send(query)
            until = time.monotonic() + min(wait_s, clock.left())
            while (left := until - time.monotonic()) > 0:
                opened.settimeout(left)
                try:
                    octets = opened.recv(MAX_ANSWER_OCTETS)
                except TimeoutError:
                    break
                problem = judge_soa_reply(octets, id_, zone)
                if problem is not None:
                    return problem
        raise TimeoutError

    return opened, exchange


def _over_tcp(endpoint: Endpoint, clock: _Clock) -> tuple[socket.socket, Exchange]:
    opened = _connect(endpoint, socket.SOCK_STREAM, clock)

    def exchange(zone: str) -> str:
        id_ = int.from_bytes(os.urandom(2))
        query = compose_soa_query(id_, zone)
        opened.settimeout(clock.left())
        opened.sendall(struct.pack("!H", len(query)) + query)
        (size,) = struct.unpack("!H", _read_exactly(opened, 2, clock))
        problem = judge_soa_reply(_read_exactly(opened, size, clock), id_, zone)
        return "answered something else" if problem is None else problem

    return opened, exchange


def _read_exactly(opened: socket.socket, size: int, clock: _Clock) -> bytes:
    octets = b""
    while len(octets) < size:
        opened.settimeout(clock.left())
        piece = opened.recv(size - len(octets))
        if not piece:
            raise ConnectionError("the connection was closed without an answer")
        octets += piece
    return octets


def _connect(endpoint: Endpoint, kind: socket.SocketKind, clock: _Clock) -> socket.socket:
    host, port = reach(endpoint)
    opened = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind)
    try:
        opened.settimeout(clock.left())
        opened.connect((host, port))
        _refuse_own_reflection(opened)
    except BaseException:
        opened.close()
        raise
    return opened


def _refuse_own_reflection(opened: socket.socket) -> None:
    """Raises ConnectionRefusedError when a socket is connected to itself, which the kernel can do
    where nobody listens on a port that it gives away (RFC 9293 3.5).
    """
    if opened.getsockname() == opened.getpeername():
        raise ConnectionRefusedError("the connection met itself: nobody listens")


# ---------------------------------------------------------------- proxies


def _ask_listener(proxy: ProxyOutline, listener: ListenerOutline, timeout_s: float) -> list[Asked]:
    kind = "TCP" if listener.is_tcp else "HTTPS" if listener.is_tls else "HTTP"
    is_asked = proxy.health_path is not None and not listener.is_tcp
    what = f"{listener.endpoint} ({kind})" + (f": {proxy.health_path}" if is_asked else "")
    clock = _Clock(timeout_s)
    try:
        with _connect(listener.endpoint, socket.SOCK_STREAM, clock) as opened:
            problem = _ask_health_path(proxy, listener, opened, clock) if is_asked else ""
    except OSError as error:
        problem = _tell(error, clock)
    return [Asked(what, problem)]


def _ask_health_path(
    proxy: ProxyOutline, listener: ListenerOutline, opened: socket.socket, clock: _Clock
) -> str:
    own = ip_address(opened.getsockname()[0])
    opened.settimeout(clock.left())
    if listener.proxy_protocol and any(own in network for network in proxy.trusted):
        opened.sendall(b"PROXY UNKNOWN\r\n")
    line = _wrap(opened) if listener.is_tls else opened
    request = f"GET {proxy.health_path} HTTP/1.1\r\nHost: {listener.endpoint}\r\n"
    octets = b""
    with line:
        line.sendall(f"{request}User-Agent: gslb-healthcheck\r\nConnection: close\r\n\r\n".encode())
        while len(octets) < MAX_ANSWER_OCTETS:
            line.settimeout(clock.left())
            piece = line.recv(MAX_ANSWER_OCTETS)
            if not piece:
                break
            octets += piece
    return judge_health_answer(octets)


def _wrap(opened: socket.socket) -> socket.socket:
    """The socket with TLS on it, its handshake done (law 4)."""
    import ssl

    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(opened)
