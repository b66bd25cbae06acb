"""geodata/README.md is about the very file that lies beside it."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from gslb.geo.load import bundled_database

PAGE = Path(__file__).parents[2] / "geodata" / "README.md"


def test_the_readme_of_the_database_names_this_very_file() -> None:
    octets = bundled_database().read_bytes()
    readme = PAGE.read_text()
    assert sha256(octets).hexdigest() in readme
    assert f"{len(octets):,} octets" in readme
