"""EDNS Client Subnet (RFC 7871): the network of the client that a resolver asks for.

Laws:
1. A malformed option is a format error (RFC 7871 7.1.2): unknown family, a prefix longer than the
   family, a scope in a query, octets missing or beyond the prefix, bits beyond the prefix.
2. Family 0 with no address is what `dig +subnet=0` sends: taken as "do not use my address", echoed
   as it is.
3. The reply repeats family, source prefix and address, and sets the scope (RFC 7871 7.2.1).
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Final, NamedTuple

from gslb.model.place import Address
from gslb.wire import codes

_FIXED = struct.Struct("!HBB")
IPV4_BITS: Final = 32
IPV6_BITS: Final = 128
_BITS: Final = {0: 0, 1: IPV4_BITS, 2: IPV6_BITS}


class ClientSubnet(NamedTuple):
    """A valid option. payload: its octets as sent (family, source, scope 0, address).

    bits: 32 or 128 by family, 0 for none. number: the address as an integer, filled with zeros.
    """

    payload: bytes
    source: int
    bits: int
    number: int

    @property
    def address(self) -> Address | None:
        """The first address of the subnet, None for no family."""
        if self.bits == 0:
            return None
        return IPv4Address(self.number) if self.bits == IPV4_BITS else IPv6Address(self.number)


def parse_ecs(payload: bytes) -> ClientSubnet | None:
    """The option in these octets, or None when they break a rule."""
    if len(payload) < _FIXED.size:
        return None
    family, source, scope = _FIXED.unpack_from(payload)
    bits = _BITS.get(family)
    octets = payload[_FIXED.size :]
    if bits is None or source > bits or scope or len(octets) != (source + 7) // 8:
        return None
    number = int.from_bytes(octets, "big") << (bits - len(octets) * 8)
    if number & ((1 << (bits - source)) - 1):
        return None
    return ClientSubnet(payload, source, bits, number)


def compose_ecs(payload: bytes, scope: int) -> bytes:
    """The whole option of a reply: code, length, and the query's payload with the scope set."""
    head = struct.pack("!HH", codes.OPTION_ECS, len(payload))
    return head + payload[:3] + bytes((scope,)) + payload[4:]


# What can never name a place of the Internet, but for documentation networks: operators map them
# in laboratories, and nothing else can send them.
_PRIVATE: Final = tuple(
    ip_network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.168.0.0/16", "224.0.0.0/3"),
        *("::/8", "fc00::/7", "fe80::/10", "ff00::/8"),
    )
)


def _sorted_spans(bits: int) -> tuple[list[int], list[int]]:
    """First and last addresses of the private networks of a family, in order."""
    found = sorted(
        (int(network[0]), int(network[-1])) for network in _PRIVATE if network.max_prefixlen == bits
    )
    return [first for first, _ in found], [last for _, last in found]


_SPANS: Final = {bits: _sorted_spans(bits) for bits in (IPV4_BITS, IPV6_BITS)}


def private_spans(bits: int) -> list[tuple[int, int]]:
    """First and last addresses, as integers, of the private networks of a family, in order."""
    return list(zip(*_SPANS[bits], strict=True))


def is_private(bits: int, number: int) -> bool:
    """Whether an address, an integer of 32 or 128 bits, says nothing about where its owner is."""
    firsts, lasts = _SPANS[bits]
    at = bisect_right(firsts, number) - 1
    return at >= 0 and number <= lasts[at]
