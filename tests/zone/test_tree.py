from __future__ import annotations

from ipaddress import ip_address

import pytest

from gslb.model.zone import ZoneSource
from gslb.wire import codes
from gslb.wire.names import from_text
from gslb.zone.compile import compile_zone
from gslb.zone.tree import Outcome, Zone

TEXT = """
$ORIGIN z.test.
$TTL 60
@ SOA ns h 1 2 3 4 5
@ NS ns
@ NS ns.elsewhere.
ns A 192.0.2.1
ns AAAA 2001:db8::1
a.b.ent A 192.0.2.2
sub NS ns.sub
ns.sub A 192.0.2.3
deep.sub A 192.0.2.4
*.wild A 192.0.2.5
x.wild A 192.0.2.6
"""


def make_zone() -> Zone:
    zone, _ = compile_zone(ZoneSource("z.test", "z.yaml", master=TEXT))
    assert zone is not None
    return zone


ZONE = make_zone()


@pytest.mark.parametrize(
    ("name", "qtype", "outcome", "node"),
    [
        ("@", codes.A, Outcome.FOUND, "@"),
        ("ns", codes.A, Outcome.FOUND, "ns"),
        ("ent", codes.A, Outcome.FOUND, "ent"),
        ("b.ent", codes.A, Outcome.FOUND, "b.ent"),
        ("c.b.ent", codes.A, Outcome.NXDOMAIN, "b.ent"),
        ("nope", codes.A, Outcome.NXDOMAIN, "@"),
        ("sub", codes.NS, Outcome.REFERRAL, "sub"),
        ("sub", codes.DS, Outcome.FOUND, "sub"),
        ("ns.sub", codes.A, Outcome.REFERRAL, "sub"),
        ("ns.sub", codes.DS, Outcome.REFERRAL, "sub"),
        ("deep.sub", codes.A, Outcome.REFERRAL, "sub"),
        ("no.deep.sub", codes.A, Outcome.REFERRAL, "sub"),
        ("q.wild", codes.A, Outcome.FOUND, "*.wild"),
        ("q.r.wild", codes.TXT, Outcome.FOUND, "*.wild"),
        ("q.x.wild", codes.A, Outcome.NXDOMAIN, "x.wild"),
        ("q.*.wild", codes.A, Outcome.NXDOMAIN, "*.wild"),
    ],
)
def test_walk(name, qtype, outcome, node):
    walk = ZONE.walk(from_text(name, ZONE.origin), qtype)
    assert (walk.outcome, walk.node.name) == (outcome, from_text(node, ZONE.origin))


def test_empty_non_terminals_own_nothing():
    names = {name for name, node in ZONE.nodes.items() if node.is_empty}
    assert names == {from_text(text, ZONE.origin) for text in ("ent", "b.ent", "wild")}


def test_addresses_of_takes_both_families_and_any_case():
    found = ZONE.addresses_of(from_text("NS.z.TEST."))
    assert [rrset.rtype for rrset in found] == [codes.A, codes.AAAA]
    assert list(ZONE.addresses_of(from_text("nope.z.test."))) == []


def test_delegation_has_glue_for_servers_in_the_zone():
    assert ZONE.delegation() == (
        ("ns.z.test.", (ip_address("192.0.2.1"), ip_address("2001:db8::1"))),
        ("ns.elsewhere.", ()),
    )
