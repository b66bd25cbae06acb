"""Knot with its geoip module, which answers from a table of places beside the zone."""

from __future__ import annotations

from tests.bench.content import (
    COUNTRY_CONTINENTS,
    SERVICE_LABELS,
    SITES,
    TTL,
    ZONE,
    BenchSite,
    static_zone,
)
from tests.bench.peers.base import Peer, Setup

_CONFIG = """
server:
    rundir: "{directory}/run"
    listen: 127.0.0.1@{port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
    edns-client-subnet: on
database:
    storage: "{directory}/run"
log:
  - target: stderr
    any: warning
mod-geoip:
  - id: world
    config-file: "{directory}/geo.conf"
    ttl: {ttl}
    mode: geodb
    geodb-file: "{database}"
    geodb-key: [continent/code, country/iso_code]
zone:
  - domain: {zone}
    file: "{directory}/zone"
    module: mod-geoip/world
    zonefile-sync: -1
    journal-content: none
"""


def prepare(setup: Setup) -> tuple[str, ...]:
    """Write the configuration, the zone with the answers by default, and the table of places."""
    (setup.directory / "run").mkdir()
    (setup.directory / "zone").write_text(static_zone())
    rules = "".join(map(_rules, SITES))
    geo = "".join(f"{label}.{ZONE}:\n{rules}" for label in SERVICE_LABELS)
    (setup.directory / "geo.conf").write_text(geo)
    config = setup.directory / "knot.conf"
    config.write_text(
        _CONFIG.format(
            directory=setup.directory, port=setup.port, ttl=TTL, database=setup.database, zone=ZONE
        )
    )
    return ("knotd", "-c", str(config))


def _rules(site: BenchSite) -> str:
    places = [f"{continent};*" for continent in site.continents]
    places += [
        f"{continent};{country}" for continent in COUNTRY_CONTINENTS for country in site.countries
    ]
    return "".join(
        f'  - geo: "{place}"\n    A: {site.ipv4}\n    AAAA: {site.ipv6}\n' for place in places
    )


KNOT = Peer(
    name="knot geoip",
    program="knotd",
    version_argv=("knotd", "-V"),
    packages=("knot", "knot-module-geoip"),
    settings="udp-workers 1, tcp-workers 1 (default: by cores); "
    "edns-client-subnet on (default off); cookies off (default)",
    prepare=prepare,
    modules=("/usr/lib*/**/knot/modules-*/geoip.so",),
)
