"""Connecting to backends."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import TypeVar

from gslb.model.endpoint import Endpoint
from gslb.proxy.reader import Reader, as_protocol

R = TypeVar("R", bound=Reader)


async def connect(
    reader: R,
    address: Endpoint,
    *,
    header: bytes = b"",
    tls: ssl.SSLContext | None = None,
    server_name: str | None = None,
) -> R:
    """The reader, connected to an address.

    header: a PROXY protocol header, which goes before the TLS handshake if there is one. Raises
    OSError.
    """
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    raw = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        await loop.sock_connect(raw, (address.host, address.port))
        if header:
            await loop.sock_sendall(raw, header)
        await loop.create_connection(
            lambda: as_protocol(reader),
            sock=raw,
            ssl=tls,
            server_hostname=server_name if tls else None,
        )
    except BaseException:
        raw.close()
        raise
    return reader
