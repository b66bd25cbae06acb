"""Numbers that follow from a request's key: draws, further keys, and the best of several members.

Laws:
1. Nothing is remembered: every process, version and machine gets the same from the same key and
   names. Change no constant here, or every client moves.
2. Keys come from hash_key(), so they are even already; one multiplication by an odd number (modulo
   2^64) makes another even number of them, at 0.08 µs.
3. Members are known by their names: neither their order nor their addresses matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import inf, log

from gslb.balance.algorithms.base import hash_key
from gslb.balance.member import Member

MASK = (1 << 64) - 1

_UNIT = 2.0**-52
_DRAW = 0xD1B54A32D192ED03
_JUMP = 0x9E3779B97F4A7C15
_STEP = 0x8CB92BA72F3D8DD7

Choice = tuple[Member, int, float]
"""A member, the number of its name, its weight."""


@lru_cache(maxsize=8192)
def name_number(name: str) -> int:
    """An odd number of 64 bits, a member's own."""
    return hash_key(name.encode()) | 1


def draw_of(key: int) -> float:
    """The number in [0, 1) that says whether a key goes to a member in its slow start."""
    return (key * _DRAW & MASK) / 2.0**64


def next_key(key: int) -> int:
    """Where a key goes that finds its member full: another key, unrelated to the member's place."""
    return (key * _JUMP + _STEP) & MASK


def choices(pairs: Sequence[tuple[Member, float]]) -> list[Choice]:
    """Members with a weight, ready for rendezvous()."""
    return [(member, name_number(member.name), weight) for member, weight in pairs]


def rendezvous(key: int, among: Sequence[Choice], *, is_even: bool = False) -> Member | None:
    """The member with the highest score for a key, None if there is none: weighted rendezvous.

    A score is ln(u) / weight with u in (0, 1) from key and name, so each is the highest for its
    share of all keys, and depends on no other member. 0.3 µs for each member. is_even: all weights
    are equal, so the highest u wins and no logarithm is needed, 0.15 µs; among is then not empty.
    """
    if is_even:
        numbers = [key * number & MASK for _, number, _ in among]
        return among[numbers.index(max(numbers))][0]
    best = None
    most = -inf
    for member, number, weight in among:
        # The middles of 2^52 intervals: each is an exact float, and none is 0 or 1.
        score = log((((key * number & MASK) >> 12) + 0.5) * _UNIT) / weight
        if score > most:
            best, most = member, score
    return best
