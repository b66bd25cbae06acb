"""What reads a connection."""

from __future__ import annotations

import asyncio
from typing import Protocol, cast


class Reader(Protocol):
    """What a transport calls. It has all of `asyncio.Protocol`, and is no subclass of it: such a
    class could not be compiled to one whose attributes lie in fixed places.
    """

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected, the handshake of TLS included."""

    def data_received(self, data: bytes) -> None:
        """Octets have come, one at least."""

    def eof_received(self) -> bool | None:
        """No more will come. False closes the connection."""

    def pause_writing(self) -> None:
        """Too much waits to be sent."""

    def resume_writing(self) -> None:
        """Little waits to be sent again."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Closed, by whomever."""


def as_protocol(reader: Reader) -> asyncio.Protocol:
    """The same, for the event loop, which asks for the methods only."""
    return cast("asyncio.Protocol", reader)
