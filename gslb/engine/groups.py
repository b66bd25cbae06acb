"""Clients as decisions see them: a group of services that tell clients apart alike shares one
look-up.

A client is a *key*: its class, and where a filter reads the client's network (`sticky`), that
network too. Laws:
1. A client subnet decides; an empty one, none, or a private one that no map names leaves it to the
   source address.
2. The scope is 0 without a subnet that says anything, and where the client makes no difference,
   else the longest of what the classes and the networks need. So the answer to a private subnet
   holds for its neighbours only: in a resolver's cache it must not become everybody's.
3. Look-ups are remembered, up to a bound over all groups that share a memory; then all of theirs
   are forgotten at once.
"""

from __future__ import annotations

import struct
from collections.abc import Hashable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final, NamedTuple

from gslb.engine.clients import ClientClasses
from gslb.model.place import Address, Location
from gslb.wire import codes
from gslb.wire.ecs import IPV4_BITS, ClientSubnet, compose_ecs, parse_ecs

MAX_REMEMBERED = 65_536  # in one memory, of which there are two; about 16 MB each when full

Key = int | tuple[int, bytes]


class Client(NamedTuple):
    """Who asks. key: what decisions depend on. scope: of the reply's client subnet. address: the
    one that decided, cut to the longest prefix that may matter when it came in a subnet.
    """

    key: Key
    scope: int
    address: Address


SubnetReply = tuple[Key | None, bytes]
"""What a client subnet leads to: the key, None when the source address decides, and of our OPT the
length and the options. A plain tuple, which unpacks in a third of a NamedTuple's time.
"""


class OptionUse(NamedTuple):
    """What the operator lets options do. ecs: client subnets count. nsid: there is one to tell."""

    ecs: bool = True
    nsid: bool = False


DEFAULT_USE: Final = OptionUse()


class Memory:
    """The bound that groups share (law 3)."""

    def __init__(self) -> None:
        self._count = 0
        self._kept: list[dict[bytes, Any]] = []

    def add(self, kept: dict[bytes, Any]) -> None:
        """A dictionary whose entries count."""
        self._kept.append(kept)

    def make_room(self) -> None:
        """Counts one more entry; a full memory is emptied first."""
        if self._count >= MAX_REMEMBERED:
            self._count = 0
            for kept in self._kept:
                kept.clear()
        self._count += 1


_NO_SUBNET: Final[SubnetReply] = (None, b"\0\0")
_ANYBODY: Final[SubnetReply] = (0, b"\0\0")
_OPTION: Final = struct.Struct("!HH")
_COMMON_SUBNETS: Final = {b"\0\x08\0\x07\0\x01\x18\0": 11, b"\0\x08\0\x0b\0\x02\x38\0": 15}
"""The head of an option with an IPv4 /24 or an IPv6 /56, and its whole length: valid by that."""


class ClientGroup:
    """The look-up from octets of subnets and addresses to keys, for one division of clients."""

    def __init__(
        self,
        classes: ClientClasses,
        *,
        longest: tuple[int, int],
        networks: tuple[int, int] | None = None,
        use: OptionUse = DEFAULT_USE,
        memory: Memory | None = None,
    ) -> None:
        """longest: the longest subnet prefixes used. networks: the prefixes of the network in the
        key, if any.
        """
        self.classes = classes
        self.is_uniform = classes.is_uniform and networks is None  # every client has one key
        self._longest = longest
        self._networks = networks
        self._use = use
        self.by_options: dict[bytes, SubnetReply] = {}
        self.by_source: dict[bytes, Key] = {}
        self._memory = memory or Memory()
        self._memory.add(self.by_options)
        self._memory.add(self.by_source)

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
        scope = 0
        if subnet is not None and subnet.source > 0:
            key, scope, number = self._of_subnet(subnet)
            if key is not None:
                address = IPv4Address(number) if subnet.bits == IPV4_BITS else IPv6Address(number)
                return Client(key, scope, address)
        address = plain_address(source)
        return Client(self._key(address), scope, address)

    def is_told_by(self, subnet: ClientSubnet) -> bool:
        """Whether the subnet decides (law 1)."""
        return subnet.source > 0 and self._of_subnet(subnet)[0] is not None

    def learn_options(self, options: bytes) -> SubnetReply | None:
        """Reads the options of a query, in which a client cookie may have been left out.

        None when the general path has to see them: malformed, or asking for more than a subnet.
        Only a lone subnet, or nothing, is remembered: that is what many queries share.
        """
        if self._use.ecs and self.is_uniform and _COMMON_SUBNETS.get(options[:8]) == len(options):
            return (0, len(options).to_bytes(2, "big") + options)
        payload = None
        at, end = 0, len(options)
        while at + _OPTION.size <= end:
            code, length = _OPTION.unpack_from(options, at)
            at += _OPTION.size + length
            if code == codes.OPTION_NSID and self._use.nsid:
                return None
            if code == codes.OPTION_ECS and self._use.ecs and payload is None:
                payload = options[at - length : at]
        if at != end:
            return None
        if self.is_uniform:
            return self._echo(payload)
        reply = _NO_SUBNET if payload is None else self._reply(payload)
        is_shared = end == (0 if payload is None else _OPTION.size + len(payload))
        if reply is not None and is_shared:
            self._memory.make_room()
            self.by_options[options] = reply
        return reply

    def _echo(self, payload: bytes | None) -> SubnetReply | None:
        """The reply where the client makes no difference: too cheap to remember."""
        if payload is None:
            return _ANYBODY
        if parse_ecs(payload) is None:
            return None
        option = compose_ecs(payload, 0)
        return (0, len(option).to_bytes(2, "big") + option)

    def _reply(self, payload: bytes) -> SubnetReply | None:
        """What the octets of a subnet lead to; None when they are malformed."""
        subnet = parse_ecs(payload)
        if subnet is None:
            return None
        key: Key | None = None
        scope = 0
        if subnet.source > 0:
            key, scope, _ = self._of_subnet(subnet)
        option = compose_ecs(payload, scope)
        return (key, len(option).to_bytes(2, "big") + option)

    def learn_source(self, source: bytes) -> Key:
        """The key of a packed source address, remembered."""
        if self.is_uniform:
            return 0
        self._memory.make_room()
        key = self.by_source[source] = self._key(plain_address(source))
        return key

    def _of_subnet(self, subnet: ClientSubnet) -> tuple[Key | None, int, int]:
        """Key, scope, and the first address that decides, cut to the longest prefix that may
        matter (law 2). The key is None where it is left to the source address (law 1).
        """
        family = 0 if subnet.bits == IPV4_BITS else 1
        longest = self._longest[family]
        prefix = subnet.number >> (subnet.bits - longest)
        kind, scope = (self.classes.ipv6 if family else self.classes.ipv4).find(prefix)
        first = prefix << (subnet.bits - longest)
        if self.is_uniform:
            return 0, 0, first
        if kind == self.classes.private:
            return None, scope, first
        if self._networks is None:
            return kind, scope, first
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
