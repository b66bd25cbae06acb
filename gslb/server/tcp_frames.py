"""The octets of a TCP connection cut into DNS messages (RFC 1035 4.2.2, RFC 7766 8). No I/O.

Laws:
1. How the octets were cut into segments changes no message.
2. At most 65,537 octets are held: one message of the longest kind with its length. Memory grows
   with what has arrived, not with what a length announces, and shrinks when all of it was taken.
"""

from __future__ import annotations

HEADER_OCTETS = 12
LENGTH_OCTETS = 2
MOST_OCTETS = LENGTH_OCTETS + 0xFFFF
# Holds some 80 pipelined queries; a server full of connections spends 4 MB on these.
FIRST_OCTETS = 4096


class FrameBuffer:
    """Received octets that are not yet taken: the caller fills `room` and tells `add` how far."""

    __slots__ = ("_end", "_octets", "_start")

    def __init__(self) -> None:
        self._octets = bytearray(FIRST_OCTETS)
        self._start = 0
        self._end = 0

    def __len__(self) -> int:
        """How many octets wait."""
        return self._end - self._start

    def room(self) -> memoryview:
        """Where the next octets go. Never empty if every complete message was taken before."""
        if self._start == self._end:
            self._start = self._end = 0
            if len(self._octets) > FIRST_OCTETS:
                self.clear()
        elif self._start:
            self._move(len(self._octets))
        if self._end == len(self._octets):
            self._move(min(2 * self._end, MOST_OCTETS))
        return memoryview(self._octets)[self._end :]

    def add(self, count: int) -> None:
        """Take note that the first count octets of `room` were filled."""
        self._end += count

    def take(self) -> bytes | None:
        """The next message, or None until it is complete.

        b"" where the announced length is too short for any message: there is nothing to go on with.
        """
        body = self._start + LENGTH_OCTETS
        if body > self._end:
            return None
        length = int.from_bytes(self._octets[self._start : body], "big")
        if length < HEADER_OCTETS:
            return b""
        if body + length > self._end:
            return None
        self._start = body + length
        return bytes(self._octets[body : self._start])

    def clear(self) -> None:
        """Forget everything."""
        self._octets = bytearray(FIRST_OCTETS)
        self._start = self._end = 0

    def _move(self, size: int) -> None:
        """Move what waits to the front of a new buffer: one that is lent out cannot be resized."""
        waiting = self._octets[self._start : self._end]
        self._octets = waiting + bytes(size - len(waiting))
        self._start, self._end = 0, len(waiting)
