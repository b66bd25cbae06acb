"""PowerDNS: its geoip backend with services, and LUA records that ask the same database."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tests.bench.content import (
    COUNTRY_CONTINENTS,
    NAME_SERVER_ADDRESS,
    NEGATIVE_TTL,
    SERVICE_LABELS,
    SITES,
    TTL,
    ZONE,
    country_rules,
)
from tests.bench.peers.base import Peer, Setup

_CONFIG = """
launch=geoip
geoip-database-files=mmdb:{database}
geoip-zones-file={directory}/zones.yaml
edns-subnet-processing=yes
enable-lua-records={lua}
local-address=127.0.0.1
local-port={port}
receiver-threads=1
distributor-threads=1
socket-dir={directory}
write-pid=no
disable-syslog=yes
loglevel=3
security-poll-suffix=
"""
_HEAD = f"""domains:
- domain: {ZONE}
  ttl: {TTL}
  records:
    {ZONE}:
      - soa: ns1.{ZONE} hostmaster.{ZONE} 1 7200 1800 604800 {NEGATIVE_TTL}
      - ns: ns1.{ZONE}
    ns1.{ZONE}:
      - a: {NAME_SERVER_ADDRESS}
"""


def prepare_geoip(setup: Setup) -> tuple[str, ...]:
    """Services that expand the place of the client to the name of a site, which holds the
    addresses.
    """
    return _prepare(setup, _geoip_zone(), lua="no")


def prepare_lua(setup: Setup, *, lua: str) -> tuple[str, ...]:
    """Records that are programs: each looks the client's country and continent up."""
    return _prepare(setup, _lua_zone(), lua=lua)


def _prepare(setup: Setup, zone: str, *, lua: str) -> tuple[str, ...]:
    (setup.directory / "zones.yaml").write_text(zone)
    (setup.directory / "pdns.conf").write_text(
        _CONFIG.format(database=setup.database, directory=setup.directory, port=setup.port, lua=lua)
    )
    return ("pdns_server", f"--config-dir={setup.directory}")


def _geoip_zone() -> str:
    targets = [(site.name, site) for site in SITES] + [("unknown", SITES[0])]
    records = "".join(
        f"    {name}.site.{ZONE}:\n      - a: {site.ipv4}\n      - aaaa: {site.ipv6}\n"
        for name, site in targets
    )
    services = "".join(f"    {label}.{ZONE}: '%mp.site.{ZONE}'\n" for label in SERVICE_LABELS)
    return _HEAD + records + "  services:\n" + services + _mapping()


def _mapping() -> str:
    """What %mp stands for: the site of the country, else of the continent.

    Countries stand behind their continent: alone, `af` would be Afghanistan as well as Africa.
    """
    rules = {
        f"{continent}-{country}": name
        for country, name in country_rules().items()
        for continent in COUNTRY_CONTINENTS
    }
    rules |= {continent: site.name for site in SITES for continent in site.continents}
    lines = "".join(f"    {place.lower()}: {name}\n" for place, name in rules.items())
    return "  mapping_lookup_formats: ['%cn-%cc', '%cn']\n  custom_mapping:\n" + lines


def _lua_zone() -> str:
    records = "".join(f"    {label}.{ZONE}:\n{_lua_records()}" for label in SERVICE_LABELS)
    return _HEAD + records


def _lua_records() -> str:
    return "".join(
        f'      - lua: {kind} ";{_program(address)}"\n'
        for kind, address in (("A", lambda site: site.ipv4), ("AAAA", lambda site: site.ipv6))
    )


def _program(address: Callable[..., str]) -> str:
    tests = [(f"country({_lua_list(site.countries)})", site) for site in SITES if site.countries]
    tests += [(f"continent({_lua_list(site.continents)})", site) for site in SITES]
    steps = " ".join(f"if {test} then return '{address(site)}' end" for test, site in tests)
    return f"{steps} return '{address(SITES[0])}'"


def _lua_list(codes: tuple[str, ...]) -> str:
    return "{" + ", ".join(f"'{code}'" for code in codes) + "}"


_SETTINGS = (
    "receiver-threads 1, distributor-threads 1 (default 3); "
    "edns-subnet-processing yes (default no); caches as by default"
)


def _peer(name: str, prepare: Callable[[Setup], tuple[str, ...]], settings: str) -> Peer:
    return Peer(
        name=name,
        program="pdns_server",
        version_argv=("pdns_server", "--version"),
        packages=("pdns-server", "pdns-backend-geoip"),
        settings=settings,
        prepare=prepare,
        modules=("/usr/lib*/**/pdns/libgeoipbackend.so",),
    )


GEOIP = _peer("pdns geoip", prepare_geoip, _SETTINGS)
LUA = _peer(
    "pdns lua",
    partial(prepare_lua, lua="yes"),
    f"{_SETTINGS}; enable-lua-records yes: a new interpreter for each query",
)
LUA_SHARED = _peer(
    "pdns lua shared",
    partial(prepare_lua, lua="shared"),
    f"{_SETTINGS}; enable-lua-records shared: one interpreter for all records",
)
