"""Steady load: clients with a connection each, kept alive, that write down what came of each
request.

Laws:
1. One request in five is a POST with an id of its own; the others are GETs.
2. A client never sends a request twice. It opens a new connection when the server has said close,
   or has closed while nothing was asked; that is no failure.
3. A connection that ends after a request was sent and before its answer was whole is a failure,
   even if the server may have closed before it saw the request ("reset on reuse").
"""

from __future__ import annotations

import asyncio
import itertools
import random
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

CLIENTS = 64
PACE_S = 0.02
"""Between two requests of a client: with what a backend takes, some 1,500 requests a second in all,
half of the clients waiting for an answer at any moment.
"""

POST_EVERY = 5
OK = "200"
RESET_ON_REUSE = "reset on reuse"
_TIMEOUT_S = 20.0
_BODY = b"quantity=1&article=4711"


@dataclass(frozen=True, slots=True)
class Record:
    """What came of one request. step: during which it ended. outcome: OK, another status, or words
    for what happened instead of an answer.
    """

    method: str
    ident: str
    step: str
    outcome: str
    spent_s: float

    @property
    def is_ok(self) -> bool:
        """Whether it was answered as it should be."""
        return self.outcome == OK


class Load:
    """The clients, from `run` to `stop`. step: what records are filed under."""

    def __init__(self, host: str, port: int, *, clients: int = CLIENTS) -> None:
        self.step = ""
        self.records: list[Record] = []
        self._address = (host, port)
        self._clients = clients
        self._numbers = itertools.count()
        self._is_stopping = False
        self._grown = asyncio.Event()

    async def run(self) -> None:
        """Has the clients ask until `stop`."""
        async with asyncio.TaskGroup() as group:
            for number in range(self._clients):
                group.create_task(self._work(Client(*self._address)), name=f"client {number}")

    def stop(self) -> None:
        """Has each client end after the answer that it waits for."""
        self._is_stopping = True

    async def more(self, count: int) -> None:
        """Returns when so many more requests have ended."""
        wanted = len(self.records) + count
        while len(self.records) < wanted:
            self._grown.clear()
            await self._grown.wait()

    async def _work(self, client: Client) -> None:
        while not self._is_stopping:
            await asyncio.sleep(random.uniform(0, 2 * PACE_S))
            number = next(self._numbers)
            method = "GET" if number % POST_EVERY else "POST"
            ident, began = f"r{number}", monotonic()
            outcome = await client.ask(method, ident)
            spent_s = monotonic() - began
            self.records.append(Record(method, ident, self.step, outcome, spent_s))
            self._grown.set()
        client.close()


class Client:
    """One connection at a time."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, method: str, ident: str) -> str:
        """The outcome of one request."""
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                return await self._ask(method, ident)
        except TimeoutError:
            self.close()
            return "no answer in time"

    def close(self) -> None:
        """Lets go of the connection."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    async def _ask(self, method: str, ident: str) -> str:
        was_reused = await self._connect()
        if was_reused is None:
            return "connection refused"
        reader, writer = self._reader, self._writer
        assert reader is not None
        assert writer is not None
        body = _BODY if method == "POST" else b""
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        head = f"{method} /items/{ident} HTTP/1.1\r\nHost: chaos.example\r\n{length}\r\n"
        octets = b""
        try:
            writer.write(head.encode() + body)
            octets = await reader.readuntil(b"\r\n\r\n")
            status, length_in, keeps = _read_head(octets)
            answer = await reader.readexactly(length_in)
        except (asyncio.IncompleteReadError, OSError) as error:
            partial = error.partial if isinstance(error, asyncio.IncompleteReadError) else b""
            self.close()
            if octets or partial:
                return "answer cut short"
            return RESET_ON_REUSE if was_reused else "closed without an answer"
        if not keeps:
            self.close()
        if status == OK and answer.split()[1:] != [ident.encode()]:
            return "answer of another request"
        return status

    async def _connect(self) -> bool | None:
        """Whether there was a connection already; None: there is none to be had."""
        if self._reader is not None and not self._reader.at_eof():
            return True
        self.close()
        with suppress(OSError):
            self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
            return False
        return None


def _read_head(octets: bytes) -> tuple[str, int, bool]:
    """Status, length and whether the connection stays."""
    status, *lines = octets.decode("latin-1").split("\r\n")
    fields = {
        name.lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)
    }
    keeps = fields.get("connection", "").lower() != "close"
    return status.split()[1], int(fields["content-length"]), keeps
