"""What of a request is a key: for hashing, for counting, for a split that stays.

Laws:
1. An IPv6 client is its /64: a household or a phone owns one and may use any address of it.
2. An IPv4 client that is written as IPv6 (::ffff:0:0/96) is the IPv4 client, or all of them would
   be one.
3. Who has no value for a key is keyed by its address.
4. The same client gives the same number for ever: change nothing in `mix`.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from gslb.model.place import Address
from gslb.model.proxy import KeyKind, KeySpec
from gslb.route.fields import find_cookie, find_parameter

if TYPE_CHECKING:
    from gslb.http1.head import Request

_WORD = 2**64 - 1

KeyReader = Callable[["Request", Address], bytes]
"""The octets of a key, from a request and its client's address."""


def key_octets(spec: KeySpec, request: Request, client: Address) -> bytes:
    """The octets of a key. Where it is asked for often, compile_key is cheaper."""
    return compile_key(spec)(request, client)


def compile_key(spec: KeySpec) -> KeyReader:
    """What reads a key from requests; law 3 holds for what it returns."""
    find = compile_value(spec)
    if find is None:
        return lambda _, client: network_octets(client)

    def read(request: Request, client: Address) -> bytes:
        value = find(request)
        return network_octets(client) if value is None else value

    return read


def compile_value(spec: KeySpec) -> Callable[[Request], bytes | None] | None:
    """What finds the value of a key in requests, None for the client's address."""
    name = spec.name.encode()
    match spec.kind:
        case KeyKind.CLIENT_IP:
            return None
        case KeyKind.HOST:
            return lambda request: request.host
        case KeyKind.PATH:
            return lambda request: request.path
        case KeyKind.URI:
            return lambda request: request.target
        case KeyKind.HEADER:
            lower = name.lower()
            return lambda request: request.fields.get(lower)
        case KeyKind.COOKIE:
            return lambda request: find_cookie(request.fields.get(b"cookie", b""), name)
        case KeyKind.QUERY:
            return lambda request: find_parameter(request.query, name)


def plain_client(client: Address) -> Address:
    """A client's address, as IPv4 where it is one in IPv6's clothes (law 2)."""
    if isinstance(client, IPv6Address):
        return client.ipv4_mapped or client
    return client


def network_octets(client: Address) -> bytes:
    """The four octets of an IPv4 client, or the first eight of an IPv6 one."""
    client = plain_client(client)
    return client.packed if isinstance(client, IPv4Address) else client.packed[:8]


def client_hash(client: Address) -> int:
    """A number in [0, 2**64) that is the client's for ever (0.6 us; one look for a connection)."""
    octets = network_octets(client)
    return mix(int.from_bytes(octets, "big") ^ (len(octets) << 56))


def mix(number: int) -> int:
    """64 bits of which each depends on each of the given ones; no two numbers give the same.

    The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
    """
    number = (number + 0x9E3779B97F4A7C15) & _WORD
    number = ((number ^ number >> 30) * 0xBF58476D1CE4E5B9) & _WORD
    number = ((number ^ number >> 27) * 0x94D049BB133111EB) & _WORD
    return number ^ number >> 31
