"""Backends that say exactly what a script tells them, octet for octet."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from gslb.model.endpoint import Endpoint
from gslb.model.proxy import Backend

WAIT_S = 10.0
"""More than anything here takes; a test that needs it has failed."""

_ID = re.compile(rb"(X-Request-ID: )[0-9a-f]{12}-[0-9a-f]+\r\n")


class GoneError(Exception):
    """The proxy has closed the connection."""


def plain(text: str | bytes, *lines: bytes, status: bytes = b"200 OK") -> bytes:
    """An answer with a length."""
    body = text.encode() if isinstance(text, str) else text
    head = [b"HTTP/1.1 " + status, *lines, b"Content-Length: %d" % len(body)]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def reset(writer: asyncio.StreamWriter) -> None:
    """Closes a connection by a reset."""
    tcp = writer.get_extra_info("socket")
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Talk:
    """One connection of the proxy to a backend. seen: all that came."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer
        self.seen = b""

    @property
    def text(self) -> bytes:
        """All that came, with ids of requests as `*`."""
        return _ID.sub(rb"\1*\r\n", self.seen)

    async def _take(self, octets: Awaitable[bytes]) -> bytes:
        try:
            taken = await octets
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise GoneError from error
        self.seen += taken
        return taken

    async def head(self) -> bytes:
        """The next head."""
        return await self._take(self._reader.readuntil(b"\r\n\r\n"))

    async def exactly(self, size: int) -> bytes:
        """So many octets; those that have come are seen before the last one is there."""
        got = b""
        while len(got) < size:
            piece = await self._take(self._reader.read(size - len(got)))
            if not piece:
                raise GoneError
            got += piece
        return got

    async def some(self) -> bytes:
        """What there is; nothing at the end."""
        return await self._take(self._reader.read(65536))

    async def request(self) -> bytes:
        """The next request as it came, with its body."""
        head = await self.head()
        length = re.search(rb"\r\nContent-Length: (\d+)\r\n", head)
        if length:
            return head + await self.exactly(int(length[1]))
        if b"\r\nTransfer-Encoding: chunked\r\n" in head:
            body = b""
            while not re.search(rb"(^|\r\n)0\r\n([^\r\n]+\r\n)*\r\n$", body):
                line = await self._take(self._reader.readline())
                if not line:
                    raise GoneError
                body += line
            return head + body
        return head

    def send(self, octets: bytes) -> None:
        """Says something."""
        self.writer.write(octets)

    def reset(self) -> None:
        """Breaks the connection."""
        reset(self.writer)

    def close(self) -> None:
        """Closes it."""
        self.writer.close()

    async def gone(self) -> None:
        """Waits until the proxy has closed."""
        with contextlib.suppress(GoneError):
            while await self.some():
                pass


Script = Callable[[Talk], Awaitable[None]]


def always(*answers: bytes) -> Script:
    """Each request of a connection gets the next of these answers, and then the last of them."""

    async def script(talk: Talk) -> None:
        left = list(answers)
        while True:
            await talk.request()
            talk.send(left.pop(0) if len(left) > 1 else left[0])

    return script


async def breaking(talk: Talk) -> None:
    """Reads a request and breaks the connection."""
    await talk.request()
    talk.reset()


async def silent(talk: Talk) -> None:
    """Reads all and says nothing."""
    await talk.gone()


class RawBackend:
    """A backend of scripted connections. talks: its connections so far. scripts: of the first, the
    second, ... connection; the last is for all that follow.
    """

    def __init__(self, name: str, scripts: tuple[Script, ...]) -> None:
        self.name = name
        self.scripts = list(scripts)
        self.talks: list[Talk] = []
        self.failures: list[BaseException] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def backend(self, **settings: Any) -> Backend:
        """What the configuration says of it."""
        return Backend(self.name, self.address, **settings)

    @property
    def requests(self) -> list[bytes]:
        """What each connection has read, ids as `*`."""
        return [talk.text for talk in self.talks if talk.seen]

    @property
    def count(self) -> int:
        """How many heads came."""
        return sum(len(re.findall(rb" HTTP/1\.1\r\n", talk.seen)) for talk in self.talks)

    async def start(self) -> None:
        """Listens."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        self.address = Endpoint(*self._server.sockets[0].getsockname())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        talk = Talk(reader, writer)
        index = min(len(self.talks), len(self.scripts) - 1)
        self.talks.append(talk)
        try:
            await self.scripts[index](talk)
        except (GoneError, ConnectionError, asyncio.CancelledError):
            pass  # the proxy has left, or the test is over
        except Exception as error:  # noqa: BLE001  told when the backend ends
            self.failures.append(error)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()
            self._tasks.discard(task)

    def stop_listening(self) -> None:
        """Refuses connections from now on."""
        self._server.close()

    async def stop(self) -> None:
        """Ends everything."""
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        for talk in self.talks:
            talk.writer.transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def raw(name: str, *scripts: Script) -> AsyncIterator[RawBackend]:
    """A backend of scripted connections, started."""
    backend = RawBackend(name, scripts)
    await backend.start()
    try:
        yield backend
        assert not backend.failures, backend.failures
    finally:
        await backend.stop()
