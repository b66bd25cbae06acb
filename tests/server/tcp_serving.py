"""What the tests of DNS over TCP share: a server on a loopback port and an engine that echoes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import asynccontextmanager

from gslb.model.endpoint import Endpoint
from gslb.model.system import DnsLimits
from gslb.server.sockets import open_tcp
from gslb.server.tcp import TcpServer
from gslb.server.tcp_limits import TcpBudgets
from tests.server.tcp_client import hang_up

DEADLINE_S = 5.0


def query(number: int, size: int = 30) -> bytes:
    """A message of `size` octets with an id: a header, then octets that only an echo brings
    back."""
    return number.to_bytes(2, "big") + bytes(10) + bytes([number % 251]) * (size - 12)


def echo(message: bytes, host: str) -> bytes | None:
    """A scripted engine: silence for a reply (QR=1), FORMERR for a 0xFF behind the header, else the
    echo."""
    if message[2] & 0x80:
        return None
    if message[12:13] == b"\xff":
        return message[:2] + b"\x80\x01" + bytes(8)
    return message[:2] + b"\x80" + message[3:]


def reply_to(message: bytes) -> bytes:
    reply = echo(message, "")
    assert reply is not None
    return reply


@asynccontextmanager
async def serving(answer=echo, limits=None, budgets=None, send_octets=None):
    """A started server and its address; closed at the end. send_octets: how much the kernel holds
    for a client."""
    server = TcpServer(answer, limits or DnsLimits(), budgets=budgets or TcpBudgets())
    listener = open_tcp(Endpoint("127.0.0.1", 0), share=False)
    if send_octets is not None:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_octets)
    address = listener.getsockname()
    await server.start([listener])
    try:
        async with asyncio.timeout(DEADLINE_S):
            yield server, address
    finally:
        await server.close()


@asynccontextmanager
async def connected(address, source="127.0.0.1"):
    """A reader and a writer; hung up at the end."""
    reader, writer = await asyncio.open_connection(*address, local_addr=(source, 0))
    try:
        yield reader, writer
    finally:
        await hang_up(writer)


async def until(condition: Callable[[], bool], *, pause_s: float = 0.005) -> None:
    """Wait for what only the server's side shows. Raises TimeoutError."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - the server tells nobody, and need not for a test
            await asyncio.sleep(pause_s)


async def read_end(reader: asyncio.StreamReader) -> bytes:
    """Everything up to the end of the stream, which may come as a reset."""
    octets = bytearray()
    try:
        while part := await reader.read(65536):
            octets += part
    except ConnectionResetError:
        pass
    return bytes(octets)
