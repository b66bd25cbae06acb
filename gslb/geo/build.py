"""Makes a database of our own from text sources; the pure step is `compose_database`.

Laws: 1) the same files and the same epoch give the same octets; 2) later files count as listed
later (`spans.flatten` says who wins); 3) the type is named by the finest thing that any range
knows.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from gslb.errors import GeoError
from gslb.geo.mmdb_data import Record, Value
from gslb.geo.mmdb_writer import Heading, RecordRange, compose_mmdb
from gslb.geo.spans import Span, flatten
from gslb.model.place import Location


@dataclass(frozen=True, slots=True)
class Built:
    """A database in octets, and what it holds. ipv4, ipv6: how many ranges."""

    octets: bytes
    database_type: str
    ipv4: int
    ipv6: int


def compose_database(
    ipv4: Iterable[Span], ipv6: Iterable[Span], *, epoch: int, description: str
) -> Built:
    """A database of spans in any order; overlaps are settled. Raises GeoError when nothing is left
    to write.
    """
    flat4, flat6 = flatten(ipv4), flatten(ipv6)
    if not flat4 and not flat6:
        raise GeoError("the sources know the place of no address")
    database_type = _name_type(span.place for span in (*flat4, *flat6))
    octets = compose_mmdb(
        _records(flat4), _records(flat6), Heading(database_type, epoch, description)
    )
    return Built(octets, database_type, len(flat4), len(flat6))


def write_atomically(path: Path, octets: bytes) -> None:
    """Replace a file in one step, so that a reader sees the old one or the new one. Raises
    GeoError.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(octets)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise GeoError(f"{path}: {error.strerror or error}") from error


def _records(spans: Iterable[Span]) -> Iterator[RecordRange]:
    return ((span.first, span.last, compose_record(span.place)) for span in spans)


def _name_type(places: Iterable[Location]) -> str:
    kinds = {_kind(place) for place in set(places)}
    return next(f"GSLB-{kind}" for kind in ("City", "Country", "ASN") if kind in kinds)


def _kind(place: Location) -> str:
    if place.city or place.subdivision or place.point:
        return "City"
    return "Country" if place.country or place.continent else "ASN"


@lru_cache(maxsize=4096)
def compose_record(place: Location) -> Record:
    """A place in the field names of GeoLite2; a subdivision goes into `names`, as DB-IP does it."""
    record: dict[str, Value] = {}
    if place.continent:
        record["continent"] = {"code": place.continent}
    if place.country:
        record["country"] = {"iso_code": place.country}
    if place.subdivision:
        name = place.subdivision.partition("-")[2]
        record["subdivisions"] = [{"names": {"en": name}}]
    if place.city:
        record["city"] = {"names": {"en": place.city}}
    if place.latitude is not None and place.longitude is not None:
        record["location"] = {"latitude": place.latitude, "longitude": place.longitude}
    if place.asn is not None:
        record["autonomous_system_number"] = place.asn
    return record
