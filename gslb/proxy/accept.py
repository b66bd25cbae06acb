"""Accepting clients: who they are, whether there is a place for them, and their TLS handshake.

1. A listening socket belongs to somebody else. What is accepted from is a duplicate, so another
   process which holds the same socket goes on when we stop.
2. At the gate's limit nobody is accepted: clients wait in the kernel's queue, and are not reset.
3. Where PROXY protocol headers are expected, a trusted peer that sends none is closed, and so is
   another one that sends one: who is behind us would believe it. An untrusted peer is let in at its
   first octets, so a protocol in which the server speaks first works for trusted peers only there.
4. Header and handshake have their deadlines, whatever trickles in.

Plain listeners accept by the loop's own server, which costs 60 us a connection where tasks of our
own cost 105 (uvloop, measured). It takes all that waits in one go, so a burst may pass the limit.
When descriptors run out uvloop resets clients and says nothing; `gate.fit_connections` sees to it
that they do not. Beside a TLS handshake 45 us are little, so there, and with PROXY headers, every
connection is counted from the first moment.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gslb.model.place import Network
from gslb.model.proxy import Listener
from gslb.proxy.announced import Refusal, RefusedError, refuse_header, take_source
from gslb.proxy.gate import Gate
from gslb.proxy.memory import map_large_buffers
from gslb.proxy.peer import NOBODY, Address, Peer, is_within, parse_address
from gslb.proxy.reader import Reader, as_protocol
from gslb.proxy.tls import NamedSession, ServerTls
from gslb.telemetry.logs import get_limited_logger

BACKLOG = 1024
"""Clients that the kernel holds for us; it takes less where net.core.somaxconn says so."""

BURST = 64  # accepted in one go, before the connections there are get their turn
BACK_OFF_S = 0.1
"""After an accept that failed for want of descriptors or memory: only an end of another connection
helps, and to try at once again would take all of the CPU."""

SHUTDOWN_S = 5.0
"""How long a client may take to answer the end of its TLS session. asyncio's own 30 s would keep
what has long been over."""

# What accept(2) says of the connection, not of us: the next one may be had.
_GONE = frozenset(
    {
        errno.ECONNABORTED,
        errno.ENETDOWN,
        errno.EPROTO,
        errno.ENOPROTOOPT,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.EOPNOTSUPP,
        errno.ENETUNREACH,
        errno.EPERM,
    }
)

log = get_limited_logger(__name__)


@dataclass(frozen=True, slots=True)
class Terms:
    """On what conditions clients are taken. gate: stays the same for the life of an acceptor.
    trusted: whose word about others counts.
    """

    gate: Gate
    trusted: Sequence[Network] = ()
    tls_timeout_s: float = 10.0
    header_timeout_s: float = 10.0


class Arrival:
    """One connection on its way to its protocol: who it is, and where to say that it left.

    direct: who is connected to us, None until it is asked for. source: whom a PROXY protocol header
    names instead.
    """

    __slots__ = ("_acceptor", "_is_in", "direct", "source")

    def __init__(self, acceptor: Acceptor, direct: tuple[Address, int] | None = None) -> None:
        self.direct = direct
        self.source: tuple[Address, int] | None = None
        self._acceptor = acceptor
        self._is_in = False

    def enter(self) -> None:
        """Takes a place; a second time none."""
        if not self._is_in:
            self._is_in = True
            self._acceptor.count_in()

    def peer(self, transport: asyncio.BaseTransport) -> Peer:
        """Who the client is. To be called in connection_made, once. A client that is gone already
        has the address NOBODY; connection_lost follows.
        """
        self.enter()
        if self.direct is None:
            self.direct = _name_of(transport, "peername")
        return self._acceptor.describe(transport, self.direct, source=self.source or self.direct)

    def gone(self) -> None:
        """Gives the place back; a second time nothing. To be called in connection_lost."""
        if self._is_in:
            self._is_in = False
            self._acceptor.count_out()


Make = Callable[[Arrival], Reader]
"""What reads a new connection."""


class Acceptor:
    """Accepts the clients of one listener.

    terms, tls: may be swapped at any time, for connections to come. connections: here now, those
    in their handshake included. accepted, refused: counted since the start, refused by reason;
    failures: accepts that the system refused.
    """

    def __init__(
        self,
        listening: socket.socket,
        listener: Listener,
        make: Make,
        *,
        terms: Terms,
        tls: ServerTls | None = None,
    ) -> None:
        self.terms = terms
        self.tls = tls
        self.gate = terms.gate
        self.connections = 0
        self.accepted = 0
        self.failures = 0
        self.refused: Counter[Refusal] = Counter()
        self._loop = asyncio.get_running_loop()
        self._owned = listening
        self._make = make
        self._has_headers = listener.proxy_protocol
        self._server: asyncio.Server | None = None
        self._socket: socket.socket | None = None
        self._is_reading = False
        self._is_stopped = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begins to accept. Raises OSError where there is no descriptor left for that."""
        if self.tls is not None:
            map_large_buffers()
        self._socket = self._owned.dup()
        self._socket.setblocking(False)
        await self._open()

    def stop(self) -> None:
        """Accepts nobody from now on; who is here stays, and who is in a handshake may end it."""
        self._is_stopped = True
        self._shut()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    async def drop_pending(self) -> None:
        """Ends the connections that are still in their handshake, or before it."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # What arrivals call.

    def count_in(self) -> None:
        """One more is here; with the last place taken, nobody else is accepted (law 2)."""
        self.accepted += 1
        self.connections += 1
        self.gate.enter()
        if not self.gate.room:
            self._pause()

    def count_out(self) -> None:
        """One is gone."""
        self.connections -= 1
        self.gate.leave()

    def describe(
        self,
        transport: asyncio.BaseTransport,
        direct: tuple[Address, int],
        *,
        source: tuple[Address, int],
    ) -> Peer:
        """The client of a connection."""
        session = transport.get_extra_info("ssl_object")
        return Peer(
            *source,
            direct=direct[0],
            is_trusted=is_within(source[0], self.terms.trusted),
            local=_name_of(transport, "sockname"),
            server_name=session.asked_name if isinstance(session, NamedSession) else None,
            scheme=b"http" if session is None else b"https",
        )

    # Opening and closing.

    async def _open(self) -> None:
        """Accept, until the gate is full."""
        if self._socket is None or self._server is not None or self._is_reading:
            return
        if not self.gate.room:
            self.gate.wait(self._resume)
            return
        if self.tls is not None or self._has_headers:
            self._is_reading = True
            self._loop.add_reader(self._socket.fileno(), self._accept)
            return
        again = self._socket.dup()  # the server closes what it is given
        self._server = await self._loop.create_server(self._quick, sock=again, backlog=BACKLOG)
        if self._is_stopped:  # meanwhile
            self._shut()

    def _shut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._is_reading and self._socket is not None:
            self._is_reading = False
            self._loop.remove_reader(self._socket.fileno())

    def _pause(self) -> None:
        if self._server is not None or self._is_reading:
            self._shut()
            self.gate.wait(self._resume)

    def _back_off(self, error: OSError) -> None:
        self.failures += 1
        log.error("cannot accept", cause=error, clients=self.connections)
        self._shut()
        self._loop.call_later(BACK_OFF_S, self._resume)

    def _resume(self) -> None:
        if not self._is_stopped:
            self._keep(self._loop.create_task(self._reopen(), name="gslb-accept-again"))

    async def _reopen(self) -> None:
        try:
            await self._open()
        except OSError as error:
            self._back_off(error)

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # Accepting.

    def _quick(self) -> asyncio.BaseProtocol:
        return as_protocol(self._make(Arrival(self)))

    def _accept(self) -> None:
        """Take who waits, a burst at most."""
        for _ in range(BURST):
            if not self._is_reading or self._socket is None:
                return
            try:
                connection, name = self._socket.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _GONE:
                    continue
                self._back_off(error)
                return
            connection.setblocking(False)
            arrival = Arrival(self, (parse_address(name[0]), name[1]))
            arrival.enter()
            work = self._welcome(connection, arrival)
            self._keep(self._loop.create_task(work, name="gslb-welcome"))

    async def _welcome(self, connection: socket.socket, arrival: Arrival) -> None:
        """Bring a connection to its protocol, or close and count it."""
        is_welcome = False
        try:
            if self._has_headers:
                await self._introduce(connection, arrival)
            await self._hand_on(connection, arrival)
            is_welcome = True
        except RefusedError as refused:
            self.refused[refused.refusal] += 1
        except OSError:
            self.refused[Refusal.HANDSHAKE if self.tls else Refusal.LEFT] += 1
        except Exception as error:  # noqa: BLE001 - the border of a connection
            self.refused[Refusal.FAILED] += 1
            log.error("a connection was not taken", cause=error)  # noqa: TRY400 - has the cause
        finally:
            if not is_welcome:
                connection.close()
                arrival.gone()

    async def _introduce(self, connection: socket.socket, arrival: Arrival) -> None:
        """Learn from a PROXY protocol header who the client is."""
        assert arrival.direct is not None, "accepted without an address"
        try:
            async with asyncio.timeout(self.terms.header_timeout_s):
                if not is_within(arrival.direct[0], self.terms.trusted):
                    await refuse_header(connection)
                else:
                    arrival.source = await take_source(connection)
        except TimeoutError:
            raise RefusedError(Refusal.HEADER_TIMEOUT) from None
        except OSError as error:
            raise RefusedError(Refusal.LEFT) from error

    async def _hand_on(self, connection: socket.socket, arrival: Arrival) -> None:
        """Have the loop read a connection for its protocol, after its TLS handshake if any."""
        tls = self.tls
        await self._loop.connect_accepted_socket(
            lambda: as_protocol(self._make(arrival)),
            connection,
            ssl=tls.context if tls else None,
            ssl_handshake_timeout=self.terms.tls_timeout_s if tls else None,
            ssl_shutdown_timeout=SHUTDOWN_S if tls else None,
        )


def _name_of(transport: asyncio.BaseTransport, which: str) -> tuple[Address, int]:
    name = transport.get_extra_info(which)
    return (parse_address(name[0]), name[1]) if name else (NOBODY, 0)
