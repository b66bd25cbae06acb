# ruff: noqa: E501 - a row is read best on one line
"""A zone's faults as `gslb check` prints them: from the files to file:line:column (1.17)."""

from __future__ import annotations

from pathlib import Path

import pytest

from gslb.config.load import Configuration, load
from gslb.errors import ConfigError

MAIN = "zones: [zones/z.yaml]\nsites: {s: {addresses: [192.0.2.9]}}\n"
ZONE = "zone: z.test\nrecords: z.zone\nservices:\n  www: {answers: {s: {}}}\n"
HEAD = "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "zones").mkdir()
    (tmp_path / "gslb.yaml").write_text(MAIN)
    return tmp_path


def load_zone(folder: Path, master: str, zone: str = ZONE) -> Configuration:
    (folder / "zones" / "z.yaml").write_text(zone)
    (folder / "zones" / "z.zone").write_text(master)
    return load(Path("gslb.yaml"))


def test_every_fault_of_zone_and_master_file_is_told_with_its_place(folder):
    master = HEAD + (
        "a A 192.0.2.300\n"
        f'b TXT "{"x" * 256}"\n'
        f"{'c' * 64} A 192.0.2.1\n"
        "d CNAME e\n"
        "d A 192.0.2.1\n"
        "www A 192.0.2.1\n"
        "f.other. A 192.0.2.1\n"
        "g 2147483648 A 192.0.2.1\n"
        "h DNAME i\n"
        "@ SOA ns h 2 2 3 4 5\n"
    )
    with pytest.raises(ConfigError) as error:
        load_zone(folder, master)
    assert str(error.value).split("\n") == [
        "zones/z.yaml:4:3: services.www: the master file or nameservers already hold A at www.z.test.",
        "zones/z.zone:5:1: Text input is malformed.",
        "zones/z.zone:6:1: string too long",
        "zones/z.zone:7:1: A DNS label is > 63 octets long.",
        "zones/z.zone:8:1: d.z.test. has a CNAME and other data; a CNAME must stand alone",
        "zones/z.zone:11:1: f.other. is outside the zone z.test.",
        "zones/z.zone:12:1: TTL 2147483648 is above 2147483647",
        "zones/z.zone:13:1: DNAME is not supported; allowed: CNAME for one name, a wildcard CNAME for many",
        "zones/z.zone:14:1: a second SOA at z.test.; one is allowed",
    ]


def test_warnings_do_not_keep_a_zone_from_loading(folder):
    found = load_zone(folder, HEAD + "x 60 A 192.0.2.1\nx 30 A 192.0.2.2\nsub NS ns\nsub TXT x\n")
    assert [str(warning) for warning in found.warnings] == [
        "zones/z.zone:5:1: records of one name and type have different TTLs; all get the lowest, 30",
        "zones/z.zone:8:1: never answered: sub.z.test. is delegated",
    ]
    assert len(found.zones) == 1


def test_a_name_server_without_an_address_is_told_once(folder):
    with pytest.raises(ConfigError) as error:
        load_zone(folder, "", "zone: z.test\nnameservers:\n  ns.z.test: []\n")
    assert str(error.value) == (
        "zones/z.yaml:3:3: nameservers.ns.z.test: lies inside the zone, so it needs addresses: "
        "the parent must hold them as glue"
    )


@pytest.mark.parametrize("missing", ["@ SOA ns h 1 2 3 4 5\n", "@ NS ns\n"])
def test_a_master_file_without_name_servers_or_soa(folder, missing):
    master = HEAD.replace(missing, "")
    if "SOA" in missing:  # made from the name servers
        assert load_zone(folder, master).zones[0].soa.ttl == 3600
        return
    with pytest.raises(ConfigError) as error:
        load_zone(folder, master)
    assert str(error.value) == (
        "zones/z.yaml:1:1: the zone needs name servers: here, or as NS in the master file"
    )


def test_the_ttl_of_a_service_is_30_unless_told(folder):
    (service,) = load_zone(folder, HEAD).zones[0].source.services
    assert (service.ttl_max, service.ttl_min) == (30, 5)
