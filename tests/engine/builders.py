"""What the engine's tests are made of: worlds, services and engines by hand, and a client."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.rdatatype

from gslb.engine.desks import Desks
from gslb.engine.engine import Engine, Ground, make_ground
from gslb.health.snapshot import HealthSnapshot, SiteHealth
from gslb.model.geotable import GeoTable, Ranges
from gslb.model.place import NOWHERE, Location, Network
from gslb.model.service import Candidate, FilterSpec, Service, Site
from gslb.model.system import DnsLimits
from gslb.model.zone import ZoneSource
from gslb.policy.base import NO_MEASUREMENTS, Measurements
from gslb.policy.registry import FILTERS
from gslb.wire.ecs import ClientSubnet, parse_ecs
from gslb.wire.names import from_text
from gslb.zone.compile import compile_zone
from gslb.zone.tree import Zone

ORIGIN = "gslb.test"
RESOLVER = "203.0.113.53"
"""Where queries come from that do not say otherwise: a documentation network, in no map here."""

NO_CHECKS = HealthSnapshot()
UP = SiteHealth(up=True, flip_s=300.0, reason="")
DOWN = SiteHealth(up=False, flip_s=300.0, since_at=1_700_000_000.0, reason="HTTP 503")
UNKNOWN = SiteHealth(up=None)
HELD = SiteHealth(up=False, since_at=1_700_000_000.0, held=True, reason="HTTP 503")

# --- the world -----------------------------------------------------------------------------------


def make_table(places: Mapping[str, Location], *, build: str = "geo1") -> GeoTable:
    """The table in which each network has its place, the longest prefix first; NOWHERE elsewhere.

    places: networks in text form, nested as one likes; IPv6 ones of at most /64.
    """
    locations = tuple(dict.fromkeys((NOWHERE, *places.values())))
    ids = {place: number for number, place in enumerate(locations)}
    networks = {ip_network(text): ids[place] for text, place in places.items()}
    return GeoTable(_ranges(networks, 32), _ranges(networks, 64), locations, build)


def _ranges(networks: Mapping[Network, int], bits: int) -> Ranges:
    """bits: of a table's numbers, 32 or the upper 64."""
    wide = 32 if bits == 32 else 128
    held = sorted(
        (one.prefixlen, int(one[0]) >> wide - bits, place)
        for one, place in networks.items()
        if one.max_prefixlen == wide
    )
    edges = {0}
    for length, first, _ in held:
        edges |= {first, first + (1 << bits - length)}
    starts, ids = array("I" if bits == 32 else "Q"), array("I")
    for edge in sorted(edges - {1 << bits}):
        # Sorted by length, so the last one that holds the edge is the most specific.
        around = [
            at for length, first, at in held if edge >> bits - length == first >> bits - length
        ]
        place = around[-1] if around else 0
        if not ids or ids[-1] != place:
            starts.append(edge)
            ids.append(place)
    return Ranges(starts, ids)


def place(country: str | None = None, continent: str | None = None, **more: Any) -> Location:
    """A place by country and continent."""
    return Location(country=country, continent=continent, **more)


def health(*, generation: int = 1, alerts: tuple[str, ...] = (), **sites: SiteHealth):
    """A snapshot of sites by name; those it does not name are not checked."""
    return HealthSnapshot(generation, sites, alerts)


# --- services ------------------------------------------------------------------------------------


def make_site(number: int, name: str, *, families: str = "46", **more: Any) -> Site:
    """A site whose addresses end with its number. families: of its addresses."""
    texts = {"4": f"198.51.100.{number}", "6": f"2001:db8::{number:x}"}
    return Site(name, tuple(ip_address(texts[family]) for family in families), **more)


def candidate(number: int, name: str, **more: Any) -> Candidate:
    """A candidate with a site of its own name. at: the site's point; families: as of make_site."""
    of_site = {key: more.pop(key) for key in ("families",) if key in more}
    site = make_site(number, name, point=more.pop("at", None), **of_site)
    serves = frozenset(more.pop("serves", "").split())
    return Candidate(name, site=site, serves=serves, **more)


def alias(name: str, **more: Any) -> Candidate:
    """A candidate that is somebody else's name."""
    return Candidate(name, cname=f"{name}.cdn.example.", **more)


def step(name: str, **options: Any) -> FilterSpec:
    """One step of a policy, with its options."""
    return FilterSpec(name, FILTERS[name].Options(**options) if options else None)


def service(
    policy: str | Iterable[FilterSpec],
    candidates: Iterable[Candidate],
    *,
    name: str = "www",
    **more: Any,
) -> Service:
    """A service. policy: names of filters with spaces, or steps."""
    steps = map(FilterSpec, policy.split()) if isinstance(policy, str) else policy
    return Service(name, tuple(candidates), tuple(steps), **more)


def sites_of(service: Service) -> dict[str, str]:
    """The names of a service's candidates by each of their addresses in text form."""
    return {
        str(address): one.name
        for one in service.candidates
        if one.site is not None
        for address in one.site.addresses
    }


# --- engines -------------------------------------------------------------------------------------

NAMESERVERS = {f"ns1.{ORIGIN}": (ip_address("192.0.2.53"), ip_address("2001:db8::53"))}


def make_zone(*services: Service, master: str | None = None, origin: str = ORIGIN) -> Zone:
    """A zone that must be without fault."""
    servers = NAMESERVERS if origin == ORIGIN else {"ns.elsewhere.example": ()}
    source = ZoneSource(origin, "test.yaml", nameservers=servers, master=master, services=services)
    zone, faults = compile_zone(source)
    assert zone is not None, faults
    return zone


@dataclass(frozen=True)
class World:
    """All that an engine is made of; engines of one world share nothing but the ground."""

    zones: tuple[Zone, ...]
    table: GeoTable
    limits: DnsLimits = DnsLimits()
    measurements: Measurements = NO_MEASUREMENTS
    generation: str = "conf1-geo1"
    ground: Ground = field(init=False)

    def __post_init__(self) -> None:
        desks = Desks(self.zones, self.table, self.limits, self.measurements)
        ground = make_ground(self.zones, desks, self.limits, generation=self.generation)
        object.__setattr__(self, "ground", ground)

    def engine(self, snapshot: HealthSnapshot = NO_CHECKS, **more: Any) -> Engine:
        """A new engine."""
        return Engine(self.ground, health=snapshot, **more)


def make_world(*services: Service, places: Mapping[str, Location] | None = None, **more: Any):
    """The world of one zone."""
    master = more.pop("master", None)
    return World((make_zone(*services, master=master),), make_table(places or {}), **more)


# --- the client ----------------------------------------------------------------------------------


def compose_query(name: str, rtype: str = "A", *, ecs: str | None = None, **more: Any) -> bytes:
    """A query's octets. name: relative to the test zone unless it ends with a dot."""
    options = list(more.pop("options", ()))
    if ecs is not None:
        options.append(dns.edns.ECSOption.from_text(ecs))
    if options or ecs is not None:
        more.update(use_edns=0, options=options)
    return dns.message.make_query(absolute(name), rtype, **more).to_wire()


def absolute(name: str) -> str:
    """A name of the test zone with its origin."""
    if name.endswith("."):
        return name
    return f"{ORIGIN}." if name == "@" else f"{name}.{ORIGIN}."


@dataclass(frozen=True)
class Got:
    """A reply as dnspython reads it."""

    message: dns.message.Message

    @property
    def addresses(self) -> list[str]:
        """The addresses answered, in order."""
        types = (dns.rdatatype.A, dns.rdatatype.AAAA)
        return [r.address for rrset in self.message.answer if rrset.rdtype in types for r in rrset]

    @property
    def scope(self) -> int | None:
        """The scope of the client subnet option, None without the option."""
        found = [one for one in self.message.options if isinstance(one, dns.edns.ECSOption)]
        return found[0].scopelen if found else None

    @property
    def ttl(self) -> int:
        """The TTL of the one RRset in the answer."""
        (rrset,) = self.message.answer
        return rrset.ttl

    @property
    def rcode(self) -> str:
        """The RCODE in text form."""
        return self.message.rcode().name


def ask(engine: Any, name: str, rtype: str = "A", *, source: str = RESOLVER, **more: Any) -> Got:
    """What an engine or a fast path says to one query over UDP."""
    octets = engine.answer(compose_query(name, rtype, **more), ip_address(source).packed)
    assert octets is not None
    return Got(dns.message.from_wire(octets, one_rr_per_rrset=False))


def ask_sites(engine: Any, of: Service, rtype: str = "A", **more: Any) -> list[str]:
    """The names of the sites that a service's answer begins with, in order."""
    names = sites_of(of)
    return [names[address] for address in ask(engine, of.name, rtype, **more).addresses]


def subnet(text: str) -> ClientSubnet:
    """A client subnet as a query carries it."""
    parsed = parse_ecs(dns.edns.ECSOption.from_text(text).to_wire())
    assert parsed is not None
    return parsed


def wire_name(name: str) -> bytes:
    """The octets of a name of the test zone, lower case."""
    return bytes(from_text(absolute(name))).lower()
