"""Where something is: a client network as a database knows it, and a site as its operator says."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Location:
    """What is known of a client network; None where nothing is.

    map: the operator's named network that holds it. city: the English name. subdivision: `US-VA`
    (ISO 3166-2). country: ISO 3166-1 alpha-2. continent: AF, AN, AS, EU, NA, OC or SA. latitude,
    longitude: degrees.
    """

    map: str | None = None
    asn: int | None = None
    city: str | None = None
    subdivision: str | None = None
    country: str | None = None
    continent: str | None = None
    latitude: float | None = None
    longitude: float | None = None

    @property
    def levels(self) -> tuple[str, ...]:
        """The `serves` keys that this place matches, the most specific first; `default` always ends
        them.
        """
        found = (
            ("map", self.map),
            ("asn", self.asn),
            ("city", self.city),
            ("subdivision", self.subdivision),
            ("country", self.country),
            ("continent", self.continent),
        )
        return (*(f"{level}:{value}" for level, value in found if value is not None), "default")

    @property
    def point(self) -> tuple[float, float] | None:
        """Latitude and longitude in degrees, or None where the database has none."""
        if self.latitude is None or self.longitude is None:
            return None
        return self.latitude, self.longitude


NOWHERE = Location()
