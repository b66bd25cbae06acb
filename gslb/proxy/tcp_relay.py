"""Two connections whose octets pass to each other: what TCP mode does once both are there.

1. Octets pass in their order. What waits is bounded each way by one read and one write buffer: a
   side that takes nothing stops the reading of the other, and one long read is enough for a turn of
   the loop. uvloop reads up to 32 times 256 kB in one go, and says only then that the other side
   takes less: so 8 MB could wait for one slow client.
2. An end of sending passes on after all octets before it, and the other way stays open (half-close)
   where the transport can; TLS cannot, so there it ends both ways. When both ways have ended, both
   connections close.
3. A connection that breaks breaks the other; one that closes lets the other send what waits.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from gslb.proxy.tcp_connection import TcpConnection

HIGH_WATER = 64 * 1024
"""Octets that wait to be sent on a connection before the other is read no more. Larger ones cost
memory for each slow client, and gain nothing: the kernel's own buffers keep the line busy."""


class End:
    """One of the two connections; it tells the relay what happens to it.

    octets: read from it. other: None while there is no second connection, or no longer. held: what
    was read meanwhile; one read at most.
    has_ended: it sends no more. is_lost: it is closed. is_congested: octets wait to be sent on it.
    """

    __slots__ = (
        "has_ended",
        "held",
        "is_congested",
        "is_lost",
        "octets",
        "other",
        "relay",
        "transport",
    )

    def __init__(self, relay: TcpConnection) -> None:
        self.relay = relay
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)
        self.other: End | None = None
        self.octets = 0
        self.held = b""
        self.has_ended = False
        self.is_congested = False
        self.is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected; not read before both are. uvloop begins to read all the same."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=HIGH_WATER)
        self.transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        """Octets for the other end. 1 us besides the writing."""
        self.octets += len(data)
        relay = self.relay
        relay.deadline = relay.loop.time() + relay.idle_s
        if self.other is None:
            self.held += data
            self.transport.pause_reading()
            return
        self.other.transport.write(data)
        if len(data) >= HIGH_WATER and not self.transport.is_closing():
            self.transport.pause_reading()
            relay.loop.call_soon(self.read_on)

    def eof_received(self) -> bool:
        """It sends no more: whether it stays open for what the other sends (law 2)."""
        self.has_ended = True
        return self.relay.take_end(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Closed, by whomever."""
        self.is_lost = True
        self.relay.take_loss(self, exc)

    def pause_writing(self) -> None:
        """It takes less than comes for it."""
        self.is_congested = True
        other = self.other
        if other is not None and not other.transport.is_closing():
            other.transport.pause_reading()

    def resume_writing(self) -> None:
        """It takes more again."""
        self.is_congested = False
        if self.other is not None:
            self.other.read_on()

    def read_on(self) -> None:
        """Reads, if the other takes it. Not when nothing more is to come: the end would be told a
        second time.
        """
        other = self.other
        if other is None or other.is_congested or self.has_ended or self.transport.is_closing():
            return
        self.transport.resume_reading()

    def end_writing(self) -> bool:
        """Passes on that nothing more is sent: whether this connection stays open all the same."""
        if self.transport.is_closing():
            return False
        if not self.transport.can_write_eof():
            self.transport.close()
            return False
        try:
            self.transport.write_eof()
        except OSError:  # reset by its peer, and the transport has not noticed yet
            self.transport.abort()
            return False
        return True

    @property
    def is_tls(self) -> bool:
        """Whether it is one of TLS, which knows no half-closed connection here."""
        return not self.transport.can_write_eof()


def join(one: End, other: End) -> None:
    """Has two connections pass their octets to each other from now on."""
    one.other, other.other = other, one
    for each, its_other in ((one, other), (other, one)):
        if each.held:
            its_other.transport.write(each.held)
            each.held = b""
        if each.has_ended:
            its_other.end_writing()
    one.read_on()
    other.read_on()
