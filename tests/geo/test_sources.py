"""Each format line by line, and what is said about lines that cannot be read."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest

from gslb.errors import GeoError
from gslb.geo.sources import country_place, parse_source, read_source
from gslb.geo.spans import Span
from gslb.model.place import NOWHERE, Location

DE = Location(country="DE", continent="EU")


def span(first: str, last: str, place: Location) -> Span:
    return Span(int(ip_address(first)), int(ip_address(last)), place)


def test_tor_ipv4_with_its_date() -> None:
    lines = [
        "# Generated: Thu, 25 Jun 2026 04:33:59 GMT\n",
        "#\n",
        "\n",
        "16777216,16777471,AU\n",
        "16777472,16777475,??\n",
    ]
    source = parse_source(lines, name="geoip")
    assert source.epoch == 1782362039
    assert source.ipv4 == [
        span("1.0.0.0", "1.0.0.255", Location(country="AU", continent="OC")),
        span("1.0.1.0", "1.0.1.3", NOWHERE),
    ]
    assert source.ipv6 == []


def test_tor_ipv6() -> None:
    source = parse_source(["2001:200::,2001:200:ffff::,DE\n"], name="geoip6", kind="tor")
    assert source.ipv6 == [span("2001:200::", "2001:200:ffff::", DE)]


CSV_LINES = {
    "country": ("1.0.0.0,1.0.0.255,DE", DE),
    "country quoted": ('"1.0.0.0","1.0.0.255","DE"', DE),
    "continent and country": ("1.0.0.0,1.0.0.255,EU,DE", DE),
    "asn": ('1.0.0.0,1.0.0.255,13335,"Cloudflare, Inc."', Location(asn=13335)),
    "city": (
        "1.0.0.0,1.0.0.255,OC,AU,Queensland,South Brisbane,-27.4767,153.017",
        Location(
            continent="OC",
            country="AU",
            subdivision="AU-Queensland",
            city="South Brisbane",
            latitude=-27.4767,
            longitude=153.017,
        ),
    ),
    "city unknown": ("1.0.0.0,1.0.0.255,ZZ,ZZ,,,0,0", NOWHERE),
    "no country": ("1.0.0.0,1.0.0.255,ZZ", NOWHERE),
}


@pytest.mark.parametrize(("line", "place"), CSV_LINES.values(), ids=CSV_LINES.keys())
def test_csv_by_its_number_of_fields(line: str, place: Location) -> None:
    assert parse_source([line], name="x").ipv4 == [span("1.0.0.0", "1.0.0.255", place)]


def test_iptoasn_holds_both_families() -> None:
    lines = [
        "1.0.0.0\t1.0.0.255\t13335\tUS\tCLOUDFLARENET\n",
        "1.0.1.0\t1.0.3.255\t0\tNone\tNot routed\n",
        "2a00::\t2a00:ffff::\t64500\tDE\tEXAMPLE\n",
    ]
    source = parse_source(lines, name="ip2asn.tsv")
    assert source.ipv4 == [
        span("1.0.0.0", "1.0.0.255", Location(asn=13335, country="US", continent="NA")),
        span("1.0.1.0", "1.0.3.255", NOWHERE),
    ]
    assert source.ipv6 == [
        span("2a00::", "2a00:ffff::", Location(asn=64500, country="DE", continent="EU"))
    ]


def test_rir_takes_what_somebody_holds() -> None:
    lines = [
        "2|ripencc|1795900000|5|19830705|20261120|+0100\n",
        "ripencc|*|ipv4|*|3|summary\n",
        "ripencc|FR|asn|7|1|19930901|allocated|abc\n",
        "ripencc|DE|ipv4|193.0.0.0|768|19930901|allocated|abc\n",
        "ripencc||ipv4|193.1.0.0|256||available\n",
        "ripencc||ipv4|193.2.0.0|256||reserved\n",
        "ripencc|DE|ipv6|2001:600::|29|19990826|assigned|abc\n",
    ]
    source = parse_source(lines, name="delegated-ripencc-extended-latest")
    assert source.ipv4 == [span("193.0.0.0", "193.0.2.255", DE)]
    assert source.ipv6 == [span("2001:600::", "2001:607:ffff:ffff:ffff:ffff:ffff:ffff", DE)]


PLACES = {
    "UK": Location(country="GB", continent="EU"),
    "EU": Location(continent="EU"),
    "AP": Location(continent="AS"),
    "AN": NOWHERE,
    "??": NOWHERE,
}


@pytest.mark.parametrize(("code", "place"), PLACES.items(), ids=PLACES.keys())
def test_codes_that_are_no_countries(code: str, place: Location) -> None:
    assert country_place(code) == place


BROKEN = {
    "words": ("tor", "hello", "fields"),
    "last before first": ("tor", "9,5,DE", "before it starts"),
    "no ipv4 integer": ("tor", "9,4294967296,DE", "not an IPv4 address"),
    "two families": ("csv", "1.0.0.0,2a00::,DE", "2a00::"),
    "long country": ("csv", "1.0.0.0,1.0.0.1,Germany", "'Germany'"),
    "five fields": ("csv", "1.0.0.0,1.0.0.1,a,b,c", "5 fields"),
    "no asn": ("csv", "1.0.0.0,1.0.0.1,x,name", "not an AS number"),
    "no point": ("csv", "1.0.0.0,1.0.0.1,EU,DE,a,b,91,0", "no point"),
    "nan": ("csv", "1.0.0.0,1.0.0.1,EU,DE,a,b,nan,0", "no point"),
    "open quote": ("csv", '1.0.0.0,1.0.0.1,7,"abc', "end of data"),
    "few tabs": ("iptoasn", "1.0.0.0\t1.0.0.1", "2 fields"),
    "rir family": ("rir", "a|DE|ipv5|1.0.0.0|1|1|allocated", "registry"),
    "rir mixed": ("rir", "a|DE|ipv4|2a00::|1|1|allocated", "no ipv4 block"),
    "rir too many": ("rir", "a|DE|ipv4|255.255.255.0|257|1|allocated", "does not fit"),
    "rir none": ("rir", "a|DE|ipv4|255.255.255.0|0|1|allocated", "does not fit"),
    "rir prefix": ("rir", "a|DE|ipv6|2a00::|129|1|allocated", "longer"),
}


@pytest.mark.parametrize(("kind", "line", "why"), BROKEN.values(), ids=BROKEN.keys())
def test_a_line_that_cannot_be_read_is_named(kind: str, line: str, why: str) -> None:
    with pytest.raises(GeoError, match=r"^the-file:2: ") as caught:
        parse_source(["# comment\n", line], name="the-file", kind=kind)
    assert why in str(caught.value)


def test_a_file_without_ranges_is_refused() -> None:
    with pytest.raises(GeoError, match=r"^empty: holds no range"):
        parse_source(["# nothing\n"], name="empty")


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    for path in (binary, tmp_path / "missing", tmp_path):
        with pytest.raises(GeoError) as caught:
            read_source(path)
        assert str(path) in str(caught.value)
