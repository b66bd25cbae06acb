"""The body of a request on its way: framed anew, and kept for a second try while it is small."""

from __future__ import annotations

from gslb.http1.chunks import LAST_CHUNK, compose_chunk, compose_trailers
from gslb.http1.head import CHUNKED


class RequestBody:
    """What has come of a request's body.

    limit: as many octets are kept to be sent again. is_done: its end has come. total: octets of
    content so far. can_replay: all that came is still here.
    """

    __slots__ = ("_kept", "_kept_octets", "can_replay", "is_chunked", "is_done", "limit", "total")

    def __init__(self, announced: int, limit: int) -> None:
        self.is_chunked = announced == CHUNKED
        self.is_done = False
        self.can_replay = True
        self.total = 0
        self.limit = limit
        self._kept: list[bytes] = []
        self._kept_octets = 0

    def take(self, piece: bytes) -> bytes:
        """Content that came, as it is sent on."""
        self.total += len(piece)
        return self._keep(compose_chunk(piece) if self.is_chunked else piece)

    def end(self, trailers: list[tuple[bytes, bytes]]) -> bytes:
        """What is sent on at the end."""
        self.is_done = True
        if not self.is_chunked:
            return b""
        return self._keep(compose_trailers(trailers) if trailers else LAST_CHUNK)

    @property
    def is_over(self) -> bool:
        """Whether more is kept than should be: no more is read until it has been sent on."""
        return self._kept_octets > self.limit

    def replay(self) -> bytes:
        """All that came so far, as it is sent on; only while `can_replay`."""
        assert self.can_replay
        return b"".join(self._kept)

    def forget(self) -> None:
        """It will not be sent again."""
        self.can_replay = False
        self._kept.clear()
        self._kept_octets = 0

    def _keep(self, framed: bytes) -> bytes:
        if self.can_replay:
            self._kept.append(framed)
            self._kept_octets += len(framed)
        return framed
