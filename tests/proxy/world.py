"""A whole data plane of HTTP in one event loop, with real sockets on both sides of it.

At the end of every test the world looks whether anything is left of it: requests on their way,
attempts, retries, queued requests, faults, exceptions that nobody took.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
import uvloop

from gslb.model.endpoint import Endpoint
from gslb.model.proxy import (
    Backend,
    HttpLimits,
    Listener,
    Pool,
    Proxy,
    Route,
    ShedSettings,
    Timeouts,
)
from gslb.proxy.limiter import Limiter
from gslb.proxy.pool import BackendPool
from gslb.proxy.tier import Tier
from tests.proxy.backends import WAIT_S, RawBackend, reset

LOOPS = {"uvloop": uvloop.new_event_loop, "stdlib": asyncio.SelectorEventLoop}
SECRET = b"sixteen octets and more"


def _run(loop: str, scenario: Awaitable[None]) -> None:
    async def main() -> None:
        async with asyncio.timeout(6 * WAIT_S):
            await scenario

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(main())


def on_both_loops(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Runs a test on either event loop."""

    @functools.wraps(test)
    def call(loop: str, **values: Any) -> None:
        _run(loop, test(**values))

    del call.__wrapped__
    parameters = list(inspect.signature(test).parameters.values())
    loop = inspect.Parameter("loop", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    call.__signature__ = inspect.Signature([loop, *parameters])
    return pytest.mark.parametrize("loop", LOOPS)(call)


def on_uvloop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Runs a test on the event loop of production."""

    @functools.wraps(test)
    def call(**values: Any) -> None:
        _run("uvloop", test(**values))

    del call.__wrapped__
    call.__signature__ = inspect.signature(test)
    return call


async def until(is_true: Callable[[], object]) -> None:
    """Waits until something holds that tells nobody."""
    async with asyncio.timeout(WAIT_S):
        while not is_true():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


class Caller:
    """A client's connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, octets: bytes) -> None:
        """Says something."""
        self.writer.write(octets)

    async def reads(self, octets: bytes) -> None:
        """Reads these octets and no others."""
        async with asyncio.timeout(WAIT_S):
            got = b""
            while len(got) < len(octets):
                piece = await self.reader.read(len(octets) - len(got))
                got += piece
                if not piece:
                    break
                if not octets.startswith(got):
                    break
        is_same = got == octets  # a comparison of megabytes is told by nobody
        assert is_same, (got[:2000], octets[:2000])

    async def head(self) -> bytes:
        """The next head."""
        async with asyncio.timeout(WAIT_S):
            return await self.reader.readuntil(b"\r\n\r\n")

    async def exactly(self, size: int) -> bytes:
        """So many octets."""
        async with asyncio.timeout(WAIT_S):
            return await self.reader.readexactly(size)

    async def rest(self) -> bytes:
        """All up to the end; a reset is an end as well."""
        got = b""
        async with asyncio.timeout(WAIT_S):
            with contextlib.suppress(ConnectionError):
                while piece := await self.reader.read(65536):
                    got += piece
        return got

    async def ends(self, *octets: bytes) -> None:
        """Reads these octets, and then the end."""
        got, wanted = await self.rest(), b"".join(octets)
        is_same = got == wanted
        assert is_same, (got[:2000], wanted[:2000])

    async def answer(self) -> tuple[int, dict[bytes, bytes], bytes]:
        """The next answer with a length: its status, its fields by lower-case name, its body."""
        head = await self.head()
        start, *lines = head[:-4].split(b"\r\n")
        fields = {}
        for line in lines:
            name, _, value = line.partition(b": ")
            fields[name.lower()] = value
        body = await self.exactly(int(fields.get(b"content-length", b"0")))
        return int(start.split()[1]), fields, body

    def end(self) -> None:
        """Sends no more."""
        self.writer.write_eof()

    def reset(self) -> None:
        """Breaks the connection."""
        reset(self.writer)

    async def close(self) -> None:
        """Closes it at once."""
        self.writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


class World:
    """A data plane. records: its audit."""

    def __init__(self, tier: Tier, listening: socket.socket, records: list[dict[str, Any]]) -> None:
        self.tier = tier
        self.listening = listening
        self.records = records
        self.pools: set[BackendPool] = set(tier.pools.values())
        self._callers: list[Caller] = []

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        host, port = self.listening.getsockname()
        return host, port

    @property
    def pool(self) -> BackendPool:
        """Its pool `main`."""
        return self.tier.pools["main"]

    async def connect(self, *, receive_octets: int | None = None) -> Caller:
        """A new client."""
        tcp = socket.socket()
        tcp.setblocking(False)
        if receive_octets is not None:
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_octets)
        await asyncio.get_running_loop().sock_connect(tcp, self.address)
        caller = Caller(*await asyncio.open_connection(sock=tcp))
        self._callers.append(caller)
        return caller

    async def ask(self, octets: bytes) -> Caller:
        """A new client that has said this."""
        caller = await self.connect()
        caller.send(octets)
        return caller

    async def gets(self, target: bytes = b"/", *lines: bytes) -> bytes:
        """All that one GET is answered with, over a connection of its own."""
        return await (await self.ask(get(target, *lines, b"Connection: close"))).rest()

    async def record(self, count: int = 1) -> dict[str, Any]:
        """The last audit record, once there are as many."""
        await until(lambda: len(self.records) >= count)
        assert len(self.records) == count
        return self.records[-1]

    def apply(self, proxy: Proxy, keys: Mapping[str, bytes] | None = None) -> None:
        """Goes on with another configuration."""
        self.tier.apply(proxy, [self.listening] * len(proxy.listeners), keys or {})
        self.pools |= set(self.tier.pools.values())
        for pool in self.tier.pools.values():
            for name in pool.state.members:
                self.tier.take_check(pool.name, name, up=True)

    async def close(self) -> None:
        """Ends it, and looks what is left."""
        for caller in self._callers:
            await caller.close()
        try:
            await until(self._is_at_rest)
        finally:
            left = self._tell_rest()
            await self.tier.close()
        assert not left, left

    def _is_at_rest(self) -> bool:
        return not self._tell_rest()

    def _tell_rest(self) -> dict[str, Any]:
        told: dict[str, Any] = {"in flight": self.tier.in_flight, "faults": self.tier.faults}
        told["clients"] = len(self.tier._clients)
        for pool in self.pools:
            told[f"{pool.name} attempts"] = pool.state.in_flight
            told[f"{pool.name} retries"] = pool.state.budget.on_the_way
            told[f"{pool.name} queue"] = pool.queue.cost or len(pool.queue)
            for name, member in pool.state.members.items():
                told[f"{pool.name}/{name}"] = member.active or member.count
        return {name: value for name, value in told.items() if value}


def get(target: bytes = b"/", *lines: bytes) -> bytes:
    """A GET of HTTP/1.1."""
    return b"\r\n".join([b"GET %b HTTP/1.1" % target, b"Host: a.test", *lines]) + b"\r\n\r\n"


def post(body: bytes, *lines: bytes, target: bytes = b"/", method: bytes = b"POST") -> bytes:
    """A request of HTTP/1.1 with a body."""
    head = [method + b" " + target + b" HTTP/1.1", b"Host: a.test", *lines]
    return b"\r\n".join([*head, b"Content-Length: %d" % len(body)]) + b"\r\n\r\n" + body


def ours(status: bytes, text: bytes, *lines: bytes, close: bool = False) -> bytes:
    """An answer of the proxy's own."""
    head = [
        b"HTTP/1.1 " + status,
        b"Content-Type: text/plain; charset=utf-8",
        b"Content-Length: %d" % len(text),
        b"Cache-Control: no-store",
        *([b"Connection: close"] if close else []),
        *lines,
    ]
    return b"\r\n".join(head) + b"\r\n\r\n" + text


def make_proxy(backends: Sequence[Backend], **settings: Any) -> Proxy:
    """A proxy of one route, `all`, to one pool, `main`. settings: of the Proxy; `pool`, `route`,
    `timeouts` and `limits` are mappings of what is changed of those.
    """
    pool = Pool("main", tuple(backends), **settings.pop("pool", {}))
    route = Route("all", **{"pools": {"main": 1}, **settings.pop("route", {})})
    timeouts = Timeouts(**settings.pop("timeouts", {}))
    limits = HttpLimits(**settings.pop("limits", {}))
    made = Proxy(
        name="edge",
        site="here",
        listeners=(Listener(Endpoint("127.0.0.1", 1)),),
        routes=(route,),
        pools={"main": pool},
        timeouts=timeouts,
        limits=limits,
        shed=ShedSettings(max_lag_ms=1e9),  # a busy machine is not to fail tests
    )
    return replace(made, **settings)


@contextlib.asynccontextmanager
async def proxying(
    proxy: Proxy,
    *,
    up: bool = True,
    affinity: bytes = SECRET,
    limiter: Limiter | None = None,
    share: float = 1.0,
) -> AsyncIterator[World]:
    """The data plane of a proxy, with all of its backends up, or down. share: that it is of all
    workers.
    """
    loop = asyncio.get_running_loop()
    unexpected: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: unexpected.append(context))
    records: list[dict[str, Any]] = []
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
        listening.setblocking(False)
        tier = Tier(
            proxy,
            affinity=affinity,
            keys={},
            limiter=limiter or Limiter(None, lambda: 1),
            tell=lambda line: records.append(json.loads(line)),
            share=share,
        )
        world = World(tier, listening, records)
        for pool in tier.pools.values():
            for name in pool.state.members:
                tier.take_check(pool.name, name, up=up)
        await tier.start([listening] * len(proxy.listeners))
        try:
            yield world
        finally:
            await world.close()
    assert not unexpected, unexpected


@contextlib.asynccontextmanager
async def before(*backends: RawBackend, **settings: Any) -> AsyncIterator[World]:
    """A data plane before backends. settings: see make_proxy."""
    async with proxying(make_proxy([one.backend() for one in backends], **settings)) as world:
        yield world
