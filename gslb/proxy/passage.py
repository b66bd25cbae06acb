"""The octets of one request and its answer, on their way through.

Laws:
1. Content is passed on as it comes; a side that is slow stops the reading of the other. What waits
   here is bounded by one read and the two write buffers.
2. An answer that comes before the request has been read to its end is passed on, and the client's
   connection closes after it.
3. An answer whose content ends too soon is cut off towards the client as well: it never looks
   complete.
4. A tunnel passes octets both ways until both ends have closed, or nothing has come for a time.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from time import monotonic
from typing import TYPE_CHECKING

from gslb.balance.pool_state import Result
from gslb.balance.shed import retry_after_s
from gslb.http1.chunks import LAST_CHUNK, compose_chunk, compose_trailers
from gslb.http1.compose import compose_interim, compose_plain, compose_response
from gslb.http1.framing import CHUNKED, UNTIL_CLOSE
from gslb.proxy.body import RequestBody
from gslb.proxy.filters import code, compress

if TYPE_CHECKING:
    from gslb.content.answer import Answer
    from gslb.http1.answer import Response
    from gslb.http1.head import Request
    from gslb.proxy.attempt import Attempt
    from gslb.proxy.client import ClientConnection
    from gslb.proxy.filters import AnswerFilter
    from gslb.proxy.pool import BackendPool
    from gslb.route.router import Lane

IDEMPOTENT = frozenset((b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"))
BODY_GRACE_S = 10.0
"""How long a body may come slower than the least rate at its beginning."""
BODY_OCTETS = 64 * 1024
"""Octets of a body that are read before there is a pool, which has its own figure."""

Trailers = list[tuple[bytes, bytes]]


class Passage:
    """What moves. Who is asked, and whose answer is taken, decides `Exchange`.

    address: the client. is_sent: the request has been read to its end. lane: its route, None before
    there is one. pools: those of the configuration that it came under. attempts: those on the way.
    out: the head of the answer, waiting for the content that comes with it. ended_by: who ended it,
    empty for an ordinary end; reason: why, in a word.
    """

    # What a usual request never changes stands on the class, where it costs that request nothing:
    # to set all of it for each one took 1.5 us.
    body: RequestBody | None = None
    body_since = 0.0
    lane: Lane | None = None
    pools: Mapping[str, BackendPool]
    request_id = b""
    head_octets = b""
    extra_head = b""
    notes: Mapping[str, object] | None = None
    attempts: tuple[Attempt, ...] = ()
    winner: Attempt | None = None
    out = b""
    filter: AnswerFilter | None = None
    is_chunking = False
    is_tunnel = False
    has_backend_ended = False
    is_done = False
    is_health = False
    status = 0
    octets_out = 0
    answered_at = 0.0
    reason = ""
    ended_by = ""

    def __init__(self, client: ClientConnection, request: Request, now: float) -> None:
        self.client = client
        self.tier = client.tier
        self.loop = client.loop
        self.request = request
        self.arrived_at = now
        self.address = client.peer.address
        self.keep_alive = request.keep_alive
        self.is_sent = request.body == 0
        if not self.is_sent:
            self.body = RequestBody(request.body, BODY_OCTETS)
            self.body_since = now

    # ------------------------------------------------------------ what Exchange decides

    def report_winner(self, result: Result | None = None) -> None:
        """The answer's end, for the pool. None: by its status."""
        raise NotImplementedError

    def abandon(self) -> None:
        """Lets go of what is on the way."""
        raise NotImplementedError

    def bind_client(self, attempt: Attempt) -> None:
        """The client belongs to the backend whose answer is taken, if the pool binds clients."""
        raise NotImplementedError

    def filter_answer(self, response: Response) -> AnswerFilter:
        """What changes the answer's content on its way, where its route has that done."""
        raise NotImplementedError

    def conclude(self) -> None:
        """Nothing more moves: counted and told, once."""
        raise NotImplementedError

    def finish(self) -> None:
        """The answer has been handed to the client's connection, which goes on."""
        raise NotImplementedError

    def note(self, key: str, value: object) -> None:
        """Has the audit line say something."""
        self.notes = {**(self.notes or {}), key: value}

    def await_answer(self, now: float) -> None:
        """Sets the time by which an answer should have begun."""
        timeouts = self.tier.proxy.timeouts
        deadline = self.arrived_at + timeouts.total_s
        if self.attempts and now + timeouts.response_s < deadline:
            deadline = now + timeouts.response_s
        self.client.deadline = deadline

    @property
    def total_at(self) -> float:
        """When the answer must have begun, whatever is tried."""
        return self.arrived_at + self.tier.proxy.timeouts.total_s

    # ------------------------------------------------------------ the request's body

    def take_body(self, piece: bytes) -> None:
        """Content of the request."""
        body = self.body
        assert body is not None
        framed = body.take(piece)
        most = self.tier.proxy.limits.body_octets
        if most is not None and body.total > most:
            if self.winner is None:
                self.refuse(413, "the request's body is too large", "body_too_large")
            else:
                self.break_off("client", "body_too_large")
            return
        self._send_on(framed)
        self.watch_body(monotonic())

    def end_body(self, trailers: Trailers) -> None:
        """The request has come to its end."""
        body = self.body
        assert body is not None
        self.is_sent = True
        framed = body.end(trailers)
        if framed:
            self._send_on(framed)
        if self.winner is None:
            self.await_answer(monotonic())

    def settle_body(self) -> None:
        """What came of the body has been sent on: it is let go of if it cannot be sent again."""
        body = self.body
        assert body is not None
        if body.is_over or self.request.method not in IDEMPOTENT:
            body.forget()
        if not self._is_backend_congested():
            self.client.read_on()

    def watch_body(self, now: float) -> None:
        """Sets when the client is too slow: it sends nothing, or less than the least rate."""
        body = self.body
        assert body is not None
        limits, timeouts = self.tier.proxy.limits, self.tier.proxy.timeouts
        slow_at = self.body_since + BODY_GRACE_S + body.total / limits.body_octets_per_s
        self.client.deadline = min(now + timeouts.body_idle_s, slow_at)

    def _send_on(self, framed: bytes) -> None:
        body = self.body
        assert body is not None
        is_on_its_way = False
        for attempt in self.attempts:
            connection = attempt.connection
            if connection is not None and connection.attempt is attempt:
                connection.transport.write(framed)
                is_on_its_way = True
        if not is_on_its_way:
            if body.is_over:
                self.client.pause_reading()
        elif body.can_replay and (body.is_over or self.request.method not in IDEMPOTENT):
            body.forget()

    # ------------------------------------------------------------ the answer

    def begin_answer(self, attempt: Attempt, response: Response) -> None:
        """Composes the answer's head; it leaves with the first content, or with `flush`."""
        now = monotonic()
        request, lane, client = self.request, self.lane, self.client
        self.answered_at = now
        self.status = response.status
        if self.body is not None and self.is_sent:
            self.body.forget()
        if response.status != 101 and lane is not None and lane not in self.tier.plain_answers:
            self.filter = self.filter_answer(response)
        self.winner = attempt  # not before: what cannot be taken may be asked for again
        self.bind_client(attempt)
        if response.status == 101:
            self._begin_tunnel(attempt, response, now)
            return
        if self.filter is not None:
            response = self.filter.response
            self.status = response.status
        body = response.body
        if body < 0:
            self.is_chunking = request.version == 11
            body = CHUNKED if self.is_chunking else UNTIL_CLOSE
        keep = self.keep_alive and self.is_sent and body != UNTIL_CLOSE and client.may_stay
        self.keep_alive = keep
        self.out = compose_response(
            response,
            version=request.version,
            body=body,
            keep_alive=keep,
            changes=None if lane is None else lane.response_changes,
            extra=self.extra_head,
        )
        client.deadline = now + self.tier.proxy.timeouts.body_idle_s
        if client.is_congested and attempt.connection is not None:
            attempt.connection.pause()

    def take_interim(self, attempt: Attempt, response: Response) -> None:
        """An interim answer: passed on to a client that knows them, if it is not one of two."""
        if self.request.version == 11 and len(self.attempts) == 1 and self.winner is None:
            self.client.write(compose_interim(response))

    def take_piece(self, attempt: Attempt, data: bytes) -> None:
        """Content of the answer, or octets of a tunnel from the backend."""
        if self.winner is not attempt:
            return
        if self.filter is not None:
            data = self.filter.feed(data)
            if not data:
                return
        self.octets_out += len(data)
        if self.is_chunking:
            data = compose_chunk(data)
        client = self.client
        if self.out:  # with the head, which has just set the deadline
            data = self.out + data
            self.out = b""
            client.transport.write(data)
            return
        client.transport.write(data)
        timeouts = self.tier.proxy.timeouts
        idle_s = timeouts.tunnel_idle_s if self.is_tunnel else timeouts.body_idle_s
        client.deadline = monotonic() + idle_s

    def take_end(self, attempt: Attempt, trailers: Trailers | None) -> None:
        """The answer has come to its end."""
        if self.winner is not attempt:
            return
        data = self.out
        self.out = b""
        if self.filter is not None:
            tail = self.filter.finish()
            self.octets_out += len(tail)
            data += compose_chunk(tail) if tail and self.is_chunking else tail
        if self.is_chunking:
            data += compose_trailers(trailers) if trailers else LAST_CHUNK
        if data:
            self.client.transport.write(data)
        self.report_winner()
        self.finish()

    def flush(self, attempt: Attempt) -> None:
        """Sends the head of the answer when no content came with it."""
        if self.out and self.winner is attempt:
            data, self.out = self.out, b""
            self.client.transport.write(data)

    def break_off(self, who: str, reason: str) -> None:
        """The answer cannot be completed (law 3), or not even begun."""
        self.ended_by, self.reason = who, reason
        if self.out:  # nothing of it has left: there is still something better to say
            self.out = b""
            self.filter = None
            self.winner = None
            self.is_chunking = False
            self.refuse(502, "the backend broke off its answer", reason)
            return
        self.abandon()
        self.keep_alive = False
        self.conclude()
        self.client.transport.abort()

    def stall(self) -> None:
        """Nothing has moved for too long, or hardly anything: who is slow is waited for."""
        if self.client.is_congested and self.client.has_taken_some():
            self.client.deadline = monotonic() + self.tier.proxy.timeouts.body_idle_s
            return
        if self.is_tunnel:
            who, reason = "timeout", "tunnel_idle"
        elif self.client.is_congested:
            who, reason = "client", "client_reads_no_more"
        elif not self.is_sent and not self.client.is_reading_paused:
            who, reason = "client", "body_timeout"
        else:
            who, reason = "backend", "answer_stalled"
        if self.is_tunnel:
            self.end_tunnel(who, reason)
            return
        self.report_winner(Result.TIMEOUT if who == "backend" else Result.CANCELLED)
        if self.winner is not None and self.winner.connection is not None:
            self.winner.connection.drop()
        self.out = b""
        self.break_off(who, reason)

    # ------------------------------------------------------------ answers of our own

    def refuse_busy(self, text: str, reason: str) -> None:
        """503, and when to come again."""
        again = b"Retry-After: %d\r\n" % retry_after_s(random.random())
        self.refuse(503, text, reason, extra=again)

    def refuse(self, status: int, text: str, reason: str, *, extra: bytes = b"") -> None:
        """An answer of our own instead of a backend's."""
        self.reason = self.reason or reason
        self.ended_by = self.ended_by or "proxy"
        self.abandon()
        self.answer(status, text, extra=extra)

    def answer(self, status: int, text: str, *, extra: bytes = b"") -> None:
        """Answers without a backend, and is done."""
        self.status = status
        self.answered_at = monotonic()
        self.keep_alive = self.keep_alive and self.is_sent and self.client.may_stay
        if self.keep_alive and self.request.version == 10:
            extra += b"Connection: keep-alive\r\n"
        octets = compose_plain(
            status,
            text,
            keep_alive=self.keep_alive,
            extra=extra + self.extra_head,
            head_only=self.request.method == b"HEAD",
        )
        self.octets_out = len(text)
        self.client.transport.write(octets)
        self.finish()

    def answer_with(self, answer: Answer) -> None:
        """Answers with what the cache holds, and is done."""
        lane, request = self.lane, self.request
        assert lane is not None
        response, encoder = code(request, lane, answer.response)
        content = answer.body
        if encoder is not None:
            content = compress(encoder, content) + encoder.finish()
        self.status = response.status
        self.answered_at = monotonic()
        self.keep_alive = self.keep_alive and self.is_sent and self.client.may_stay
        self.octets_out = len(content)
        head = compose_response(
            response,
            version=request.version,
            body=len(content) if encoder is not None else response.body,
            keep_alive=self.keep_alive,
            changes=lane.response_changes,
            extra=self.extra_head,
        )
        self.client.transport.write(head + content)
        self.finish()

    # ------------------------------------------------------------ tunnels

    def _begin_tunnel(self, attempt: Attempt, response: Response, now: float) -> None:
        connection = attempt.connection
        assert connection is not None
        self.is_tunnel = True
        self.tier.tunnels += 1
        self.keep_alive = False
        connection.be_tunnel()
        lane = self.lane
        self.out = compose_response(
            response,
            version=11,
            body=0,
            keep_alive=True,
            changes=None if lane is None else lane.response_changes,
            extra=self.extra_head,
        )
        self.client.deadline = now + self.tier.proxy.timeouts.tunnel_idle_s
        self.client.be_tunnel(connection)

    def tunnel_in(self, data: bytes) -> None:
        """Octets of the client in a tunnel."""
        winner = self.winner
        if winner is not None and winner.connection is not None:
            winner.connection.transport.write(data)
            self.client.deadline = monotonic() + self.tier.proxy.timeouts.tunnel_idle_s

    def tunnel_eof(self, attempt: Attempt) -> bool:
        """The backend sends no more through the tunnel: whether the other way stays open."""
        transport = self.client.transport
        self.has_backend_ended = True
        if transport.can_write_eof() and not self.client.has_ended:
            self.flush(attempt)
            transport.write_eof()
            return True
        return False

    def tunnel_closed(self, attempt: Attempt) -> None:
        """The backend has closed the tunnel."""
        self.flush(attempt)
        self.end_tunnel("backend", "")

    def end_tunnel(self, who: str, reason: str) -> None:
        """Closes both ends."""
        if self.is_done:
            return
        self.ended_by, self.reason = who, reason
        self.report_winner(Result.OK)
        if self.winner is not None and self.winner.connection is not None:
            self.winner.connection.leave()
        self.client.transport.close()
        self.client.deadline = monotonic() + self.tier.proxy.timeouts.body_idle_s
        self.conclude()

    # ------------------------------------------------------------ slow sides (law 1)

    def backend_congested(self) -> None:
        """A backend takes less than comes for it."""
        self.client.pause_reading()

    def backend_relieved(self) -> None:
        """It takes more again."""
        if self._is_backend_congested():
            return
        if not self.is_sent:
            self.body_since = now = monotonic()  # the client was not to blame for the pause
            self.watch_body(now)
        self.client.read_on()

    def _is_backend_congested(self) -> bool:
        for attempt in self.attempts:
            if attempt.connection is not None and attempt.connection.is_congested:
                return True
        return False

    def client_congested(self) -> None:
        """The client takes less than comes for it."""
        if self.winner is not None and self.winner.connection is not None:
            self.winner.connection.pause()

    def client_relieved(self) -> None:
        """It takes more again."""
        if self.winner is not None and self.winner.connection is not None:
            self.winner.connection.resume()

    # ------------------------------------------------------------ the end

    def client_gone(self) -> None:
        """The client has closed: nobody waits for an answer."""
        if self.is_done:
            return
        self.ended_by, self.reason = "client", self.reason or "client_gone"
        if self.is_tunnel:
            self.end_tunnel("client", "")
            return
        if self.winner is not None:
            self.report_winner(Result.CANCELLED)
            if self.winner.connection is not None:
                self.winner.connection.drop()
        self.abandon()
        self.conclude()
