"""What changes an answer on its way to the client: the cache's copy of it, and compression.

The order is the cache first: it holds what the backend sent, plain, and each client gets its own
coding of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gslb.content.coding import (
    compressed_head,
    may_compress,
    pick_coding,
    unchanged_head,
)
from gslb.content.encoder import Encoder, make_encoder

if TYPE_CHECKING:
    from gslb.http1.answer import Response
    from gslb.http1.head import Request
    from gslb.proxy.caching import Visit
    from gslb.proxy.exchange import Exchange
    from gslb.route.router import Lane

SLICE = 64 * 1024
"""Octets that are compressed in one stretch."""


class AnswerFilter:
    """An answer as it is changed. response: the head that goes to the client."""

    __slots__ = ("_encoder", "_instead", "_visit", "response")

    def __init__(self, response: Response, visit: Visit | None, encoder: Encoder | None) -> None:
        self.response = response
        self._visit = visit
        self._encoder = encoder
        self._instead: bytes | None = None

    def replace(self, content: bytes) -> None:
        """Sends this content, whatever the backend sends."""
        self._instead = content

    def feed(self, data: bytes) -> bytes:
        """What becomes of content of the backend."""
        if self._instead is not None:
            return b""
        if self._visit is not None:
            self._visit.feed(data)
        return data if self._encoder is None else compress(self._encoder, data)

    def finish(self) -> bytes:
        """The last content, once the backend's is whole."""
        if self._instead is None:
            if self._visit is not None:
                self._visit.finish()
            return b"" if self._encoder is None else self._encoder.finish()
        if self._encoder is None:
            return self._instead
        return compress(self._encoder, self._instead) + self._encoder.finish()


def compress(encoder: Encoder, data: bytes) -> bytes:
    """Octets for the client, now; a long piece in slices."""
    if len(data) <= SLICE:
        return encoder.feed(data)
    last = (len(data) - 1) // SLICE * SLICE
    pieces = [
        encoder.feed(data[at : at + SLICE], more=at < last) for at in range(0, len(data), SLICE)
    ]
    return b"".join(pieces)


def make_filter(exchange: Exchange, lane: Lane, response: Response) -> AnswerFilter:
    """What changes an answer of a backend. Raises BadAnswer (gslb.proxy.caching)."""
    visit = exchange.visit
    answer = None if visit is None else visit.take(exchange, response)
    if answer is not None:
        response = answer.response
    response, encoder = code(exchange.request, lane, response)
    made = AnswerFilter(response, visit, encoder)
    if answer is not None:
        made.replace(answer.body)
    return made


def code(request: Request, lane: Lane, response: Response) -> tuple[Response, Encoder | None]:
    """An answer's head as it goes to the client, and what compresses its content."""
    if not lane.route.compress:
        return response, None
    coding = pick_coding(request.fields.get(b"accept-encoding"))
    if response.status == 304:
        return unchanged_head(response, coding), None
    if not may_compress(request, response):
        return response, None
    encoder = None if coding is None else make_encoder(coding)
    return compressed_head(response, coding), encoder
