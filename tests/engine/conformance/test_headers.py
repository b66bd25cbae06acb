"""ANY, meta types, classes, opcodes, counts and flags (RFC 8482, 8906, 9619)."""

from __future__ import annotations

import struct

import pytest

from tests.engine.conformance.asking import World, child_zone, rel, rel_world, rel_zone, rows
from tests.engine.conformance.octets import (
    ID,
    message,
    name,
    opt,
    question,
    record,
)

NOERROR, FORMERR, NXDOMAIN, NOTIMP, REFUSED = 0, 1, 3, 4, 5
WWW = question(rel("www"))
WORLD = rel_world()
CHAOS = World(rel_zone(), child_zone(), nsid="ns1-paris", version="gslb")


def errors(reply) -> list[int]:
    return [int(one.code) for one in reply.options if int(one.otype) == 15]


def test_any_is_one_small_record():
    assert rows(WORLD.ask(rel("www"), "ANY").answer) == ['www 3600 IN HINFO "RFC8482" ""']
    assert rows(WORLD.ask(rel("@"), "ANY").answer) == ['rel.test.zone. 3600 IN HINFO "RFC8482" ""']
    assert rows(WORLD.ask(rel("geo"), "ANY").answer) == ['geo 3600 IN HINFO "RFC8482" ""']
    assert rows(WORLD.ask(rel("x.wild"), "ANY").answer) == ['x.wild 3600 IN HINFO "RFC8482" ""']


def test_any_over_tcp_is_small_too():
    reply = WORLD.send_tcp(message(question(rel("www"), "ANY")))
    assert rows(reply.answer) == ['www 3600 IN HINFO "RFC8482" ""']


def test_any_of_a_name_that_is_not_there_is_nxdomain():
    assert WORLD.ask(rel("nope"), "ANY").rcode() == NXDOMAIN


@pytest.mark.parametrize("rtype", ["AXFR", "IXFR"])
@pytest.mark.parametrize("qname", ["rel.test.zone.", "example.org.", "www.rel.test.zone."])
def test_transfers_are_not_implemented_over_udp_and_refused_over_tcp(rtype, qname):
    query = message(question(qname, rtype))
    assert WORLD.send(query).rcode() == NOTIMP
    assert WORLD.send_tcp(query).rcode() == REFUSED


@pytest.mark.parametrize("rtype", ["MAILA", "MAILB"])
def test_mail_meta_types_are_not_implemented(rtype):
    assert WORLD.send(message(question(rel("www"), rtype))).rcode() == NOTIMP


@pytest.mark.parametrize("rtype", ["TSIG", "TKEY", "OPT", 128])
def test_types_that_are_no_questions_are_malformed(rtype):
    reply = WORLD.send(message(question(rel("www"), rtype), additional=(opt(),)))
    assert (reply.rcode(), errors(reply)) == (FORMERR, [30])
    assert WORLD.send(message(question(rel("nope"), rtype))).rcode() == FORMERR


@pytest.mark.parametrize("rtype", [0, 46, 47, 50, 65535, 127, 129, 248, 256])
def test_other_types_without_data_are_nodata(rtype):
    assert WORLD.ask(rel("www"), rtype).rcode() == NOERROR
    assert WORLD.ask(rel("nope"), rtype).rcode() == NXDOMAIN


@pytest.mark.parametrize(
    ("world", "qname", "told"),
    [
        (CHAOS, "version.bind.", "gslb"),
        (CHAOS, "VERSION.Server.", "gslb"),
        (CHAOS, "id.server.", "ns1-paris"),
        (CHAOS, "hostname.bind.", "ns1-paris"),
        (CHAOS, "www.rel.test.zone.", None),
        (CHAOS, "authors.bind.", None),
        (WORLD, "version.bind.", None),
        (WORLD, "id.server.", None),
    ],
)
def test_class_ch_tells_what_the_operator_chose(world, qname, told):
    reply = world.send(message(question(qname, "TXT", rclass=3), additional=(opt(),)))
    assert reply.rcode() == (REFUSED if told is None else NOERROR)
    assert rows(reply.answer) == ([f'{qname} 0 CH TXT "{told}"'] if told else [])


def test_class_ch_has_no_other_types():
    assert CHAOS.send(message(question("version.bind.", "A", rclass=3))).rcode() == REFUSED


@pytest.mark.parametrize("rclass", [0, 2, 4, 77, 254, 256, 65535])
def test_other_classes_are_refused(rclass):
    assert WORLD.send(message(question(rel("www"), rclass=rclass))).rcode() == REFUSED


@pytest.mark.parametrize(
    ("qname", "rcode"), [("www", NOERROR), ("nope", NXDOMAIN), ("geo", NOERROR)]
)
def test_class_any_is_answered_as_in_without_aa(qname, rcode):
    reply = WORLD.send(message(question(rel(qname), rclass=255), additional=(opt(),)))
    asked = WORLD.ask(rel(qname))
    assert reply.rcode() == rcode
    assert rows(reply.answer) == rows(asked.answer)
    assert not reply.flags & 0x0400
    assert asked.flags & 0x0400


@pytest.mark.parametrize("opcode", [1, 2, 3, 4, 5, 6, 15])
@pytest.mark.parametrize("additional", [(), (opt(),)])
def test_other_opcodes_are_not_implemented_and_answered_with_the_header_alone(opcode, additional):
    query = message(WWW, flags=opcode << 11 | 0x0170, additional=additional)
    expected = struct.pack("!HHHHHH", ID, 0x8000 | opcode << 11 | NOTIMP, 0, 0, 0, 0)
    assert WORLD.octets(query) == expected


@pytest.mark.parametrize(
    ("sent", "expected"),
    [(0, 0x8400), (0x0100, 0x8500), (0x0010, 0x8400), (0x0020, 0x8400), (0x0040, 0x8400)],
    ids=["none", "rd", "cd", "ad", "z"],
)
def test_i3_i4_only_rd_is_copied(sent, expected):
    for additional in ((), (opt(),), (opt(flags=0x8000),)):
        octets = WORLD.octets(message(WWW, flags=sent, additional=additional))
        assert octets is not None
        assert octets[2:4] == expected.to_bytes(2, "big")


@pytest.mark.parametrize("flags", [0x0200, 0x0003, 0x0080, 0x0400, 0x07F5])
def test_strange_flags_of_a_query_are_ignored(flags):
    reply = WORLD.send(message(WWW, flags=flags))
    assert rows(reply.answer) == ["www 300 IN A 192.0.2.10", "www 300 IN A 192.0.2.11"]


@pytest.mark.parametrize("length", range(12))
def test_i1_less_than_a_header_is_not_answered(length):
    assert WORLD.octets(message(WWW)[:length]) is None


@pytest.mark.parametrize("flags", [0x8000, 0x8400, 0x8180, 0xFFFF])
def test_i1_a_response_is_not_answered(flags):
    assert WORLD.octets(message(WWW, flags=flags)) is None


def header_only(rcode: int = FORMERR, flags: int = 0x8000) -> bytes:
    return struct.pack("!HHHHHH", ID, flags | rcode, 0, 0, 0, 0)


def test_no_question_is_malformed():
    assert WORLD.octets(message()) == header_only()
    reply = WORLD.send(message(additional=(opt(),)))
    assert (reply.rcode(), reply.edns, reply.question) == (FORMERR, 0, [])


@pytest.mark.parametrize("questions", [(WWW, WWW), (WWW, question(rel("mail"))), (WWW,) * 100])
def test_rfc9619_more_than_one_question_is_malformed(questions):
    assert WORLD.octets(message(*questions)) == header_only()


@pytest.mark.parametrize(
    "counts",
    [(1, 1, 0, 0), (1, 0, 1, 0), (1, 0, 0, 1), (1, 65535, 65535, 65535)],
)
def test_more_records_told_than_sent_is_malformed(counts):
    reply = WORLD.send(message(WWW, counts=counts))
    assert (reply.rcode(), len(reply.question)) == (FORMERR, 1)


@pytest.mark.parametrize("counts", [(2, 0, 0, 0), (65535, 0, 0, 0), (65535,) * 4])
def test_more_questions_told_than_sent_is_malformed(counts):
    assert WORLD.octets(message(WWW, counts=counts)) == header_only()


@pytest.mark.parametrize("section", ["answer", "authority", "additional"])
@pytest.mark.parametrize("owner", [name("x."), b"\xc0\x0c", b"\1a\xc0\x0c", b"\0"])
def test_records_in_a_query_are_ignored(section, owner):
    reply = WORLD.send(message(WWW, **{section: (record(owner), record(owner, 999, b""))}))
    assert rows(reply.answer) == ["www 300 IN A 192.0.2.10", "www 300 IN A 192.0.2.11"]


@pytest.mark.parametrize(
    "owner", [b"\xc0\xff", b"\xff\xff", b"\x40a\0", b"\xc0\x00", b"\1a" * 200 + b"\0"]
)
def test_broken_records_in_a_query_are_malformed(owner):
    reply = WORLD.send(message(WWW, authority=(record(owner),)))
    assert (reply.rcode(), len(reply.question)) == (FORMERR, 1)


@pytest.mark.parametrize(
    "qname",
    [
        b"\xc0\x0c",
        b"\3www\xc0\x0c",
        b"\x40" + b"a" * 64 + b"\0",
        b"\x80a\0",
        b"\x3f" + b"a" * 63 + (b"\x3f" + b"a" * 63) * 3 + b"\0",
        b"\1a" * 128 + b"\0",
        b"\3ww",
        b"",
    ],
    ids=["pointer", "suffix", "0x40", "0x80", "257", "128-labels", "cut", "empty"],
)
def test_a_question_that_cannot_be_read_is_answered_with_the_header_alone(qname):
    query = message(qname if qname in (b"\3ww", b"") else question(qname))
    assert WORLD.octets(query) == header_only()


@pytest.mark.parametrize("cut", [1, 2, 3, 4])
def test_a_question_cut_in_its_type_is_answered_with_the_header_alone(cut):
    assert WORLD.octets(message(WWW)[:-cut]) == header_only()
