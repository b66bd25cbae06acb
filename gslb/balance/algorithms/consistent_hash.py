"""`consistent_hash`: a ring of points, each a member's; a key belongs to the next point.

Laws, beside those of hashed.py:
1. A member has POINTS x weight points, made of its name alone: order and addresses do not matter,
   and every proxy with the same names has the same ring.
2. Members that come or go, and weights that change, touch no point of the others: whoever is
   removed leaves its keys to the others, and they keep theirs.
3. Above MAX_POINTS all have fewer in proportion, at least one each.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from struct import Struct

from gslb.balance.algorithms.hashed import Hashed
from gslb.balance.member import Member

POINTS = 160
"""Points for each unit of weight: the busiest of 10 members then gets 1.1 of its share of the keys
(of 16 points each, as HAProxy has them, 1.5). nginx has 160, too."""

MAX_POINTS = 1 << 17
"""Points of a ring at most: 1.5 MB, and 0.1 s to make."""

_BLOCK = Struct(">8Q")


class ConsistentHash(Hashed):
    """A ring of 64-bit points."""

    __slots__ = ("_points",)

    def __init__(self, bound: float | None) -> None:
        super().__init__(bound)
        self._points = array("Q")

    def _build(self, members: Sequence[Member]) -> Sequence[int]:
        whole = POINTS * math.fsum(member.weight for member in members)
        each = POINTS * min(1.0, MAX_POINTS / whole)
        ring = sorted(
            (point, member.name, index)
            for index, member in enumerate(members)
            if member.weight > 0
            for point in _points(member.name, max(1, int(each * member.weight)))
        )
        self._points = array("Q", (point for point, _, _ in ring))
        return array("I", (index for _, _, index in ring))

    def _place(self, key: int) -> int:
        place = bisect_left(self._points, key)
        return place if place < len(self._points) else 0


def _points(name: str, count: int) -> Iterator[int]:
    """The first so many points of a name: eight from each hash of the name and a number."""
    octets = name.encode()
    for start in range(0, count, 8):
        block = _BLOCK.unpack(blake2b(start.to_bytes(4, "big") + octets).digest())
        yield from block[: count - start]
