"""One connection to one Redis server, made as told: timeouts, user, TLS. It never tries twice.

1. A connection that failed, or whose user was cancelled half-way, is closed: no reply is ever read
   by anybody but the one who asked.
2. Whatever goes wrong is an exception of FAILURES; `words` says it in a line.
3. Passwords and certificates are read from their files for each connection, in a thread, so that
   they can be renewed while the process runs and a slow disk delays nobody.
4. With `ca_file`, certificates of that authority are good and no others; host names are checked.

The library's clients, pools and retries are not used: they try again by themselves (59.6 s against
a hung server), also what must not be done twice.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.asyncio.connection import Connection, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    NoPermissionError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from gslb.model.endpoint import Endpoint
from gslb.telemetry.logs import escape

FAILURES = (RedisError, OSError, EOFError, ValueError)
"""All that a connection can raise. ValueError: what answers is no Redis, or a file is no
certificate.
"""
MAX_WORDS_CHARACTERS = 200
MAX_PASSWORD_OCTETS = 4096

Argument = str | bytes | int
Command = tuple[Argument, ...]
Reply = Any
"""As RESP2 has it: bytes, int, None, a list of replies, or a ResponseError."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who connects. password_file beats password."""

    username: str | None = None
    password: str | None = None
    password_file: str | None = None

    def read_password(self) -> str | None:
        """The password as it is now. Raises OSError."""
        if self.password_file is None:
            return self.password
        with Path(self.password_file).open("rb") as file:
            return file.read(MAX_PASSWORD_OCTETS).decode().strip()

    def __repr__(self) -> str:
        return f"Credentials(username={self.username!r})"


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """What TLS needs. ca_file None: the authorities of the system."""

    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None

    def make_context(self) -> ssl.SSLContext:
        """What connections are made with. Raises OSError, of which ssl.SSLError is one."""
        context = ssl.create_default_context(cafile=self.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.certificate_file is not None:
            context.load_cert_chain(self.certificate_file, self.key_file)
        return context


@dataclass(frozen=True, slots=True)
class Access:
    """How servers are connected to. timeout_s: for connecting, and for each reply. tls: None is
    plain TCP.
    """

    credentials: Credentials
    tls: TlsFiles | None
    timeout_s: float
    database: int = 0

    async def connect(self, endpoint: Endpoint, *, patience_s: float = 0.0) -> Line:
        """A connection that is ready for commands. patience_s: how long a command may block before
        its reply is late. Raises FAILURES.
        """
        password = await asyncio.to_thread(self.credentials.read_password)
        options: dict[str, Any] = {
            "host": endpoint.host,
            "port": endpoint.port,
            "db": self.database,
            "username": self.credentials.username,
            "password": password,
            "socket_connect_timeout": self.timeout_s,
            "socket_timeout": self.timeout_s + patience_s,
            "retry": Retry(NoBackoff(), 0),
            "protocol": 2,
            "driver_info": None,  # CLIENT SETINFO is unknown to Redis before 7.2, and needs a right
        }
        if self.tls is None:
            line = Line(Connection(**options))
        else:
            connection = SSLConnection(**options)
            connection.ssl_context.context = await asyncio.to_thread(self.tls.make_context)
            line = Line(connection)
        await line.open()
        return line


class Line:
    """An open connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        # The library only closes in order, and over TLS that waits for a peer that may hang.
        self._writer: asyncio.StreamWriter | None = None

    async def open(self) -> None:
        """Connect, say who this is, pick the database. Raises FAILURES."""
        try:
            await _keep_cancellation(self._connection.connect())  # type: ignore[no-untyped-call]
            self._writer = self._connection._writer  # noqa: SLF001
        except BaseException:
            await self.close()
            raise

    async def ask(self, *commands: Command) -> list[Reply]:
        """Send commands at once and return their replies. Raises FAILURES, also for the first reply
        that is an error; all replies have been read then.
        """
        replies = await self.try_all(commands)
        for reply in replies:
            if isinstance(reply, ResponseError):
                raise reply
        return replies

    async def try_all(self, commands: Sequence[Command]) -> list[Reply]:
        """As `ask`, but errors of single commands come back as replies."""
        connection = self._connection
        packed = connection.pack_commands(commands)
        await _keep_cancellation(connection.send_packed_command(packed, check_health=False))
        return [await self._reply() for _ in commands]

    async def close(self) -> None:
        """Let go of the connection at once; somebody who waits for a reply is woken by it."""
        if self._writer is not None:
            self._writer.transport.abort()
        await self._connection.disconnect(nowait=True)

    async def _reply(self) -> Reply:
        try:
            return await self._connection.read_response()
        except ResponseError as error:
            return error


async def _keep_cancellation(work: Awaitable[None]) -> None:
    """Awaits work, and is cancelled when somebody wanted that meanwhile.

    The library sends by `asyncio.wait_for`, which before Python 3.12 loses a cancellation that
    comes as the octets leave: the task would go on for ever, and its process would never stop.
    """
    task = asyncio.current_task()
    assert task is not None
    before = task.cancelling()
    await work
    if task.cancelling() > before:
        raise asyncio.CancelledError


def words(error: BaseException) -> str:
    """What went wrong, in one line that is safe to log."""
    match error:
        case AuthenticationError():
            text = "wrong user name or password"
        case NoPermissionError():
            text = f"not permitted: {error}"
        case RedisTimeoutError() | TimeoutError():
            text = "no answer in time"
        case RedisConnectionError() if not isinstance(error, ResponseError):
            text = str(error) or "not reachable"
        case OSError() if error.filename is not None:
            text = f"{error.filename}: {error.strerror}"
        case _:
            text = str(error) or type(error).__name__
    return escape(text)[:MAX_WORDS_CHARACTERS]
