"""RFC 7871: S1 to S15 (S11, that scopes never overlap, is a law of the engine, tested there)."""

from __future__ import annotations

import dns.edns
import pytest

from gslb.health.snapshot import HealthSnapshot, SiteHealth
from tests.engine.conformance.asking import World, make_table, rel, rel_zone, rows
from tests.engine.conformance.octets import ecs, message, opt, option, question, record, walk

NOERROR, FORMERR, NXDOMAIN, REFUSED = 0, 1, 3, 5
EU, NA, OTHER = (f"geo 30 IN A 198.51.100.{last}" for last in (1, 2, 3))
GEO = question(rel("geo"))
WORLD = World(rel_zone(), table=make_table())


def ask_geo(*options: bytes, source: str = "127.0.0.1"):
    return WORLD.send(message(GEO, additional=(opt(*options),)), source)


def subnets(reply) -> list[tuple[str, int, int]]:
    found = [one for one in reply.options if isinstance(one, dns.edns.ECSOption)]
    return [(one.address, one.srclen, one.scopelen) for one in found]


@pytest.mark.parametrize(
    ("source", "expected"), [("193.0.6.1", EU), ("8.8.8.8", NA), ("203.0.113.1", OTHER)]
)
def test_s1_nobody_who_sent_no_subnet_gets_one(source, expected):
    reply = ask_geo(source=source)
    assert rows(reply.answer) == [expected]
    assert reply.options == ()
    assert WORLD.send(message(GEO), source).edns == -1


@pytest.mark.parametrize(
    ("sent", "expected", "echo"),
    [
        (ecs(1, 24, b"\x08\x08\x08"), NA, ("8.8.8.0", 24, 8)),
        (ecs(1, 24, b"\xc1\x00\x06"), EU, ("193.0.6.0", 24, 8)),
        (ecs(1, 24, b"\xcb\x00\x71"), OTHER, ("203.0.113.0", 24, 7)),
        (ecs(2, 56, b"\x20\x01\x06\x7c\x02\xe8\x22"), EU, ("2001:67c:2e8:2200::", 56, 24)),
        (ecs(1, 13, b"\x08\x08"), NA, ("8.8.0.0", 13, 8)),
    ],
)
def test_s2_the_subnet_decides_and_comes_back_with_the_scope(sent, expected, echo):
    reply = ask_geo(sent)
    assert rows(reply.answer) == [expected]
    assert subnets(reply) == [echo]


@pytest.mark.parametrize(
    ("sent", "echo"), [(ecs(1, 0), ("0.0.0.0", 0, 0)), (ecs(2, 0), ("::", 0, 0))]
)
def test_s3_an_empty_subnet_leaves_it_to_the_source_address(sent, echo):
    reply = ask_geo(sent, source="193.0.6.1")
    assert rows(reply.answer) == [EU]
    assert subnets(reply) == [echo]


def test_s4_family_0_is_accepted_and_echoed():
    query = message(GEO, additional=(opt(ecs(0, 0)),))
    assert rows(WORLD.send(query, "8.8.8.8").answer) == [NA]
    octets = WORLD.octets(query)
    assert octets is not None
    assert octets.endswith(ecs(0, 0))


def expect_formerr(sent: bytes):
    reply = ask_geo(sent)
    assert (reply.rcode(), reply.edns) == (FORMERR, 0)
    assert reply.options == ()
    assert len(reply.question) == 1


@pytest.mark.parametrize("sent", [ecs(3, 0), ecs(3, 8, b"\1"), ecs(0, 8, b"\1"), ecs(65535, 0)])
def test_s5_an_unknown_family_is_malformed(sent):
    expect_formerr(sent)


@pytest.mark.parametrize(
    "sent",
    [
        ecs(1, 33, b"\1\2\3\4\x80"),
        ecs(2, 129, b"\1" * 16 + b"\x80"),
        ecs(1, 24, b"\1\2\3", scope=1),
        ecs(1, 24, b"\1\2\3", scope=24),
        ecs(1, 24, b"\1\2\3\4"),
        ecs(1, 24, b"\1\2"),
        ecs(1, 25, b"\1\2\3\xc0"),
        ecs(2, 7, b"\1"),
        ecs(1, 0, b"\1"),
        option(8),
        option(8, b"\0"),
        option(8, b"\0\1"),
        option(8, b"\0\1\x18"),
    ],
)
def test_s6_a_malformed_subnet_is_a_format_error_with_opt(sent):
    expect_formerr(sent)


def test_s6_a_malformed_subnet_is_malformed_whatever_is_asked():
    for qname in ("www", "nope", "sub", "geo", "ent"):
        query = message(question(rel(qname)), additional=(opt(ecs(1, 33, b"\1\2\3\4\5")),))
        assert WORLD.send(query).rcode() == FORMERR


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (ecs(1, 24, b"\x08\x08\x08"), ecs(1, 24, b"\xc1\0\6"), NA),
        (ecs(1, 24, b"\xc1\0\6"), ecs(1, 24, b"\x08\x08\x08"), EU),
        (ecs(1, 24, b"\x0a\0\0"), ecs(1, 24, b"\x08\x08\x08"), OTHER),
        (ecs(1, 0), ecs(1, 24, b"\x08\x08\x08"), OTHER),
        (ecs(1, 24, b"\x08\x08\x08"), ecs(9, 99, b"\1"), NA),
    ],
)
def test_s7_the_first_of_two_subnets_counts(first, second, expected):
    reply = ask_geo(first, second)
    assert rows(reply.answer) == [expected]
    assert len(subnets(reply)) == 1
    query = message(GEO, additional=(opt(first, second),))
    octets = WORLD.octets(query)
    assert octets is not None
    (opt_record,) = (one for one in walk(octets).records if one.rtype == 41)
    payload = octets[opt_record.start : opt_record.end]
    assert payload[:7] + payload[8:] == first[:7] + first[8:]


@pytest.mark.parametrize("qname", ["www", "alias", "q.wild", "away"])
def test_s8_what_is_the_same_for_everybody_has_scope_0(qname):
    reply = WORLD.ask(rel(qname), "A", ecs(1, 24, b"\x08\x08\x08"))
    assert reply.answer
    assert subnets(reply) == [("8.8.8.0", 24, 0)]


@pytest.mark.parametrize(
    ("qname", "rtype"),
    [("geo", "MX"), ("www", "MX"), ("nope", "A"), ("h.sub", "A"), ("ent", "A"), ("a.geo", "A")],
)
def test_s9_denials_and_referrals_have_scope_0(qname, rtype):
    reply = WORLD.ask(rel(qname), rtype, ecs(1, 24, b"\x08\x08\x08"))
    assert not reply.answer
    assert subnets(reply) == [("8.8.8.0", 24, 0)]


def test_s9_a_service_that_has_nothing_left_denies_with_scope_0():
    down = {site: SiteHealth(up=False) for site in ("eu", "na", "other")}
    world = World(rel_zone(), table=make_table(), health=HealthSnapshot(1, down))
    reply = world.ask(rel("dark"), "A", ecs(1, 24, b"\x08\x08\x08"))
    assert (reply.rcode(), reply.answer) == (NOERROR, [])
    assert subnets(reply) == [("8.8.8.0", 24, 0)]


def test_s10_a_refusal_echoes_the_subnet():
    reply = WORLD.ask("example.org.", "A", ecs(1, 24, b"\x08\x08\x08"))
    assert reply.rcode() == REFUSED
    assert subnets(reply) == [("8.8.8.0", 24, 0)]


@pytest.mark.parametrize(
    ("sent", "expected", "echo"),
    [
        # Wider than what is known: the first address decides, for the block around it.
        (ecs(1, 16, b"\xc8\x01"), OTHER, ("200.1.0.0", 16, 23)),
        (ecs(1, 24, b"\xc8\x01\x02"), EU, ("200.1.2.0", 24, 24)),
        # Finer than /24 and /56 nothing is told apart: these islands begin inside such a block.
        (ecs(1, 32, b"\xc9\0\0\x80"), OTHER, ("201.0.0.128", 32, 8)),
        (ecs(1, 24, b"\xc9\0\0"), OTHER, ("201.0.0.0", 24, 8)),
        (ecs(2, 64, b"\x2a" + b"\0" * 6 + b"\x80"), OTHER, ("2a00:0:0:80::", 64, 5)),
    ],
)
def test_s12_the_scope_may_be_longer_than_the_source_but_not_than_the_cap(sent, expected, echo):
    reply = ask_geo(sent)
    assert rows(reply.answer) == [expected]
    assert subnets(reply) == [echo]


@pytest.mark.parametrize(
    ("cap", "sent", "scope"),
    [
        ({"ecs_max_ipv4": 24}, ecs(1, 24, b"\xc8\x01\x02"), 24),
        ({"ecs_max_ipv4": 16}, ecs(1, 24, b"\xc8\x01\x02"), 5),
        ({"ecs_max_ipv4": 23}, ecs(1, 23, b"\xc8\x01\x02"), 23),
    ],
)
def test_s12_the_cap_is_the_operators(cap, sent, scope):
    world = World(rel_zone(), table=make_table(), **cap)
    reply = world.send(message(GEO, additional=(opt(sent),)))
    assert [found[2] for found in subnets(reply)] == [scope]


@pytest.mark.parametrize("payload", [ecs(1, 24, b"\x08\x08\x08"), ecs(9, 99, b"\1"), option(8)])
def test_s13_a_server_that_is_told_to_ignores_the_option(payload):
    deaf = World(rel_zone(), table=make_table(), ecs=False)
    reply = deaf.send(message(GEO, additional=(opt(payload),)), "193.0.6.1")
    assert rows(reply.answer) == [EU]
    assert reply.options == ()


@pytest.mark.parametrize(
    ("network", "scope"),
    [
        (b"\x0a\0\0", 8),
        (b"\xc0\xa8\1", 16),
        (b"\x7f\0\0", 8),
        (b"\xac\x10\0", 12),
        (b"\x64\x40\0", 10),
        (b"\xa9\xfe\1", 16),
        (b"\xe0\0\0", 3),
    ],
)
def test_s14_a_private_subnet_leaves_it_to_the_source_address(network, scope):
    """The scope is its private block: with 0, a resolver would give the answer to everybody."""
    for source, expected in (("193.0.6.1", EU), ("8.8.8.8", NA)):
        reply = ask_geo(ecs(1, 24, network), source=source)
        assert rows(reply.answer) == [expected]
        assert [found for _, _, found in subnets(reply)] == [scope]


@pytest.mark.parametrize("sent", [ecs(1, 24, b"\x08\x08\x08"), ecs(1, 24, b"\x0a\0\0"), ecs(1, 0)])
def test_s14_tcp_says_the_same(sent):
    query = message(GEO, additional=(opt(sent),))
    over_udp, over_tcp = WORLD.send(query, "193.0.6.1"), WORLD.send_tcp(query, "193.0.6.1")
    assert rows(over_udp.answer) == rows(over_tcp.answer)
    assert over_udp.options == over_tcp.options


def test_s15_any_is_the_same_for_everybody():
    reply = WORLD.ask(rel("geo"), "ANY", ecs(1, 24, b"\x08\x08\x08"))
    assert subnets(reply) == [("8.8.8.0", 24, 0)]


def test_a_query_with_more_records_than_opt_keeps_its_subnet():
    other = record(b"\0")
    query = message(GEO, additional=(other, opt(ecs(1, 24, b"\x08\x08\x08")), other))
    assert rows(WORLD.send(query).answer) == [NA]
