"""RFC 2181, 3597 and 4343: what an RRset is, types that nobody knows, the case of names."""

from __future__ import annotations

import pytest

from tests.engine.conformance.asking import World, compile_text, rel, rel_world, rows
from tests.engine.conformance.octets import message, name, opt, question, walk

WORLD = rel_world()


def test_rfc2181_records_of_one_rrset_get_the_lowest_ttl():
    text = "$ORIGIN t.test.\n@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns\nns 60 A 192.0.2.1\n"
    world = World(compile_text(text + "x 300 A 192.0.2.2\nx 100 A 192.0.2.3\n", "t.test"))
    assert rows(world.ask("x.t.test.").answer) == [
        "x.t.test. 100 IN A 192.0.2.2",
        "x.t.test. 100 IN A 192.0.2.3",
    ]


def test_rfc3597_an_unknown_type_is_answered_as_it_was_written():
    assert rows(WORLD.ask(rel("generic"), 65280).answer) == [
        "generic 300 IN TYPE65280 \\# 4 0a000001"
    ]


def test_rfc3597_unknown_rdata_is_neither_compressed_nor_folded():
    octets = WORLD.octets(message(question(rel("generic"), 65281), additional=(opt(),)))
    assert octets is not None
    (record, _) = walk(octets).records
    assert octets[record.start : record.end] == b"\x03WWW\x03FOO\0"


@pytest.mark.parametrize("rtype", ["SRV", "HTTPS", "SVCB", "DS"])
def test_rfc3597_names_of_newer_types_are_not_compressed(rtype):
    owner = {"SRV": "_sip._tcp", "HTTPS": "svc", "SVCB": "svcb", "DS": "signed"}[rtype]
    octets = WORLD.octets(message(question(rel(owner), rtype)))
    assert octets is not None
    (record,) = walk(octets).records
    assert b"\xc0" not in octets[record.start : record.end]


def test_owners_are_pointers_to_the_question():
    octets = WORLD.octets(message(question(rel("www"))))
    assert octets is not None
    starts = [octets[one.owner : one.owner + 2] for one in walk(octets).records]
    assert starts == [b"\xc0\x0c"] * 2


@pytest.mark.parametrize(
    "asked",
    ["wWw.rEl.TEST.zone.", "WWW.REL.TEST.ZONE.", "q.WILD.rel.test.zone.", "gEO.rel.TEST.zone."],
)
def test_rfc4343_the_case_of_the_question_comes_back(asked):
    query = message(question(asked))
    octets = WORLD.octets(query)
    assert octets is not None
    assert octets[12 : len(query)] == query[12:]
    reply = WORLD.send(query)
    assert reply.answer
    assert {one.name.to_text() for one in reply.answer} == {asked}


@pytest.mark.parametrize("rtype", ["A", "TXT", "HTTPS"])
def test_rfc4343_a_denial_echoes_the_case(rtype):
    query = message(question("NoPe.rEl.tEst.Zone.", rtype))
    octets = WORLD.octets(query)
    assert octets is not None
    assert octets[12 : len(query)] == query[12:]


def test_rfc4343_octets_above_ascii_compare_exactly():
    high = name("high\\200.rel.test.zone.")
    assert WORLD.ask(high).answer
    # 0xC8 is a letter with a small twin, 0xE8, in Latin 1; in DNS it is only an octet.
    assert WORLD.ask(high.replace(b"\xc8", b"\xe8")).rcode() == 3


@pytest.mark.parametrize(
    ("label", "address"), [(b"dot.ted", "192.0.2.80"), (b"zero\0ed", "192.0.2.81")]
)
def test_rfc4343_any_octet_may_stand_in_a_label(label, address):
    owner = bytes((len(label),)) + label + name("rel.test.zone.")
    query = message(question(owner), additional=(opt(),))
    octets = WORLD.octets(query)
    assert octets is not None
    assert octets[12 : 12 + len(owner)] == owner
    (rrset,) = WORLD.send(query).answer
    assert [rdata.to_text() for rdata in rrset] == [address]
    assert rrset.name.labels[0] == label


def test_a_dot_in_a_label_is_no_label_border():
    assert WORLD.ask(rel("dot.ted")).rcode() == 3


LONGEST = ".".join(["a" * 63] * 3) + "." + "b" * 47 + ".rel.test.zone."
DEEPEST = "a." * 120 + "rel.test.zone."


@pytest.mark.parametrize("asked", [LONGEST, DEEPEST])
def test_the_longest_names_are_denied_like_others(asked):
    assert len(name(asked)) == 255
    reply = WORLD.ask(asked)
    assert reply.rcode() == 3
    assert rows(reply.authority) == [
        "rel.test.zone. 60 IN SOA ns1 hostmaster 2024010101 7200 900 1209600 60"
    ]


def test_127_labels_are_a_name():
    text = "$ORIGIN .\n$TTL 60\n. SOA a. b. 1 2 3 4 5\n. NS ns.example.\nns.example. A 192.0.2.1\n"
    deep = "x." * 127
    world = World(compile_text(text + f"{deep} TXT deep\n", "."))
    assert len(name(deep)) == 255
    assert rows(world.ask(deep, "TXT").answer) == [f'{deep} 60 IN TXT "deep"']
    assert world.ask("x." * 126, "TXT").rcode() == 0
    assert world.ask("y." + "x." * 126, "TXT").rcode() == 3
