"""Whatever a database file holds, reading it ends: in a table, or in a GeoError that names it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gslb.errors import GeoError
from gslb.geo.database import parse_database, read_database
from gslb.geo.load import load_table
from gslb.geo.mmdb_writer import METADATA_MARKER
from gslb.model.system import GeoSettings
from tests.geo.samples import ASHBURN, DE, EPOCH, US, compose, write

GOOD = compose({"192.0.2.0/24": US, "198.51.100.0/25": ASHBURN, "2a00::/16": DE, "fd00::/9": US})


def tree_size(octets: bytes) -> int:
    return octets.index(bytes(16) + b"\xe2")  # the separator, then the first record: a map of two


@settings(max_examples=400)
@given(
    st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=12)
)
def test_flipped_octets_give_a_table_or_a_geo_error(flips: list[tuple[int, int]]) -> None:
    octets = bytearray(GOOD)
    for at, value in flips:
        octets[at] = value
    with suppress(GeoError):
        parse_database(bytes(octets))


@settings(max_examples=200)
@given(st.data())
def test_flipped_octets_behind_the_tree_give_a_table_or_a_geo_error(data: st.DataObject) -> None:
    octets = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(tree_size(GOOD), len(GOOD) - 1))
        octets[at] ^= 1 << data.draw(st.integers(0, 7))
    with suppress(GeoError):
        parse_database(bytes(octets))


def test_every_truncation_is_refused() -> None:
    for size in range(len(GOOD)):
        with pytest.raises(GeoError):
            parse_database(GOOD[:size])


@given(st.binary(max_size=300))
def test_random_octets_are_refused(octets: bytes) -> None:
    with pytest.raises(GeoError):
        parse_database(octets)


@given(st.binary(max_size=200))
def test_random_metadata_is_refused(octets: bytes) -> None:
    with pytest.raises(GeoError):
        parse_database(bytes(500) + METADATA_MARKER + octets)


def test_a_tree_that_leads_in_circles_is_refused() -> None:
    size = tree_size(GOOD)
    with pytest.raises(GeoError, match=r"circles|deeper"):
        parse_database(bytes(size) + GOOD[size:])  # every record leads to the root


def test_a_tree_whose_left_sides_end_but_which_never_stops_branching_is_refused() -> None:
    size = tree_size(GOOD)
    nothing = size // 6
    nodes = (nothing, 1, 2, 1, nothing, 1)  # 0 -> (-, 1), 1 -> (2, 1), 2 -> (-, 1)
    tree = b"".join(record.to_bytes(3, "big") for record in nodes)
    octets = tree + GOOD[len(tree) :]
    with pytest.raises(GeoError, match="circles"):
        parse_database(octets)


def test_a_pointer_outside_of_the_data_is_refused() -> None:
    size = tree_size(GOOD)
    with pytest.raises(GeoError, match="outside"):
        parse_database(b"\xff" * size + GOOD[size:])


def test_a_pointer_into_the_separator_is_refused() -> None:
    size = tree_size(GOOD)
    record = (size // 6 + 3).to_bytes(3, "big")
    with pytest.raises(GeoError, match="outside"):
        parse_database(record * (size // 3) + GOOD[size:])


RECORDS: dict[str, tuple[Any, str]] = {
    "country a text": ({"country": "US"}, "country is of type str"),
    "code a number": ({"country": {"iso_code": 7}}, "iso_code is of type int"),
    "asn a truth": ({"autonomous_system_number": True}, "is of type bool"),
    "subdivisions of texts": ({**US, "subdivisions": ["VA"]}, "subdivision is not a map"),
    "north of the pole": ({"location": {"latitude": 91.0, "longitude": 0.0}}, "not on the Earth"),
    "no number": ({"location": {"latitude": float("nan"), "longitude": 0.0}}, "not on the Earth"),
    "other fields": ({"isp": "Example"}, "'Test-ISP' and holds no country"),
}


@pytest.mark.parametrize(("record", "why"), RECORDS.values(), ids=RECORDS.keys())
def test_records_of_the_wrong_shape_are_refused(
    tmp_path: Path, record: dict[str, Any], why: str
) -> None:
    path = write(tmp_path / "x.mmdb", {"192.0.2.0/24": record}, kind="Test-ISP")
    with pytest.raises(GeoError, match=why) as caught:
        load_table(GeoSettings(databases=(path,)))
    assert str(caught.value).startswith(f"{path}: ")


METADATA = {
    "record size": (b"\x4brecord_size\xa1\x18", b"\x4brecord_size\xa1\x14", "record size"),
    "ip version": (b"\x4aip_version\xa1\x06", b"\x4aip_version\xa1\x05", "IP version"),
    "format": (b"major_version\xa1\x02", b"major_version\xa1\x03", "format 2"),
    "type": (b"\x4ddatabase_type", b"\x4dDatabase_type", "lacks database_type"),
    "epoch": (EPOCH.to_bytes(4, "big"), b"abc", "broken|lacks|its metadata"),
}


@pytest.mark.parametrize(("old", "new", "why"), METADATA.values(), ids=METADATA.keys())
def test_metadata_that_makes_no_sense_is_refused(old: bytes, new: bytes, why: str) -> None:
    assert GOOD.count(old) == 1
    with pytest.raises(GeoError, match=why):
        parse_database(GOOD.replace(old, new))


def test_a_build_time_of_the_far_future_is_refused() -> None:
    with pytest.raises(GeoError, match="impossible"):
        parse_database(compose({"192.0.2.0/24": US}, epoch=1 << 60))


def test_files_that_cannot_be_opened_are_named(tmp_path: Path) -> None:
    empty = tmp_path / "empty.mmdb"
    empty.touch()
    for path, why in (
        (tmp_path / "missing.mmdb", "No such file"),
        (tmp_path, "Is a directory"),
        (empty, "is not an MMDB database"),
    ):
        with pytest.raises(GeoError, match=why) as caught:
            read_database(path)
        assert str(path) in str(caught.value)


def test_a_file_that_may_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path) -> bytes:  # the tests may run as root, whom no mode stops
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(GeoError, match="Permission denied"):
        read_database(tmp_path / "x.mmdb")
