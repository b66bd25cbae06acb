"""RFC 2308 and RFC 8020: what a denial says, and what it must never deny."""

from __future__ import annotations

import dns.name
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.conformance.asking import World, compile_text, rel, rel_world, rows
from tests.engine.conformance.octets import message, question

WORLD = rel_world()
HEAD = "$ORIGIN p.test.\n$TTL 300\n@ SOA ns h 1 2 3 4 60\n@ NS ns\nns A 192.0.2.1\n"


@pytest.mark.parametrize(("ttl", "minimum", "expected"), [(3600, 60, 60), (30, 60, 30), (60, 0, 0)])
def test_i11_a_denial_lives_as_long_as_the_lesser_of_ttl_and_minimum(ttl, minimum, expected):
    text = f"$ORIGIN n.test.\n@ {ttl} SOA ns h 1 2 3 4 {minimum}\n@ 60 NS ns\nns 60 A 192.0.2.1\n"
    world = World(compile_text(text, "n.test"))
    for name in ("nope.n.test.", "ns.n.test."):
        (soa,) = world.ask(name, "TXT").authority
        assert (soa.ttl, soa[0].minimum) == (expected, minimum)


def test_nxdomain_and_nodata_differ_in_the_rcode_only():
    nxdomain, nodata = WORLD.ask(rel("nope"), "TXT"), WORLD.ask(rel("www"), "TXT")
    assert (nxdomain.rcode(), nodata.rcode()) == (3, 0)
    assert nxdomain.flags & ~15 == nodata.flags & ~15
    assert rows(nxdomain.authority) == rows(nodata.authority)
    assert not nxdomain.additional


LABEL = st.sampled_from(["a", "b", "c", "*", "_x", "d.d"])
OWNER = st.lists(LABEL, min_size=1, max_size=5).map(".".join)


@given(st.lists(OWNER, min_size=1, max_size=6), st.lists(OWNER, max_size=3), st.randoms())
def test_rfc8020_no_name_above_an_existing_one_is_denied(owners, delegated, random):
    lines = [f"{owner} TXT x" for owner in owners]
    lines += [f"{owner} NS ns" for owner in delegated if not owner.startswith("*")]
    world = World(compile_text(HEAD + "\n".join(lines) + "\n", "p.test"))
    apex = dns.name.from_text("p.test.")
    for owner in owners:
        name = dns.name.from_text(f"{owner}.p.test.")
        while name != apex:
            qtype = random.choice(["A", "TXT", "DS", "NS"])
            assert world.send(message(question(name.to_text(), qtype))).rcode() == 0
            name = name.parent()
