"""`python -m tests.bench.l7_floor PORT TLS_PORT CERTIFICATE KEY BACKEND...`: the least that a proxy
of two protocols on uvloop with httptools costs on this machine: heads are parsed, octets are passed
on, and nothing is decided, checked, timed or logged. It is no proxy that anybody could use.
"""

from __future__ import annotations

import asyncio
import itertools
import ssl
import sys
from collections import deque

import httptools
import uvloop


class Upstream(asyncio.Protocol):
    """A connection to a backend; it is free again when an answer is complete."""

    def __init__(self, floor: Floor, port: int) -> None:
        self._floor = floor
        self._port = port
        self.transport: asyncio.Transport
        self.client: Downstream | None = None

    def connection_made(self, transport) -> None:
        self.transport = transport

    def begin(self, client: Downstream, data: bytes) -> None:
        """Sends a request."""
        self.client = client
        self._parser = httptools.HttpResponseParser(self)
        self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        client = self.client
        if client is not None:
            client.transport.write(data)
            self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        self.client = None
        self._floor.idle[self._port].append(self)


class Downstream(asyncio.Protocol):
    """A connection of a client; one request at a time."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self.transport: asyncio.Transport
        self._is_whole = False
        self._parser = httptools.HttpRequestParser(self)

    def connection_made(self, transport) -> None:
        self.transport = transport

    def on_message_complete(self) -> None:
        self._is_whole = True

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)
        assert self._is_whole, "wrk sends each request in one piece"
        self._is_whole = False
        self._floor.pass_on(self, data)


class Floor:
    """Idle connections by backend, and whose turn it is."""

    def __init__(self, ports: list[int]) -> None:
        self.idle: dict[int, deque[Upstream]] = {port: deque() for port in ports}
        self._turns = itertools.cycle(ports)
        self._opening: set[asyncio.Task[None]] = set()

    def pass_on(self, client: Downstream, data: bytes) -> None:
        """Sends a request to the next backend."""
        port = next(self._turns)
        idle = self.idle[port]
        if idle:
            idle.popleft().begin(client, data)
            return
        task = asyncio.get_running_loop().create_task(self._open(port, client, data), name="open")
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _open(self, port: int, client: Downstream, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        _, upstream = await loop.create_connection(lambda: Upstream(self, port), "127.0.0.1", port)
        upstream.begin(client, data)


async def serve(port: int, tls_port: int, certificate: str, key: str, *backends: str) -> None:
    """Serves until it is cancelled."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    floor = Floor([int(one) for one in backends])
    loop = asyncio.get_running_loop()
    await loop.create_server(lambda: Downstream(floor), "127.0.0.1", port, backlog=4096)
    await loop.create_server(
        lambda: Downstream(floor), "127.0.0.1", tls_port, ssl=context, backlog=4096
    )
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]))
