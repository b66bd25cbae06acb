import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslb.wire.soa import compose_soa_query, judge_soa_reply

ZONE = "gslb.shop.example"
SOA = "ns1.gslb.shop.example. hostmaster.shop.example. 1 7200 900 1209600 30"


def reply(**changes):
    """A right answer by dnspython, but for the changes."""
    made = dns.message.make_response(dns.message.from_wire(compose_soa_query(7, ZONE)))
    made.flags |= dns.flags.AA if changes.get("aa", True) else 0
    if changes.get("soa", True):
        made.answer.append(dns.rrset.from_text(f"{ZONE}.", 60, "IN", "SOA", SOA))
    made.set_rcode(changes.get("rcode", 0))
    if "opcode" in changes:
        made.set_opcode(changes["opcode"])
    return made.to_wire()


def test_the_query_is_what_dnspython_makes():
    ours = compose_soa_query(7, ZONE)
    made = dns.message.make_query(ZONE, "SOA", flags=0, id=7)
    assert ours == made.to_wire()


@pytest.mark.parametrize(
    ("octets", "problem"),
    [
        (reply(), ""),
        (reply(rcode=dns.rcode.REFUSED), "answered REFUSED"),
        (reply(rcode=dns.rcode.SERVFAIL), "answered SERVFAIL"),
        (reply(rcode=dns.rcode.YXDOMAIN), "answered RCODE 6"),
        (reply(aa=False), "answered without authority"),
        (reply(soa=False), "answered without an SOA"),
        (reply(opcode=dns.opcode.NOTIFY), None),
        (compose_soa_query(7, ZONE), None),
        (b"\0\x08" + reply()[2:], None),
        (reply().replace(b"\4shop", b"\4chop"), None),
        (reply()[:20], None),
        (b"", None),
    ],
    ids=str,
)
def test_what_is_wrong_with_a_reply(octets, problem):
    assert judge_soa_reply(octets, 7, ZONE) == problem


def test_a_reply_in_another_case_is_to_this_query():
    assert judge_soa_reply(reply().replace(b"shop", b"SHOP"), 7, ZONE) == ""


@given(st.binary(max_size=80))
def test_any_octets_are_judged(octets):
    judge_soa_reply(octets, 7, ZONE)
    assert judge_soa_reply(b"\0\7\x84\0" + octets, 7, ZONE) in (None, "", "answered without an SOA")
