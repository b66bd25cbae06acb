"""`power_of_two`: of two members drawn by weight, the less busy one.

Laws:
1. The first drawn goes, unless it is as busy already as the other would be with one more (the same
   test as law 1 of least_connections.py). So a tie is the first's, and a pool without load is
   shared by weight.
2. Pools of up to SCAN members are looked at as a whole: the other is then the least busy of all.
   Two of three miss the least busy one at every third request, and a look at so few costs little.
3. Both come from the one draw: where it falls within the first's share is the second draw.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from gslb.balance.algorithms.base import Weighed, load, weigh
from gslb.balance.member import Member

SCAN = 4
"""Pools up to this size are looked at as a whole. Envoy's own advice for tiny clusters is the same;
with two hosts two independent draws meet the busier one every fourth time."""


class PowerOfTwo(Weighed):
    """Two choices out of many, weighted."""

    __slots__ = ("_ends",)

    def __init__(self) -> None:
        super().__init__()
        self._ends: list[float] = []

    def renew(self, members: Sequence[Member]) -> None:
        """Takes note of who may be picked from now on, and of the ends of their shares."""
        super().renew(members)
        self._ends = _ends(self._pairs)

    def pick(
        self, members: Sequence[Member], *, now: float, draw: float, key: int, cost: float
    ) -> Member | None:
        """The less busy one of two. 0.2 µs if the first drawn is idle, else 0.6 µs."""
        pairs, ends = self._pairs, self._ends
        if members is not self._members:
            pairs = weigh(members)
            ends = _ends(pairs)
        if not pairs:
            return None
        last = len(pairs) - 1
        at = draw * ends[last]
        index = bisect_right(ends, at, 0, last)
        first, weight = pairs[index]
        if not first.active or not last:
            return first
        start = ends[index - 1] if index else 0.0
        at = (at - start) / weight * (ends[last] - weight)
        second = bisect_right(ends, at if at < start else at + weight, 0, last)
        if second == index:  # a rounding at the very end of a share
            second = index - 1 if index else 1
        one_more = cost if cost < 1.0 else 1.0  # noqa: FURB136  min() costs 0.1 µs more
        other, share = pairs[second]
        with_it = (other.active + one_more) / share
        if last < SCAN:
            for member, share in pairs:
                if member is not first and (member.active + one_more) / share < with_it:
                    other, with_it = member, (member.active + one_more) / share
        return other if with_it <= first.active / weight else first

    def score(self, member: Member, now: float) -> float:
        """What is on the way for each unit of weight."""
        return load(member)


def _ends(pairs: Sequence[tuple[Member, float]]) -> list[float]:
    return list(accumulate(weight for _, weight in pairs))
