"""RFC 4592: the zone of its section 2.2.1, and what the reference servers do besides."""

from __future__ import annotations

import pytest

from tests.engine.conformance.asking import World, compile_text, rel, rel_world, rows
from tests.engine.conformance.octets import ecs, message, opt, question
from tests.engine.conformance.zones import RFC4592

EXAMPLE = World(compile_text(RFC4592, "example"))
WORLD = rel_world()


def summary(reply) -> str:
    if reply.rcode() == 3:
        return "NXDOMAIN"
    if reply.answer:
        return "answer"
    return "NODATA" if str(reply.authority[0]).split()[3] == "SOA" else "referral"


@pytest.mark.parametrize(
    ("name", "rtype", "line"),
    [
        ("host3.example.", "MX", "host3.example. 3600 IN MX 10 host1.example."),
        ("foo.bar.example.", "TXT", 'foo.bar.example. 3600 IN TXT "from the wildcard"'),
        ("*.example.", "TXT", '*.example. 3600 IN TXT "from the wildcard"'),
        ("sub.*.example.", "TXT", 'sub.*.example. 3600 IN TXT "below the wildcard"'),
    ],
)
def test_a_wildcard_is_answered_with_the_name_that_was_asked(name, rtype, line):
    assert rows(EXAMPLE.ask(name, rtype).answer) == [line]


@pytest.mark.parametrize(
    ("name", "rtype", "expected"),
    [
        ("host3.example.", "A", "NODATA"),
        ("host1.example.", "MX", "NODATA"),
        ("sub.*.example.", "MX", "NODATA"),
        ("_telnet._tcp.host1.example.", "SRV", "NXDOMAIN"),
        ("_tcp.host1.example.", "SRV", "NODATA"),
        ("host.subdel.example.", "A", "referral"),
        ("ghost.*.example.", "MX", "NXDOMAIN"),
    ],
)
def test_a_name_that_exists_or_has_another_encloser_blocks_the_wildcard(name, rtype, expected):
    assert summary(EXAMPLE.ask(name, rtype)) == expected


@pytest.mark.parametrize(
    ("name", "rtype", "expected"),
    [
        ("*.wild", "A", ["*.wild 300 IN A 192.0.2.60"]),
        ("q.wild", "A", ["q.wild 300 IN A 192.0.2.60"]),
        ("q.r.wild", "TXT", ['q.r.wild 300 IN TXT "star"']),
        ("host.wild", "TXT", "NODATA"),
        ("host.wild", "AAAA", "NODATA"),
        ("b.wild", "A", "NODATA"),
        ("c.b.wild", "A", "NXDOMAIN"),
        ("x.host.wild", "A", "NXDOMAIN"),
        ("wild", "A", "NODATA"),
        ("q.wcn", "CNAME", ["q.wcn 300 IN CNAME www"]),
        ("q.wcn", "TXT", ["q.wcn 300 IN CNAME www"]),
    ],
)
def test_a_wildcard_beside_names(name, rtype, expected):
    reply = WORLD.ask(rel(name), rtype)
    assert (rows(reply.answer) if isinstance(expected, list) else summary(reply)) == expected


def test_a_wildcard_alias_is_followed():
    assert rows(WORLD.ask(rel("q.wcn")).answer) == [
        "q.wcn 300 IN CNAME www",
        "www 300 IN A 192.0.2.10",
        "www 300 IN A 192.0.2.11",
    ]


def test_a_wildcard_service_answers_the_asked_name_with_the_scope_of_the_client():
    query = message(
        question("Any.Thing.wildgeo.rel.test.zone."), additional=(opt(ecs(1, 24, b"\x08\x08\x08")),)
    )
    reply = WORLD.send(query)
    assert rows(reply.answer) == ["Any.Thing.wildgeo 30 IN A 198.51.100.2"]
    assert (reply.options[0].srclen, reply.options[0].scopelen) == (24, 8)
