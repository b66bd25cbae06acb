"""Weights as shares: who takes part, and the even schedule of a weighted round robin.

Laws:
1. Weight 0 takes no part, unless all weights are 0: then all take part with equal shares.
2. A schedule names each index as often as its weight says: any `period` turns in a row are exact
   (DESIGN law 3).
3. Every prefix of a schedule of n indices is within 1 - 1 / (2n - 2) of each index's ideal share:
   half a turn for two, under one turn for any n. R. Tijdeman, "The chairman assignment problem",
   Discrete Mathematics 32 (1980). The usual smooth weighted round robin gives the same schedules
   for small weights but has no such bound.
4. Weights are divided by their greatest common divisor, and longer periods than MAX_PERIOD are
   rounded to MAX_PERIOD turns by largest remainder; nobody is rounded down to no turn at all.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import gcd

from gslb.model.service import Candidate

MAX_PERIOD = 4096
"""Turns of a schedule at most: longer ones are off by up to one turn in 4096 (0.02 %). gdnsd and
PowerDNS draw at random instead: after 4096 answers a share of one half is still off by 0.8 %."""

SCHEDULES_KEPT = 256
"""Schedules kept ready, one for each tuple of weights whatever the service: the longest takes 16 KB
and some 10 ms to make, and all of them together stay under 5 MB."""


def drop_drained(candidates: Sequence[Candidate]) -> tuple[tuple[Candidate, ...], tuple[int, ...]]:
    """The candidates that take part, and their weights: those above 0, or all as 1 if none is."""
    kept = tuple(one for one in candidates if one.weight > 0)
    if kept:
        return kept, tuple(one.weight for one in kept)
    return tuple(candidates), (1,) * len(candidates)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Who is first at each turn. turns[i]: the turns of index i within one period, rising."""

    period: int
    turns: tuple[array[int], ...]

    def rank(self, turn: int) -> list[int]:
        """All indices, by how soon each is first at or after a turn."""
        at = turn % self.period
        return sorted(range(len(self.turns)), key=lambda index: self._next(index, at))

    def _next(self, index: int, at: int) -> int:
        turns = self.turns[index]
        place = bisect_left(turns, at)
        return turns[place] if place < len(turns) else turns[0] + self.period


@lru_cache(maxsize=SCHEDULES_KEPT)
def make_schedule(weights: tuple[int, ...]) -> Schedule:
    """The even schedule of weights that are all above 0, at least one."""
    shares = reduce_weights(weights)
    turns = tuple(array("I") for _ in shares)
    for turn, index in enumerate(_spread(shares)):
        turns[index].append(turn)
    return Schedule(sum(shares), turns)


def reduce_weights(weights: tuple[int, ...]) -> tuple[int, ...]:
    """The least weights of the same ratios, or of ratios near them if those sum past MAX_PERIOD."""
    least = _divide(weights)
    if sum(least) <= MAX_PERIOD:
        return least
    return _divide(_quantise(least, max(MAX_PERIOD, len(least))))


def _divide(weights: tuple[int, ...]) -> tuple[int, ...]:
    divisor = gcd(*weights)
    return tuple(weight // divisor for weight in weights)


def _quantise(weights: tuple[int, ...], total: int) -> tuple[int, ...]:
    """Weights that sum to total, by largest remainder.

    Whoever would get none gets one, at the cost of the largest.
    """
    whole = sum(weights)
    shares = [max(1, weight * total // whole) for weight in weights]
    rounded_down = [index for index, weight in enumerate(weights) if weight * total >= whole]
    rounded_down.sort(key=lambda index: -(weights[index] * total % whole))
    for index in rounded_down[: max(0, total - sum(shares))]:
        shares[index] += 1
    shares[shares.index(max(shares))] -= sum(shares) - total
    return tuple(shares)


def _spread(shares: tuple[int, ...]) -> list[int]:
    """The index of each turn: of those that do not run ahead, the one that must go soonest.

    With S the sum and x how often an index went in the turns before t, it may go if share * t / S -
    x is at least 1 / (2n - 2), and its deadline is (2n - 3 + (2n - 2) x) / share up to what is
    equal for all. Costs S * n steps.
    """
    total, scale = sum(shares), max(1, 2 * len(shares) - 2)
    went = [0] * len(shares)
    order = []
    for turn in range(1, total + 1):
        may_go = [
            index
            for index, share in enumerate(shares)
            if scale * (share * turn - went[index] * total) >= total
        ]
        first = min(may_go, key=lambda index: (scale - 1 + scale * went[index]) / shares[index])
        went[first] += 1
        order.append(first)
    return order
