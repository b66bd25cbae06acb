"""One client's connection in TCP mode: a backend is found for it, and then octets pass.

What it obeys is written in `tcp` and `tcp_relay`. While it waits for a backend it is not read, so a
client that leaves meanwhile is missed when the backend is there, or its time in the queue is over.
Durations are not told by the loop's clock: uvloop's stands still within a turn, and counts in
milliseconds.
"""

from __future__ import annotations

import asyncio
import random
from time import monotonic
from typing import TYPE_CHECKING

from gslb.balance.pool_state import Member, Refusal, Result
from gslb.http1.proxy_header import compose_proxy_header
from gslb.model.proxy import Priority
from gslb.probe.outcome import clean_text, describe_error
from gslb.proxy.connecting import connect
from gslb.proxy.tcp_record import TcpRecord
from gslb.proxy.tcp_relay import End, join
from gslb.proxy.timers import NEVER
from gslb.route.keys import client_hash
from gslb.telemetry.logs import get_limited_logger

if TYPE_CHECKING:
    from gslb.balance.pool_state import Candidate
    from gslb.proxy.accept import Arrival
    from gslb.proxy.peer import Peer
    from gslb.proxy.tcp import TcpFront

COST = 1.0

log = get_limited_logger(__name__)


class TcpConnection(End):
    """A client's connection, and what becomes of it.

    deadline, idle_s: for the sweeper, and how far each octet moves it. member: whose slot it holds.
    """

    __slots__ = (
        "_affinity",
        "_arrival",
        "_arrived_at",
        "_attempts",
        "_candidates",
        "_connect_s",
        "_connecting",
        "_end",
        "_ended_by",
        "_front",
        "_is_over",
        "_is_retrying",
        "_key",
        "_peer",
        "_queued_at",
        "_queued_s",
        "_reason",
        "_result",
        "_tried",
        "_unsent",
        "deadline",
        "idle_s",
        "loop",
        "member",
        "name_of_backend",
    )

    def __init__(self, front: TcpFront, arrival: Arrival) -> None:
        super().__init__(self)
        self.loop = asyncio.get_running_loop()
        self.idle_s = front.timeouts.tunnel_idle_s
        self.deadline = NEVER
        self.member: Member | None = None
        self.name_of_backend: str | None = None
        self._front = front
        self._arrival = arrival
        self._arrived_at = monotonic()
        self._end: End | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._candidates: tuple[Candidate, ...] = ()
        self._affinity = ""
        self._attempts: list[tuple[str, str, float, str]] = []
        self._tried: tuple[str, ...] = ()
        self._is_retrying = False
        self._queued_at: float | None = None
        self._queued_s = 0.0
        self._connect_s: float | None = None
        self._result = Result.OK
        self._ended_by = ""
        self._reason = ""
        self._unsent: int | None = None
        self._is_over = False

    # What the client's transport calls, besides what End does.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asks for a backend."""
        super().connection_made(transport)
        self._peer: Peer = self._arrival.peer(transport)
        self._key = client_hash(self._peer.address)
        self._front.connections.add(self)
        self._front.sweeper.add(self)
        pool = self._front.pool
        if self._front.tell is not None:
            self._candidates = tuple(pool.state.explain(self._arrived_at))
        if len(pool.queue):
            self._wait()
        else:
            self._dispatch()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._arrival.gone()
        super().connection_lost(exc)

    # A backend.

    def _dispatch(self) -> None:
        picked = self._pick()
        if picked is Refusal.FULL:
            self._wait()
        else:
            self._take(picked)

    def _pick(self) -> Member | Refusal:
        front = self._front
        is_bound = front.pool.pool.affinity is not None
        sticky = front.bonds.find(self._peer.address) if is_bound else None
        picked = front.pool.state.pick(
            now=monotonic(),
            draw=random.random(),
            key=self._key,
            cost=COST,
            sticky=sticky,
            tried=self._tried,
        )
        if is_bound and not isinstance(picked, Refusal):
            self._affinity = _judge_affinity(sticky, picked.name)
        return picked

    def _take(self, picked: Member | Refusal) -> None:
        if isinstance(picked, Refusal):
            self.stop("error", self._attempts[-1][3] if self._attempts else str(picked))
            return
        self.member = picked
        self._front.pool.state.begin(picked, now=monotonic(), cost=COST)
        name = f"connect {self._front.pool.name}/{picked.name}"
        self._connecting = self.loop.create_task(self._connect(picked), name=name)

    async def _connect(self, member: Member) -> None:
        began_at = monotonic()
        end = End(self)
        try:
            async with asyncio.timeout(self._front.timeouts.connect_s):
                await self._open(end, member)
        except asyncio.CancelledError:
            self._drop(end)
            raise
        except Exception as error:  # noqa: BLE001 - the border of a connection
            if not isinstance(error, OSError):
                log.error("cannot connect", backend=member.name, cause=error)  # noqa: TRY400
            self._drop(end)
            self._connecting = None
            self._lose(member, began_at, error)
            return
        self._connecting = None
        self._end_retry()
        self._connect_s = monotonic() - began_at
        self.name_of_backend = member.name
        if self._front.pool.pool.affinity is not None:
            self._front.bonds.bind(self._peer.address, member.name, is_secure=False)
        self._end = end
        self.deadline = self.loop.time() + self.idle_s
        join(self, end)

    async def _open(self, end: End, member: Member) -> None:
        pool, peer, address = self._front.pool.pool, self._peer, member.backend.address
        header = b""
        if pool.send_proxy:
            local = (str(peer.local[0]), peer.local[1])
            header = compose_proxy_header(pool.send_proxy, (str(peer.address), peer.port), local)
        server_name = pool.tls.server_name if pool.tls else None
        await connect(
            end,
            address,
            header=header,
            tls=self._front.pool.tls_context,
            server_name=server_name or peer.server_name or address.host,
        )
        if end.is_lost:  # at once after its handshake
            raise ConnectionResetError("closed at once")

    def _drop(self, end: End) -> None:
        """Forget a connection that came too late, or broke in its handshake."""
        end.is_lost = True
        if end.transport is not None:
            end.transport.abort()

    def _lose(self, member: Member, began_at: float, error: Exception) -> None:
        """A backend could not be connected to: another one, if that is allowed (law 1)."""
        spent_s = monotonic() - began_at
        is_late = isinstance(error, TimeoutError)
        reason = "connect timeout" if is_late else clean_text(describe_error(error))
        result = Result.CONNECT_FAILED
        self._attempts.append((member.name, str(result), spent_s * 1000, reason))
        self._tried = (*self._tried, member.name)
        self._end_retry()
        self.member = None
        pool = self._front.pool
        pool.report(member, result, cost=COST, response_s=spent_s)
        if self.transport.is_closing():
            return
        if len(self._attempts) > pool.pool.retry.attempts or not pool.state.begin_retry():
            self.stop("error", reason)
            return
        self._is_retrying = True
        self._dispatch()

    def _end_retry(self) -> None:
        if self._is_retrying:
            self._is_retrying = False
            self._front.pool.state.end_retry()

    # The queue (law 2).

    def _wait(self) -> None:
        pool = self._front.pool
        now = monotonic()
        settings = pool.pool.queue
        leaving = pool.queue.put(
            self, priority=Priority.NORMAL, now=now, timeout_s=settings.timeout_s, cost=COST
        )
        if isinstance(leaving, Refusal):
            self.stop("error", "queue_full" if settings.size else "full")
            return
        self._queued_at = now
        for other in leaving:
            other.refuse_queued("evicted")

    def leave_queue(self) -> bool:
        """A slot may be free: whether this one has left the queue, with or without a backend."""
        picked = self._pick()
        if picked is Refusal.FULL:
            return False
        self._front.pool.queue.remove(self)
        self._end_wait()
        self._take(picked)
        return True

    def refuse_queued(self, reason: str) -> None:
        """It has waited in vain, and is no longer in the queue."""
        self._end_wait()
        self.stop("timeout" if reason == "queue_timeout" else "error", reason)

    def _end_wait(self) -> None:
        if self._queued_at is not None:
            self._queued_s += monotonic() - self._queued_at
            self._queued_at = None

    # The relay's ends.

    def take_end(self, end: End) -> bool:
        """One sends no more: whether it stays open (laws 2 and 3 of the relay)."""
        if end is not self and end is not self._end:
            return False
        self._blame(end, "")
        other = end.other
        if other is None:  # it is passed on when there is a backend
            return not end.is_tls
        if other.has_ended:
            self._close_in_time()
            other.transport.close()
            return False
        return other.end_writing() and not end.is_tls

    def take_loss(self, end: End, error: Exception | None) -> None:
        """One is closed; the other follows."""
        if end is not self and end is not self._end:
            return
        self._blame(end, clean_text(describe_error(error)) if error else "")
        if end is not self and error is not None and not end.octets and self._is_to_blame(end):
            self._result = Result.RESET  # as a dead service behind a live address does
        other = end.other
        if other is None:
            self._stop_looking()
        elif not other.is_lost:
            if error is not None:
                other.transport.abort()
            else:
                other.transport.close()
            self._close_in_time()
            return
        self._conclude()

    def _blame(self, end: End, reason: str) -> None:
        """Who ended it: the one who was the first to end."""
        if not self._ended_by:
            self._ended_by = "client" if end is self else "backend"
            self._reason = reason

    def _is_to_blame(self, end: End) -> bool:
        return self._ended_by == ("client" if end is self else "backend")

    def _close_in_time(self) -> None:
        """One end is closing: what waits for it has to leave, a part of it every so often."""
        self._unsent = self._count_unsent()
        self.deadline = self.loop.time() + self._front.timeouts.body_idle_s

    def _count_unsent(self) -> int:
        ends = (self, self._end)
        return sum(end.transport.get_write_buffer_size() for end in ends if end and not end.is_lost)

    def expire(self, now: float) -> None:
        """Nothing came for too long, or what waits does not leave."""
        unsent = self._count_unsent()
        if self._unsent is not None and unsent < self._unsent:
            self._close_in_time()
            return
        self.deadline = NEVER
        self.stop("timeout", "idle" if self._unsent is None else "not taken")

    def stop(self, ended_by: str, reason: str) -> None:
        """Ends it at once, from our side."""
        self._ended_by, self._reason = ended_by, reason
        for end in (self, self._end):
            if end is not None and not end.is_lost:
                end.transport.abort()

    def _stop_looking(self) -> None:
        """The client is gone, or is let go, before it had a backend."""
        self._front.pool.queue.remove(self)
        self._end_wait()
        if self._connecting is not None:
            self._connecting.cancel()
            self._connecting = None
            self._result = Result.CANCELLED

    def _conclude(self) -> None:
        """Both ends are closed: the slot is free, and it is told (law 5)."""
        if self._is_over:
            return
        self._is_over = True
        self._end_retry()
        front = self._front
        front.sweeper.discard(self)
        front.connections.discard(self)
        member, self.member = self.member, None
        record = self._record() if front.tell is not None else None
        if self._end is not None:
            self._end.other = self.other = None  # no cycle is left for the collector
        if member is not None:
            front.pool.report(member, self._result, cost=COST, response_s=self._connect_s)
        if record is not None and front.tell is not None:
            front.tell(record)

    def _record(self) -> TcpRecord:
        return TcpRecord(
            client=str(self._peer.address),
            port=self._peer.port,
            server_name=self._peer.server_name,
            pool=self._front.pool.name,
            backend=self.name_of_backend,
            candidates=self._candidates,
            affinity=self._affinity,
            attempts=tuple(self._attempts),
            octets_in=self.octets,
            octets_out=self._end.octets if self._end else 0,
            queue_ms=self._queued_s * 1000,
            connect_ms=None if self._connect_s is None else self._connect_s * 1000,
            total_ms=(monotonic() - self._arrived_at) * 1000,
            ended_by=self._ended_by,
            reason=self._reason,
        )


def _judge_affinity(sticky: str | None, picked: str) -> str:
    """What became of a client's bond: hit, miss (it had none) or broken."""
    if sticky is None:
        return "miss"
    return "hit" if sticky == picked else "broken"
