"""The TCP connection that every check begins with: opened to a literal address, and timed."""

from __future__ import annotations

import asyncio
import socket

from gslb.model.place import Address


async def open_socket(address: Address, port: int) -> tuple[socket.socket, float]:
    """A connected non-blocking socket, which the caller closes, and the milliseconds that
    connecting took.

    The time is that of the TCP handshake alone: what a network measurement should be, whatever is
    spoken on top. Raises OSError, also TimeoutError when the kernel gives up.
    """
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    loop = asyncio.get_running_loop()
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setblocking(False)
        started = loop.time()
        await loop.sock_connect(opened, (str(address), port))
        rtt_ms = (loop.time() - started) * 1000
        _refuse_own_reflection(opened)
    except BaseException:
        opened.close()
        raise
    return opened, rtt_ms


def _refuse_own_reflection(opened: socket.socket) -> None:
    """Raise ConnectionRefusedError when a socket is connected to itself.

    On one host the kernel may pick the asked port as the source port; then a connection to a dead
    service succeeds by the simultaneous open of RFC 9293 3.5, and the service would count as up.
    """
    if opened.getsockname() == opened.getpeername():
        raise ConnectionRefusedError("the connection met itself: nobody listens")
