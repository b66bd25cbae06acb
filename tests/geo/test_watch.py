"""A replaced database is picked up whole; a broken one changes nothing."""

from __future__ import annotations

import os
from ipaddress import ip_address
from pathlib import Path

import pytest

from gslb.errors import GeoError
from gslb.geo.build import write_atomically
from gslb.geo.watch import Watched, open_watched, refresh, stamp
from gslb.model.system import GeoSettings
from tests.geo.samples import DE, US, compose, write

ADDRESS = ip_address("192.0.2.1")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return Path(write(tmp_path / "geo.mmdb", {"192.0.2.0/24": US}))


@pytest.fixture
def watched(path: Path) -> Watched:
    return open_watched(GeoSettings(databases=(str(path),)))


def test_nothing_changed_gives_the_same_object(watched: Watched) -> None:
    assert refresh(watched) is watched


def test_a_renamed_file_gives_a_new_table(watched: Watched, path: Path) -> None:
    write_atomically(path, compose({"192.0.2.0/24": DE}))
    after = refresh(watched)
    assert after.table.locate(ADDRESS).country == "DE"
    assert watched.table.locate(ADDRESS).country == "US"
    assert after.error is None
    assert refresh(after) is after


def test_a_rename_that_keeps_time_and_size_is_seen(watched: Watched, path: Path) -> None:
    old = path.stat()
    draft = path.with_name("draft")
    draft.write_bytes(compose({"192.0.2.0/24": DE}))
    os.utime(draft, ns=(old.st_atime_ns, old.st_mtime_ns))
    draft.rename(path)
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (old.st_size, old.st_mtime_ns)
    assert refresh(watched).table.locate(ADDRESS).country == "DE"


@pytest.mark.parametrize("octets", [b"", b"rubbish", compose({"192.0.2.0/24": DE})[:-20]])
def test_a_broken_file_keeps_the_very_same_table(
    watched: Watched, path: Path, octets: bytes
) -> None:
    write_atomically(path, octets)
    after = refresh(watched)
    assert after.table is watched.table
    assert after.error is not None
    assert after.error.startswith(f"{path}: ")
    assert refresh(after) is after  # it is not read again until it changes
    write_atomically(path, compose({"192.0.2.0/24": DE}))
    mended = refresh(after)
    assert mended.error is None
    assert mended.table.locate(ADDRESS).country == "DE"


def test_a_removed_file_keeps_the_table(watched: Watched, path: Path) -> None:
    path.unlink()
    after = refresh(watched)
    assert after.table is watched.table
    assert "No such file" in str(after.error)


def test_the_first_table_must_load(tmp_path: Path) -> None:
    with pytest.raises(GeoError):
        open_watched(GeoSettings(databases=(str(tmp_path / "missing"),)))


def test_a_vanished_bundled_database_keeps_the_table(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundled = open_watched(GeoSettings())
    monkeypatch.setattr(Path, "is_file", lambda self: False)
    after = refresh(bundled)
    assert after.table is bundled.table
    assert "missing" in str(after.error)


def test_a_stamp_names_each_file(path: Path, tmp_path: Path) -> None:
    status = path.stat()
    assert stamp((path, tmp_path / "missing")) == (
        (str(path), (status.st_mtime_ns, status.st_size, status.st_ino)),
        (str(tmp_path / "missing"), None),
    )
