"""One client's TCP connection: its octets cut, `answer` asked, the replies written in turns.

Laws:
1. Queries are answered in the order they came, each with its length in one piece; what came
   together may leave together (RFC 7766 8). How a client cuts its octets changes no reply.
2. After a turn of queries, or while its replies wait to be taken, a connection is not read: others
   go first, and no write buffer passes the bound that `TcpBudgets` states.
3. What is no query (shorter than a header, or met by silence of the engine) ends the connection,
   after the replies to what came before it. A query that the engine answers with FORMERR does not.
4. Ending means: our side closes once all replies have left, the rest is read and thrown away, and
   the connection is dropped when the client closes too or does not in time.
"""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import TYPE_CHECKING, cast

from gslb.server.tcp_frames import HEADER_OCTETS, LENGTH_OCTETS, FrameBuffer
from gslb.server.tcp_limits import Watch

if TYPE_CHECKING:
    from gslb.server.tcp import TcpServer


class Turn(Enum):
    """How a turn of queries ended."""

    DRY = "dry"  # no complete message is left
    SPENT = "spent"  # others go first
    OVER = "over"  # nothing that follows will be answered


class Connection(asyncio.BufferedProtocol):
    """One client's connection. It decides nothing about others; the server does."""

    def __init__(self, server: TcpServer) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._frames = FrameBuffer()
        self._queries = 0
        self._draining = False
        self._next_turn: asyncio.Handle | None = None
        self._watch = Watch(opened=self._loop.time(), heard=self._loop.time())

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask the server whether this connection may stay."""
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        # A client that has reset its connection before it was accepted has no name.
        if peer is None or not self._server.admit(self, peer[0]):
            self._transport.abort()
            return
        self._host = peer[0]
        budgets = self._server.budgets
        self._transport.set_write_buffer_limits(high=budgets.write_high, low=budgets.write_low)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the transport puts what it receives."""
        return self._frames.room()

    def buffer_updated(self, nbytes: int) -> None:
        """Answer what is complete; what comes after our side ended is thrown away."""
        if self._watch.ending is None:
            self._frames.add(nbytes)
            self._serve()

    def eof_received(self) -> None:
        """Let the transport send what is left and close; what came before is answered (law 2)."""
        self._watch.ending = self._watch.ending or self._loop.time()

    def pause_writing(self) -> None:
        """Note since when replies above write_high wait."""
        self._watch.stalled = self._loop.time()

    def resume_writing(self) -> None:
        """Go on with what was received meanwhile."""
        self._watch.stalled = None
        if self._watch.ending is None:
            self._serve()

    def connection_lost(self, error: Exception | None) -> None:
        """Forget what is not yet answered: nobody is there to read it (RFC 7766 6.2.4)."""
        self._stop_serving()
        self._server.dismiss(self)

    # What the server calls.

    def look(self) -> Watch:
        """Since when this connection is in which state, as of now."""
        self._watch.sent = not self._transport.get_write_buffer_size()
        return self._watch

    def drain(self) -> None:
        """Answer what has been received, then end."""
        self._draining = True
        if self._next_turn is None and self._watch.stalled is None:
            self.end()

    def end(self) -> None:
        """Close our side after the replies that were made (law 4)."""
        if self._watch.ending is not None:
            return
        self._watch.ending = self._loop.time()
        self._stop_serving()
        try:
            self._transport.write_eof()
        except OSError:  # reset by the client, and the transport has not noticed yet
            self.drop()
        else:
            self._transport.resume_reading()

    def drop(self) -> None:
        """Close at once, whatever is unsent."""
        self._watch.ending = self._loop.time()
        self._stop_serving()
        self._server.dismiss(self)
        self._transport.abort()

    # The turns.

    def _serve(self) -> None:
        """Answer one turn of what is complete, write it in one piece, and say how it goes on."""
        self._next_turn = None
        heard = self._queries
        replies: list[bytes] = []
        turn = self._answer_turn(replies)
        if replies:
            self._transport.write(b"".join(replies))
        if turn is Turn.OVER or (turn is Turn.DRY and self._draining):
            self.end()
        elif self._watch.stalled is not None:
            self._transport.pause_reading()
        elif turn is Turn.SPENT:
            self._transport.pause_reading()
            self._next_turn = self._loop.call_soon(self._serve)
        else:
            self._transport.resume_reading()
        self._note(has_heard=self._queries > heard)

    def _answer_turn(self, replies: list[bytes]) -> Turn:
        """Fill replies with the framed answers to the next complete messages."""
        budgets, counters = self._server.budgets, self._server.counters
        size = 0
        for _ in range(budgets.turn_queries):
            message = self._frames.take()
            if message is None:
                return Turn.DRY
            reply = self._ask(message)
            if reply is None:
                return Turn.OVER
            replies += (len(reply).to_bytes(LENGTH_OCTETS, "big"), reply)
            size += LENGTH_OCTETS + len(reply)
            counters.queries += 1
            self._queries += 1
            if self._queries >= budgets.queries:
                return Turn.OVER
            if size >= budgets.turn_octets:
                break
        return Turn.SPENT

    def _ask(self, message: bytes) -> bytes | None:
        """The engine's reply, or None when the connection is to end."""
        if len(message) >= HEADER_OCTETS:
            try:
                reply = self._server.answer(message, self._host)
                if reply is not None:
                    assert len(reply) <= 0xFFFF, f"a reply of {len(reply)} octets"
                    return reply
            except Exception as error:  # noqa: BLE001 - the border of a connection
                self._server.report_failure(error, self._loop.time())
                return None
        self._server.counters.malformed += 1
        return None

    def _note(self, *, has_heard: bool) -> None:
        """Keep the watch and the roster: what counts as a sign of life, and who is busy."""
        if self._watch.ending is not None:
            return
        watch, roster = self._watch, self._server.roster
        waits = watch.stalled is not None or self._next_turn is not None
        if has_heard:
            watch.heard = self._loop.time()
            roster.heard(self)
        if waits or not len(self._frames):
            watch.message = None
        elif has_heard or watch.message is None:
            watch.message = self._loop.time()
        roster.mark(self, busy=waits or watch.message is not None)

    def _stop_serving(self) -> None:
        """Answer nothing more."""
        self._frames.clear()
        if self._next_turn is not None:
            self._next_turn.cancel()
            self._next_turn = None
