"""gdnsd with its geoip plugin."""

from __future__ import annotations

from tests.bench.content import COUNTRY_CONTINENTS, SERVICE_LABELS, SITES, ZONE, zone_head
from tests.bench.peers.base import Peer, Setup

_CONFIG = """
options => {{
  listen => [ 127.0.0.1:{port} ]
  udp_threads => 1
  tcp_threads => 1
  run_dir => {directory}/run
  state_dir => {directory}/state
}}
plugins => {{ geoip => {{
  maps => {{ world => {{
    geoip2_db => {database}
    datacenters => [ {sites} ]
    map => {{ {rules} }}
  }} }}
  resources => {{
{resources}
  }}
}} }}
"""


def prepare(setup: Setup) -> tuple[str, ...]:
    """Write the configuration and the zone; the command that serves them."""
    (setup.directory / "zones").mkdir()
    (setup.directory / "run").mkdir()
    (setup.directory / "state").mkdir()
    (setup.directory / "zones" / ZONE).write_text(_zone())
    (setup.directory / "config").write_text(
        _CONFIG.format(
            port=setup.port,
            directory=setup.directory,
            database=setup.database,
            sites=", ".join(site.name for site in SITES),
            rules=" ".join(_rules()),
            resources="\n".join(map(_resource, SERVICE_LABELS)),
        )
    )
    return ("gdnsd", "-c", str(setup.directory), "start")


def _zone() -> str:
    return zone_head() + "".join(f"{label} DYNA geoip!{label}\n" for label in SERVICE_LABELS)


def _rules() -> list[str]:
    return [_continent(code, site.name) for site in SITES for code in site.continents]


def _continent(code: str, chosen: str) -> str:
    countries = [
        f"{country} => {_order(site.name)}"
        for site in SITES
        for country in site.countries
        if code in COUNTRY_CONTINENTS
    ]
    return f"{code} => {{ default => {_order(chosen)}, {', '.join(countries)} }}"


def _order(first: str) -> str:
    others = [site.name for site in SITES if site.name != first]
    return f"[ {', '.join([first, *others])} ]"


def _resource(label: str) -> str:
    places = " ".join(
        f"{site.name} => {{ addrs_v4 => {site.ipv4}, addrs_v6 => {site.ipv6} }}" for site in SITES
    )
    return f"    {label} => {{ map => world, service_types => up, dcmap => {{ {places} }} }}"


GDNSD = Peer(
    name="gdnsd",
    program="gdnsd",
    version_argv=("gdnsd", "-V"),
    packages=("gdnsd",),
    settings="udp_threads 1, tcp_threads 1 (default 2: one core is measured); no health checks; "
    "cookies on (default)",
    prepare=prepare,
)
