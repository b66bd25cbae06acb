"""What the tests below HTTP share: both event loops, certificates, a listener, plain clients."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import trustme
import uvloop

from gslb.balance.pool_state import Member, PoolState, Result
from gslb.model.endpoint import Endpoint
from gslb.model.place import Network
from gslb.model.proxy import Backend, Certificate, Listener, Pool, Timeouts
from gslb.proxy.accept import Acceptor, Arrival, Terms
from gslb.proxy.gate import Gate
from gslb.proxy.peer import Peer
from gslb.proxy.pool import make_client_context
from gslb.proxy.tcp import TcpFront, TcpRecord
from gslb.proxy.timers import Sweeper
from gslb.proxy.tls import ServerTls

WAIT_S = 10.0
"""More than anything here takes; a test that needs it has failed."""

LOOPS = {"uvloop": uvloop.new_event_loop, "stdlib": asyncio.SelectorEventLoop}
on_both_loops = pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS)

LOOPBACK = (ip_network("127.0.0.0/8"),)
NOBODY_TRUSTED: tuple[Network, ...] = ()


def run(loop: Callable[[], asyncio.AbstractEventLoop], scenario: Coroutine[Any, Any, None]) -> None:
    """Runs a scenario to its end on a loop of its own."""
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(asyncio.wait_for(scenario, 6 * WAIT_S))


async def until(is_true: Callable[[], object]) -> None:
    """Waits until something holds."""
    async with asyncio.timeout(WAIT_S):
        while not is_true():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.002)


class Authority:
    """Certificates for names, and clients that trust them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made = 0
        self._ca = trustme.CA(key_type=trustme.KeyType.ECDSA)

    def issue(self, *names: str) -> Certificate:
        """A certificate for names in new files."""
        self._made += 1
        chain = self._folder / f"{self._made}.pem"
        key = self._folder / f"{self._made}.key"
        self.write(chain, key, *names)
        return Certificate(str(chain), str(key))

    def write(self, chain: Path, key: Path, *names: str) -> None:
        """A certificate for names in these files."""
        made = self._ca.issue_cert(*names, key_type=trustme.KeyType.ECDSA)
        chain.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
        key.write_bytes(made.private_key_pem.bytes())

    def client(self) -> ssl.SSLContext:
        """The TLS of a client that trusts this authority and looks at no name."""
        context = ssl.create_default_context()
        context.check_hostname = False
        self._ca.configure_trust(context)
        return context


class Echo(asyncio.Protocol):
    """Sends back what it gets, and remembers who sent it."""

    def __init__(self, arrival: Arrival, world: World) -> None:
        self._arrival = arrival
        self._world = world

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._world.peers.append(self._arrival.peer(transport))
        self._world.here.append(self)

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._arrival.gone()
        self._world.here.remove(self)


@dataclass
class World:
    """A listener with an echo behind it. peers: who came; here: who is still here."""

    listening: socket.socket
    gate: Gate
    acceptor: Acceptor | None = None
    peers: list[Peer] = field(default_factory=list)
    here: list[Echo] = field(default_factory=list)

    @property
    def address(self) -> tuple[str, int]:
        return self.listening.getsockname()[:2]


@contextlib.asynccontextmanager
async def accepting(
    tls: ServerTls | None = None,
    *,
    trusted: Sequence[Network] = (),
    proxy_protocol: bool = False,
    gate: Gate | None = None,
    timeout_s: float = WAIT_S,
    host: str = "127.0.0.1",
) -> AsyncIterator[World]:
    """An acceptor over an echo; in the end everything is closed, and every place given back."""
    is_wide = ":" in host
    family = socket.AF_INET6 if is_wide else socket.AF_INET
    with socket.create_server((host, 0), family=family, dualstack_ipv6=is_wide) as listening:
        listening.setblocking(False)
        world = World(listening, gate or Gate(100))
        world.acceptor = Acceptor(
            listening,
            Listener(Endpoint(*world.address), proxy_protocol=proxy_protocol),
            lambda arrival: Echo(arrival, world),
            terms=Terms(world.gate, trusted, tls_timeout_s=timeout_s, header_timeout_s=timeout_s),
            tls=tls,
        )
        await world.acceptor.start()
        try:
            yield world
        finally:
            world.acceptor.stop()
            await world.acceptor.drop_pending()
            for each in list(world.here):
                each.transport.abort()
            await until(lambda: not world.acceptor.connections)


@contextlib.asynccontextmanager
async def connected(
    address: tuple[str, int], tls: ssl.SSLContext | None = None, name: str | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A client's connection."""
    named = {"ssl": tls, "server_hostname": name or ""} if tls else {}
    opening = asyncio.open_connection(*address, **named)
    reader, writer = await asyncio.wait_for(opening, WAIT_S)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def read_all(reader: asyncio.StreamReader) -> bytes:
    """Everything up to the end, or up to a reset."""
    try:
        return await asyncio.wait_for(reader.read(), WAIT_S)
    except ConnectionError:
        return b""


async def asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, octets: bytes) -> bytes:
    """What an echo makes of octets."""
    writer.write(octets)
    return await asyncio.wait_for(reader.readexactly(len(octets)), WAIT_S)


# TCP mode.


class SmallPool:
    """A pool as TCP mode needs one."""

    def __init__(self, pool: Pool) -> None:
        self._loop = asyncio.get_running_loop()
        self.name = pool.name
        self.pool = pool
        self.state = PoolState(pool, now=self._loop.time())
        self.queue = self.state.queue
        self.results: list[tuple[str, str]] = []
        self.tls_context = make_client_context(pool) if pool.tls else None

    def report(
        self, member: Member, result: Result, *, cost: float, response_s: float | None
    ) -> None:
        self.results.append((member.name, str(result)))
        now = self._loop.time()
        self.state.end(member, now=now, cost=cost, result=result, response_s=response_s)
        while (waiting := self.queue.peek()) is not None and waiting.leave_queue():
            pass

    def expire(self, now: float) -> None:
        """Those who have waited too long are told."""
        for waiting in self.queue.expire(now):
            waiting.refuse_queued("queue_timeout")


@dataclass
class TcpWorld:
    """A TCP listener before a pool. records: of the connections that are over."""

    address: tuple[str, int]
    acceptor: Acceptor
    front: TcpFront
    pool: SmallPool
    records: list[TcpRecord]

    async def record(self) -> TcpRecord:
        """The one record there is, once it is there."""
        await until(lambda: self.records)
        (one,) = self.records
        return one


@contextlib.asynccontextmanager
async def fronting(
    pool: Pool,
    *,
    timeouts: Timeouts | None = None,
    tls: ServerTls | None = None,
    trusted: Sequence[Network] = (),
) -> AsyncIterator[TcpWorld]:
    """A TCP listener before a pool; in the end nothing is left of any connection."""
    records: list[TcpRecord] = []
    sweeper = Sweeper()
    sweeper.start()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        address = listening.getsockname()
        small = SmallPool(pool)
        front = TcpFront(small, timeouts or Timeouts(), sweeper, records.append)
        listener = Listener(Endpoint(*address), pool=pool.name, proxy_protocol=bool(trusted))
        terms = Terms(Gate(100), trusted)
        acceptor = Acceptor(listening, listener, front.make, terms=terms, tls=tls)
        await acceptor.start()
        try:
            yield TcpWorld(address, acceptor, front, small, records)
        finally:
            acceptor.stop()
            await acceptor.drop_pending()
            front.close()
            await until(lambda: not acceptor.connections and not front.connections)
            sweeper.stop()
            assert len(records) == acceptor.accepted - acceptor.refused.total()
            assert small.state.in_flight == 0
            assert small.state.budget.on_the_way == 0
            assert len(small.queue) == 0


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Sends back what it gets, up to the end."""
    while octets := await reader.read(65536):
        writer.write(octets)
        await writer.drain()


@contextlib.asynccontextmanager
async def backend(name: str, serve: Serve = echo, **settings: Any) -> AsyncIterator[Backend]:
    """A server on a port of its own, as a backend of a pool."""
    serving: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        try:
            await serve(reader, writer)
        except ConnectionError:
            pass
        except asyncio.CancelledError:  # the end of the test
            writer.transport.abort()
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield Backend(name, Endpoint(*server.sockets[0].getsockname()), **settings)
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


@contextlib.contextmanager
def dead_backend(name: str) -> Iterator[Backend]:
    """A port that refuses connections."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield Backend(name, Endpoint(*held.getsockname()))


@contextlib.contextmanager
def silent_backend(name: str) -> Iterator[Backend]:
    """A port whose queue is full: a connection to it is neither taken nor refused."""
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        yield Backend(name, Endpoint(*full.getsockname()))
