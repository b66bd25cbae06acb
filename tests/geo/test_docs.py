"""docs/geodata.md: its blocks load, its look-up prints what it shows; the README names the file."""

from __future__ import annotations

import re
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from gslb.cli.main import main
from gslb.config.load import load
from gslb.geo.load import bundled_database, load_table
from tests.geo.samples import ASHBURN, write

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "geodata.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)

REST = """
node: ns1
listen: {dns: ["127.0.0.1:5300"]}
zones: [zone.yaml]
sites: {here: {addresses: [127.0.1.1], location: {country: US}}}
"""
ZONE = """
zone: gslb.example
nameservers: {ns1.gslb.example: [192.0.2.53]}
contact: hostmaster@gslb.example
services: {www: {answers: {here: {}}, policy: [weighted]}}
"""


@pytest.mark.parametrize("block", BLOCKS)
def test_every_block_loads(tmp_path: Path, block: str) -> None:
    (tmp_path / "geodata").mkdir()
    for name in re.findall(r"geodata/[\w.-]+\.mmdb", block):
        write(tmp_path / name, {"192.0.2.0/24": ASHBURN})
    (tmp_path / "zone.yaml").write_text(ZONE)
    (tmp_path / "gslb.yaml").write_text(block + REST)
    table = load_table(load(tmp_path / "gslb.yaml").system.geo)
    assert len(table.locations) > 1


def test_there_are_blocks() -> None:
    assert len(BLOCKS) == 4


def test_the_lookup_prints_what_the_page_shows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command, shown = re.findall(r"```console\n\$ gslb (.*?)\n(.*?)```", PAGE, re.DOTALL)[0]
    monkeypatch.setattr(sys, "argv", ["gslb", *command.split()])
    with pytest.raises(SystemExit) as caught:
        main()
    assert not caught.value.code
    assert capsys.readouterr().out == shown


def test_the_readme_of_the_database_names_this_very_file() -> None:
    octets = bundled_database().read_bytes()
    readme = (ROOT / "geodata" / "README.md").read_text()
    assert sha256(octets).hexdigest() in readme
    assert f"{len(octets):,} octets" in readme
