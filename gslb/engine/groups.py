"""Clients as decisions see them: a group of services that tell clients apart alike shares one
look-up.

A client is a *key*: its class, and where a filter reads the client's network (`sticky`), that
network too. Laws:
1. A useful client subnet decides; a private one, an empty one, or none leaves it to the source
   address.
2. The scope is 0 when the subnet did not decide or the client makes no difference, else the longest
   of what the classes and the networks need.
3. Look-ups are remembered, up to a bound; then all are forgotten at once.
"""

from __future__ import annotations

from collections.abc import Hashable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

from gslb.engine.clients import ClientClasses
from gslb.model.place import Address, Location
from gslb.wire.ecs import IPV4_BITS, ClientSubnet, compose_ecs, parse_ecs

MAX_REMEMBERED = 65_536  # of each kind; about 15 MB when full of subnets

Key = int | tuple[int, bytes]


class Client(NamedTuple):
    """Who asks. key: what decisions depend on. scope: of the reply's client subnet. address: the
    one that decided, cut to the longest prefix that may matter when it came in a subnet.
    """

    key: Key
    scope: int
    address: Address


class SubnetReply(NamedTuple):
    """What a client subnet leads to. key: None when the source address decides. rdata: OPT's length
    and option.
    """

    key: Key | None
    rdata: bytes


class ClientGroup:
    """The look-up from octets of subnets and addresses to keys, for one division of clients."""

    def __init__(
        self,
        classes: ClientClasses,
        *,
        longest: tuple[int, int],
        networks: tuple[int, int] | None = None,
    ) -> None:
        """longest: the longest subnet prefixes used. networks: the prefixes of the network in the
        key, if any.
        """
        self.classes = classes
        self._longest = longest
        self._networks = networks
        self.by_subnet: dict[bytes, SubnetReply] = {}
        self.by_source: dict[bytes, Key] = {}

    @property
    def is_uniform(self) -> bool:
        """Whether every client has the same key."""
        return self.classes.is_uniform and self._networks is None

    def signature(self, key: Key) -> Hashable:
        """What a key means, in terms that outlive this group: for counters that a reload keeps."""
        number = key if isinstance(key, int) else key[0]
        return self.classes.signatures[number]

    def representative(self, key: Key) -> Location:
        """A place whose clients have this key; any of them is decided alike."""
        number = key if isinstance(key, int) else key[0]
        return self.classes.representatives[number]

    def client(self, source: bytes, subnet: ClientSubnet | None) -> Client:
        """The client behind a query. source: the packed address that it came from."""
        if subnet is not None and subnet.is_useful:
            key, scope, number = self._of_subnet(subnet)
            address = IPv4Address(number) if subnet.bits == IPV4_BITS else IPv6Address(number)
            return Client(key, scope, address)
        address = plain_address(source)
        return Client(self._key(address), 0, address)

    def learn_subnet(self, payload: bytes) -> SubnetReply | None:
        """Reads and remembers the octets of an option; None when they are malformed."""
        subnet = parse_ecs(payload)
        if subnet is None:
            return None
        key: Key | None = None
        scope = 0
        if subnet.is_useful:
            key, scope, _ = self._of_subnet(subnet)
        option = compose_ecs(payload, scope)
        reply = SubnetReply(key, len(option).to_bytes(2, "big") + option)
        if len(self.by_subnet) >= MAX_REMEMBERED:
            self.by_subnet.clear()
        self.by_subnet[payload] = reply
        return reply

    def learn_source(self, source: bytes) -> Key:
        """The key of a packed source address, remembered."""
        if len(self.by_source) >= MAX_REMEMBERED:
            self.by_source.clear()
        key = self.by_source[source] = self._key(plain_address(source))
        return key

    def _of_subnet(self, subnet: ClientSubnet) -> tuple[Key, int, int]:
        """Key, scope, and the first address that decides, cut to the longest prefix that may
        matter (law 2).
        """
        family = 0 if subnet.bits == IPV4_BITS else 1
        longest = self._longest[family]
        prefix = subnet.number >> (subnet.bits - longest)
        kind, scope = (self.classes.ipv6 if family else self.classes.ipv4).find(prefix)
        first = prefix << (subnet.bits - longest)
        if self._networks is None:
            return kind, 0 if self.is_uniform else scope, first
        length = min(self._networks[family], longest)
        spare = subnet.bits - length
        network = (first >> spare << spare).to_bytes(subnet.bits // 8, "big")
        return (kind, network), max(scope, length), first

    def _key(self, address: Address) -> Key:
        if isinstance(address, IPv4Address):
            kind = self.classes.of_ipv4(int(address))
        else:
            kind = self.classes.of_ipv6(int(address) >> 64)
        if self._networks is None:
            return kind
        length = self._networks[0 if isinstance(address, IPv4Address) else 1]
        return kind, cut(address, length).packed


def plain_address(packed: bytes) -> Address:
    """The address in 4 or 16 octets; an IPv4 address that is mapped into IPv6 is the IPv4
    address.
    """
    address = ip_address(packed)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def cut(address: Address, length: int) -> Address:
    """The first address of the network of that prefix length around an address."""
    bits = address.max_prefixlen - length
    return type(address)(int(address) >> bits << bits)


def network_of(key: Key) -> bytes:
    """The packed network in a key, b"" when it has none."""
    return b"" if isinstance(key, int) else key[1]
