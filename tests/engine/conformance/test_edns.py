"""RFC 6891: E1 to E15."""

from __future__ import annotations

import struct

import pytest

from tests.engine.conformance.asking import World, compile_text, rel, rel_world, rows
from tests.engine.conformance.octets import DO, ecs, message, name, opt, option, question, record

NOERROR, FORMERR, NXDOMAIN, BADVERS = 0, 1, 3, 16
WWW = question(rel("www"))
WORLD = rel_world()
BIG = World(
    compile_text(
        "$ORIGIN big.test.\n$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n"
        + "".join(f"big TXT {'x' * 250}{at}\n" for at in range(8)),
        "big.test",
    )
)


def expect_answer(reply):
    assert reply.rcode() == NOERROR
    assert rows(reply.answer) == ["www 300 IN A 192.0.2.10", "www 300 IN A 192.0.2.11"]


def expect_formerr(query: bytes, *, with_opt: bool, with_question: bool = True):
    reply = WORLD.send(query)
    assert reply.rcode() == FORMERR
    assert not reply.answer + reply.authority + reply.additional
    assert (reply.edns == 0) is with_opt
    assert bool(reply.question) is with_question


def test_e1_no_opt_is_answered_without_opt():
    reply = WORLD.send(message(WWW))
    expect_answer(reply)
    assert reply.edns == -1


def test_e2_opt_is_answered_with_opt():
    reply = WORLD.send(message(WWW, additional=(opt(),)))
    expect_answer(reply)
    assert (reply.edns, reply.payload, reply.ednsflags, reply.options) == (0, 1232, 0, ())


@pytest.mark.parametrize("version", [1, 255])
@pytest.mark.parametrize("flags", [0, DO, 0x7FFF])
@pytest.mark.parametrize(
    "options", [(), (option(3),), (ecs(1, 24, b"\x08\x08\x08"),), (option(65001, b"\0" * 9),)]
)
def test_e3_a_later_version_is_badvers(version, flags, options):
    query = message(WWW, additional=(opt(*options, version=version, flags=flags),))
    reply = WORLD.send(query)
    assert (reply.rcode(), reply.edns, reply.options) == (BADVERS, 0, ())
    assert reply.ednsflags & 0xFFFF == flags & DO
    assert not reply.answer


def test_e3_options_of_a_later_version_are_not_read():
    query = message(WWW, additional=(opt(b"\0\x08\xff\xff", version=1),))
    assert WORLD.send(query).rcode() == BADVERS


@pytest.mark.parametrize(
    "options",
    [
        (option(100, b"abc"),),
        (option(65001),) * 3,
        (option(9),),
        (option(13, name("test.")),),
        (option(15, b"\0\x14why"),),
        (option(10, b"\1" * 8),),
        (option(12, b"\0" * 40),),
        (option(0, b""),),
        (option(65535, b"x"),) * 40,
    ],
    ids=["unknown", "three", "expire", "chain", "ede", "cookie", "padding", "zero", "forty"],
)
def test_e4_unknown_options_are_ignored_and_not_echoed(options):
    reply = WORLD.send(message(WWW, additional=(opt(*options),)))
    expect_answer(reply)
    assert reply.options == ()


@pytest.mark.parametrize("cookie", [b"", b"\1" * 7, b"\1" * 9, b"\1" * 41])
def test_e4_cookies_of_any_length_are_ignored_until_they_are_served(cookie):
    expect_answer(WORLD.send(message(WWW, additional=(opt(option(10, cookie)),))))


@pytest.mark.parametrize(
    ("flags", "extended"), [(0x7FFF, 0), (0xFFFF, 0), (0, 255), (0x4000, 1), (0x0001, 16)]
)
def test_e5_unknown_flags_and_an_extended_rcode_are_ignored(flags, extended):
    reply = WORLD.send(message(WWW, additional=(opt(flags=flags, extended=extended),)))
    expect_answer(reply)
    assert reply.ednsflags & 0x7FFF == 0


@pytest.mark.parametrize("qname", ["www", "nope", "sub", "geo"])
def test_e6_do_is_copied(qname):
    query = message(question(rel(qname)), additional=(opt(flags=DO),))
    assert WORLD.send(query).ednsflags == DO


@pytest.mark.parametrize("size", [0, 1, 511, 512])
def test_e7_a_size_below_512_counts_as_512(size):
    expect_answer(WORLD.send(message(WWW, additional=(opt(size=size),))))
    reply = BIG.octets(message(question("big.big.test.", "TXT"), additional=(opt(size=size),)))
    assert reply is not None
    assert len(reply) <= 512


def test_e8_no_answer_is_above_1232():
    query = message(question("big.big.test.", "TXT"), additional=(opt(size=65535),))
    reply = BIG.send(query)
    assert reply.flags & 0x0200
    assert (reply.edns, reply.payload) == (0, 1232)
    assert not reply.answer


@pytest.mark.parametrize("second", [opt(), opt(version=1), opt(flags=DO)])
def test_e9_two_opts_are_malformed(second):
    expect_formerr(message(WWW, additional=(opt(), second)), with_opt=True)


@pytest.mark.parametrize("owner", [name("a."), name("rel.test.zone."), b"\xc0\x0c"])
def test_e10_an_opt_that_is_not_at_the_root_is_malformed(owner):
    expect_formerr(message(WWW, additional=(opt(owner=owner),)), with_opt=False)


@pytest.mark.parametrize(
    "broken",
    [
        opt(length=1),
        opt(length=65535),
        opt(b"\0"),
        opt(b"\0\x03\0"),
        opt(b"\0\x64\0\x05abcd"),
        opt(option(100, b"abc"), b"\0\x64"),
        opt(b"\0\x64\xff\xff"),
        opt(option(100, b"abc"), length=6),
    ],
)
def test_e11_a_broken_opt_is_malformed_and_answered_with_opt(broken):
    expect_formerr(message(WWW, additional=(broken,)), with_opt=True)


@pytest.mark.parametrize("cut", range(1, 11))
def test_e11_an_opt_cut_in_its_fixed_part_is_no_opt(cut):
    query = message(WWW, additional=(opt(),))[:-cut]
    expect_formerr(query, with_opt=False)


@pytest.mark.parametrize("section", ["answer", "authority"])
def test_e12_an_opt_in_another_section_is_malformed(section):
    expect_formerr(message(WWW, **{section: (opt(),)}), with_opt=False)


@pytest.mark.parametrize("before", [True, False])
def test_e13_other_additional_records_may_stand_around_opt(before):
    other = record(name("x."))
    additional = (other, opt(flags=DO)) if before else (opt(flags=DO), other)
    reply = WORLD.send(message(WWW, additional=additional))
    expect_answer(reply)
    assert reply.ednsflags == DO


@pytest.mark.parametrize("trailing", [b"\0", b"x", b"\0" * 200, opt()])
@pytest.mark.parametrize("additional", [(), (opt(),)])
def test_e14_octets_behind_the_message_are_no_fault(trailing, additional):
    expect_answer(WORLD.send(message(WWW, additional=additional) + trailing))


def test_e15_tcp_is_not_limited_by_the_size_in_opt():
    query = message(question("big.big.test.", "TXT"), additional=(opt(size=512),))
    reply = BIG.send_tcp(query)
    assert len(reply.answer[0]) == 8
    assert reply.payload == 1232
    assert len(BIG.send_tcp(message(question("big.big.test.", "TXT"))).answer[0]) == 8


# The queries of RFC 8906 8.1 and 8.2, by the dig options that it names them by.
FLAGS = {"plain": 0, "ad": 0x20, "cd": 0x10, "z": 0x40, "tc": 0x200, "rd": 0x100}
OPTS = {
    "edns": opt(),
    "ednsversion1": opt(version=1),
    "ednsopt100": opt(option(100)),
    "ednsflags0x40": opt(flags=0x40),
    "dnssec": opt(flags=DO),
    "version1_opt100": opt(option(100), version=1),
    "version1_flags": opt(version=1, flags=0x40),
    "bufsize512": opt(size=512, flags=DO),
    "all_options": opt(option(3), option(10, b"\1" * 8), option(9), ecs(1, 0)),
}


@pytest.mark.parametrize("flags", FLAGS.values(), ids=FLAGS.keys())
@pytest.mark.parametrize("rtype", ["SOA", 1000])
def test_rfc8906_8_1_flags_do_not_matter(flags, rtype):
    reply = WORLD.send(message(question(rel("@"), rtype), flags=flags))
    assert (reply.rcode(), bool(reply.answer)) == (NOERROR, rtype == "SOA")


@pytest.mark.parametrize("sent", OPTS.values(), ids=OPTS.keys())
@pytest.mark.parametrize("over_tcp", [False, True])
def test_rfc8906_8_2_edns_is_answered(sent, over_tcp):
    query = message(question(rel("@"), "SOA"), additional=(sent,))
    reply = (WORLD.send_tcp if over_tcp else WORLD.send)(query)
    version, flags = struct.unpack_from("!BH", sent, 6)
    assert reply.rcode() == (BADVERS if version else NOERROR)
    assert bool(reply.answer) is (version == 0)
    assert (reply.edns, reply.ednsflags & 0xFFFF) == (0, flags & DO)


@pytest.mark.parametrize(
    "edge",
    [bytes((opcode << 3,)) for opcode in range(1, 16)],
)
def test_rfc8906_8_1_unknown_opcodes_are_not_implemented(edge):
    query = bytearray(12)
    query[2:3] = edge
    assert WORLD.send(bytes(query)).rcode() == 4
