"""What we compose is read back by independent readers: maxminddb (C and Python) and geoip2."""

from __future__ import annotations

import io
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import geoip2.database
import maxminddb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from maxminddb.decoder import Decoder

from gslb.geo import mmdb_writer
from gslb.geo.mmdb_data import DataSection, compose_scalar
from gslb.geo.mmdb_writer import Heading, compose_mmdb
from tests.geo.samples import ASHBURN, DE, EPOCH, US, compose, write

HEADING = Heading("Test-Country", EPOCH, "a test")


def open_octets(octets: bytes) -> maxminddb.Reader:
    return maxminddb.open_database(io.BytesIO(octets), maxminddb.MODE_FD)


@pytest.mark.parametrize("record_size", [24, 28, 32])
@pytest.mark.parametrize("mode", [maxminddb.MODE_AUTO, maxminddb.MODE_MEMORY])
def test_readers_find_what_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record_size: int, mode: int
) -> None:
    monkeypatch.setattr(mmdb_writer, "_pick_record_size", lambda highest: record_size)
    path = write(
        tmp_path / "a.mmdb", {"9.0.0.0/8": US, "192.0.2.0/31": DE, "2a00::/12": DE, "ff00::/8": US}
    )
    with maxminddb.open_database(path, mode) as reader:
        assert reader.metadata().record_size == record_size
        assert reader.get_with_prefix_len("9.255.255.255") == (US, 8)
        assert reader.get_with_prefix_len("192.0.2.1") == (DE, 31)
        assert reader.get("192.0.2.2") is None
        assert reader.get_with_prefix_len("2a0f:ffff::1") == (DE, 12)
        assert reader.get("2a10::") is None
        assert reader.get("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff") == US


@pytest.mark.parametrize(
    "alias", ["::ffff:9.1.2.3", "::9.1.2.3", "2002:901:203::1", "2001:0:901:203::1"]
)
def test_ipv6_forms_of_ipv4_addresses_lead_to_the_ipv4_tree(alias: str) -> None:
    assert open_octets(compose({"9.1.2.0/24": US, "2a00::/16": DE})).get(alias) == US


def test_what_the_input_says_about_aliased_networks_is_left_out() -> None:
    octets = compose({"9.0.0.0/8": US, "2000::/3": DE})
    reader = open_octets(octets)
    assert reader.get("2002:901:203::") == US
    assert reader.get("2002:a01:203::") is None
    assert reader.get("2001:1::") == DE
    assert reader.get("2001:ffff::") == DE
    assert reader.get("2003::") == DE
    assert reader.get("3fff::") == DE


def test_one_record_for_all_of_ipv4() -> None:
    reader = open_octets(compose({"0.0.0.0/0": US}))
    assert reader.get("255.255.255.255") == US
    assert reader.get("2002::") == US
    assert reader.get("2a00::") is None


def test_geoip2_reads_the_country_model(tmp_path: Path) -> None:
    path = write(tmp_path / "c.mmdb", {"192.0.2.0/24": DE})
    with geoip2.database.Reader(path) as reader:
        found = reader.country("192.0.2.9")
        assert found.country.iso_code == "DE"
        assert found.continent.code == "EU"
        assert str(found.traits.network) == "192.0.2.0/24"


def test_geoip2_reads_the_city_model(tmp_path: Path) -> None:
    path = write(tmp_path / "c.mmdb", {"192.0.2.0/24": ASHBURN}, kind="Test-City")
    with geoip2.database.Reader(path) as reader:
        found = reader.city("192.0.2.9")
        assert found.city.name == "Ashburn"
        assert found.subdivisions.most_specific.iso_code == "VA"
        assert found.location.latitude == 39.03


def test_metadata_says_what_was_given() -> None:
    metadata = open_octets(compose({"192.0.2.0/24": DE})).metadata()
    assert metadata.build_epoch == EPOCH
    assert metadata.database_type == "Test-Country"
    assert metadata.description == {"en": "a test"}
    assert (metadata.ip_version, metadata.binary_format_major_version) == (6, 2)


def test_the_same_input_gives_the_same_octets() -> None:
    networks = {"192.0.2.0/24": DE, "198.51.100.0/24": US, "2a00::/16": ASHBURN}
    assert compose(networks) == compose(dict(networks))


def test_equal_records_are_written_once() -> None:
    one = compose({"192.0.2.0/24": ASHBURN})
    two = compose({"192.0.2.0/24": ASHBURN, "192.0.3.0/24": dict(ASHBURN)})
    assert two.count(b"Ashburn") == one.count(b"Ashburn") == 1
    assert len(two) < len(one) + 100  # some nodes, no data


def test_ranges_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="not sorted"):
        compose_mmdb([(5, 9, US), (9, 12, DE)], [], HEADING)


VALUES = st.recursive(
    st.text(max_size=400)
    | st.integers(-(2**31), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.booleans(),
    lambda inner: st.lists(inner, max_size=40) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=60,
)


@settings(max_examples=40)
@given(st.lists(st.dictionaries(st.text(max_size=5), VALUES, max_size=5), max_size=6))
def test_any_record_is_decoded_as_it_was(records: list[dict[str, object]]) -> None:
    data = DataSection()
    offsets = [data.add(record) for record in records]  # type: ignore[arg-type]
    decoder = Decoder(bytes(data.octets), 0)
    assert [decoder.decode(offset)[0] for offset in offsets] == records


@pytest.mark.parametrize("size", [28, 29, 284, 285, 65820, 65821, 70000])
def test_text_of_every_size_class_is_decoded(size: int) -> None:
    octets = compose_scalar("x" * size)
    assert Decoder(octets, 0).decode(0) == ("x" * size, len(octets))


@pytest.mark.parametrize("filler", [0, 2000, 2048, 526_000, 526_336, 1_000_000])
def test_pointers_of_every_width_lead_back(filler: int) -> None:
    data = DataSection()
    data.add({"filler": "x" * filler, "name": "a text that is worth a pointer"})
    offset = data.add({"name": "a text that is worth a pointer"})
    found, _ = Decoder(bytes(data.octets), 0).decode(offset)
    assert found == {"name": "a text that is worth a pointer"}
    assert data.octets.count(b"worth") == 1


CUTS4 = st.sets(st.integers(0, 2**32 - 1), max_size=12)
CUTS6 = st.sets(st.integers(0x2400 << 112, (0x2500 << 112) - 1), max_size=12)


@settings(deadline=None, max_examples=60)
@given(CUTS4, CUTS6)
def test_every_border_of_random_ranges_is_where_it_was_put(
    cuts4: set[int], cuts6: set[int]
) -> None:
    ranges4, ranges6 = make_ranges(cuts4), make_ranges(cuts6)
    reader = open_octets(compose_mmdb(ranges4, ranges6, HEADING))
    for ranges, family in ((ranges4, IPv4Address), (ranges6, IPv6Address)):
        for first, last, record in ranges:
            assert reader.get(family(first)) == record
            assert reader.get(family(last)) == record
            assert reader.get(family(last + 1)) != record
            assert reader.get(family((first + last) // 2)) == record


def make_ranges(cuts: set[int]) -> list[tuple[int, int, dict[str, int]]]:
    """Every second stretch between two cuts gets a record of its own."""
    ordered = sorted(cuts)
    pairs = zip(ordered[::2], ordered[1::2], strict=False)
    return [(low, high - 1, {"n": index}) for index, (low, high) in enumerate(pairs)]


def test_the_last_address_of_ipv6_can_have_a_record() -> None:
    octets = compose({"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128": US})
    reader = open_octets(octets)
    assert reader.get_with_prefix_len(str(ip_address(2**128 - 1))) == (US, 128)
