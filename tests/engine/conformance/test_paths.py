"""That the other tests ask the fast path indeed: what it must answer once it has learned."""

from __future__ import annotations

import pytest

from tests.engine.conformance.asking import LOCALHOST, World, make_table, rel, rel_zone
from tests.engine.conformance.octets import RD, ecs, message, opt, option, question

WORLD = World(rel_zone(), table=make_table())
COOKIE = option(10, b"\1" * 8)


@pytest.mark.parametrize(
    "additional",
    [
        (),
        (opt(),),
        (opt(flags=0x8000),),
        (opt(COOKIE),),
        (opt(ecs(1, 24, b"\x08\x08\x08")),),
        (opt(COOKIE, ecs(1, 24, b"\x0a\0\0")),),
    ],
    ids=["plain", "edns", "do", "cookie", "subnet", "private"],
)
@pytest.mark.parametrize("qname", ["www", "WWW", "geo", "away", "nope", "a.nope", "sub", "alias"])
def test_a_usual_query_is_answered_by_the_fast_path_the_second_time(qname, additional):
    query = message(question(rel(qname)), flags=RD, additional=additional)
    WORLD.octets(query)
    slow = WORLD.fast.counts.general
    assert WORLD.fast.answer(query, LOCALHOST) is not None
    assert WORLD.fast.counts.general == slow


@pytest.mark.parametrize(
    "query",
    [
        message(question(rel("www"), rclass=3)),
        message(question(rel("www"), "AXFR")),
        message(question("example.org.")),
        message(question(rel("www")), flags=0x0200),
        message(question(rel("www")), additional=(opt(version=1),)),
        message(question(rel("www"))) + b"x",
        b"\0" * 12,
    ],
    ids=["ch", "axfr", "not ours", "tc", "version", "trailing", "empty"],
)
def test_an_unusual_query_is_left_to_the_general_path(query):
    slow = WORLD.fast.counts.general
    assert WORLD.fast.answer(query, LOCALHOST) == WORLD.engine.answer(query, LOCALHOST)
    assert WORLD.fast.counts.general == slow + 1
