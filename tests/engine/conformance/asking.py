"""Asks every way there is: the general path over UDP, the fast path before and after it has
learned, and, where a test says so, the general path over TCP. Every reply is held to all
invariants.
"""

from __future__ import annotations

from array import array
from functools import cache
from ipaddress import ip_address
from typing import Any

import dns.message
import dns.rrset

from gslb.engine.desks import Desks
from gslb.engine.engine import Engine, Ground, make_ground
from gslb.engine.fast import FastPath
from gslb.health.snapshot import HealthSnapshot
from gslb.model.geotable import EMPTY_TABLE, GeoTable, Ranges
from gslb.model.place import NOWHERE, Location
from gslb.model.service import AllDown, Candidate, FilterSpec, Service, Site
from gslb.model.system import DnsLimits
from gslb.model.zone import ZoneSource
from gslb.policy.base import NO_MEASUREMENTS
from gslb.zone.compile import compile_zone
from gslb.zone.tree import Zone
from tests.engine.conformance.invariants import check_reply
from tests.engine.conformance.octets import message, opt, question
from tests.engine.conformance.zones import CHILD, REL

LOCALHOST = ip_address("127.0.0.1").packed
Rows = list[str]


class World:
    """One ground, and the paths over it. Its fast path remembers, so that what one test taught it
    can mislead another one.
    """

    def __init__(
        self,
        *zones: Zone,
        table: GeoTable = EMPTY_TABLE,
        health: HealthSnapshot = HealthSnapshot(),  # noqa: B008  immutable
        **limits: Any,
    ) -> None:
        self.limits = DnsLimits(**limits)
        desks = Desks(zones, table, self.limits, NO_MEASUREMENTS)
        self.ground: Ground = make_ground(zones, desks, self.limits, generation="test")
        self.health = health
        self.fast = FastPath(self.engine)

    @property
    def engine(self) -> Engine:
        """A new engine: the turns of one path are no business of another."""
        return Engine(self.ground, self.health)

    def octets(self, query: bytes, source: bytes = LOCALHOST) -> bytes | None:
        """The reply over UDP, the same from every path and held to every invariant."""
        general = self.engine.answer(query, source)
        expected = self._check(query, general)
        for _ in range(2):
            reply = self.fast.answer(query, source)
            assert reply == general or same(self._check(query, reply), expected)
        return general

    def _check(self, query: bytes, reply: bytes | None) -> dns.message.Message | None:
        return check_reply(query, reply, max_udp=self.limits.udp_size)

    def send(self, query: bytes, source: str = "127.0.0.1") -> dns.message.Message:
        """The reply over UDP to octets that must be answered."""
        reply = self._check(query, self.octets(query, ip_address(source).packed))
        assert reply is not None
        return reply

    def send_tcp(self, query: bytes, source: str = "127.0.0.1") -> dns.message.Message:
        octets = self.engine.answer(query, ip_address(source).packed, is_tcp=True)
        reply = check_reply(query, octets, is_tcp=True)
        assert reply is not None
        return reply

    def ask(
        self, qname: str | bytes, rtype: str | int = "A", *options: bytes, **more: Any
    ) -> dns.message.Message:
        """The reply to a question with EDNS (and without, which must say the same)."""
        asked = question(qname, rtype)
        with_edns = self.send(message(asked, additional=(opt(*options, **more),)))
        if not options and not more:
            plain = self.send(message(asked))
            assert sections(plain) == sections(with_edns)
            assert (plain.rcode(), plain.flags) == (with_edns.rcode(), with_edns.flags)
        return with_edns


def sections(reply: dns.message.Message) -> list[set[Any]]:
    return [
        {(one.name, one.rdtype, one.rdclass, one.ttl, rdata) for one in section for rdata in one}
        for section in reply.sections[1:]
    ]


def same(one: dns.message.Message | None, other: dns.message.Message | None) -> bool:
    """Whether two replies say the same; names compare as DNS compares them."""
    if one is None or other is None:
        return one is other
    return (
        (one.id, one.flags, one.rcode()) == (other.id, other.flags, other.rcode())
        and sections(one) == sections(other)
        and one.question == other.question
        and (one.edns, one.payload, one.ednsflags) == (other.edns, other.payload, other.ednsflags)
        and one.options == other.options
    )


def rows(section: list[dns.rrset.RRset]) -> Rows:
    """A section as sorted lines, names relative to rel.test.zone where they can be."""
    lines = [line for rrset in section for line in rrset.to_text().split("\n")]
    return sorted(line.replace(".rel.test.zone.", "") for line in lines)


def compile_text(text: str, origin: str, *services: Service, **more: Any) -> Zone:
    """The zone of a master file that has no fault (warnings may be)."""
    source = ZoneSource(origin, "zone.yaml", master=text, services=services, **more)
    zone, faults = compile_zone(source)
    assert zone is not None, faults
    return zone


def geo_service(name: str = "geo", **more: Any) -> Service:
    """A service that answers 198.51.100.1 to Europe, .2 to North America, .3 to everybody else;
    IPv6 in Europe only.
    """
    return Service(name, CANDIDATES, (FilterSpec("health"), FilterSpec("geo")), **more)


def _candidate(name: str, serves: str, *addresses: str) -> Candidate:
    site = Site(name, tuple(map(ip_address, addresses)))
    return Candidate(name, site=site, serves=frozenset((serves,)))


CANDIDATES = (
    _candidate("eu", "continent:EU", "198.51.100.1", "2001:db8:1::1"),
    _candidate("na", "continent:NA", "198.51.100.2"),
    _candidate("other", "default", "198.51.100.3"),
)


def make_table() -> GeoTable:
    """8/8 is America, 193/8 Europe; 200.1.2/24 and 201.0.0.128/25 are islands of Europe, and so is
    2001:600::/24; 2a00:0:0:0080::/57 is finer than a client subnet may be.
    """
    europe, america = Location(continent="EU"), Location(continent="NA")
    ipv4 = {
        "0.0.0.0": 0,
        "8.0.0.0": 2,
        "9.0.0.0": 0,
        "193.0.0.0": 1,
        "194.0.0.0": 0,
        "200.1.2.0": 1,
        "200.1.3.0": 0,
        "201.0.0.128": 1,
        "201.0.1.0": 0,
    }
    ipv6 = {"::": 0, "2001:600::": 1, "2001:700::": 0, "2a00:0:0:80::": 1, "2a00:0:0:100::": 0}
    return GeoTable(
        Ranges(array("I", [int(ip_address(a)) for a in ipv4]), array("I", ipv4.values())),
        Ranges(array("Q", [int(ip_address(a)) >> 64 for a in ipv6]), array("I", ipv6.values())),
        (NOWHERE, europe, america),
        "test",
    )


@cache
def rel_zone() -> Zone:
    names = Service("away", (Candidate("cdn", cname="cdn.example.net."),), (FilterSpec("health"),))
    dark = geo_service("dark", when_all_down=AllDown("nodata"))
    wild = geo_service("*.wildgeo")
    return compile_text(REL, "rel.test.zone", geo_service(), names, dark, wild)


@cache
def child_zone() -> Zone:
    return compile_text(CHILD, "child.rel.test.zone")


@cache
def rel_world() -> World:
    """The zone that most tests ask, with its child beside it."""
    return World(rel_zone(), child_zone(), table=make_table())


def rel(name: str) -> str:
    return "rel.test.zone." if name == "@" else f"{name}.rel.test.zone."
