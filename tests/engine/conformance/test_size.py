"""How long a reply may be, and what leaves it when it does not fit (RFC 2181 9, 9471, 9715)."""

from __future__ import annotations

import pytest

from tests.engine.conformance.asking import World, compile_text, rows
from tests.engine.conformance.octets import message, opt, question

TC = 0x0200
TOP = "$ORIGIN s.test.\n$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n"
OPT_OCTETS = 11


def make_world(lines: str, **limits) -> World:
    return World(compile_text(TOP + lines, "s.test"), **limits)


def exactly(total: int, *, opt_octets: int) -> tuple[World, bytes]:
    """A world, and a question that is answered with a reply of exactly that many octets."""
    asked = question("x.s.test.", 65280)
    length = total - opt_octets - 12 - len(asked) - 12
    return make_world(f"x TYPE65280 \\# {length} {'ab' * length}\n"), asked


@pytest.mark.parametrize("total", [511, 512, 513])
def test_without_edns_512_octets_is_the_limit(total):
    world, asked = exactly(total, opt_octets=0)
    expect_cut(world, message(asked), total, limit=512, rest=12 + len(asked))


@pytest.mark.parametrize("size", [0, 512])
@pytest.mark.parametrize("total", [511, 512, 513])
def test_with_edns_512_octets_is_the_least_limit(size, total):
    world, asked = exactly(total, opt_octets=OPT_OCTETS)
    query = message(asked, additional=(opt(size=size),))
    expect_cut(world, query, total, limit=512, rest=12 + len(asked) + OPT_OCTETS)


@pytest.mark.parametrize("size", [1232, 1233, 4096, 65535])
@pytest.mark.parametrize("total", [1231, 1232, 1233])
def test_1232_octets_is_the_most(size, total):
    world, asked = exactly(total, opt_octets=OPT_OCTETS)
    query = message(asked, additional=(opt(size=size),))
    expect_cut(world, query, total, limit=1232, rest=12 + len(asked) + OPT_OCTETS)


@pytest.mark.parametrize("total", [799, 800, 801])
def test_between_them_the_client_says(total):
    world, asked = exactly(total, opt_octets=OPT_OCTETS)
    query = message(asked, additional=(opt(size=800),))
    expect_cut(world, query, total, limit=800, rest=12 + len(asked) + OPT_OCTETS)


def expect_cut(world: World, query: bytes, total: int, *, limit: int, rest: int):
    octets = world.octets(query)
    assert octets is not None
    fits = total <= limit
    assert len(octets) == (total if fits else rest)
    assert bool(octets[2] & 2) is not fits
    over_tcp = world.send_tcp(query)
    assert over_tcp.answer
    assert not over_tcp.flags & TC


def test_the_operator_may_raise_the_most():
    lines = f"x TYPE65280 \\# 3000 {'ab' * 3000}\n"
    world = make_world(lines, udp_size=4096)
    reply = world.send(message(question("x.s.test.", 65280), additional=(opt(size=4096),)))
    assert (len(reply.answer), reply.payload) == (1, 4096)


def test_an_rrset_of_60000_octets_is_answered_over_tcp():
    lines = "".join(f"x TXT {'y' * 250} {at}\n" for at in range(220))
    reply = make_world(lines).send_tcp(message(question("x.s.test.", "TXT")))
    assert len(reply.answer[0]) == 220


def addresses(name: str, count: int) -> str:
    return "".join(f"{name} A 192.0.2.{at}\n" for at in range(count))


def test_additional_rrsets_leave_whole_and_in_silence():
    # 12 + question 14 + MX 2 * (16 to 18) + A 16 each: 20 of them fit 512 octets, 40 do not.
    lines = "m MX 1 a.m\nm MX 2 b.m\n" + addresses("a.m", 20) + addresses("b.m", 20)
    world = make_world(lines)
    query = message(question("m.s.test.", "MX"))
    reply = world.send(query)
    assert not reply.flags & TC
    assert len(reply.answer[0]) == 2
    assert [(str(one.name), len(one)) for one in reply.additional] == [("a.m.s.test.", 20)]
    assert [len(one) for one in world.send_tcp(query).additional] == [20, 20]


def test_an_alias_stays_when_its_target_does_not_fit():
    world = make_world("a CNAME b\n" + addresses("b", 60))
    reply = world.send(message(question("a.s.test.")))
    assert reply.flags & TC
    assert rows(reply.answer) == ["a.s.test. 60 IN CNAME b.s.test."]
    assert not reply.authority + reply.additional


def test_nothing_follows_what_was_cut():
    # The big RRset is cut, so its small additional data must not look like a whole answer.
    lines = "".join(f"m MX {at} mail-exchanger-number-{at}.m\n" for at in range(40))
    world = make_world(lines + "mail-exchanger-number-0.m A 192.0.2.1\n")
    reply = world.send(message(question("m.s.test.", "MX")))
    assert reply.flags & TC
    assert not reply.answer + reply.authority + reply.additional


def delegation(servers: int, name: str = "d") -> str:
    return "".join(
        f"{name} NS server-{at}.{name}\n"
        f"server-{at}.{name} A 192.0.2.{at}\nserver-{at}.{name} AAAA 2001:db8::{at}\n"
        for at in range(servers)
    )


@pytest.mark.parametrize("additional", [(), (opt(size=512),)])
def test_a14_glue_that_does_not_fit_sets_tc(additional):
    world = make_world(delegation(10))
    query = message(question("www.d.s.test."), additional=additional)
    reply = world.send(query)
    assert reply.flags & TC
    assert len(reply.authority[0]) == 10
    assert 0 < len(reply.additional) < 20
    whole = world.send_tcp(query)
    assert (len(whole.authority[0]), len(whole.additional)) == (10, 20)
    roomy = world.send(message(question("www.d.s.test."), additional=(opt(),)))
    assert len(roomy.additional) == 20
    assert not roomy.flags & TC


def test_a14_name_servers_that_do_not_fit_set_tc():
    world = make_world(delegation(100))
    reply = world.send(message(question("www.d.s.test.")))
    assert reply.flags & TC
    assert not reply.answer + reply.authority + reply.additional


def test_a14_addresses_of_servers_outside_the_delegation_may_leave_in_silence():
    lines = "".join(
        f"d NS server-{at}.elsewhere\nserver-{at}.elsewhere A 192.0.2.{at}\n"
        f"server-{at}.elsewhere AAAA 2001:db8::{at}\n"
        for at in range(12)
    )
    reply = make_world(lines).send(message(question("www.d.s.test.")))
    assert not reply.flags & TC
    assert len(reply.authority[0]) == 12
    assert 0 < len(reply.additional) < 24


def test_a_denial_with_the_longest_names_fits_512_octets_with_every_option():
    host = ".".join(["h" * 63] * 3) + "." + "h" * 40
    zone = "$ORIGIN s.test.\n@ 60 SOA {0} {0} 1 2 3 4 5\n@ 60 NS ns\nns 60 A 192.0.2.1\n"
    world = World(compile_text(zone.format("m." + host), "s.test"), nsid="n" * 63)
    asked = ".".join(["q" * 63] * 3) + "." + "q" * 50 + ".s.test."
    reply = world.send(message(question(asked), additional=(opt(b"\0\3\0\0", size=512),)))
    assert reply.flags & TC or len(reply.authority) == 1
