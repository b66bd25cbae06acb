"""Reads one MMDB file (GeoLite2, GeoIP2 and DB-IP Country, City and ASN, and our own) into a
`GeoTable`.

Where a place has no country, the registered country stands in. A subdivision is `US-VA` where the
database has its code, and `US-Virginia` where it has only the name (DB-IP). Coordinates come as
they are; `load` adds what lacks.

Law: whatever the octets are, the outcome is a table or a GeoError that names the file.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from maxminddb.decoder import Decoder
from maxminddb.errors import InvalidDatabaseError

from gslb.errors import GeoError
from gslb.geo.mmdb_writer import METADATA_MARKER, SEPARATOR
from gslb.geo.tree import read_tree, walk_ipv4, walk_ipv6
from gslb.model.geotable import EMPTY_TABLE, GeoTable
from gslb.model.place import NOWHERE, Location

T = TypeVar("T")

# The format says that the marker lies within this many octets of the end.
_METADATA_REACH = 128 * 1024

# What the decoder raises on octets that make no sense, besides its own error.
_DECODING_ERRORS = (
    InvalidDatabaseError,
    ValueError,
    TypeError,
    LookupError,
    struct.error,
    RecursionError,
)


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a file says of itself. epoch: Unix seconds of the build."""

    database_type: str
    epoch: int
    node_count: int
    record_size: int
    ip_version: int

    @property
    def tree_size(self) -> int:
        """Octets of the search tree."""
        return self.node_count * self.record_size // 4

    @property
    def build(self) -> str:
        """A short name for decision ids, such as `geolite2-country-20261101`."""
        kind = "".join(c if c.isalnum() else "-" for c in self.database_type.lower())
        return f"{kind}-{datetime.fromtimestamp(self.epoch, UTC):%Y%m%d}"


def read_database(path: Path) -> GeoTable:
    """All that a database knows. Raises GeoError: the file is missing, unreadable, broken, or not
    about places.
    """
    try:
        # All at once: a mapped file that somebody truncates would kill the process.
        octets = path.read_bytes()
    except OSError as error:
        raise GeoError(f"{path}: {error.strerror or error}") from error
    try:
        return parse_database(octets)
    except GeoError as error:
        raise GeoError(f"{path}: {error}") from error


def parse_database(octets: bytes) -> GeoTable:
    """The same from octets; the message of a GeoError does not name a file."""
    marker = octets.rfind(METADATA_MARKER, max(0, len(octets) - _METADATA_REACH))
    if marker < 0:
        raise GeoError("is not an MMDB database, or is cut short (it has no metadata)")
    metadata = _read_metadata(octets[marker + len(METADATA_MARKER) :])
    if metadata.tree_size + len(SEPARATOR) > marker:
        raise GeoError("is cut short: its search tree does not fit into the file")
    tree = read_tree(octets, metadata.node_count, metadata.record_size)
    places = _Places(octets[metadata.tree_size : marker], metadata)
    ipv4 = walk_ipv4(tree, places, is_ipv6=metadata.ip_version == 6)
    ipv6 = walk_ipv6(tree, places) if metadata.ip_version == 6 else EMPTY_TABLE.ipv6
    if len(places.locations) == 1:
        kind = metadata.database_type
        raise GeoError(f"is of type {kind!r} and holds no country, city, point or AS number")
    return GeoTable(ipv4, ipv6, tuple(places.locations), metadata.build)


def _read_metadata(octets: bytes) -> Metadata:
    """The metadata map, checked. octets: what follows the marker."""
    found = _decode(Decoder(octets), 0, len(octets))
    if not isinstance(found, dict):
        raise GeoError("its metadata is not a map")
    metadata = Metadata(
        database_type=_take(found, "database_type", str),
        epoch=_take(found, "build_epoch", int),
        node_count=_take(found, "node_count", int),
        record_size=_take(found, "record_size", int),
        ip_version=_take(found, "ip_version", int),
    )
    if found.get("binary_format_major_version") != 2:
        raise GeoError("is not of MMDB format 2")
    if metadata.record_size not in (24, 28, 32) or metadata.ip_version not in (4, 6):
        raise GeoError("its metadata names a record size or IP version that does not exist")
    if metadata.node_count < 1 or not 0 <= metadata.epoch < 1 << 36:
        raise GeoError("its metadata names an impossible node count or build time")
    return metadata


def _take(found: Mapping[str, Any], key: str, kind: type[T]) -> T:
    value = found.get(key)
    if not isinstance(value, kind):
        raise GeoError(f"its metadata lacks {key}")
    return value


def _decode(decoder: Decoder, offset: int, size: int) -> object:
    """One value. size: of the decoder's octets; it does not notice by itself that a text is cut."""
    try:
        value, end = decoder.decode(offset)
    except _DECODING_ERRORS as error:
        raise GeoError(f"its data is broken at octet {offset}: {error}") from error
    if end > size:
        raise GeoError("is cut short in the middle of a value")
    return value


class _Places(dict[int, int]):
    """Records of the search tree to ids of locations; each record is decoded when it is first asked
    for.

    A dict that fills itself: the walk of the tree reads it once a leaf, so a hit must cost no
    Python call.
    """

    def __init__(self, data: bytes, metadata: Metadata) -> None:
        """data: the octets from the end of the search tree to the metadata."""
        super().__init__({metadata.node_count: 0})
        self.locations = [NOWHERE]
        self._ids = {NOWHERE: 0}
        self._decoder = Decoder(data, len(SEPARATOR))
        self._count = metadata.node_count
        self._size = len(data)

    def __missing__(self, record: int) -> int:
        """The id of a place that is met for the first time."""
        offset = record - self._count
        if not len(SEPARATOR) <= offset < self._size:
            raise GeoError("its search tree points outside of the data")
        location = read_location(_decode(self._decoder, offset, self._size))
        place = self._ids.setdefault(location, len(self.locations))
        if place == len(self.locations):
            self.locations.append(location)
        self[record] = place
        return place


def read_location(record: object) -> Location:
    """What a record says of a place, in the field names of GeoLite2; NOWHERE if none of them is
    there.

    Raises GeoError: a field is of a type that it cannot have.
    """
    if not isinstance(record, dict):
        raise GeoError("a record is not a map")
    country = _code(record, "country") or _code(record, "registered_country")
    latitude, longitude = _point(_field(record, "location", dict) or {})
    return Location(
        asn=_field(record, "autonomous_system_number", int) or None,
        city=_name(_field(record, "city", dict) or {}),
        subdivision=_subdivision(record, country),
        country=country,
        continent=_field(_field(record, "continent", dict) or {}, "code", str) or None,
        latitude=latitude,
        longitude=longitude,
    )


def _field(record: Mapping[str, Any], key: str, kind: type[T]) -> T | None:
    """A field if it is there. Raises GeoError when it is of another type."""
    value = record.get(key)
    if value is None or (isinstance(value, kind) and not isinstance(value, bool)):
        return value
    raise GeoError(f"a record's {key} is of type {type(value).__name__}, not {kind.__name__}")


def _code(record: Mapping[str, Any], key: str) -> str | None:
    """The ISO 3166-1 code of a country field; None where the database writes something else."""
    code = _field(_field(record, key, dict) or {}, "iso_code", str) or ""
    return code.upper() if len(code) == 2 and code.isascii() and code.isalpha() else None


def _name(place: Mapping[str, Any]) -> str | None:
    """The English name of a place."""
    return _field(_field(place, "names", dict) or {}, "en", str) or None


def _subdivision(record: Mapping[str, Any], country: str | None) -> str | None:
    """The largest subdivision after its country, by code if there is one, else by name."""
    found = _field(record, "subdivisions", list) or [{}]
    if not isinstance(found[0], dict):
        raise GeoError("a record's subdivision is not a map")
    name = _field(found[0], "iso_code", str) or _name(found[0])
    return f"{country}-{name}" if country and name else None


def _point(place: Mapping[str, Any]) -> tuple[float, float] | tuple[None, None]:
    """Latitude and longitude, or neither."""
    latitude, longitude = _field(place, "latitude", float), _field(place, "longitude", float)
    if latitude is None or longitude is None:
        return None, None
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):
        raise GeoError(f"a record's point {latitude}, {longitude} is not on the Earth")
    return latitude, longitude
