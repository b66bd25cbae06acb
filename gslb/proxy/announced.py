"""Reading a PROXY protocol header off a fresh connection, and not one octet more.

The octets are looked at in the kernel's buffer first, and what belongs to the header is taken out
then: what follows is left to whoever reads the connection next, TLS included.
"""

from __future__ import annotations

import asyncio
import socket
from enum import StrEnum

from gslb.errors import GslbError
from gslb.http1.proxy_header import ProxyHeader, parse_proxy_header
from gslb.proxy.peer import Address, parse_address

PEEK_OCTETS = 16 + 4096  # the longest header
LOOK_AGAIN_S = 0.05
"""When the octets so far may or may not begin a header that must not be there. They stay in the
buffer, so the socket would be reported readable all the time."""

_STARTS = (b"PROXY ", b"\r\n\r\n\x00\r\nQUIT\n")


class Refusal(StrEnum):
    """Why a connection was closed before anybody read it."""

    NO_HEADER = "no_header"
    BAD_HEADER = "bad_header"
    UNTRUSTED_HEADER = "untrusted_header"
    HEADER_TIMEOUT = "header_timeout"
    LEFT = "left"
    HANDSHAKE = "handshake"
    FAILED = "failed"


class RefusedError(GslbError):
    """A connection is not let in: the client's fault, or its operator's."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal


async def take_source(connection: socket.socket) -> tuple[Address, int] | None:
    """Whom the header that a trusted peer begins with names, None if nobody; the header is taken
    out of the connection.

    Raises RefusedError, and OSError for a connection that broke. Waits as long as the peer does.
    """
    held = b""
    while True:
        await _readable(connection)
        seen = _peek(connection, PEEK_OCTETS)
        if begins_header(held + seen) is False:
            raise RefusedError(Refusal.NO_HEADER)
        header = _parse(held + seen)
        if header is not None:
            connection.recv(header.size - len(held))
            return header.source and (parse_address(str(header.source[0])), header.source[1])
        connection.recv(len(seen))  # the header goes on after them, so they are all its own
        held += seen


async def refuse_header(connection: socket.socket) -> None:
    """Comes back, nothing taken, when what an untrusted peer sends first is not a header.

    Raises RefusedError if it is one.
    """
    await _readable(connection)
    # There is no event to wait for: the octets stay where they are.
    while (verdict := begins_header(_peek(connection, len(_STARTS[1])))) is None:  # noqa: ASYNC110
        await asyncio.sleep(LOOK_AGAIN_S)
    if verdict:
        raise RefusedError(Refusal.UNTRUSTED_HEADER)


def begins_header(octets: bytes) -> bool | None:
    """Whether the first octets of a connection are a header's; None if that is not clear yet."""
    for start in _STARTS:
        if octets[: len(start)] == start[: len(octets)]:
            return True if len(octets) >= len(start) else None
    return False


def _parse(octets: bytes) -> ProxyHeader | None:
    try:
        return parse_proxy_header(octets)
    except GslbError as error:
        raise RefusedError(Refusal.BAD_HEADER) from error


def _peek(connection: socket.socket, size: int) -> bytes:
    seen = connection.recv(size, socket.MSG_PEEK)
    if not seen:
        raise RefusedError(Refusal.LEFT)
    return seen


async def _readable(connection: socket.socket) -> None:
    """Comes back when there is something to read, the end included."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(connection.fileno(), _settle, ready)
    try:
        await ready
    finally:
        loop.remove_reader(connection.fileno())


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
