"""One connection of a client: its octets become requests, one at a time.

Laws:
1. A request begins when the one before is done; what has come of later ones waits unread, at most
   one read of it.
2. A head that is refused is answered and ends the connection: what follows it cannot be told from
   content.
3. The connection ends gently after an answer: our side closes, what still comes is thrown away for
   a moment, so that no reset overtakes the answer (RFC 9112 9.6).
4. A client that has closed its sending side still gets its answer.
5. Every phase has a deadline: head, body, answer, the pause between two requests, the gentle end.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, cast

from gslb.http1.chunks import ChunkDecoder
from gslb.http1.compose import compose_plain
from gslb.http1.errors import HttpError
from gslb.http1.forwarding import Forwarding
from gslb.http1.framing import CHUNKED
from gslb.http1.head import REMEMBERED_OCTETS, check_partial, find_head_end, parse_request
from gslb.proxy.admission import admit
from gslb.proxy.exchange import Exchange
from gslb.proxy.timers import NEVER
from gslb.telemetry.logs import get_limited_logger

if TYPE_CHECKING:
    from gslb.http1.head import Lines
    from gslb.proxy.accept import Arrival
    from gslb.proxy.peer import Peer
    from gslb.proxy.tier import Tier
    from gslb.proxy.upstream import BackendConnection

HIGH_WATER = 64 * 1024
"""Octets that may wait to be sent before the backend is read no more."""
LINGER_S = 2.0
"""How long what a client still sends is thrown away after the last answer."""

LEAVE_S = 1.0
"""How long an idle connection is still served by a proxy that leaves."""

log = get_limited_logger(__name__)


class ClientConnection:
    """A connection of a client.

    exchange: the request on its way, None between two. deadline: of the phase it is in. has_ended:
    the client sends no more. may_stay: whether it may be used for another request.
    """

    __slots__ = (
        "_arrival",
        "_buffer",
        "_decoder",
        "_is_lingering",
        "_is_taking",
        "_left",
        "_told",
        "_unsent",
        "deadline",
        "exchange",
        "has_ended",
        "is_congested",
        "is_reading_paused",
        "loop",
        "may_stay",
        "peer",
        "served",
        "tier",
        "transport",
        "via",
    )

    def __init__(self, tier: Tier, arrival: Arrival | None) -> None:
        self.tier = tier
        self.loop = tier.loop
        self._arrival = arrival
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)
        self.peer: Peer
        self.via: Forwarding
        self.exchange: Exchange | None = None
        self.deadline = NEVER
        self.served = 0
        self.has_ended = False
        self.is_congested = False
        self.is_reading_paused = False
        self.may_stay = True
        self._buffer = b""
        self._left = 0
        self._told: Lines | None = None
        self._unsent = 0
        self._decoder: ChunkDecoder | None = None
        self._is_lingering = False
        self._is_taking = False

    # ------------------------------------------------------------ what the transport says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected, the handshake of TLS included."""
        assert self._arrival is not None
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=HIGH_WATER)
        self.peer = self._arrival.peer(self.transport)
        self.deadline = monotonic() + self.tier.proxy.timeouts.headers_s
        self.via = Forwarding(
            self.peer.text.encode(),
            is_trusted=self.peer.is_trusted,
            scheme=self.peer.scheme,
            request_id=b"",
        )
        self.tier.add_client(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Closed, by whomever."""
        self.tier.forget_client(self)
        assert self._arrival is not None
        self._arrival.gone()
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.client_gone()

    def data_received(self, data: bytes) -> None:
        """Octets of a head, of a body, or of a tunnel."""
        try:
            if self.exchange is None:
                if not self._is_lingering:
                    self._take_heads(data)
            elif self.exchange.is_tunnel:
                self.exchange.tunnel_in(data)
            elif self._left:
                self._take_body(data)
            else:
                self._buffer += data
                self.pause_reading()
        except HttpError as error:
            self._refuse(error)
        except Exception as fault:  # noqa: BLE001  the border: one connection, not the proxy
            log.error("request", cause=repr(fault), client=self.peer.text)  # noqa: TRY400 - has the cause
            self.tier.count_fault()
            self.transport.abort()

    def eof_received(self) -> bool:
        """The client sends no more (law 4). TLS knows no half-closed connection."""
        self.has_ended = True
        self.may_stay = False
        exchange = self.exchange
        if exchange is None or self.peer.scheme == b"https":
            return False
        if exchange.is_tunnel:
            return self._end_tunnel_in(exchange)
        if self._left:  # in the middle of a body: it will never be complete
            return False
        exchange.keep_alive = False
        return True

    def pause_writing(self) -> None:
        """The client takes less than we have for it."""
        self.is_congested = True
        if self.exchange is not None:
            self.exchange.client_congested()

    def resume_writing(self) -> None:
        """It takes more again; a request that has waited for that begins."""
        self.is_congested = False
        if self.exchange is not None:
            self.exchange.client_relieved()
        elif self._buffer and not self._is_lingering:
            self._take_waiting()

    # ------------------------------------------------------------ requests

    def _take_heads(self, data: bytes) -> None:
        """Begins the request whose head has come, and the next ones while each is answered at once.

        Exchanges that finish within this call only say so: the loop here goes on, not a recursion.
        """
        is_begun, served = bool(self._buffer), self.served
        if is_begun:
            data = self._buffer + data
            self._buffer = b""
        self._is_taking = True
        try:
            while data and self.exchange is None and not self.is_congested:
                data = self._take_head(data)
                if self._is_lingering or self.transport.is_closing():
                    return
        finally:
            self._is_taking = False
        if data:
            self._buffer = data
            self.pause_reading()
        elif self.exchange is None:
            self._await_rest(is_new=not is_begun or self.served > served)

    def _take_head(self, data: bytes) -> bytes:
        """Takes one head, and what there is of its body; what is left over. An empty rest, and no
        exchange: the head is not complete yet, and is in the buffer.
        """
        if data[:2] == b"\r\n":  # RFC 9112 2.2
            data = data[2:]
        end = find_head_end(data)
        if end < 0:
            self._keep_partial(data)
            return b""
        head, rest = (data, b"") if end == len(data) else (data[:end], data[end:])
        request = parse_request(head, self.tier.proxy.limits, self._told)
        told = request.told
        self._told = told if len(told.block) <= REMEMBERED_OCTETS else None
        self.served += 1
        if self.served >= self.tier.proxy.limits.requests_per_connection:
            self.may_stay = False
        exchange = Exchange(self, request, monotonic())
        self.exchange = exchange
        self._left = request.body
        self._decoder = ChunkDecoder() if request.body == CHUNKED else None
        admit(exchange)
        if rest and self._left and self.exchange is exchange:
            self._take_body(rest)
            rest, self._buffer = self._buffer, b""
        return rest

    def _keep_partial(self, data: bytes) -> None:
        check_partial(data, self.tier.proxy.limits)
        self._buffer = data

    def _await_rest(self, *, is_new: bool) -> None:
        """The head in the buffer is not complete, if there is one: reads on, up to a deadline that
        no octet but a head's first moves. That of the first head runs since the client connected.
        """
        if self._buffer and is_new and self.served:
            self.deadline = monotonic() + self.tier.proxy.timeouts.headers_s
        if self.is_reading_paused:
            self._resume_reading()

    def _take_waiting(self) -> None:
        """Octets that waited for their turn."""
        data, self._buffer = self._buffer, b""
        self.read_on()
        self.data_received(data)

    def _take_body(self, data: bytes) -> None:
        """Content of the request on its way; what comes after it waits in the buffer."""
        exchange = self.exchange
        assert exchange is not None
        if self._left > 0:
            piece, rest = (data, b"") if len(data) <= self._left else self._cut(data)
            self._left -= len(piece)
            exchange.take_body(piece)
            if self._left == 0 and self.exchange is exchange:
                exchange.end_body([])
        else:
            rest = self._take_chunks(exchange, data)
        if rest and not self._is_lingering:
            self._buffer += rest
            self.pause_reading()

    def _cut(self, data: bytes) -> tuple[bytes, bytes]:
        return data[: self._left], data[self._left :]

    def _take_chunks(self, exchange: Exchange, data: bytes) -> bytes:
        decoder = self._decoder
        assert decoder is not None
        for piece in decoder.feed(data):
            if self.exchange is exchange:
                exchange.take_body(piece)
        if not decoder.done:
            return b""
        self._left = 0
        if self.exchange is exchange:
            exchange.end_body(decoder.trailers)
        return decoder.rest

    def take_finished(self, exchange: Exchange) -> None:
        """The exchange has written its answer: the next request, or the end."""
        if self.exchange is not exchange:
            return
        self.exchange = None
        if not exchange.keep_alive or self._left:
            self._left = 0
            self._end_gently()
            return
        self.deadline = monotonic() + self.tier.proxy.timeouts.keep_alive_s
        if self._is_taking:
            return
        if self._buffer and not self.is_congested:
            self._take_waiting()
        elif self.is_reading_paused:
            self.read_on()

    def _refuse(self, error: HttpError) -> None:
        """Law 2."""
        exchange = self.exchange
        self.tier.count_refused(error)
        if exchange is not None:
            self._left = 0
            exchange.keep_alive = False
            if exchange.winner is not None:
                exchange.break_off("client", error.reason)
            else:
                exchange.ended_by = "client"
                exchange.refuse(error.status, error.reason, error.reason, extra=error.extra)
            return
        self.transport.write(
            compose_plain(error.status, error.reason, keep_alive=False, extra=error.extra)
        )
        self.tier.tell_refused(self, error)
        self._end_gently()

    # ------------------------------------------------------------ reading, tunnels

    def pause_reading(self) -> None:
        """Reads no more for now."""
        if not self.is_reading_paused and not self.transport.is_closing():
            self.is_reading_paused = True
            self.transport.pause_reading()

    def read_on(self) -> None:
        """Reads again, unless what has come of a later request waits already."""
        if self.is_reading_paused and not self._buffer:
            self._resume_reading()

    def _resume_reading(self) -> None:
        self.is_reading_paused = False
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def write(self, data: bytes) -> None:
        """Sends octets."""
        self.transport.write(data)

    def be_tunnel(self, connection: BackendConnection) -> None:
        """From now on octets pass as they are; those that have come already go first."""
        early, self._buffer = self._buffer, b""
        self._left = 0
        if early:
            connection.transport.write(early)
        if self.has_ended and connection.transport.can_write_eof():
            connection.transport.write_eof()
        self.read_on()

    def _end_tunnel_in(self, exchange: Exchange) -> bool:
        winner = exchange.winner
        if winner is None or winner.connection is None:
            return False
        if exchange.has_backend_ended:
            exchange.end_tunnel("client", "")
            return False
        transport = winner.connection.transport
        if transport.is_closing() or not transport.can_write_eof():
            return False
        transport.write_eof()
        return True

    # ------------------------------------------------------------ the end

    def expire(self, now: float) -> None:
        """The phase has taken too long."""
        if self.exchange is not None and not self.transport.is_closing():
            self.exchange.expire(now)
        elif self.has_taken_some():
            self.deadline = now + self.tier.proxy.timeouts.body_idle_s
        elif self._is_lingering or self.transport.is_closing():
            self.transport.abort()
        elif self._buffer:
            self._refuse(HttpError(408, "head_timeout"))
        else:
            self.transport.close()

    def has_taken_some(self) -> bool:
        """Whether the client is slow, not gone: of what waits to be sent to it, it has taken
        something since this was asked before. The first time that something waits counts, too.
        """
        before, self._unsent = self._unsent, self.transport.get_write_buffer_size()
        return self._unsent > 0 and (self._unsent < before or not before)

    def leave_soon(self) -> None:
        """For a proxy that leaves: closes after the answer that is on its way, or the next one. An
        idle connection is closed a moment later: what its client may be sending just now is served.
        """
        self.may_stay = False
        if self.exchange is None and not self._is_lingering:
            self.deadline = min(self.deadline, monotonic() + LEAVE_S)

    def _end_gently(self) -> None:
        """Law 3."""
        transport = self.transport
        self.deadline = monotonic() + LINGER_S
        self._is_lingering = True
        self._buffer = b""
        if transport.is_closing():
            return
        if self.has_ended or not transport.can_write_eof():
            transport.close()
            return
        transport.write_eof()
        if self.is_reading_paused:
            self._resume_reading()
