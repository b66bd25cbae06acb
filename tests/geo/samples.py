"""Small databases for tests, composed from prefixes."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from gslb.geo.mmdb_writer import Heading, compose_mmdb

EPOCH = 1_793_491_200  # 2026-11-01 00:00 UTC

US = {"continent": {"code": "NA"}, "country": {"iso_code": "US"}}
DE = {"continent": {"code": "EU"}, "country": {"iso_code": "DE"}}
ASHBURN = {
    **US,
    "city": {"geoname_id": 4744870, "names": {"de": "Ashburn", "en": "Ashburn"}},
    "location": {"accuracy_radius": 20, "latitude": 39.03, "longitude": -77.5},
    "subdivisions": [{"iso_code": "VA", "names": {"en": "Virginia"}}],
    "registered_country": {"iso_code": "CA"},
}


def compose(
    networks: Mapping[str, Mapping[str, Any]], *, kind: str = "Test-Country", epoch: int = EPOCH
) -> bytes:
    """The octets of a database that knows some prefixes, which must not overlap."""
    ranges: dict[int, list[tuple[int, int, Mapping[str, Any]]]] = {4: [], 6: []}
    for text, record in networks.items():
        network = ip_network(text)
        span = (int(network.network_address), int(network.broadcast_address), record)
        ranges[network.version].append(span)
    key = lambda span: span[0]  # noqa: E731
    heading = Heading(kind, epoch, "a test")
    return compose_mmdb(sorted(ranges[4], key=key), sorted(ranges[6], key=key), heading)


def write(path: Path, networks: Mapping[str, Mapping[str, Any]], **options: Any) -> str:
    """The same as a file; returns its path as text."""
    path.write_bytes(compose(networks, **options))
    return str(path)
