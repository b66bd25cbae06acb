"""Times of UDP queries at a steady, modest rate, as clients of a name server feel them.

Laws:
1. Queries leave by the clock, whether the one before was answered or not: a server that stops for a
   moment is charged for all that came meanwhile.
2. A time ends when the kernel has the reply (SO_TIMESTAMPNS), so a reader that is late, as on a
   machine with few cores, costs nothing.
"""

from __future__ import annotations

import itertools
import select
import socket
import struct
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import dns.message

LOST_AFTER_S: Final = 1.0
_SO_TIMESTAMPNS: Final = 35  # Linux; Python 3.11 has no name for it
_TIMESPEC: Final = struct.Struct("@ll")
_ANCILLARY_OCTETS: Final = 64


@dataclass(frozen=True, slots=True)
class Times:
    """What one run found. Times in milliseconds."""

    sent: int
    lost: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    p999_ms: float
    most_ms: float


def ask_steadily(names: Sequence[str], *, port: int, per_s: float, seconds: float) -> Times:
    """Ask for the names in turn at a loopback port."""
    asker = _Asker(port)
    queries = itertools.cycle([dns.message.make_query(name, "A").to_wire() for name in names])
    due = time.monotonic()
    until = due + seconds
    try:
        while due < until:
            asker.read_until(due)
            asker.send(next(queries))
            due += 1 / per_s
        asker.read_until(time.monotonic() + LOST_AFTER_S)
    finally:
        asker.close()
    return summarise(asker.times_ms, sent=asker.sent)


def summarise(times_ms: Sequence[float], *, sent: int) -> Times:
    """Of the times of the replies that came, at least one, to so many queries."""
    ranked = sorted(times_ms)
    shares = [rank(ranked, share) for share in (0.5, 0.9, 0.99, 0.999)]
    return Times(sent, sent - len(ranked), *shares, ranked[-1])


def rank(ranked: Sequence[float], share: float) -> float:
    """The least value that is not under this share of all of them."""
    return ranked[max(0, -int(-share * len(ranked) // 1) - 1)]


class _Asker:
    """One client; its queries are told apart by their ids."""

    def __init__(self, port: int) -> None:
        self.sent = 0
        self.times_ms: list[float] = []
        self._began: dict[int, int] = {}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.connect(("127.0.0.1", port))
        self._socket.setblocking(False)

    def close(self) -> None:
        self._socket.close()

    def send(self, query: bytes) -> None:
        identity = self.sent & 0xFFFF
        self.sent += 1
        octets = identity.to_bytes(2, "big") + query[2:]
        self._began[identity] = time.time_ns()
        self._socket.send(octets)

    def read_until(self, due: float) -> None:
        """Read replies until a moment of the monotonic clock."""
        while (left_s := due - time.monotonic()) > 0:
            if select.select([self._socket], [], [], left_s)[0]:
                self._read()

    def _read(self) -> None:
        with suppress(BlockingIOError):
            while True:
                reply, ancillary, _, _ = self._socket.recvmsg(4096, _ANCILLARY_OCTETS)
                began_ns = self._began.pop(int.from_bytes(reply[:2], "big"), None)
                if began_ns is not None:
                    seconds, nanoseconds = _TIMESPEC.unpack(ancillary[0][2])
                    ended_ns = seconds * 1_000_000_000 + nanoseconds
                    self.times_ms.append((ended_ns - began_ns) / 1e6)
