"""`gslb geo` as people and scripts meet it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from gslb.cli.main import main
from tests.geo.samples import ASHBURN, DE, write

CONFIG = """
node: ns1
listen: {dns: ["127.0.0.1:5300"]}
geo: {database: DATABASE, maps: {office: [203.0.113.0/24]}}
zones: [zone.yaml]
sites:
  here: {addresses: [127.0.1.1], location: {country: US, latitude: 39.03, longitude: -77.5}}
  north: {addresses: [127.0.2.1], location: {country: US, latitude: 40.03, longitude: -77.5}}
"""

ZONE = """
zone: gslb.example
nameservers: {ns1.gslb.example: [192.0.2.53]}
contact: hostmaster@gslb.example
services:
  www: {answers: {here: {}, north: {}}, policy: [weighted]}
"""


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    """The exit status of `gslb geo` with these arguments."""
    monkeypatch.setattr(sys, "argv", ["gslb", "geo", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        main()
    return int(caught.value.code or 0)


@pytest.fixture
def database(tmp_path: Path) -> str:
    return write(tmp_path / "a.mmdb", {"192.0.2.0/24": ASHBURN, "2a00::/16": DE}, kind="Test-City")


def test_lookup_prints_all_that_is_known(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], database: str
) -> None:
    assert run(monkeypatch, "lookup", "192.0.2.77", "--database", database) == 0
    assert capsys.readouterr().out.splitlines() == [
        "address      192.0.2.77",
        "city         Ashburn",
        "subdivision  US-VA",
        "country      US",
        "continent    NA",
        "latitude     39.03",
        "longitude    -77.5",
        "prefix       192.0.2.0/24",
        "range        192.0.2.0 - 192.0.2.255",
        "serves       city:Ashburn subdivision:US-VA country:US continent:NA default",
        "build        test-city-20261101",
    ]


def test_lookup_in_json_with_distances(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    database: str,
) -> None:
    config = tmp_path / "gslb.yaml"
    config.write_text(CONFIG.replace("DATABASE", database))
    (tmp_path / "zone.yaml").write_text(ZONE)
    assert run(monkeypatch, "lookup", "192.0.2.77", "--config", config, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["sites"] == [
        {"site": "here", "distance_km": 0.0},
        {"site": "north", "distance_km": 111.2},
    ]
    assert found["location"]["subdivision"] == "US-VA"
    assert found["build"].startswith("test-city-20261101+maps-")
    assert run(monkeypatch, "lookup", "203.0.113.9", "--config", config, "--json") == 0
    assert json.loads(capsys.readouterr().out)["serves"] == ["map:office", "default"]


@pytest.mark.parametrize(
    ("address", "first", "last", "prefix"),
    [
        ("2a00:1::1", "2a00::", "2a00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2a00::/16"),
        ("2a01::", "2a01::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2a01::/16"),
        ("255.0.0.1", "192.0.3.0", "255.255.255.255", "224.0.0.0/3"),
        ("0.0.0.0", "0.0.0.0", "192.0.1.255", "0.0.0.0/1"),
    ],
)
def test_lookup_names_the_range(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    database: str,
    address: str,
    first: str,
    last: str,
    prefix: str,
) -> None:
    status = run(monkeypatch, "lookup", address, "--database", database, "--json")
    found = json.loads(capsys.readouterr().out)
    assert (found["first"], found["last"], found["prefix"]) == (first, last, prefix)
    assert status == (0 if found["found"] else 1)
    assert found["found"] is (address == "2a00:1::1")


def test_lookup_of_an_unknown_address_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], database: str
) -> None:
    assert run(monkeypatch, "lookup", "10.0.0.1", "--database", database) == 1
    assert "no database and no map knows this address" in capsys.readouterr().out


def test_lookup_of_no_address_is_a_usage_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "lookup", "300.1.1.1") == 2
    assert "300.1.1.1" in capsys.readouterr().err


def test_lookup_in_a_broken_database_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(monkeypatch, "lookup", "9.9.9.9", "--database", tmp_path / "x") == 1
    assert capsys.readouterr().err == f"gslb: {tmp_path / 'x'}: No such file or directory\n"


def test_build_then_lookup(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    ipv4, ipv6, output = tmp_path / "geoip", tmp_path / "geoip6", tmp_path / "c.mmdb"
    ipv4.write_text("# Generated: Thu, 25 Jun 2026 04:33:59 GMT\n16777216,16777471,AU\n")
    ipv6.write_text("2a00::,2a00:ffff:ffff:ffff:ffff:ffff:ffff:ffff,DE\n")
    arguments = ("build", "--ipv4", ipv4, "--ipv6", ipv6, "--output", output)
    assert run(monkeypatch, *arguments, "--json") == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {
        "output": str(output),
        "type": "GSLB-Country",
        "ipv4_ranges": 1,
        "ipv6_ranges": 1,
        "octets": output.stat().st_size,
        "epoch": 1782362039,
        "built": "2026-06-25",
    }
    assert printed.err.splitlines() == [
        f"reading {ipv4}",
        f"reading {ipv6}",
        "composing the search tree",
    ]
    first = output.read_bytes()
    assert run(monkeypatch, *arguments) == 0
    assert output.read_bytes() == first
    assert run(monkeypatch, "lookup", "2a00::1", "--database", output) == 0
    assert "country    DE" in capsys.readouterr().out


def test_build_takes_the_family_it_was_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    both = tmp_path / "both.csv"
    both.write_text("1.0.0.0,1.0.0.255,AU\n2a00::,2a00::ffff,DE\n")
    counts = []
    for arguments in ((both,), ("--ipv4", both), ("--ipv6", both)):
        output = ("--output", tmp_path / "c.mmdb", "--epoch", "0", "--json")
        assert run(monkeypatch, "build", *arguments, *output) == 0
        summary = json.loads(capsys.readouterr().out)
        counts.append((summary["ipv4_ranges"], summary["ipv6_ranges"]))
    assert counts == [(1, 1), (1, 0), (0, 1)]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((), "at least one file"),
        (("--ipv4", "FILE"), "--epoch"),
        (("--ipv4", "FILE", "--format", "xml"), "'xml' is none of"),
        (("--ipv4", "FILE", "--epoch", "-1"), "epoch"),
    ],
)
def test_build_with_a_senseless_command_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    arguments: tuple[str, ...],
    why: str,
) -> None:
    source = tmp_path / "undated"
    source.write_text("1,2,DE\n")
    given = [str(source) if text == "FILE" else text for text in arguments]
    assert run(monkeypatch, "build", *given, "--output", tmp_path / "c.mmdb") == 2
    assert why in capsys.readouterr().err
    assert not (tmp_path / "c.mmdb").exists()


def test_build_names_the_line_that_is_broken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    source = tmp_path / "geoip"
    source.write_text("1,2,DE\n3,x,DE\n")
    output = tmp_path / "c.mmdb"
    assert run(monkeypatch, "build", source, "--output", output, "--epoch", "0") == 1
    assert f"gslb: {source}:2: " in capsys.readouterr().err
    assert not output.exists()
