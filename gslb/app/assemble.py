"""From the operator's files to what answers: the start-up code, which `gslb check` runs too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gslb.config.load import Configuration, load
from gslb.engine.desks import Desks
from gslb.engine.engine import Ground, make_ground
from gslb.errors import ConfigError, GeoError, Problem
from gslb.geo.load import database_paths
from gslb.geo.watch import Stamp, Watched, open_watched, refresh, stamp
from gslb.model.system import GeoSettings, System
from gslb.policy.base import NO_MEASUREMENTS


@dataclass(frozen=True, slots=True)
class Assembled:
    """A configuration made ready: zones compiled, geography loaded, clients divided.

    stamp: what the files looked like right after they were read.
    """

    path: Path
    configuration: Configuration
    watched: Watched
    ground: Ground
    stamp: Stamp

    @property
    def system(self) -> System:
        """What the files say."""
        return self.configuration.system

    @property
    def stale(self) -> str | None:
        """Why the geography is still the old one, None when it is not."""
        return self.watched.error

    def as_read(self) -> Stamp:
        """What all files looked like when they were read."""
        return self.stamp + self.watched.stamp

    def look(self) -> Stamp:
        """What all files look like now."""
        try:
            databases = database_paths(self.system.geo)
        except GeoError:
            databases = ()
        return look(self.configuration) + stamp(databases)

    def load_again(self) -> Assembled:
        """The same files, read anew. Raises ConfigError."""
        return assemble(self.path, self)

    def is_same(self, other: Assembled) -> bool:
        """Whether both answer alike."""
        return self.system.digest == other.system.digest and self.watched is other.watched

    def summary(self) -> Mapping[str, object]:
        """What the log says of it."""
        return {
            "digest": self.system.digest,
            "zones": len(self.configuration.zones),
            "geography": self.watched.table.build,
        }


def assemble(path: Path, known: Assembled | None = None) -> Assembled:
    """Loads everything; the geography is taken from known where its files have not changed.

    Takes a second or two with the bundled database. Raises ConfigError, for a database that cannot
    be used, too. One that was replaced by a broken one while known was in use keeps the old table
    (`watched.error`).
    """
    configuration = load(path)
    seen = look(configuration)
    system = configuration.system
    if known is not None and known.watched.settings == system.geo:
        watched = refresh(known.watched)
    else:
        watched = _open_geography(path, system.geo)
    desks = Desks(configuration.zones, watched.table, system.limits, NO_MEASUREMENTS)
    generation = f"{system.digest}-{watched.table.build}"
    ground = make_ground(configuration.zones, desks, system.limits, generation=generation)
    return Assembled(path, configuration, watched, ground, seen)


def _open_geography(path: Path, settings: GeoSettings) -> Watched:
    try:
        return open_watched(settings)
    except GeoError as error:
        raise ConfigError([Problem(str(path), 0, 0, "geo.database", str(error))]) from error


def look(configuration: Configuration) -> Stamp:
    """What the configuration's files look like now, and their folders, where a zone may appear."""
    files = [Path(name) for name in configuration.system.files]
    folders = dict.fromkeys(file.parent for file in files)
    return stamp([*files, *folders])
