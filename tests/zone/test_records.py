from __future__ import annotations

from ipaddress import ip_address

import dns.rdata
import pytest

from gslb.wire import codes
from gslb.wire.names import Name
from gslb.zone.records import RRset, address_rrset, canonical, soa_minimum, to_rdata


@pytest.mark.parametrize(
    ("rtype", "text", "pieces"),
    [
        ("A", "192.0.2.1", [b"\xc0\0\2\1"]),
        ("NS", "Ns.a.", [Name(b"\2Ns\1a\0")]),
        ("CNAME", "a.", [Name(b"\1a\0")]),
        ("PTR", "a.", [Name(b"\1a\0")]),
        ("MX", "10 m.", [b"\0\x0a", Name(b"\1m\0")]),
        ("SOA", "n. h. 1 2 3 4 5", [Name(b"\1n\0"), Name(b"\1h\0"), bytes(range(1, 6))]),
        ("SRV", "1 2 3 t.", [b"\0\1\0\2\0\3\1t\0"]),
        ("TXT", '"a" ""', [b"\1a\0"]),
        ("TYPE65280", "\\# 2 0aFF", [b"\x0a\xff"]),
    ],
)
def test_only_names_of_rfc_1035_types_may_be_compressed(rtype, text, pieces):
    found = to_rdata(dns.rdata.from_text("IN", rtype, text))
    if rtype == "SOA":
        pieces[2] = b"".join(bytes((0, 0, 0, field)) for field in pieces[2])
    assert found == tuple(pieces)
    assert [type(piece) for piece in found] == [type(piece) for piece in pieces]


def test_records_are_the_same_when_only_the_case_of_a_name_differs():
    one, other = (to_rdata(dns.rdata.from_text("IN", "MX", f"10 {name}")) for name in ("M.", "m."))
    assert one != other
    assert canonical(one) == canonical(other)
    texts = [to_rdata(dns.rdata.from_text("IN", "TXT", text)) for text in ("A", "a")]
    assert canonical(texts[0]) != canonical(texts[1])


def test_addresses_become_records_of_their_family_once_each():
    addresses = [ip_address(a) for a in ("192.0.2.1", "2001:db8::1", "192.0.2.1", "192.0.2.2")]
    assert address_rrset(codes.A, 30, addresses) == RRset(
        codes.A, 30, ((b"\xc0\0\2\1",), (b"\xc0\0\2\2",))
    )
    ipv6 = address_rrset(codes.AAAA, 30, addresses)
    assert ipv6 is not None
    assert [rdata[0][-1] for rdata in ipv6.rdatas] == [1]
    assert address_rrset(codes.AAAA, 30, addresses[:1]) is None


def test_the_minimum_is_the_last_field_of_soa():
    rdata = to_rdata(dns.rdata.from_text("IN", "SOA", "n. h. 1 2 3 4 4294967295"))
    assert soa_minimum(RRset(codes.SOA, 60, (rdata,))) == 4294967295
