"""The walk of RFC 1034 4.3.2 over random zones, against the same rules written the slow way."""

from __future__ import annotations

from collections.abc import Mapping

import dns.message
import dns.name
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.conformance.asking import World, compile_text
from tests.engine.conformance.octets import message, opt, question

APEX = dns.name.from_text("p.test.")
HEAD = "$ORIGIN p.test.\n$TTL 300\n@ SOA ns h 1 2 3 4 60\n@ NS ns.example.\n"
RDATA = {
    "TXT": "x",
    "A": "192.0.2.1",
    "NS": "ns.example.",
    "DS": f"1 13 2 {'ab' * 32}",
    "CNAME": "away.example.",
}
KINDS = (("TXT",), ("A",), ("A", "TXT"), ("NS",), ("NS", "DS"), ("CNAME",))

Owners = Mapping[dns.name.Name, tuple[str, ...]]
names = st.lists(st.sampled_from(["a", "b", "*", "A"]), min_size=1, max_size=4).map(
    lambda labels: dns.name.from_text(".".join(labels), APEX)
)


@st.composite
def zones(draw) -> Owners:
    owners = {}
    for owner in draw(st.lists(names, min_size=1, max_size=6)):
        is_wildcard = owner.labels[0] == b"*"
        kinds = [kind for kind in KINDS if "NS" not in kind or not is_wildcard]
        owners[owner] = draw(st.sampled_from(kinds))
    return owners


def expect(owners: Owners, qname: dns.name.Name, qtype: str) -> str:
    """What RFC 1034, 4035 and 4592 say: referral, NXDOMAIN, NODATA, CNAME or answer."""
    existing = {above for owner in owners for above in up_to_apex(owner)} | {APEX}
    for above in reversed(up_to_apex(qname)):
        is_ds_of_the_cut = above == qname and qtype == "DS"
        if "NS" in owners.get(above, ()) and not is_ds_of_the_cut:
            return "referral"
    if qname in existing:
        types = owners.get(qname, ())
    else:
        encloser = next(above for above in [*up_to_apex(qname), APEX] if above in existing)
        star = dns.name.Name([b"*", *encloser.labels])
        if star not in existing:
            return "NXDOMAIN"
        types = owners.get(star, ())
    if "CNAME" in types:
        return "CNAME"
    return "answer" if qtype in types else "NODATA"


def up_to_apex(owner: dns.name.Name) -> list[dns.name.Name]:
    """The name and all above it, without the zone's own."""
    found = []
    while owner != APEX:
        found.append(owner)
        owner = owner.parent()
    return found


def tell(reply: dns.message.Message, qname: dns.name.Name) -> str:
    if reply.rcode() == 3:
        return "NXDOMAIN"
    if reply.answer:
        (rrset,) = reply.answer
        assert rrset.name == qname
        return "CNAME" if rrset.rdtype == 5 else "answer"
    (rrset,) = reply.authority
    return "NODATA" if rrset.rdtype == 6 else "referral"


@given(zones(), st.lists(names, min_size=1, max_size=8))
def test_random_zones_are_walked_as_the_rfcs_say(owners, asked):
    lines = [f"{owner} {rtype} {RDATA[rtype]}" for owner, kind in owners.items() for rtype in kind]
    world = World(compile_text(HEAD + "\n".join(lines) + "\n", "p.test"))
    for qname in {*asked, *owners}:
        for qtype in ("A", "TXT", "DS", "NS"):
            query = message(question(qname.to_wire(), qtype), additional=(opt(),))
            assert tell(world.send(query), qname) == expect(owners, qname, qtype)
