from __future__ import annotations

import struct

import dns.message
import dns.rdata
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslb.wire import codes
from gslb.wire.compose import Opt, Owned, Reply, compose_opt, compose_reply
from gslb.wire.names import Name, from_text
from tests.engine.conformance.octets import question, walk

ASKED = question("www.Shop.example.")


def a(owner: str, count: int = 1) -> Owned:
    rdatas = tuple((bytes((192, 0, 2, at)),) for at in range(count))
    return Owned(from_text(owner), codes.A, 60, rdatas)


def mx(owner: str, *targets: str) -> Owned:
    rdatas = tuple((b"\0\x0a", from_text(target)) for target in targets)
    return Owned(from_text(owner), codes.MX, 60, rdatas)


def test_a_reply_octet_by_octet():
    reply = Reply(
        id=0xBEEF,
        flags=0x8400,
        rcode=0,
        question=ASKED,
        answer=(mx("www.shop.example.", "mail.shop.example.", "x.MAIL.shop.example."),),
        opt=Opt(1232, dnssec_ok=True, options=b"\0\3\0\1x"),
    )
    assert compose_reply(reply) == (
        b"\xbe\xef\x84\x00\0\1\0\2\0\0\0\1"
        b"\3www\4Shop\7example\0\0\1\0\1"
        b"\xc0\x0c\0\x0f\0\1\0\0\0\x3c\0\x09\0\x0a\4mail\xc0\x10"
        b"\xc0\x0c\0\x0f\0\1\0\0\0\x3c\0\x06\0\x0a\1x\xc0\x30"
        b"\0\0\x29\x04\xd0\0\0\x80\0\0\5\0\3\0\1x"
    )


def test_only_names_marked_as_such_are_compressed():
    target = bytes(from_text("www.shop.example."))
    plain = Owned(from_text("www.shop.example."), codes.SRV, 60, ((b"\0\0\0\0\0\x50", target),))
    octets = compose_reply(Reply(1, 0x8400, 0, ASKED, (plain,)))
    assert octets.endswith(b"\0\x18" + b"\0\0\0\0\0\x50" + target)


def test_the_root_is_never_a_pointer():
    octets = compose_reply(Reply(1, 0x8400, 0, ASKED, (mx(".", "."),)))
    assert octets.endswith(b"\0\0\x0f\0\1\0\0\0\x3c\0\3\0\x0a\0")


@pytest.mark.parametrize("rcode", [0, 1, 3, 5, 15, 16, 23])
def test_opt_holds_the_upper_bits_of_the_rcode(rcode):
    octets = compose_reply(Reply(1, 0x8000, rcode, ASKED, opt=Opt(1232, dnssec_ok=False)))
    assert dns.message.from_wire(octets).rcode() == rcode
    assert octets[3] & 15 == rcode & 15


def test_opt_alone():
    assert compose_opt(Opt(512, dnssec_ok=False)) == b"\0\0\x29\x02\0\0\0\0\0\0\0"


def test_names_beyond_the_reach_of_a_pointer_are_written_out():
    # 0x3FFF is the last octet that a pointer reaches; the owners around it must still be right.
    rrsets = tuple(mx(f"owner{at}.", f"target{at}.example.") for at in range(1000))
    rrsets += tuple(mx(f"owner{at}.", f"TARGET{at}.example.") for at in range(1000))
    octets = compose_reply(Reply(1, 0x8400, 0, ASKED, rrsets))
    assert len(octets) > 0x3FFF
    parsed = dns.message.from_wire(octets, one_rr_per_rrset=True)
    found = [(str(one.name), str(one[0].exchange).lower()) for one in parsed.answer]
    assert found == [(f"owner{at}.", f"target{at}.example.") for at in (*range(1000), *range(1000))]


@pytest.mark.parametrize("before", range(0x3FF0, 0x4004))
def test_the_last_octet_that_a_pointer_reaches(before):
    filler = Owned(from_text("f."), 65280, 60, ((b"x" * (before - 12 - len(ASKED) - 13),),))
    late = (mx("late.owner.", "far.late.owner."), mx("late.owner.", "near.far.late.owner."))
    octets = compose_reply(Reply(1, 0x8400, 0, ASKED, (filler, *late)))
    parsed = dns.message.from_wire(octets, one_rr_per_rrset=True)
    assert [str(one.name) for one in parsed.answer] == ["f.", "late.owner.", "late.owner."]
    exchanges = [str(one[0].exchange) for one in parsed.answer[1:]]
    assert exchanges == ["far.late.owner.", "near.far.late.owner."]
    assert walk(octets).records[1].owner == before


ROOM = 12 + len(ASKED)


@pytest.mark.parametrize(
    ("limit", "counts", "truncated"),
    [
        (ROOM + 16 * 4, (1, 1, 2), False),
        (ROOM + 16 * 4 - 1, (1, 1, 1), False),
        (ROOM + 16 * 3 - 1, (1, 1, 0), True),
        (ROOM + 16 * 2 - 1, (1, 0, 0), True),
        (ROOM + 16 - 1, (0, 0, 0), True),
    ],
)
def test_rrsets_leave_from_the_end(limit, counts, truncated):
    owner = "www.shop.example."
    reply = Reply(1, 0x8400, 0, ASKED, (a(owner),), (a(owner),), (a(owner),), (a(owner),))
    octets = compose_reply(reply, limit)
    assert struct.unpack_from("!4H", octets, 4) == (1, *counts)
    assert len(octets) == ROOM + 16 * sum(counts)
    assert bool(octets[2] & 2) is truncated


def test_rrsets_are_whole_or_absent():
    reply = Reply(1, 0x8400, 0, ASKED, (a("www.shop.example.", 10),))
    assert len(compose_reply(reply, ROOM + 160)) == ROOM + 160
    assert len(compose_reply(reply, ROOM + 159)) == ROOM


def test_the_room_of_opt_is_taken_first():
    reply = Reply(1, 0x8400, 0, ASKED, (a("www.shop.example."),), opt=Opt(1232, dnssec_ok=False))
    assert len(compose_reply(reply, ROOM + 27)) == ROOM + 27
    cut = compose_reply(reply, ROOM + 26)
    assert len(cut) == ROOM + 11
    assert dns.message.from_wire(cut).edns == 0


label = st.sampled_from([b"a", b"B", b"example", b"x" * 63, b"d.t", b"z\0", b"\xc0\x0c"])
names = st.lists(label, max_size=4).map(
    lambda labels: Name(b"".join(bytes((len(one),)) + one for one in labels) + b"\0")
)


@given(names, st.lists(st.tuples(names, names), max_size=12))
def test_any_names_are_read_back_by_dnspython(asked, pairs):
    rrsets = tuple(
        Owned(o, codes.MX, 60, ((at.to_bytes(2, "big"), t),)) for at, (o, t) in enumerate(pairs)
    )
    octets = compose_reply(Reply(1, 0x8400, 0, question(asked, "MX"), rrsets))
    parsed = dns.message.from_wire(octets, one_rr_per_rrset=True)
    found = [
        (one.name.to_wire().lower(), one[0].exchange.to_wire().lower()) for one in parsed.answer
    ]
    assert found == [(owner.lower(), target.lower()) for owner, target in pairs]
    assert parsed.question[0].name.to_wire() == asked
