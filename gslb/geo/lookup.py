"""One address looked up for people: the place, the range that it was found in, and how far the
sites are.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_network

from gslb.model.geotable import GeoTable
from gslb.model.place import Address, Location, Network
from gslb.model.service import Site
from gslb.model.sphere import distance_km


@dataclass(frozen=True, slots=True)
class Match:
    """Where an address is. first, last: the range of the table, all of one place.

    prefix: the shortest prefix inside that range that holds the address.
    """

    location: Location
    first: Address
    last: Address
    prefix: Network


def find_match(table: GeoTable, address: Address) -> Match:
    """The range that holds an address; every address is in one, if only in one that nobody
    knows.
    """
    is_ipv4 = isinstance(address, IPv4Address)
    ranges, unit = (table.ipv4, 0) if is_ipv4 else (table.ipv6, 64)
    index = bisect_right(ranges.starts, int(address) >> unit) - 1
    is_last = index + 1 == len(ranges.starts)
    end = 1 << (address.max_prefixlen - unit) if is_last else ranges.starts[index + 1]
    first, last = ranges.starts[index] << unit, (end << unit) - 1
    family = IPv4Address if is_ipv4 else IPv6Address
    location = table.locations[ranges.ids[index]]
    return Match(location, family(first), family(last), _widest_prefix(address, first, last))


def _widest_prefix(address: Address, first: int, last: int) -> Network:
    """The shortest prefix around an address that stays between two others."""
    for length in range(address.max_prefixlen + 1):
        network = ip_network((int(address), length), strict=False)
        if first <= int(network.network_address) and int(network.broadcast_address) <= last:
            return network
    raise AssertionError("the address itself lies in its range")


def rank_sites(location: Location, sites: Mapping[str, Site]) -> list[tuple[str, float]]:
    """The names of sites with a point and their distances in kilometres, the nearest first."""
    here = location.point
    if here is None:
        return []
    found = ((name, distance_km(here, site.point)) for name, site in sites.items() if site.point)
    return sorted(found, key=lambda item: (item[1], item[0]))
