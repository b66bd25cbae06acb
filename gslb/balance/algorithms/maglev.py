"""`maglev`: a table of places, each a member's, filled in turns; a key's place is its remainder.

Laws, beside those of hashed.py:
1. Each member has its own order of all places, made of its name. By turns each takes the first
   place of its order that is free, until none is left: the shares are exact to one place.
2. Members go by name, so their configured order does not matter.
3. The heaviest goes at every turn, another one at weight / heaviest of the turns.
4. Who comes or goes moves its own share of the keys and, unlike on the ring, a few of the others':
   they take free places in another order. While a member is merely down nobody else's moves.

D. Eisenbud and others, "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016,
section 3.4.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import cycle
from struct import unpack

from gslb.balance.algorithms.hashed import Hashed
from gslb.balance.member import Member

PLACES = 65537
"""Places of a table: a prime, so that every step reaches all of them. 256 KB, some 40 ms to make.
With up to 650 members shares are exact to 1 %. Envoy's default, and the paper's, are the same."""


class Maglev(Hashed):
    """A table with one place for each remainder."""

    __slots__ = ()

    def _build(self, members: Sequence[Member]) -> Sequence[int]:
        owners = array("i", [-1]) * PLACES
        orders = [_order(member.name) for member in members]
        turns = _turns(members)
        for _ in range(PLACES):
            index = next(turns)
            order = orders[index]
            place = next(order)
            while owners[place] >= 0:
                place = next(order)
            owners[place] = index
        return owners

    def _place(self, key: int) -> int:
        return key % PLACES


def _order(name: str) -> Iterator[int]:
    """All places in a name's own order: from a first one in equal steps."""
    first, step = unpack(">QQ", blake2b(name.encode(), digest_size=16).digest())
    place, step = first % PLACES, step % (PLACES - 1) + 1
    while True:
        yield place
        place = (place + step) % PLACES


def _turns(members: Sequence[Member]) -> Iterator[int]:
    """Who goes, without end: the heaviest at every turn, the others when their weights add up."""
    heaviest = max(member.weight for member in members)
    by_name = sorted(range(len(members)), key=lambda index: members[index].name)
    saved = [0.0] * len(members)
    for index in cycle(by_name):
        saved[index] += members[index].weight
        if saved[index] >= heaviest:
            saved[index] -= heaviest
            yield index
