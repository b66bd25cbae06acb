"""Random datagrams for a name server: questions that make sense, questions that make none, and
garbage.

Laws:
1. The octets depend on the arguments only.
2. In every hundred datagrams there are, in a random order: 40 as resolvers send them, 25 with a
   random name, type and client subnet, 10 for other zones, 10 with some octets changed, 5 cut
   short, 10 of random octets.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Final

from tests.bench.content import ZONE
from tests.bench.queries import resolver_queries

_KINDS: Final = {
    "resolver": 40,
    "random": 25,
    "foreign": 10,
    "changed": 10,
    "cut": 5,
    "garbage": 10,
}
_IPV4_OCTETS, _IPV6_OCTETS = 4, 16


def noise(count: int, *, seed: int) -> Iterator[bytes]:
    """count datagrams without lengths in front; IDs are random."""
    draw = random.Random(seed)
    sensible = (frame[2:] for frame in resolver_queries(count, seed=seed))
    makers: dict[str, Callable[[bytes], bytes]] = {
        "resolver": lambda query: query,
        "random": lambda _: _random_query(draw, ZONE),
        "foreign": lambda _: _random_query(draw, f"{_label(draw)}.example"),
        "changed": lambda query: _change(query, draw),
        "cut": lambda query: query[: draw.randrange(len(query))],
        "garbage": lambda _: draw.randbytes(draw.randrange(300)),
    }
    kinds = [kind for kind, share in _KINDS.items() for _ in range(share)]
    for number, query in enumerate(sensible):
        if number % len(kinds) == 0:
            draw.shuffle(kinds)
        made = makers[kinds[number % len(kinds)]](query)
        yield draw.randbytes(2) + made[2:]


def _random_query(draw: random.Random, zone: str) -> bytes:
    labels = [_label(draw) for _ in range(draw.randrange(4))] + zone.split(".")
    name = b"".join(bytes((len(label),)) + label.encode() for label in labels) + b"\0"
    option = _random_subnet(draw)
    opt = b"\0\0\x29" + draw.randbytes(2) + bytes(4) + len(option).to_bytes(2, "big") + option
    return bytes.fromhex("000000000001000000000001") + name + draw.randbytes(2) + b"\0\x01" + opt


def _random_subnet(draw: random.Random) -> bytes:
    """A client subnet option (RFC 7871 6) that may be valid or not."""
    is_ipv4 = draw.random() < 0.5
    size = _IPV4_OCTETS if is_ipv4 else _IPV6_OCTETS
    prefix = draw.randrange(8 * size + 2)
    address = draw.randbytes((prefix + 7) // 8)
    value = (b"\0\x01" if is_ipv4 else b"\0\x02") + bytes((prefix, 0)) + address
    return b"\0\x08" + len(value).to_bytes(2, "big") + value


def _label(draw: random.Random) -> str:
    return f"{draw.getrandbits(4 * draw.randrange(1, 16)):x}"


def _change(query: bytes, draw: random.Random) -> bytes:
    changed = bytearray(query)
    for _ in range(draw.randrange(1, 5)):
        changed[draw.randrange(len(changed))] = draw.getrandbits(8)
    return bytes(changed)
