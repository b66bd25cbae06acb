"""Readers of the text files that public sources publish: who is where, range by range.

Formats:
- `tor`: `first,last,CC`, IPv4 as integers, IPv6 as addresses, `#` comments (Debian's tor-geoipdb);
- `csv`: `first,last,CC`; `first,last,continent,CC`; `first,last,asn,name`; or
  `first,last,continent,CC,subdivision,city,latitude,longitude` (DB-IP Lite country, ASN and city);
- `iptoasn`: tab-separated `first last asn CC name`, both families in one file (iptoasn.com);
- `rir`: `registry|CC|ipv4|first|count|date|status`, for IPv6 a prefix length in place of the count
  (delegated-extended).

Laws: 1) a line that cannot be understood stops the reading and is named; 2) what a source does not
know (`??`, `ZZ`, AS 0, withdrawn codes) is nowhere; 3) order is kept: `spans.flatten` settles
overlaps.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from gslb.errors import GeoError
from gslb.geo.centroids import CONTINENT_OF, CONTINENTS
from gslb.geo.spans import Span
from gslb.model.place import NOWHERE, Location

FORMATS = ("auto", "tor", "csv", "iptoasn", "rir")

# Codes that sources use besides ISO 3166-1: a habit, and two regions that are no countries.
_OTHER_CODES = {
    "UK": Location(country="GB", continent="EU"),
    "EU": Location(continent="EU"),
    "AP": Location(continent="AS"),
}

_DATED = "# Generated:"


@dataclass(slots=True)
class Source:
    """What one file said. epoch: Unix seconds of the date in its header, None where it has none."""

    ipv4: list[Span] = field(default_factory=list)
    ipv6: list[Span] = field(default_factory=list)
    epoch: int | None = None


Entry = tuple[int, Span]
"""The family of a span, 4 or 6, and the span."""

RowReader = Callable[[list[str]], Entry | None]


def read_source(path: Path, kind: str = "auto") -> Source:
    """All that a text file says. kind: one of FORMATS; `auto` looks at the first line that holds
    data.

    Raises GeoError: the file cannot be read, or a line of it cannot (`path:line: what is wrong`).
    """
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            return parse_source(lines, name=str(path), kind=kind)
    except OSError as error:
        raise GeoError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise GeoError(f"{path}: is not a text file in UTF-8") from error


def parse_source(lines: Iterable[str], *, name: str, kind: str = "auto") -> Source:
    """The same from lines; name stands for the path in messages."""
    source = Source()
    read_row: RowReader | None = None
    delimiter = ","
    for number, line in enumerate(lines, 1):
        text = line.strip("\r\n\ufeff ")
        if not text or text.startswith("#"):
            source.epoch = source.epoch or _find_date(text)
            continue
        try:
            if read_row is None:
                delimiter, read_row = _READERS[guess_format(text) if kind == "auto" else kind]
            entry = read_row(_split(text, delimiter))
        except (ValueError, KeyError, csv.Error) as error:
            raise GeoError(f"{name}:{number}: {error}") from error
        if entry is not None:
            (source.ipv4 if entry[0] == 4 else source.ipv6).append(entry[1])
    if not source.ipv4 and not source.ipv6:
        raise GeoError(f"{name}: holds no range of addresses")
    return source


def guess_format(line: str) -> str:
    """The name of the format that a line of data is written in."""
    if "|" in line:
        return "rir"
    if "\t" in line:
        return "iptoasn"
    return "tor" if line.partition(",")[0].isdigit() else "csv"


def _split(line: str, delimiter: str) -> list[str]:
    """The fields of a line; quotes are rare, and the reader of them is slow."""
    if '"' in line:
        return next(csv.reader((line,), delimiter=delimiter, strict=True))
    return line.split(delimiter)


def _find_date(comment: str) -> int | None:
    """Unix seconds of a `# Generated: Thu, 25 Jun 2026 04:33:59 GMT` line."""
    if not comment.startswith(_DATED):
        return None
    try:
        return int(parsedate_to_datetime(comment.removeprefix(_DATED).strip()).timestamp())
    except ValueError:
        return None


def _entry(first: str, last: str, place: Location) -> Entry:
    """A span between two addresses in text form; IPv4 ones may be integers."""
    if first.isdigit():
        low, high, family = int(first), int(last), 4
        if high >> 32:
            raise ValueError(f"{last} is not an IPv4 address")
    else:
        parse = IPv6Address if ":" in first else IPv4Address
        start, end = parse(first), parse(last)
        low, high, family = int(start), int(end), start.version
    if low > high:
        raise ValueError(f"the range ends at {last} before it starts at {first}")
    return family, Span(low, high, place)


@lru_cache(maxsize=1024)
def country_place(code: str) -> Location:
    """Where a country code is; NOWHERE for codes that stand for no country."""
    if code in CONTINENT_OF:
        return Location(country=code, continent=CONTINENT_OF[code])
    if len(code) != 2 and code not in ("", "None"):
        raise ValueError(f"{code!r} is not a country code of two letters")
    return _OTHER_CODES.get(code.upper(), NOWHERE)


def _number(text: str) -> int:
    """An AS number, with or without `AS` before it."""
    digits = text.removeprefix("AS")
    if not digits.isdigit() or int(digits) >> 32:
        raise ValueError(f"{text!r} is not an AS number")
    return int(digits)


def _read_tor(row: list[str]) -> Entry:
    if len(row) != 3:
        raise ValueError(f"{len(row)} fields, not the 3 of `first,last,CC`")
    return _entry(row[0], row[1], country_place(row[2]))


def _read_csv(row: list[str]) -> Entry:
    match row:
        case [first, last, code]:
            return _entry(first, last, country_place(code))
        case [first, last, code, name] if code in CONTINENTS and len(name) == 2:
            return _entry(first, last, _continent_place(code, name))
        case [first, last, number, _]:
            return _entry(first, last, Location(asn=_number(number) or None))
        case [first, last, continent, code, subdivision, city, latitude, longitude, *_]:
            place = _continent_place(continent, code)
            return _entry(first, last, _city_place(place, subdivision, city, latitude, longitude))
    raise ValueError(f"{len(row)} fields; 3 (country), 4 (ASN) or 8 (city) are understood")


def _continent_place(continent: str, code: str) -> Location:
    """The place of a country, on the continent that the source says."""
    place = country_place(code)
    return replace(place, continent=continent) if continent in CONTINENTS else place


def _city_place(
    place: Location, subdivision: str, city: str, latitude: str, longitude: str
) -> Location:
    """A place with what DB-IP's city file adds: names instead of codes, so a subdivision is
    `US-Virginia`.
    """
    if place == NOWHERE:
        return place
    point = (float(latitude), float(longitude))
    if not (abs(point[0]) <= 90 and abs(point[1]) <= 180):
        raise ValueError(f"{latitude},{longitude} is no point on the Earth")
    return replace(
        place,
        subdivision=f"{place.country}-{subdivision}" if subdivision and place.country else None,
        city=city or None,
        latitude=point[0],
        longitude=point[1],
    )


def _read_iptoasn(row: list[str]) -> Entry:
    if len(row) != 5:
        raise ValueError(f"{len(row)} fields, not the 5 of `first last asn CC name`")
    return _entry(row[0], row[1], replace(country_place(row[3]), asn=_number(row[2]) or None))


def _read_rir(row: list[str]) -> Entry | None:
    """An allocation; None for headers, summaries, AS numbers and what nobody holds."""
    if (row[0].replace(".", "").isdigit() or row[-1] == "summary") and len(row) >= 6:
        return None
    if len(row) < 7 or row[2] not in ("asn", "ipv4", "ipv6"):
        raise ValueError("is not `registry|CC|ipv4|first|count|date|status`")
    _, code, family, first, count, _, status = row[:7]
    if family == "asn" or status not in ("allocated", "assigned"):
        return None
    start = ip_address(first)
    if f"ipv{start.version}" != family or not count.isdigit():
        raise ValueError(f"{first} with {count} is no {family} block")
    if start.version == 6 and int(count) > 128:
        raise ValueError(f"{count} is longer than an IPv6 prefix")
    size = int(count) if start.version == 4 else 1 << (128 - int(count))
    if size < 1 or (int(start) + size - 1) >> start.max_prefixlen:
        raise ValueError(f"a block of {count} does not fit after {first}")
    return start.version, Span(int(start), int(start) + size - 1, country_place(code))


_READERS: Mapping[str, tuple[str, RowReader]] = {
    "tor": (",", _read_tor),
    "csv": (",", _read_csv),
    "iptoasn": ("\t", _read_iptoasn),
    "rir": ("|", _read_rir),
}
