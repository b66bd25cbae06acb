"""A compiled zone: every existing name in one table, and the walk of RFC 1034 4.3.2 through it.

Laws:
1. A name exists if it owns records, or a service, or lies above one that does (an empty
   non-terminal: RFC 4592 2.2.2).
2. Below a zone cut nothing is answered but the referral; DS at the cut itself is the parent's (RFC
   4035 3.1.4.1).
3. A wildcard speaks for a name only if the name does not exist and its closest encloser owns the
   wildcard (RFC 4592 3.3.1).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import ip_address

from gslb.model.place import Address
from gslb.model.service import Service
from gslb.model.zone import ZoneSource
from gslb.wire import codes
from gslb.wire.names import Name, ancestors, from_text, is_under, to_text
from gslb.zone.records import RRset, soa_minimum


@dataclass(slots=True)
class Node:
    """What one name owns. cut: the zone cut at or above it, None in authoritative data."""

    name: bytes
    rrsets: dict[int, RRset] = field(default_factory=dict)
    service: Service | None = None
    cut: bytes | None = None

    @property
    def is_empty(self) -> bool:
        """Whether the name exists only because something lies below it."""
        return not self.rrsets and self.service is None


class Outcome(Enum):
    """How the walk ended."""

    FOUND = "found"
    REFERRAL = "referral"
    NXDOMAIN = "nxdomain"


@dataclass(frozen=True, slots=True)
class Walk:
    """Where the walk for a name ended. node: the owner, the cut, or the closest encloser, by
    outcome.
    """

    outcome: Outcome
    node: Node


@dataclass(frozen=True, slots=True)
class Zone:
    """One zone, ready to answer. origin: octets, lower case. soa: TTL as written; negative_soa: as
    RFC 2308 3 says.
    """

    origin: bytes
    source: ZoneSource
    nodes: Mapping[bytes, Node]
    soa: RRset
    negative_soa: RRset

    def walk(self, qname: bytes, qtype: int) -> Walk:
        """Finds what answers qname (octets, lower case, at or below origin)."""
        node = self.nodes.get(qname)
        if node is None:
            return self._walk_missing(qname)
        if node.cut is None or (qtype == codes.DS and node.cut == qname):
            return Walk(Outcome.FOUND, node)
        return Walk(Outcome.REFERRAL, self.nodes[node.cut])

    def _walk_missing(self, qname: bytes) -> Walk:
        encloser = next(self.nodes[above] for above in ancestors(qname) if above in self.nodes)
        if encloser.cut is not None:
            return Walk(Outcome.REFERRAL, self.nodes[encloser.cut])
        wildcard = self.nodes.get(b"\1*" + encloser.name)
        if wildcard is None:
            return Walk(Outcome.NXDOMAIN, encloser)
        return Walk(Outcome.FOUND, wildcard)

    def addresses_of(self, name: bytes) -> Iterator[RRset]:
        """The static A and AAAA records of a name inside the zone, glue included."""
        node = self.nodes.get(name.lower())
        if node is not None:
            yield from (node.rrsets[t] for t in (codes.A, codes.AAAA) if t in node.rrsets)

    def delegation(self) -> tuple[tuple[str, tuple[Address, ...]], ...]:
        """What the parent zone must say: each name server's absolute name and, if it lies in the
        zone, its glue.
        """
        return tuple(
            (to_text(target), self._glue(target))
            for (target,) in self.nodes[self.origin].rrsets[codes.NS].rdatas
        )

    def _glue(self, target: bytes) -> tuple[Address, ...]:
        if not is_under(target.lower(), self.origin):
            return ()
        found = (rdata[0] for rrset in self.addresses_of(target) for rdata in rrset.rdatas)
        return tuple(ip_address(octets) for octets in found)


def negative_soa(soa: RRset) -> RRset:
    """The SOA of a negative answer: its TTL is the lesser of its own and its MINIMUM (RFC 2308
    3).
    """
    return RRset(codes.SOA, min(soa.ttl, soa_minimum(soa)), soa.rdatas)


def service_owner(service: Service, origin: bytes) -> Name:
    """The absolute owner of a service, lower case. Raises ValueError when its name is none."""
    return Name(from_text(service.name, origin).lower())
