"""Makes the table that the engine reads from what the configuration names. It takes a second: never
on a query's way.

Laws:
1. Earlier databases win field by field; later ones fill in (`overlay`). Maps lie over all.
2. A country brings its continent, and a point for distances where no database has one
   (`centroids`).
3. The outcome is a whole table or a GeoError; nothing that exists is touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from pathlib import Path

import gslb
from gslb.errors import GeoError
from gslb.geo.centroids import CENTROIDS, CONTINENT_OF
from gslb.geo.database import read_database
from gslb.geo.maps import map_table
from gslb.geo.overlay import overlay, relabel
from gslb.model.geotable import EMPTY_TABLE, GeoTable
from gslb.model.place import Location
from gslb.model.system import GeoSettings

BUNDLED = "bundled"


def load_table(settings: GeoSettings) -> GeoTable:
    """The table of all databases and maps.

    build names them: `geolite2-country-20261101+maps-1a2b3c4d`, or `none`.
    Raises GeoError with the path and what is wrong there.
    """
    layers = [read_database(path) for path in database_paths(settings)]
    table = relabel(_overlay_all(layers), complete) if layers else EMPTY_TABLE
    builds = [layer.build for layer in layers]
    if any(settings.maps.values()):
        maps = map_table(settings.maps)
        table = overlay(maps, table)
        builds.append(maps.build)
    return replace(table, build="+".join(builds) or EMPTY_TABLE.build)


def database_paths(settings: GeoSettings) -> tuple[Path, ...]:
    """The files that a table is made of, in the order of the configuration; what a watcher looks
    at.
    """
    return tuple(
        bundled_database() if name == BUNDLED else Path(name) for name in settings.databases
    )


def bundled_database() -> Path:
    """The country database that ships with the program. Raises GeoError when the installation lacks
    it.
    """
    package = Path(gslb.__file__).parent
    places = (package / "data" / "country.mmdb", package.parent / "geodata" / "country.mmdb")
    for path in places:
        if path.is_file():
            return path
    raise GeoError(f"the bundled database is missing: neither {places[0]} nor {places[1]} is there")


def complete(location: Location) -> Location:
    """A location with what its country implies."""
    country = location.country
    if country is None or country not in CENTROIDS:
        return location
    latitude, longitude = location.point or CENTROIDS[country]
    return replace(
        location,
        continent=location.continent or CONTINENT_OF[country],
        latitude=latitude,
        longitude=longitude,
    )


def _overlay_all(layers: Sequence[GeoTable]) -> GeoTable:
    return reduce(lambda lower, upper: overlay(upper, lower), reversed(layers))
