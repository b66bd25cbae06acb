"""The connections of one pool: idle ones to be used again, new ones, and who waits for a free slot.

Which backend it is decides `gslb.balance`; here is only what that takes in sockets.

Laws:
1. An idle connection is looked at before it is used again: one that has been idle for a while, or
   is to carry what cannot be sent twice, is asked whether the backend has closed it.
2. Of a backend at most MAX_IDLE idle connections are kept, the last used first, none longer than
   the timeout.
3. Who waits is served when a slot is free, by priority and then in order; nobody who comes later
   gets in before.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from gslb.balance.pool_state import PoolState, Result
from gslb.http1.proxy_header import compose_proxy_header
from gslb.model.proxy import Algorithm, HttpLimits, KeyKind, KeySpec, Pool, Timeouts
from gslb.probe.outcome import clean_text, describe_error
from gslb.proxy.bonds import AddressBonds, Bonds, make_bonds
from gslb.proxy.connecting import connect
from gslb.proxy.upstream import BackendConnection
from gslb.route.keys import KeyReader, compile_key

if TYPE_CHECKING:
    from gslb.balance.member import Member
    from gslb.balance.queue import Queue
    from gslb.proxy.attempt import Attempt
    from gslb.proxy.exchange import Exchange

MAX_IDLE = 256
"""Idle connections of one backend: more than one worker has in flight in usual operation."""
FRESH_S = 0.02
"""Idle for less: the loop would have told of a close, so no system call is spent on asking."""

_HASHING = (Algorithm.IP_HASH, Algorithm.CONSISTENT_HASH, Algorithm.MAGLEV)
_BY_CLIENT = KeySpec(KeyKind.CLIENT_IP)


@dataclass(frozen=True, slots=True)
class PoolTerms:
    """What a pool has from its proxy. affinity: what signs cookies without a file of their own.
    share: of the proxy, that this worker is.
    """

    timeouts: Timeouts
    limits: HttpLimits
    affinity: bytes
    share: float


@dataclass(frozen=True, slots=True)
class PoolParts:
    """What a pool is made of that can fail to be made; made before anything changes."""

    bonds: Bonds | None
    read_key: KeyReader | None
    tls_context: ssl.SSLContext | None


def make_parts(pool: Pool, terms: PoolTerms) -> PoolParts:
    """The parts of a pool. Raises ValueError and OSError for files that cannot be used."""
    read_key = None
    if pool.balance.algorithm in _HASHING:
        read_key = compile_key(pool.balance.key or _BY_CLIENT)
    return PoolParts(
        make_bonds(pool, terms.affinity),
        read_key,
        make_client_context(pool) if pool.tls else None,
    )


class BackendPool:
    """One pool in one worker. state: what is known of its backends. queue: who waits for a slot.
    bonds: what binds clients to backends. read_key: of a request what the algorithm hashes, None
    where that is nothing.
    """

    def __init__(self, pool: Pool, terms: PoolTerms, parts: PoolParts) -> None:
        self._loop = asyncio.get_running_loop()
        self.name = pool.name
        self.pool = pool
        self.state = PoolState(pool, now=monotonic(), share=terms.share)
        self.queue: Queue[Exchange] = self.state.queue
        self._terms = terms
        self._is_retired = False
        self._origin = object()
        self.bonds: Bonds | None = None
        self._take(parts)
        self._idle: dict[str, list[BackendConnection]] = {}
        self._connections: set[BackendConnection] = set()
        self._openings: set[asyncio.Task[None]] = set()

    def _take(self, parts: PoolParts) -> None:
        self.algorithm = str(self.pool.balance.algorithm)
        if type(parts.bonds) is not AddressBonds or type(self.bonds) is not AddressBonds:
            self.bonds = parts.bonds  # else the notes of who belongs where are kept
        self.read_key = parts.read_key
        self.tls_context = parts.tls_context

    def apply(self, pool: Pool, terms: PoolTerms, parts: PoolParts) -> None:
        """Goes on with other settings; connections to backends that stay as they are stay, too."""
        before = {one.name: one.address for one in self.pool.backends}
        after = {one.name: one.address for one in pool.backends}
        is_other = pool.tls != self.pool.tls or pool.send_proxy != self.pool.send_proxy
        self.state.reconfigure(pool, now=monotonic())
        self.pool, self._terms = pool, terms
        self._take(parts)
        if is_other:
            self._origin = object()  # connections of before are not given back
        for name in list(self._idle):
            if is_other or before.get(name) != after.get(name):
                self._close_idle(name)

    @property
    def is_usable(self) -> bool:
        """Whether a backend could be picked, were it not busy."""
        return self.state.is_usable

    # ------------------------------------------------------------ connections

    def take_idle(self, name: str, now: float, *, is_careful: bool) -> BackendConnection | None:
        """An idle connection to a backend that is still open, None when there is none.

        is_careful: the request cannot be sent twice (law 1).
        """
        idle = self._idle.get(name)
        while idle:
            connection = idle.pop()
            if connection.transport.is_closing():
                continue
            is_fresh = now - connection.idle_since < FRESH_S
            if (is_fresh and not is_careful) or _is_alive(connection.transport):
                return connection
            connection.transport.abort()
        return None

    def give_back(self, connection: BackendConnection) -> None:
        """Keeps a connection whose answer is complete for another request."""
        idle = self._idle.get(connection.name)
        if idle is None:
            idle = self._idle[connection.name] = []
        if (
            self._is_retired
            or self.pool.send_proxy
            or len(idle) >= MAX_IDLE
            or not self._is_wanted(connection)
        ):
            connection.transport.close()
            return
        connection.idle_since = monotonic()
        idle.append(connection)

    def forget(self, connection: BackendConnection) -> None:
        """A connection has closed."""
        self._connections.discard(connection)
        idle = self._idle.get(connection.name)
        if idle and connection in idle:
            idle.remove(connection)

    def open(self, attempt: Attempt) -> None:
        """Opens a connection for an attempt, which hears of it or of the failure."""
        name = f"connect {self.name}/{attempt.member.name}"
        task = self._loop.create_task(self._open(attempt), name=name)
        self._openings.add(task)
        task.add_done_callback(self._openings.discard)

    async def _open(self, attempt: Attempt) -> None:
        try:
            async with asyncio.timeout(self._terms.timeouts.connect_s):
                connection = await self._connect(attempt)
        except (OSError, TimeoutError) as error:
            attempt.fail_to_connect(clean_text(describe_error(error)))
            return
        except ValueError as unfit:  # the Host that a client sent is no name for TLS
            attempt.fail_to_ask(clean_text(describe_error(unfit)))
            return
        if attempt.is_wanted:
            attempt.use(connection)
        else:
            self.give_back(connection)

    async def _connect(self, attempt: Attempt) -> BackendConnection:
        backend, settings = attempt.member.backend, self.pool
        header, name = b"", None
        if settings.send_proxy:
            header = compose_proxy_header(settings.send_proxy, *attempt.exchange.ends())
        if settings.tls is not None:
            name = settings.tls.server_name or attempt.exchange.host_name() or backend.address.host
        connection = BackendConnection(self, backend.name, self._terms.limits)
        connection.leads_to = (backend.address, self._origin)
        await connect(
            connection, backend.address, header=header, tls=self.tls_context, server_name=name
        )
        if connection.transport.is_closing():
            raise ConnectionResetError("closed at once")
        self._connections.add(connection)
        return connection

    def _is_wanted(self, connection: BackendConnection) -> bool:
        """Whether its backend is still in the pool, where and how the connection leads to it."""
        member = self.state.members.get(connection.name)
        if member is None:
            return False
        address, origin = connection.leads_to
        if origin is not self._origin:
            return False
        now = member.backend.address
        return address is now or address == now  # to compare them takes longer than all the rest

    def _close_idle(self, name: str) -> None:
        for connection in self._idle.pop(name, ()):
            connection.transport.close()

    # ------------------------------------------------------------ time

    def tick(self, now: float) -> None:
        """What a moment later is due: health, the queue's timeouts, idle connections."""
        self.state.tick(now)
        for exchange in self.queue.expire(now):
            exchange.refuse_queued("queue_timeout")
        oldest = now - self._terms.timeouts.idle_upstream_s
        for idle in self._idle.values():
            while idle and idle[0].idle_since < oldest:
                idle.pop(0).transport.close()
        self.pump()

    def pump(self) -> None:
        """Gives free slots to who waits, in their order, until one finds none."""
        while (exchange := self.queue.peek()) is not None:
            if not exchange.leave_queue():
                return

    @property
    def is_used(self) -> bool:
        """Whether anything is on its way to its backends, or from them."""
        return bool(self._connections or self._openings or self.state.in_flight or self.queue.cost)

    def retire(self) -> None:
        """No new requests come: idle connections close, the others at their end."""
        for name in list(self._idle):
            self._close_idle(name)
        self._is_retired = True

    def close(self) -> None:
        """Closes all connections, at once."""
        for task in self._openings:
            task.cancel()
        for connection in list(self._connections):
            connection.transport.abort()

    def report(
        self, member: Member, result: Result, *, cost: float, response_s: float | None
    ) -> None:
        """Tells the pool's state how an attempt ended, and lets the next one in."""
        self.state.end(member, now=monotonic(), cost=cost, result=result, response_s=response_s)
        if self.queue.cost:
            self.pump()


def make_client_context(pool: Pool) -> ssl.SSLContext:
    """The TLS of connections to backends."""
    assert pool.tls is not None
    context = ssl.create_default_context(cafile=pool.tls.ca_file)
    if not pool.tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _is_alive(transport: asyncio.Transport) -> bool:
    """Whether the other end has neither closed nor sent anything: one look into the socket."""
    if transport.is_closing():
        return False
    tcp = transport.get_extra_info("socket")
    if tcp is None:
        return False
    try:
        found = _peek(tcp)
    except (BlockingIOError, InterruptedError):
        return True
    except OSError:
        return False
    # TLS 1.3 sends session tickets by itself, which are no answer to anything.
    return bool(found) and transport.get_extra_info("sslcontext") is not None


def _peek(tcp: socket.socket) -> bytes:
    """One octet that waits, empty at the end of the stream. Raises OSError."""
    descriptor = tcp.fileno()
    if descriptor < 0:
        raise OSError("closed")
    with socket.socket(tcp.family, tcp.type, tcp.proto, descriptor) as view:
        try:
            return view.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        finally:
            view.detach()
