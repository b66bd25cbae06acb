"""TCP mode: connections of clients passed on to the backends of a pool, whatever they speak.

1. A client is read when it has a backend. Until then nothing was sent, so a backend that cannot be
   connected to is replaced by another one, as often as the pool's retries and their budget allow.
2. At the ceiling of all backends a client waits in the pool's queue, among its requests.
3. A connection counts in the balancing from its connecting to its end; what it says of its backend
   is how long the connecting took.
4. Connections of a backend that is drained, in maintenance or gone from the file stay until they
   end, and are closed when the pool's drain timeout has passed.
5. Every connection is told of once, when both its ends are closed.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any, Protocol

from gslb.balance.pool_state import Member, Mode, PoolState, Result
from gslb.balance.queue import Queue
from gslb.model.proxy import Pool, Timeouts
from gslb.proxy.accept import Arrival
from gslb.proxy.bonds import AddressBonds
from gslb.proxy.reader import Reader
from gslb.proxy.tcp_connection import TcpConnection
from gslb.proxy.tcp_record import TcpRecord
from gslb.proxy.timers import Sweeper

__all__ = ["TcpFront", "TcpPool", "TcpRecord", "Tell"]


class TcpPool(Protocol):
    """What is needed of a pool; requests may use the same one.

    queue: who waits for a slot; each has leave_queue() and refuse_queued(reason).
    tls_context: of connections to backends.
    """

    name: str
    pool: Pool
    state: PoolState
    queue: Queue[Any]
    tls_context: ssl.SSLContext | None

    def report(
        self, member: Member, result: Result, *, cost: float, response_s: float | None
    ) -> None:
        """A connection that began has ended."""


Tell = Callable[[TcpRecord], None]


class TcpFront:
    """The connections of one TCP listener.

    pool: stays the same through reloads. timeouts: may be swapped; connections that come see them.
    tell: gets a record of each connection, None if nobody wants them. bonds: keep clients at their
    backends where the pool's affinity asks for that; a cookie says nothing here. `make` is for the
    acceptor; `tick` is to be called some times a second.
    """

    def __init__(
        self, pool: TcpPool, timeouts: Timeouts, sweeper: Sweeper, tell: Tell | None = None
    ) -> None:
        self.pool = pool
        self.timeouts = timeouts
        self.sweeper = sweeper
        self.tell = tell
        self.connections: set[TcpConnection] = set()
        self.bonds = AddressBonds()
        self._is_retired = False
        self._leaving_since: dict[Member, float] = {}

    def make(self, arrival: Arrival) -> Reader:
        """What reads a new connection."""
        return TcpConnection(self, arrival)

    def tick(self, now: float) -> None:
        """Closes the connections whose backend should have lost them by now (law 4)."""
        if not self.connections:
            self._leaving_since.clear()
            return
        used = {one.member for one in self.connections if one.member is not None}
        leaving = {member for member in used if self._is_leaving(member)}
        self._leaving_since = {member: self._leaving_since.get(member, now) for member in leaving}
        late_at = now - self.pool.pool.drain_timeout_s
        late = {member for member, since in self._leaving_since.items() if since <= late_at}
        if late:
            for one in [each for each in self.connections if each.member in late]:
                one.stop("drain", f"backend {one.name_of_backend} is drained")

    def retire(self) -> None:
        """Treats all backends as drained: the file names this listener no more."""
        self._is_retired = True

    def close(self) -> None:
        """Ends all connections at once, for the drain of the proxy is over."""
        for one in list(self.connections):
            one.stop("drain", "the proxy is drained")

    def _is_leaving(self, member: Member) -> bool:
        state = self.pool.state
        if self._is_retired or state.members.get(member.name) is not member:
            return True
        return member.standing.mode in (Mode.DRAIN, Mode.MAINT)
