"""A web server for webhooks that can be told to behave badly."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import suppress
from typing import Any

from tests.ports import free_port

OK = b"HTTP/1.1 204 No Content\r\n\r\n"
FAILED = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"
MOVED = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"
ENDLESS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"
HANG = b""


class Hook:
    """Listens while entered. heads, bodies: of the requests that came. reply: what each of them is
    answered; the connection stays open after HANG and ENDLESS until the client closes it.
    """

    def __init__(self) -> None:
        self.reply = OK
        self.heads: list[str] = []
        self.bodies: list[Any] = []
        self.port = free_port("127.0.0.1")
        self.url = f"http://127.0.0.1:{self.port}/events"
        self.is_listening = False
        self.open = 0  # connections

    async def __aenter__(self) -> Hook:
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.refuse()

    async def listen(self) -> None:
        """Takes connections from now on."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.is_listening = True

    async def refuse(self) -> None:
        """Refuses connections from now on."""
        if self.is_listening:
            self._server.close()
            await self._server.wait_closed()
        self.is_listening = False

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._answer(reader, writer)
        finally:
            self.open -= 1
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = int(re.search(r"(?i)content-length: (\d+)", head)[1])
        body = await reader.readexactly(length)
        self.heads.append(head)
        self.bodies.append(json.loads(body))
        writer.write(self.reply)
        await writer.drain()
        if self.reply in (HANG, ENDLESS):
            await reader.read()  # until the client goes
