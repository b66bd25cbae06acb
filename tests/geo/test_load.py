"""From files to the table that the engine reads; an independent reader is the oracle."""

from __future__ import annotations

import random
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import Any

import maxminddb
import pytest
from hypothesis import given

from gslb.errors import GeoError
from gslb.geo import mmdb_writer
from gslb.geo.centroids import CENTROIDS, CONTINENT_OF, CONTINENTS
from gslb.geo.database import parse_database
from gslb.geo.load import bundled_database, database_paths, load_table
from gslb.model.geotable import EMPTY_TABLE, GeoTable
from gslb.model.place import NOWHERE, Location
from gslb.model.system import GeoSettings
from tests.geo.samples import ASHBURN, DE, US, compose, write
from tests.geo.test_mmdb_writer import CUTS4, CUTS6, HEADING, make_ranges, open_octets

US_PLACE = Location(country="US", continent="NA", latitude=37.5, longitude=-92.0)
DE_PLACE = Location(country="DE", continent="EU", latitude=51.0, longitude=10.0)


def load_files(*paths: str, maps: Mapping[str, list[str]] | None = None) -> GeoTable:
    networks = {name: tuple(map(ip_network, texts)) for name, texts in (maps or {}).items()}
    return load_table(GeoSettings(databases=paths, maps=networks))


def locate(table: GeoTable, address: str) -> Location:
    return table.locate(ip_address(address))


def assert_laws(table: GeoTable) -> None:
    """The laws of GeoTable, and that no location is there for nothing."""
    for ranges in (table.ipv4, table.ipv6):
        assert ranges.starts[0] == 0
        assert len(ranges.starts) == len(ranges.ids)
        assert all(a < b for a, b in zip(ranges.starts, ranges.starts[1:], strict=False))
        assert all(a != b for a, b in zip(ranges.ids, ranges.ids[1:], strict=False))
    assert (table.ipv4.starts.typecode, table.ipv6.starts.typecode) == ("I", "Q")
    assert table.locations[0] == NOWHERE
    assert len(set(table.locations)) == len(table.locations)
    assert {*table.ipv4.ids, *table.ipv6.ids} | {0} == set(range(len(table.locations)))


@pytest.mark.parametrize("record_size", [24, 28, 32])
def test_ranges_of_both_families_at_every_record_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record_size: int
) -> None:
    monkeypatch.setattr(mmdb_writer, "_pick_record_size", lambda highest: record_size)
    table = load_files(write(tmp_path / "a", {"192.0.2.0/24": US, "2a00::/16": DE}))
    assert table.locations == (NOWHERE, US_PLACE, DE_PLACE)
    assert list(table.ipv4.starts) == [0, 0xC0000200, 0xC0000300]
    assert list(table.ipv4.ids) == [0, 1, 0]
    assert list(table.ipv6.starts) == [0, 0x2A00 << 48, 0x2A01 << 48]
    assert list(table.ipv6.ids) == [0, 2, 0]
    assert table.build == "test-country-20261101"


def test_neighbours_of_one_place_are_one_range(tmp_path: Path) -> None:
    with_extra = {**US, "registered_country": {"iso_code": "US"}}
    path = write(tmp_path / "a", {"8.0.0.0/9": US, "8.128.0.0/9": with_extra, "9.0.0.0/8": US})
    table = load_files(path)
    assert list(table.ipv4.starts) == [0, 8 << 24, 10 << 24]


def test_ipv6_below_64_counts_as_its_first_address(tmp_path: Path) -> None:
    path = write(tmp_path / "a", {"2a00::/66": US, "2a00:0:0:0:4000::/66": DE, "2a00:1::1/128": DE})
    table = load_files(path)
    assert locate(table, "2a00::ffff:ffff:ffff:ffff") == US_PLACE
    assert locate(table, "2a00:1::1") == NOWHERE


def test_ipv4_inside_the_ipv6_tree_is_no_part_of_the_ipv6_ranges(tmp_path: Path) -> None:
    table = load_files(write(tmp_path / "a", {"0.0.0.0/8": US, "9.0.0.0/8": US, "2a00::/16": DE}))
    for address in ("::9.1.2.3", "::", "::ffff:9.1.2.3", "2002:901::1", "2001:0:901::1"):
        assert locate(table, address) == NOWHERE
    assert locate(table, "0.1.2.3") == US_PLACE


def test_an_ipv4_only_file() -> None:
    """A tree of one node and ip_version 4: 0.0.0.0/1 is nowhere, 128.0.0.0/1 is US."""
    table = parse_database(ipv4_file())
    assert list(table.ipv4.starts) == [0, 1 << 31]
    assert table.ipv6 == EMPTY_TABLE.ipv6


def ipv4_file() -> bytes:
    """One node of 24-bit records before the data and the metadata of a composed file."""
    octets = compose({"192.0.2.0/24": US})
    reader = open_octets(octets)
    metadata = reader.metadata()
    rest = octets[metadata.node_count * 6 :]
    tree = (1).to_bytes(3, "big") + (1 + 16).to_bytes(3, "big")
    count = metadata.node_count
    old = b"\x4anode_count" + bytes((0xC1, count))
    assert old in rest
    rest = rest.replace(old, b"\x4anode_count\xc1\x01")
    return tree + rest.replace(b"\x4aip_version\xa1\x06", b"\x4aip_version\xa1\x04")


@given(CUTS4, CUTS6)
def test_a_table_says_the_same_as_a_reader_at_every_border(
    cuts4: set[int], cuts6: set[int]
) -> None:
    def places(cuts: set[int], unit: int) -> list[tuple[int, int, dict[str, Any]]]:
        return [
            (low, high, {"autonomous_system_number": record["n"] % 3 + 1})
            for low, high, record in make_ranges({cut >> unit << unit for cut in cuts})
        ]

    ranges4, ranges6 = places(cuts4, 0), places(cuts6, 64)
    if not ranges4 and not ranges6:
        return
    octets = mmdb_writer.compose_mmdb(ranges4, ranges6, HEADING)
    table, reader = parse_database(octets), open_octets(octets)
    assert_laws(table)
    for family, ranges in ((IPv4Address, ranges4), (IPv6Address, ranges6)):
        for first, last, _ in ranges:
            for number in (first - 1, first, last, last + 1):
                address = family(max(number, 0))
                record = reader.get(address)
                asn = record["autonomous_system_number"] if isinstance(record, dict) else None
                assert table.locate(address) == Location(asn=asn)


# ---------------------------------------------------------------- fields

FIELDS = {
    "city": (
        ASHBURN,
        Location(
            city="Ashburn",
            subdivision="US-VA",
            country="US",
            continent="NA",
            latitude=39.03,
            longitude=-77.5,
        ),
    ),
    "registered country": ({"registered_country": {"iso_code": "DE"}}, DE_PLACE),
    "country alone": ({"country": {"iso_code": "de"}}, DE_PLACE),
    "continent alone": ({"continent": {"code": "EU"}}, Location(continent="EU")),
    "asn": (
        {"autonomous_system_number": 64500, "autonomous_system_organization": "Example"},
        Location(asn=64500),
    ),
    "subdivision by name": (
        {**US, "subdivisions": [{"names": {"en": "Virginia"}}]},
        Location(
            subdivision="US-Virginia", country="US", continent="NA", latitude=37.5, longitude=-92.0
        ),
    ),
    "no country of ISO": (
        {"continent": {"code": "EU"}, "country": {"iso_code": "none"}},
        Location(continent="EU"),
    ),
    "a country without centroid": ({"country": {"iso_code": "QQ"}}, Location(country="QQ")),
    "nothing of use": ({"traits": {"is_anycast": True}}, NOWHERE),
}


@pytest.mark.parametrize(("record", "place"), FIELDS.values(), ids=FIELDS.keys())
def test_fields_of_a_record(tmp_path: Path, record: dict[str, Any], place: Location) -> None:
    table = load_files(write(tmp_path / "a", {"192.0.2.0/24": record, "198.51.100.0/24": US}))
    assert locate(table, "192.0.2.1") == place


# ---------------------------------------------------------------- overlay and maps


def test_the_first_database_that_knows_a_field_wins(tmp_path: Path) -> None:
    country = write(tmp_path / "c", {"192.0.2.0/24": US})
    city = write(tmp_path / "d", {"192.0.2.0/25": ASHBURN, "198.51.100.0/24": DE}, kind="X-City")
    asn = write(tmp_path / "e", {"192.0.2.64/26": {"autonomous_system_number": 64500}}, kind="ASN")
    table = load_files(country, city, asn)
    assert_laws(table)
    assert locate(table, "192.0.2.1").city == "Ashburn"
    assert locate(table, "192.0.2.1").point == (39.03, -77.5)
    assert locate(table, "192.0.2.70").asn == 64500
    assert locate(table, "192.0.2.70").subdivision == "US-VA"
    assert locate(table, "192.0.2.200") == US_PLACE
    assert locate(table, "198.51.100.7") == DE_PLACE
    assert table.build == "test-country-20261101+x-city-20261101+asn-20261101"


@pytest.mark.parametrize("many", [0, 9])
def test_databases_that_disagree_on_the_country_are_not_mixed(tmp_path: Path, many: int) -> None:
    filler = {f"10.{n}.0.0/17": US for n in range(many)}  # either file may have more ranges
    german = write(tmp_path / "a", {"192.0.2.0/24": DE, "2a00::/16": DE})
    city = {**ASHBURN, "autonomous_system_number": 64500}
    table = load_files(german, write(tmp_path / "b", {"192.0.2.0/24": city, **filler}))
    assert locate(table, "192.0.2.1") == Location(
        asn=64500, country="DE", continent="EU", latitude=51.0, longitude=10.0
    )


def test_maps_lie_over_all_and_the_longest_prefix_wins(tmp_path: Path) -> None:
    path = write(tmp_path / "a", {"203.0.113.0/25": US, "2001:db8::/32": DE})
    maps = {
        "wide": ["203.0.0.0/16", "2001:db8:ffff::/48"],
        "office": ["203.0.113.0/24", "255.255.255.0/24"],
    }
    table = load_files(path, maps=maps)
    assert_laws(table)
    assert locate(table, "203.0.112.255") == Location(map="wide")
    assert locate(table, "203.0.113.200") == Location(map="office")
    assert locate(table, "203.0.113.1").levels == (
        "map:office",
        "country:US",
        "continent:NA",
        "default",
    )
    assert locate(table, "2001:db8:ffff::1").map == "wide"
    assert locate(table, "2001:db8:fffe::1") == DE_PLACE
    assert locate(table, "255.255.255.255").map == "office"


def test_the_build_changes_with_the_maps(tmp_path: Path) -> None:
    path = write(tmp_path / "a", {"203.0.113.0/25": US})
    one, two, again = (
        load_files(path, maps={"office": [text]}).build
        for text in ("192.0.2.0/24", "192.0.2.0/25", "192.0.2.0/24")
    )
    assert one.startswith("test-country-20261101+maps-")
    assert one == again != two


def test_maps_without_databases() -> None:
    table = load_files(maps={"all": ["0.0.0.0/0", "::/0"]})
    assert list(table.ipv4.starts) == [0]
    assert locate(table, "::1") == locate(table, "9.9.9.9") == Location(map="all")
    assert load_files() == EMPTY_TABLE


@pytest.mark.parametrize(
    ("maps", "why"),
    [
        ({"a": ["192.0.2.0/24"], "b": ["192.0.2.0/24"]}, "'a' and in map 'b'"),
        ({"a": ["2001:db8::/65"]}, "end at /64"),
    ],
)
def test_maps_that_cannot_hold_are_refused(maps: dict[str, list[str]], why: str) -> None:
    with pytest.raises(GeoError, match=why):
        load_files(maps=maps)


# ---------------------------------------------------------------- the bundled database


@pytest.fixture(scope="module")
def bundled() -> GeoTable:
    return load_table(GeoSettings())


EXPECTED = {
    "193.0.6.0": ("NL", "EU"),
    "8.8.8.8": ("US", "NA"),
    "133.11.0.1": ("JP", "AS"),
    "200.160.2.1": ("BR", "SA"),
    "196.25.1.1": ("ZA", "AF"),
    "203.119.101.1": ("AU", "OC"),
    "2001:67c:2e8::1": ("NL", "EU"),
}


@pytest.mark.parametrize(("address", "place"), EXPECTED.items(), ids=EXPECTED.keys())
def test_the_bundled_database_knows_well_known_addresses(
    bundled: GeoTable, address: str, place: tuple[str, str]
) -> None:
    found = locate(bundled, address)
    assert (found.country, found.continent) == place
    assert found.point == CENTROIDS[place[0]]


def test_the_bundled_database_knows_no_private_address(bundled: GeoTable) -> None:
    for address in ("10.0.0.1", "127.0.0.1", "192.168.1.1", "fd00::1", "::1", "2001:db8::1"):
        assert locate(bundled, address) == NOWHERE


def test_the_bundled_table_obeys_its_laws_and_is_small(bundled: GeoTable) -> None:
    assert_laws(bundled)
    octets = sum(
        array.itemsize * len(array)
        for ranges in (bundled.ipv4, bundled.ipv6)
        for array in (ranges.starts, ranges.ids)
    )
    assert octets < 8_000_000


def test_the_bundled_table_agrees_with_a_reader(bundled: GeoTable) -> None:
    draw = random.Random(7)
    with maxminddb.open_database(bundled_database()) as reader:
        for _ in range(3000):
            address = IPv4Address(draw.getrandbits(32))
            assert code_of(reader.get(address)) == bundled.locate(address).country
        for start in draw.sample(bundled.ipv6.starts.tolist()[1:], 3000):
            address = IPv6Address(start << 64)
            if (start >> 32) != 0x20010000 and (start >> 48) != 0x2002 and start:
                assert code_of(reader.get(address)) == bundled.locate(address).country


def code_of(record: object) -> str | None:
    return record.get("country", {}).get("iso_code") if isinstance(record, dict) else None


def test_a_missing_bundled_database_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "is_file", lambda self: False)
    with pytest.raises(GeoError, match=r"bundled database is missing.*country\.mmdb"):
        database_paths(GeoSettings())


@pytest.mark.parametrize("country", sorted(CENTROIDS))
def test_every_country_has_a_point_in_half_degrees(country: str) -> None:
    latitude, longitude = CENTROIDS[country]
    assert abs(latitude) <= 90
    assert abs(longitude) <= 180
    assert (latitude * 2).is_integer()
    assert (longitude * 2).is_integer()


def test_the_centroids_are_those_of_iso_3166_and_kosovo() -> None:
    assert len(CENTROIDS) == 249 + 1
    assert CONTINENT_OF.keys() == CENTROIDS.keys()
    assert set(CONTINENT_OF.values()) == set(CONTINENTS)
