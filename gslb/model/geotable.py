"""Every client network of the world and where it is, as sorted ranges that a bisection reads.

A table is made by `gslb.geo` from databases and the operator's maps; the engine only reads it.
Laws:
1. Ranges cover the whole address space: starts[0] is 0, and a range ends where the next one starts.
2. Two neighbours never have the same place.
3. IPv6 ranges hold the upper 64 bits of an address; what differs below /64 counts as its first
   address.
4. locations[0] is NOWHERE; ids index locations.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from dataclasses import dataclass
from ipaddress import IPv4Address

from gslb.model.place import NOWHERE, Address, Location


@dataclass(frozen=True, slots=True)
class Ranges:
    """Sorted range starts and, index by index, the id of the place of each range.

    starts: array('I') of IPv4 addresses, or array('Q') of the upper 64 bits of IPv6 ones. ids:
    array('I').
    """

    starts: array[int]
    ids: array[int]

    def find(self, number: int) -> int:
        """The id of the place of an address, given as the integer that starts holds."""
        return self.ids[bisect_right(self.starts, number) - 1]


@dataclass(frozen=True, slots=True)
class GeoTable:
    """All that is known of client networks. build: names the databases it came from, for decision
    ids.
    """

    ipv4: Ranges
    ipv6: Ranges
    locations: tuple[Location, ...]
    build: str

    def locate(self, address: Address) -> Location:
        """The place of one address; NOWHERE when no database and no map knows it."""
        if isinstance(address, IPv4Address):
            return self.locations[self.ipv4.find(int(address))]
        return self.locations[self.ipv6.find(int(address) >> 64)]


EMPTY_TABLE = GeoTable(
    ipv4=Ranges(array("I", [0]), array("I", [0])),
    ipv6=Ranges(array("Q", [0]), array("I", [0])),
    locations=(NOWHERE,),
    build="none",
)
