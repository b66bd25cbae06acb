"""Sees that a database was replaced, as a fold: what is known now and a look at the files give what
is known next.

Laws:
1. A broken replacement changes nothing but `error`; the very same table goes on.
2. Files are looked at before they are read, so a change while reading is seen at the next look.
3. A broken file is read again only when it has changed again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from gslb.errors import GeoError
from gslb.geo.load import database_paths, load_table
from gslb.model.geotable import GeoTable
from gslb.model.system import GeoSettings

Mark = tuple[int, int, int] | None
"""Modification time in nanoseconds, size in octets, inode; None for a file that cannot be looked
at.
"""

Stamp = tuple[tuple[str, Mark], ...]
"""The marks of some files; two stamps differ when one of the files was changed or replaced."""


@dataclass(frozen=True, slots=True)
class Watched:
    """The table in use and the files it was made of. error: why the files of stamp were not taken,
    or None.
    """

    settings: GeoSettings
    table: GeoTable
    stamp: Stamp
    error: str | None = None


def stamp(paths: Iterable[Path]) -> Stamp:
    """What files look like from outside; they are not read."""
    return tuple((str(path), _mark(path)) for path in paths)


def open_watched(settings: GeoSettings) -> Watched:
    """The first table. Raises GeoError."""
    seen = _look(settings)
    return Watched(settings, load_table(settings), seen)


def refresh(watched: Watched) -> Watched:
    """The same object while no file has changed, else the next one. Blocks while it reads: call it
    in a thread.
    """
    seen = _look(watched.settings)
    if seen == watched.stamp:
        return watched
    try:
        return Watched(watched.settings, load_table(watched.settings), seen)
    except GeoError as error:
        return replace(watched, stamp=seen, error=str(error))


def _look(settings: GeoSettings) -> Stamp:
    """The stamp of all databases; empty when the bundled one is nowhere."""
    try:
        return stamp(database_paths(settings))
    except GeoError:
        return ()


def _mark(path: Path) -> Mark:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
