"""Resource records as the composer wants them: octets, with the names that may be compressed
marked.

An Rdata is a tuple of pieces; a piece of type `Name` may be compressed (only types of RFC 1035 have
such pieces: RFC 3597 4), any other piece is copied as it is.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address

import dns.rdata
import dns.rdtypes.ANY.CNAME
import dns.rdtypes.ANY.MX
import dns.rdtypes.ANY.NS
import dns.rdtypes.ANY.PTR
import dns.rdtypes.ANY.SOA

from gslb.model.place import Address
from gslb.wire import codes
from gslb.wire.names import Name, from_parsed

Rdata = tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class RRset:
    """All records of one type at one name: one TTL, no duplicates (RFC 2181 5). ttl: seconds."""

    rtype: int
    ttl: int
    rdatas: tuple[Rdata, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a master file. owner: lower case octets. line: where the file has it."""

    owner: bytes
    rtype: int
    ttl: int
    rdata: Rdata
    line: int


def to_rdata(parsed: dns.rdata.Rdata) -> Rdata:
    """The pieces of a record that dnspython has read, all names absolute."""
    match parsed:
        case dns.rdtypes.ANY.NS.NS() | dns.rdtypes.ANY.CNAME.CNAME() | dns.rdtypes.ANY.PTR.PTR():
            return (from_parsed(parsed.target),)
        case dns.rdtypes.ANY.MX.MX():
            return (struct.pack("!H", parsed.preference), from_parsed(parsed.exchange))
        case dns.rdtypes.ANY.SOA.SOA():
            timers = (parsed.serial, parsed.refresh, parsed.retry, parsed.expire, parsed.minimum)
            names = (from_parsed(parsed.mname), from_parsed(parsed.rname))
            return (*names, struct.pack("!IIIII", *timers))
    octets = parsed.to_wire()
    assert octets is not None
    return (octets,)


def canonical(rdata: Rdata) -> bytes:
    """What makes two records of one type the same: their octets, names in lower case."""
    return b"".join(piece.lower() if isinstance(piece, Name) else piece for piece in rdata)


def address_rrset(rtype: int, ttl: int, addresses: Sequence[Address]) -> RRset | None:
    """The A or AAAA records of those addresses that are of the type's family, or None if there are
    none.
    """
    wants_ipv4 = rtype == codes.A
    packed = (a.packed for a in addresses if isinstance(a, IPv4Address) is wants_ipv4)
    rdatas = tuple((octets,) for octets in dict.fromkeys(packed))
    return RRset(rtype, ttl, rdatas) if rdatas else None


def soa_minimum(soa: RRset) -> int:
    """The last field of a SOA record: the TTL of negative answers (RFC 2308 4)."""
    minimum: int = struct.unpack_from("!I", soa.rdatas[0][2], 16)[0]
    return minimum
