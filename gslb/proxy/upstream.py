"""One connection to a backend: the octets of answers become calls on the exchange that waits.

Laws:
1. A connection carries one request at a time. It is used again only when the answer ended where its
   framing said, nothing came after it, no interim answer came before it, and the request had been
   sent to its end.
2. Octets that nobody asked for close it.
3. What a backend sends is judged before any of it is passed on: a head that two parsers could read
   differently is a bad answer, never half of one.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from gslb.balance.pool_state import Result
from gslb.http1.answer import REMEMBERED_OCTETS, Response, parse_response
from gslb.http1.chunks import ChunkDecoder
from gslb.http1.errors import BadAnswer, HttpError
from gslb.http1.framing import CHUNKED, UNTIL_CLOSE
from gslb.http1.head import find_head_end

if TYPE_CHECKING:
    from gslb.model.endpoint import Endpoint
    from gslb.model.proxy import HttpLimits
    from gslb.proxy.attempt import Attempt
    from gslb.proxy.pool import BackendPool

AWAITS_HEAD = -3
TUNNEL = -4
HIGH_WATER = 64 * 1024
"""Octets that may wait to be sent on a connection before the other side is read no more."""
MAX_INTERIM = 10
"""1xx answers to one request."""


class BackendConnection:
    """A connection to one backend. left: octets of content still to come, or what is read
    otherwise (CHUNKED, UNTIL_CLOSE, AWAITS_HEAD, TUNNEL). uses: requests that it has carried.
    leads_to: the backend's address, and what stands for how its pool connected then.
    """

    __slots__ = (
        "_answered",
        "_buffer",
        "_decoder",
        "_interim",
        "_is_held",
        "_is_paused",
        "_is_pure",
        "_keeps",
        "_limits",
        "_method",
        "attempt",
        "idle_since",
        "is_congested",
        "leads_to",
        "left",
        "name",
        "pool",
        "transport",
        "uses",
    )

    def __init__(self, pool: BackendPool, name: str, limits: HttpLimits) -> None:
        self.pool = pool
        self.name = name
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)
        self.attempt: Attempt | None = None
        self.left = AWAITS_HEAD
        self.uses = 0
        self.idle_since = 0.0
        self.leads_to: tuple[Endpoint, object]
        self.is_congested = False
        self._limits = limits
        self._answered: Response | None = None
        self._buffer = b""
        self._decoder: ChunkDecoder | None = None
        self._interim = 0
        self._keeps = False
        self._is_held = False
        self._is_paused = False
        self._is_pure = True
        self._method = b""

    # ------------------------------------------------------------ what the exchange asks for

    def begin(self, attempt: Attempt, method: bytes, octets: bytes) -> None:
        """Sends the beginning of a request: its head, and what there is of its body."""
        self.attempt = attempt
        self.left = AWAITS_HEAD
        self._method = method
        self._interim = 0
        self._is_pure = True
        self.uses += 1
        self.transport.write(octets)

    def drop(self) -> None:
        """Closes at once, and tells nobody."""
        self.attempt = None
        self.transport.abort()

    def go_on(self) -> None:
        """Reads the rest of an answer whose head was held."""
        self._is_held = False
        data, self._buffer = self._buffer, b""
        self.resume()
        attempt = self.attempt
        assert attempt is not None
        try:
            self._take_body(attempt, data)
        except HttpError as error:
            self._fail(Result.BAD_ANSWER, error.reason)
            return
        attempt.exchange.flush(attempt)

    def leave(self) -> None:
        """Closes when all that was written has left, and tells nobody."""
        self.attempt = None
        self.transport.close()

    def pause(self) -> None:
        """Reads no more for now."""
        if not self._is_paused and not self.transport.is_closing():
            self._is_paused = True
            self.transport.pause_reading()

    def resume(self) -> None:
        """Reads on, unless its answer is held."""
        if self._is_paused and not self._is_held:
            self._is_paused = False
            if not self.transport.is_closing():
                self.transport.resume_reading()

    def be_tunnel(self) -> None:
        """From now on octets pass as they are."""
        self.left = TUNNEL

    # ------------------------------------------------------------ what the transport says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=HIGH_WATER)

    def data_received(self, data: bytes) -> None:
        """Octets of an answer, of a tunnel, or of nothing that was asked for."""
        attempt = self.attempt
        if attempt is None:
            self.transport.abort()  # law 2
            return
        try:
            if self.left == AWAITS_HEAD:
                self._take_head(attempt, data)
            else:
                self._take_body(attempt, data)
        except (BadAnswer, HttpError) as error:
            self._fail(Result.BAD_ANSWER, error.reason)
            return
        if attempt.exchange.out:
            attempt.exchange.flush(attempt)

    def eof_received(self) -> bool:
        """The backend sends no more. A tunnel goes on in the other direction."""
        attempt = self.attempt
        if attempt is not None and self.left == TUNNEL:
            return attempt.exchange.tunnel_eof(attempt)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Closed, by whomever."""
        attempt, self.attempt = self.attempt, None
        self.pool.forget(self)
        if attempt is None:
            return
        if self.left == UNTIL_CLOSE and exc is None and not self._is_held:
            attempt.exchange.take_end(attempt, None)
        elif self.left == TUNNEL:
            attempt.exchange.tunnel_closed(attempt)
        else:
            reason = "reset" if exc is not None else "closed"
            attempt.exchange.lose(attempt, Result.RESET, f"backend {reason} the connection")

    def pause_writing(self) -> None:
        """The backend takes less than we have for it."""
        self.is_congested = True
        if self.attempt is not None:
            self.attempt.exchange.backend_congested()

    def resume_writing(self) -> None:
        """It takes more again."""
        self.is_congested = False
        if self.attempt is not None:
            self.attempt.exchange.backend_relieved()

    # ------------------------------------------------------------ answers

    def _take_head(self, attempt: Attempt, data: bytes) -> None:
        if self._buffer:
            start = max(0, len(self._buffer) - 3)
            data = self._buffer + data
        else:
            start = 0
        while True:
            end = find_head_end(data, start)
            if end < 0:
                self._keep_partial(data)
                return
            head, data, start = data[:end], data[end:], 0
            self._buffer = b""
            response = parse_response(
                head, method=self._method, limits=self._limits, before=self._answered
            )
            if response.status >= 200 or response.status == 101:
                break
            self._interim += 1
            self._is_pure = False
            if self._interim > MAX_INTERIM:
                raise BadAnswer("interim_flood")
            attempt.exchange.take_interim(attempt, response)
        self._answered = response if len(head) <= REMEMBERED_OCTETS else None
        self.left = response.body
        self._keeps = response.keep_alive and self._is_pure
        self._decoder = ChunkDecoder() if self.left == CHUNKED else None
        if not attempt.exchange.take_head(attempt, response):
            if self.attempt is attempt:  # held: not read on until it is wanted
                self._buffer = data
                self.pause()
                self._is_held = True
            return
        self._take_body(attempt, data)

    def _keep_partial(self, data: bytes) -> None:
        if len(data) > self._limits.header_octets + self._limits.line_octets:
            raise BadAnswer("head_too_large")
        self._buffer = data

    def _take_body(self, attempt: Attempt, data: bytes) -> None:
        """Passes on content; at its end the answer ends. Also called with none, after a head."""
        left = self.left
        exchange = attempt.exchange
        if left >= 0:
            if len(data) > left:
                self._keeps = False
                data = data[:left]
            self.left = left = left - len(data)
            if data:
                exchange.take_piece(attempt, data)
            if left == 0:
                self._end(attempt)
        elif left == CHUNKED:
            if data:
                self._take_chunks(attempt, data)
        elif data:  # until the end, or a tunnel
            exchange.take_piece(attempt, data)

    def _take_chunks(self, attempt: Attempt, data: bytes) -> None:
        decoder = self._decoder
        assert decoder is not None
        for piece in decoder.feed(data):
            attempt.exchange.take_piece(attempt, piece)
        if decoder.done:
            if decoder.rest:
                self._keeps = False
            self._end(attempt, decoder.trailers)

    def _end(self, attempt: Attempt, trailers: list[tuple[bytes, bytes]] | None = None) -> None:
        """The answer is complete. The connection is free before the exchange hears of it, so that
        the client's next request can have it.
        """
        if self.attempt is not attempt:
            return  # given up while its last octets were passed on
        self.attempt = None
        self.left = AWAITS_HEAD
        self._decoder = None
        if self._is_paused:
            self.resume()
        if self._keeps and attempt.exchange.is_sent:
            self.pool.give_back(self)
        else:
            self.transport.close()
        attempt.exchange.take_end(attempt, trailers)

    def _fail(self, result: Result, reason: str) -> None:
        attempt, self.attempt = self.attempt, None
        self.transport.abort()
        if attempt is not None:
            attempt.exchange.lose(attempt, result, reason)
