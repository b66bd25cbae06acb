"""Who is at the other end of a client's connection, and where and by which name it reached us."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address

from gslb.model.place import Network

Address = IPv4Address | IPv6Address

NOBODY = IPv4Address(0)
"""The address of a client that was gone before it could be asked for it."""


@dataclass(slots=True, eq=False)
class Peer:
    """The client of one connection; made once for each, never changed.

    address, port: the client; what a trusted peer's PROXY header says where there was one. direct:
    who is connected to us. is_trusted: whether its requests are believed when they say whom they
    come from; that is judged on `address`, so a client that a PROXY header names is not trusted for
    its proxy's sake. local: where the client is connected to. scheme: http or https. server_name:
    what it asked for in its TLS handshake, lower case. text: of the address.
    """

    address: Address
    port: int
    direct: Address
    is_trusted: bool
    local: tuple[Address, int]
    scheme: bytes = b"http"
    server_name: str | None = None
    text: str = field(init=False)

    def __post_init__(self) -> None:
        self.text = str(self.address)


def parse_address(text: str) -> Address:
    """The address of a socket's name; an IPv4 address that IPv6 wraps comes as IPv4."""
    address = ip_address(text)
    if address.version == 6:
        return address.ipv4_mapped or address
    return address


def is_within(address: Address, networks: Sequence[Network]) -> bool:
    """Whether one of the networks holds the address."""
    return any(address in network for network in networks)
