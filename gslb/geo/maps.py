"""The operator's named networks as a table that is laid over the databases. The longest prefix
wins.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from hashlib import sha256

from gslb.errors import GeoError
from gslb.geo.spans import Span, flatten
from gslb.model.geotable import GeoTable, Ranges
from gslb.model.place import NOWHERE, Location, Network

Maps = Mapping[str, tuple[Network, ...]]


def map_table(maps: Maps) -> GeoTable:
    """A table that knows nothing but maps.

    Raises GeoError: a network is in two maps, or is an IPv6 one longer than /64 (the table ends
    there).
    """
    owners: dict[Network, str] = {}
    for name, networks in maps.items():
        for network in networks:
            if owners.setdefault(network, name) != name:
                raise GeoError(f"{network} is in map {owners[network]!r} and in map {name!r}")
            if network.version == 6 and network.prefixlen > 64:
                raise GeoError(f"{network} in map {name!r}: IPv6 prefixes end at /64")
    places = {name: index for index, name in enumerate(maps, 1)}
    return GeoTable(
        ipv4=_ranges("I", _spans(owners, 4), places),
        ipv6=_ranges("Q", _spans(owners, 6), places),
        locations=(NOWHERE, *(Location(map=name) for name in maps)),
        build=f"maps-{_digest(owners)}",
    )


def _spans(owners: Mapping[Network, str], version: int) -> list[Span]:
    """The networks of one family, as the numbers that a table holds."""
    unit = 64 if version == 6 else 0
    return flatten(
        Span(
            int(network.network_address) >> unit,
            int(network.broadcast_address) >> unit,
            Location(map=name),
        )
        for network, name in owners.items()
        if network.version == version
    )


def _ranges(typecode: str, spans: Iterable[Span], places: Mapping[str, int]) -> Ranges:
    """Sorted spans as ranges that cover everything."""
    starts, ids = array(typecode, (0,)), array("I", (0,))
    end = 1 << (starts.itemsize * 8)
    for span in spans:
        if span.first == starts[-1]:
            starts.pop()
            ids.pop()
        starts.append(span.first)
        ids.append(places[span.place.map or ""])
        if span.last + 1 < end:
            starts.append(span.last + 1)
            ids.append(0)
    return Ranges(starts, ids)


def _digest(owners: Mapping[Network, str]) -> str:
    """Eight hexadecimal digits that change when a map does."""
    lines = sorted(f"{network}={name}" for network, name in owners.items())
    return sha256("\n".join(lines).encode()).hexdigest()[:8]
