"""Pre-built queries for `dnsperf -B`: each a message behind its length in two octets (RFC 1035
4.2.2).

Laws:
1. The octets depend on the arguments only: the same seed gives the same file.
2. *plain* asks one name, once for each of its client networks.
3. *resolver* holds its shares exactly in every block of DECK_SIZE queries, and no datagram comes
   twice: client cookies count through all 64-bit values in a scattered order.
4. Client networks are drawn evenly from the public address space, so that countries appear as often
   as they hold addresses. IDs are 0: dnsperf writes its own.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Final

from tests.bench.content import HOST_LABELS, PLAIN_LABEL, ZONE

PLAIN_NETWORKS: Final = 50_000
IPV6_NETWORKS: Final = 8_192
SEED: Final = 2020

_A, _AAAA, _HTTPS = 1, 28, 65
_TYPES: Final = (_A,) * 12 + (_AAAA,) * 5 + (_HTTPS,) * 3
_SUBNETS: Final = ("none",) * 8 + ("ipv4",) * 7 + ("ipv6",)
_EXISTS: Final = (True,) * 9 + (False,)
DECK_SIZE: Final = len(_TYPES) * 2 * len(_SUBNETS) * len(_EXISTS)

_UDP_SIZE: Final = 1232
_OPTION_SUBNET, _OPTION_COOKIE = 8, 10
_COOKIE_STEP: Final = 0x9E3779B97F4A7C15  # odd, so that its multiples meet every 64-bit value once
_HEADER: Final = bytes.fromhex("0000 0000 0001 0000 0000 0001")
_RESERVED_IPV4: Final = (
    ((0, 0), (0, 255)),
    ((10, 0), (10, 255)),
    ((100, 64), (100, 127)),
    ((127, 0), (127, 255)),
    ((169, 254), (169, 254)),
    ((172, 16), (172, 31)),
    ((192, 0), (192, 0)),
    ((192, 168), (192, 168)),
    ((198, 18), (198, 19)),
    ((198, 51), (198, 51)),
    ((203, 0), (203, 0)),
)
_IPV6_BLOCKS: Final = (0x2001, 0x2400, 0x2401, 0x2600, 0x2605, 0x2800, 0x2A00, 0x2A02, 0x2C0F)


@dataclass(frozen=True, slots=True)
class Card:
    """One kind of query in the deck. fixed: type to the head of the cookie; size: octets after the
    name.
    """

    exists: bool
    subnet: str
    fixed: bytes
    size: int


def plain_queries(count: int = PLAIN_NETWORKS, *, seed: int = SEED) -> Iterator[bytes]:
    """One framed A query for the plain service from each of count different /24 networks."""
    question = _compose_name(PLAIN_LABEL) + _compose_question(_A)
    for network in ipv4_networks(count, seed=seed):
        option = _compose_option(_OPTION_SUBNET, b"\0\x01\x18\0" + network)
        yield _frame(
            _HEADER + question + _compose_opt_head(len(option), is_dnssec_ok=False) + option
        )


def resolver_queries(count: int, *, seed: int = SEED, start: int = 0) -> Iterator[bytes]:
    """count framed queries as many resolvers would send them, no two alike.

    start: how many cookies to leave out; queries of ranges that do not overlap never repeat each
    other.
    """
    draw = random.Random(seed + start)
    names = [_compose_name(label) for label in HOST_LABELS]
    subnets = {
        "ipv4": [
            b"\0\x08\0\x07\0\x01\x18\0" + net for net in ipv4_networks(PLAIN_NETWORKS, seed=seed)
        ],
        "ipv6": [
            b"\0\x08\0\x0b\0\x02\x38\0" + net for net in ipv6_networks(IPV6_NETWORKS, seed=seed)
        ],
        "none": [b""],
    }
    deck = _make_deck()
    for number in range(count):
        if number % DECK_SIZE == 0:
            draw.shuffle(deck)
        card = deck[number % DECK_SIZE]
        name = (
            names[int(draw.random() * 1000)] if card.exists else _compose_name(_missing_label(draw))
        )
        choices = subnets[card.subnet]
        cookie = ((start + number + 1) * _COOKIE_STEP & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "big")
        yield b"".join(
            (
                (12 + len(name) + card.size).to_bytes(2, "big"),
                _HEADER,
                _mix_case(name, draw),
                card.fixed,
                cookie,
                choices[int(draw.random() * len(choices))],
            )
        )


def ipv4_networks(count: int, *, seed: int = SEED) -> list[bytes]:
    """count different /24 networks of the public IPv4 space, three octets each."""
    draw = random.Random(seed)
    found: dict[bytes, None] = {}
    while len(found) < count:
        network = draw.randbytes(3)
        if _is_public(network):
            found[network] = None
    return list(found)


def ipv6_networks(count: int, *, seed: int = SEED) -> list[bytes]:
    """count different /56 networks in blocks that the registries hand out, seven octets each."""
    draw = random.Random(seed)
    found: dict[bytes, None] = {}
    while len(found) < count:
        found[draw.choice(_IPV6_BLOCKS).to_bytes(2, "big") + draw.randbytes(5)] = None
    return list(found)


def read_frames(octets: bytes) -> Iterator[bytes]:
    """The messages of a file of framed queries."""
    at = 0
    while at < len(octets):
        end = at + 2 + int.from_bytes(octets[at : at + 2], "big")
        yield octets[at + 2 : end]
        at = end


def _make_deck() -> list[Card]:
    return [
        _make_card(qtype, is_dnssec_ok=dnssec == 1, subnet=subnet, exists=exists)
        for qtype, dnssec, subnet, exists in product(_TYPES, (0, 1), _SUBNETS, _EXISTS)
    ]


def _make_card(qtype: int, *, is_dnssec_ok: bool, subnet: str, exists: bool) -> Card:
    options_size = 12 + {"none": 0, "ipv4": 11, "ipv6": 15}[subnet]
    fixed = (
        _compose_question(qtype)
        + _compose_opt_head(options_size, is_dnssec_ok=is_dnssec_ok)
        + _OPTION_COOKIE.to_bytes(2, "big")
        + b"\0\x08"
    )
    return Card(exists=exists, subnet=subnet, fixed=fixed, size=len(fixed) + options_size - 4)


def _missing_label(draw: random.Random) -> str:
    """A label of letters only, 10 to 17 long: no service is called so."""
    return f"{draw.getrandbits(40):010x}".translate(_LETTERS) + "q" * (draw.getrandbits(3))


_LETTERS: Final = str.maketrans("0123456789", "ghijkmnopr")


def _mix_case(name: bytes, draw: random.Random) -> bytes:
    """A lower-case name with each letter in a random case (the 0x20 bit), lengths untouched."""
    mask = int.from_bytes(bytes(0x20 if 97 <= octet <= 122 else 0 for octet in name), "big")
    flips = draw.getrandbits(8 * len(name)) & mask
    return (int.from_bytes(name, "big") ^ flips).to_bytes(len(name), "big")


def _compose_name(label: str) -> bytes:
    labels = [label, *ZONE.split(".")]
    return b"".join(bytes((len(part),)) + part.encode() for part in labels) + b"\0"


def _compose_question(qtype: int) -> bytes:
    return qtype.to_bytes(2, "big") + b"\0\x01"


def _compose_opt_head(options_size: int, *, is_dnssec_ok: bool) -> bytes:
    """An OPT record up to its options (RFC 6891 6.1.2)."""
    flags = b"\x80\0" if is_dnssec_ok else b"\0\0"
    return (
        b"\0\0\x29"
        + _UDP_SIZE.to_bytes(2, "big")
        + b"\0\0"
        + flags
        + options_size.to_bytes(2, "big")
    )


def _compose_option(code: int, value: bytes) -> bytes:
    return code.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value


def _frame(message: bytes) -> bytes:
    return len(message).to_bytes(2, "big") + message


def _is_public(network: bytes) -> bool:
    place = (network[0], network[1])
    return network[0] < 224 and not any(low <= place <= high for low, high in _RESERVED_IPV4)
