"""NSID (RFC 5001), extended errors (RFC 8914), padding, keepalive (RFC 7828)."""

from __future__ import annotations

import pytest

from tests.engine.conformance.asking import World, rel, rel_world, rel_zone, rows
from tests.engine.conformance.octets import message, opt, option, question

NSID, EXPIRE, COOKIE, KEEPALIVE, PADDING, EDE = 3, 9, 10, 11, 12, 15
WWW = question(rel("www"))
SILENT = rel_world()
NAMED = World(rel_zone(), nsid="ns1-paris", tcp_idle_s=10.0)


def options(reply) -> list[tuple[int, bytes]]:
    return [(int(one.otype), one.to_wire()) for one in reply.options]


@pytest.mark.parametrize("payload", [b"", b"ignored", b"\0" * 30])
@pytest.mark.parametrize("qname", ["www", "geo", "nope", "sub"])
def test_nsid_is_told_who_asks(payload, qname):
    query = message(question(rel(qname)), additional=(opt(option(NSID, payload)),))
    assert options(NAMED.send(query)) == [(NSID, b"ns1-paris")]


def test_nsid_is_told_once():
    query = message(WWW, additional=(opt(option(NSID), option(NSID)),))
    assert options(NAMED.send(query)) == [(NSID, b"ns1-paris")]


def test_nsid_is_not_told_unasked_or_where_there_is_none():
    assert options(NAMED.send(message(WWW, additional=(opt(),)))) == []
    assert options(SILENT.send(message(WWW, additional=(opt(option(NSID)),)))) == []


def test_i14_an_error_does_not_tell_nsid_because_it_must_stay_short():
    named = World(rel_zone(), nsid="n" * 63)
    query = message(question("."), additional=(opt(option(NSID)),))
    assert options(named.send(query)) == [(EDE, b"\0\x14")]


@pytest.mark.parametrize(
    ("qname", "rtype", "code"), [("example.org.", "A", 20), ("www.rel.test.zone.", 128, 30)]
)
def test_extended_errors_go_with_edns_only(qname, rtype, code):
    asked = question(qname, rtype)
    assert options(SILENT.send(message(asked, additional=(opt(),)))) == [
        (EDE, code.to_bytes(2, "big"))
    ]
    plain = SILENT.send(message(asked))
    assert (plain.edns, plain.additional) == (-1, [])


@pytest.mark.parametrize("code", [EXPIRE, COOKIE, PADDING])
@pytest.mark.parametrize("payload", [b"", b"\0" * 8, b"\0" * 100])
def test_options_that_are_not_served_are_ignored(code, payload):
    query = message(WWW, additional=(opt(option(code, payload)),))
    for reply in (SILENT.send(query), SILENT.send_tcp(query)):
        assert len(rows(reply.answer)) == 2
        assert options(reply) == []


@pytest.mark.parametrize("payload", [b"", b"\0\x64", b"\1" * 7])
def test_t10_keepalive_is_told_over_tcp_in_tenths_of_a_second(payload):
    query = message(WWW, additional=(opt(option(KEEPALIVE, payload)),))
    assert options(NAMED.send_tcp(query)) == [(KEEPALIVE, (100).to_bytes(2, "big"))]


def test_t10_keepalive_is_ignored_over_udp_and_not_told_unasked():
    query = message(WWW, additional=(opt(option(KEEPALIVE)),))
    assert options(NAMED.send(query)) == []
    assert options(NAMED.send_tcp(message(WWW, additional=(opt(),)))) == []
    assert NAMED.send_tcp(message(WWW)).edns == -1


@pytest.mark.parametrize(("idle_s", "told"), [(0.5, 5), (2.0, 20), (6553.5, 65535)])
def test_t10_keepalive_tells_the_configured_idle_time(idle_s, told):
    world = World(rel_zone(), tcp_idle_s=idle_s)
    query = message(WWW, additional=(opt(option(KEEPALIVE)),))
    assert options(world.send_tcp(query)) == [(KEEPALIVE, told.to_bytes(2, "big"))]
