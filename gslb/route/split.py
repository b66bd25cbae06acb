"""Which pool of a weighted split a client gets: weighted rendezvous hashing.

Laws:
1. A pool's score is ln(u) / weight, with u in (0, 1) from the client and the pool's name; the
   highest is taken. A pool gets the share of all clients that its weight is of the sum.
2. A score depends on no other pool: when a weight rises, clients move to that pool only, when it
   falls, from that pool only.
3. Nothing is remembered: every proxy, restart and version splits alike, and a client that is in the
   small share of one route is in that of every route that splits between the same pools.
4. Weight 0 gets nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import blake2b
from math import log

_WORD = 2**64 - 1
_UNIT = 2.0**-64


def compile_split(pools: Mapping[str, int]) -> Callable[[int], str | None]:
    """What finds the pool of a client's hash; None where no pool has a weight.

    The hash is uniform in [0, 2**64) (keys.client_hash). Costs 0.2 us a pool; nothing for one pool.
    """
    taking_part = {name: weight for name, weight in pools.items() if weight > 0}
    if len(taking_part) <= 1:
        only = next(iter(taking_part), None)
        return lambda _: only
    seeded = tuple((name, 1.0 / weight, *_seed(name)) for name, weight in taking_part.items())

    def pick(client_hash: int) -> str | None:
        best, highest = None, float("-inf")
        for name, scale, factor, offset in seeded:
            # The last bit is set, so that no logarithm is of 0; the product of a hash and an odd
            # number is as uniform as the hash, and a factor for each pool keeps them apart.
            score = log((client_hash * factor + offset & _WORD | 1) * _UNIT) * scale
            if score > highest:
                best, highest = name, score
        return best

    return pick


def _seed(name: str) -> tuple[int, int]:
    """An odd factor and an offset, the pool's for ever."""
    octets = blake2b(name.encode(), digest_size=16, person=b"gslb pool split").digest()
    return int.from_bytes(octets[:8], "big") | 1, int.from_bytes(octets[8:], "big")
