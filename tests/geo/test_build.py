"""Places through a file and back, and the shipped database built anew."""

from __future__ import annotations

import subprocess
import sys
from ipaddress import ip_address
from pathlib import Path

import maxminddb
import pytest

from gslb.errors import GeoError
from gslb.geo.build import compose_database, write_atomically
from gslb.geo.database import parse_database
from gslb.geo.load import bundled_database
from gslb.geo.spans import Span
from gslb.model.place import NOWHERE, Location
from tests.geo.samples import EPOCH

DEBIAN = (Path("/usr/share/tor/geoip"), Path("/usr/share/tor/geoip6"))

DE = Location(country="DE", continent="EU")
CITY = Location(
    city="Bonn",
    subdivision="DE-North Rhine-Westphalia",
    country="DE",
    continent="EU",
    latitude=50.73,
    longitude=7.1,
)
ASN = Location(asn=64500)


@pytest.mark.parametrize(
    ("place", "kind"), [(DE, "GSLB-Country"), (CITY, "GSLB-City"), (ASN, "GSLB-ASN")]
)
def test_a_place_comes_back_as_it_was(place: Location, kind: str) -> None:
    built = compose_database([Span(256, 511, place)], [], epoch=EPOCH, description="x")
    table = parse_database(built.octets)
    assert built.database_type == kind
    assert table.locate(ip_address("0.0.1.255")) == place
    assert table.build == f"{kind.lower()}-20261101"


def test_overlaps_are_settled_and_counted() -> None:
    spans = [Span(0, 99, DE), Span(10, 19, ASN)]
    built = compose_database(spans, [], epoch=EPOCH, description="x")
    assert (built.ipv4, built.ipv6) == (3, 0)
    assert parse_database(built.octets).locate(ip_address("0.0.0.15")) == ASN


def test_sources_that_know_nothing_are_refused() -> None:
    with pytest.raises(GeoError, match="no address"):
        compose_database([Span(0, 9, NOWHERE)], [], epoch=EPOCH, description="x")


def test_a_file_that_cannot_be_written_is_named_and_leaves_no_draft(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    for path in (tmp_path / "out", tmp_path / "missing" / "x.mmdb"):
        with pytest.raises(GeoError) as caught:
            write_atomically(path, b"x")
        assert str(path) in str(caught.value)
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]


def test_the_shipped_database_is_what_its_sources_give(tmp_path: Path) -> None:
    if not all(path.is_file() for path in DEBIAN):
        pytest.skip("needs Debian's package tor-geoipdb")
    with maxminddb.open_database(bundled_database()) as reader:
        shipped = reader.metadata()
    text = shipped.description["en"]
    command = ("dpkg-query", "-W", "-f", "${Version}", "tor-geoipdb")
    try:
        version = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("cannot ask for the version of tor-geoipdb")
    if not text.endswith(f" {version}"):
        pytest.skip(f"tor-geoipdb is {version}; the database was built from another: {text}")
    ipv4, ipv6 = map(str, DEBIAN)
    out = tmp_path / "country.mmdb"
    build = (sys.executable, "-m", "gslb", "geo", "build", "--ipv4", ipv4, "--ipv6", ipv6)
    subprocess.run((*build, "--output", str(out), "--description", text), check=True)
    assert out.read_bytes() == bundled_database().read_bytes()
