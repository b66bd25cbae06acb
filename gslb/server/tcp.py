"""DNS over TCP (RFC 7766): listens, admits, evicts, and ends the connections of one process.

Laws:
1. Nobody holds the server up: one periodic look at all connections ends the overdue, by the budgets
   of `tcp_limits`. What one connection does is in `tcp_connection`.
2. An engine that raises ends one connection, is counted, and is logged at most once a second.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence

from gslb.model.system import DnsLimits
from gslb.server.tcp_connection import Connection
from gslb.server.tcp_limits import (
    Overdue,
    Roster,
    TcpBudgets,
    TcpCounters,
    choose_idle_s,
    choose_sweep_s,
    client_group,
    find_overdue,
)

Answer = Callable[[bytes, str], bytes | None]
"""One message and the client's address in text form -> the reply, or None for silence."""

# Connections that the kernel holds before we accept them: a burst of clients fits; BIND takes 10.
BACKLOG = 256

log = logging.getLogger(__name__)


class TcpServer:
    """The connections of one process.

    answer, limits: may be swapped at any time; the next query sees them. counters, roster, budgets:
    for reading.
    """

    def __init__(
        self, answer: Answer, limits: DnsLimits, *, budgets: TcpBudgets | None = None
    ) -> None:
        self.answer = answer
        self.limits = limits
        self.counters = TcpCounters()
        self.budgets = budgets or TcpBudgets()
        self.roster: Roster[Connection] = Roster()
        self._listeners: list[asyncio.Server] = []
        self._sweeper: asyncio.TimerHandle | None = None
        self._closing = False
        self._empty = asyncio.Event()
        self._logged = float("-inf")

    @property
    def idle_s(self) -> float:
        """How long a client may be silent (RFC 7828): less under pressure, 0 while closing."""
        if self._closing:
            return 0.0
        return choose_idle_s(len(self.roster), limits=self.limits, budgets=self.budgets)

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Accept connections on listening sockets, which belong to the server from here on."""
        loop = asyncio.get_running_loop()
        for listener in sockets:
            self._listeners.append(
                await loop.create_server(lambda: Connection(self), sock=listener, backlog=BACKLOG)
            )
        self._sweep()

    async def close(self) -> None:
        """Accept nobody else, let replies be made and taken, drop who is left after `drain_s`."""
        self._closing = True
        for listener in self._listeners:
            listener.close()
        for connection in self.roster:
            connection.drain()
        if len(self.roster):
            self._empty.clear()
            try:
                await asyncio.wait_for(self._empty.wait(), self.budgets.drain_s)
            except TimeoutError:
                self._drop_all()
        if self._sweeper is not None:
            self._sweeper.cancel()
        # Dropped transports close their sockets in the next round of the loop.
        await asyncio.sleep(0)

    def admit(self, connection: Connection, host: str) -> bool:
        """Whether a new connection may stay; when the server is full, another one goes for it."""
        group = client_group(host)
        if self._closing or self.roster.count(group) >= self.limits.tcp_per_client:
            self.counters.refused += 1
            return False
        if len(self.roster) >= self.limits.tcp_connections and (oldest := self.roster.oldest()):
            self.counters.evicted += 1
            oldest.drop()
        self.counters.accepted += 1
        self.roster.enter(connection, group)
        return True

    def dismiss(self, connection: Connection) -> None:
        """Forget a connection that is gone."""
        self.roster.leave(connection)
        if not len(self.roster):
            self._empty.set()

    def report_failure(self, error: Exception, now: float) -> None:
        """Count what the engine raised; log it unless another one was logged within a second."""
        self.counters.failed += 1
        if now - self._logged >= 1.0:
            self._logged = now
            log.error("a query over TCP failed; its connection is closed", exc_info=error)

    def _drop_all(self) -> None:
        for connection in self.roster:
            self.counters.aborted += 1
            connection.drop()

    def _sweep(self) -> None:
        """End or drop every connection that has used up a budget, and come back."""
        loop = asyncio.get_running_loop()
        self._sweeper = loop.call_later(choose_sweep_s(self.limits, self.budgets), self._sweep)
        now = loop.time()
        idle_s = choose_idle_s(len(self.roster), limits=self.limits, budgets=self.budgets)
        for connection in self.roster:
            watch = connection.look()
            overdue = find_overdue(
                watch, now, idle_s=idle_s, limits=self.limits, budgets=self.budgets
            )
            if overdue in (Overdue.STALL, Overdue.LINGER):
                self.counters.aborted += not watch.sent
                connection.drop()
            elif overdue is not None:
                self.counters.timed_out += 1
                connection.end()
