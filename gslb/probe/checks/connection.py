"""The TCP connection that network checks begin with: opened to a literal address, and timed."""

from __future__ import annotations

import asyncio
import socket

from gslb.model.check import HttpCheck, TcpCheck
from gslb.model.place import Address
from gslb.probe.target import Target

MAX_ANSWER = 65536
"""Octets of an answer that are searched. Route 53 searches 5120; a status page with its styles may
need more.
"""


def address_of(kind: HttpCheck | TcpCheck, target: Target) -> Address:
    """Who is asked: the check's own address, else the site's. Raises ValueError without either."""
    address = kind.address or target.address
    if address is None:
        raise ValueError("there is no address to ask")
    return address


def limit_of(kind: HttpCheck | TcpCheck, timeout_s: float) -> float:
    """Seconds within which everything must be over."""
    return timeout_s if kind.max_ms is None else min(timeout_s, kind.max_ms / 1000)


async def open_socket(address: Address, port: int) -> tuple[socket.socket, float]:
    """A connected non-blocking socket, which the caller closes, and the milliseconds that
    connecting took.

    The time is that of the TCP handshake alone: what a network measurement should be, whatever is
    spoken on top. Raises OSError, also TimeoutError when the kernel gives up.
    """
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    loop = asyncio.get_running_loop()
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setblocking(False)
        started = loop.time()
        await loop.sock_connect(opened, (str(address), port))
        rtt_ms = (loop.time() - started) * 1000
        _refuse_own_reflection(opened)
    except BaseException:
        opened.close()
        raise
    return opened, rtt_ms


def _refuse_own_reflection(opened: socket.socket) -> None:
    """Raise ConnectionRefusedError when a socket is connected to itself.

    On one host the kernel may pick the asked port as the source port; then a connection to a dead
    service succeeds by the simultaneous open of RFC 9293 3.5, and the service would count as up.
    """
    if opened.getsockname() == opened.getpeername():
        raise ConnectionRefusedError("the connection met itself: nobody listens")


class Search:
    """Looks for octets in an answer that comes in pieces, within its first MAX_ANSWER octets."""

    def __init__(self, wanted: bytes | None) -> None:
        self._wanted = wanted
        self.seen = bytearray()
        self.is_found = False

    @property
    def room(self) -> int:
        """How many octets more are looked at."""
        return MAX_ANSWER - len(self.seen)

    def add(self, piece: bytes) -> None:
        """Look at one more piece; each octet is compared once, however small the pieces are."""
        if self._wanted is None:
            self.seen += piece
            return
        start = max(0, len(self.seen) - len(self._wanted) + 1)
        self.seen += piece
        self.is_found = self.is_found or self.seen.find(self._wanted, start) >= 0
