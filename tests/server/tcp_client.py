"""Clients of DNS over TCP for tests: one that blocks, for servers in other processes, and one that
does not."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from contextlib import suppress


def frame(*messages: bytes) -> bytes:
    """The messages as they travel: each behind its length."""
    return b"".join(len(message).to_bytes(2, "big") + message for message in messages)


def unframe(octets: bytes) -> list[bytes]:
    """The complete messages in octets; AssertionError if something is left over."""
    messages = []
    while octets:
        end = 2 + int.from_bytes(octets[:2], "big")
        assert end <= len(octets), f"{len(octets)} octets of a message of {end}"
        messages.append(octets[2:end])
        octets = octets[end:]
    return messages


def match(queries: Sequence[bytes], replies: Sequence[bytes]) -> list[bytes]:
    """The replies in the order of their queries: RFC 7766 7 lets a server answer in any order."""
    by_id = {reply[:2]: reply for reply in replies}
    assert len(by_id) == len(replies), "two replies with one id"
    return [by_id[query[:2]] for query in queries]


def ask_tcp(address: tuple[str, int], *queries: bytes, timeout_s: float = 5.0) -> list[bytes]:
    """Send the queries, which need different ids, in one segment; the replies in the order of the
    queries.

    Raises OSError (TimeoutError among them) when the server is not there, too late, or hangs up
    early.
    """
    with socket.create_connection(address, timeout=timeout_s) as client:
        client.sendall(frame(*queries))
        stream = client.makefile("rb")
        replies = [_read_one(stream) for _ in queries]
    return match(queries, replies)


async def ask_tcp_async(
    address: tuple[str, int], *queries: bytes, timeout_s: float = 5.0
) -> list[bytes]:
    """As `ask_tcp`, for a server in the same event loop."""
    async with asyncio.timeout(timeout_s):
        reader, writer = await asyncio.open_connection(*address)
        try:
            writer.write(frame(*queries))
            replies = [await read_message(reader) for _ in queries]
        finally:
            await hang_up(writer)
    return match(queries, replies)


async def read_message(reader: asyncio.StreamReader) -> bytes:
    """The next message of a stream. Raises IncompleteReadError at its end."""
    length = int.from_bytes(await reader.readexactly(2), "big")
    return await reader.readexactly(length)


async def hang_up(writer: asyncio.StreamWriter) -> None:
    """Close a connection, whatever the other side did to it."""
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


def _read_one(stream) -> bytes:
    prefix = stream.read(2)
    message = stream.read(int.from_bytes(prefix, "big")) if len(prefix) == 2 else b""
    if len(prefix) < 2 or len(message) < int.from_bytes(prefix, "big"):
        raise ConnectionError("the server hung up before its reply was complete")
    return message
