"""What every server under test serves: one zone, three sites, one plain service and a thousand
more.

Laws:
1. Every server gets the same names, addresses and TTLs; each writes them in its own format.
2. A geographic server sends a client to the site that names its country, else to the one that names
   its continent. A client whose place nobody knows may get any site.
3. A server that has no geography answers the first site's addresses to everybody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ZONE: Final = "gslb.shop.example"
TTL: Final = 60
NEGATIVE_TTL: Final = 30
NAME_SERVER_ADDRESS: Final = "192.0.2.53"


@dataclass(frozen=True, slots=True)
class BenchSite:
    """A place that answers point to, and the clients it serves."""

    name: str
    ipv4: str
    ipv6: str
    continents: tuple[str, ...]
    countries: tuple[str, ...] = ()


SITES: Final = (
    BenchSite("eu-west", "192.0.2.10", "2001:db8:1::10", ("EU", "AF")),
    BenchSite("us-east", "198.51.100.10", "2001:db8:2::10", ("NA", "SA")),
    BenchSite("ap-south", "203.0.113.10", "2001:db8:3::10", ("AS", "OC"), ("TR",)),
)
COUNTRY_CONTINENTS: Final = ("AS", "EU")
"""Where databases place the countries that have a rule: Turkey is in either. Servers that look
countries up inside a continent get the rule in both."""

PLAIN_LABEL: Final = "www"
HOST_LABELS: Final = tuple(f"host{number:04d}" for number in range(1000))
SERVICE_LABELS: Final = (PLAIN_LABEL, *HOST_LABELS)


def site_for(continent: str | None, country: str | None) -> BenchSite | None:
    """The site that must serve a client, or None when no rule names its place."""
    for site in SITES:
        if country in site.countries:
            return site
    for site in SITES:
        if continent in site.continents:
            return site
    return None


def country_rules() -> dict[str, str]:
    """Which site every country with a rule of its own goes to."""
    return {country: site.name for site in SITES for country in site.countries}


def zone_head() -> str:
    """The first lines of a master file: TTL, SOA, NS and the address of the name server."""
    return (
        f"$ORIGIN {ZONE}.\n$TTL {TTL}\n"
        f"@ IN SOA ns1 hostmaster 1 7200 1800 604800 {NEGATIVE_TTL}\n"
        f"@ IN NS ns1\nns1 IN A {NAME_SERVER_ADDRESS}\n"
    )


def static_zone() -> str:
    """A master file in which every service has the addresses of the first site."""
    site = SITES[0]
    lines = (f"{label} IN A {site.ipv4}\n{label} IN AAAA {site.ipv6}\n" for label in SERVICE_LABELS)
    return zone_head() + "".join(lines)
