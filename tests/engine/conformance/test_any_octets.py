"""Any octets in, a reply or silence out, nothing else; and both paths say the same."""

from __future__ import annotations

from ipaddress import ip_address

from hypothesis import example, given
from hypothesis import strategies as st

from gslb.engine.fast import FastPath
from tests.engine.conformance.asking import rel, rel_world
from tests.engine.conformance.invariants import check_reply
from tests.engine.conformance.octets import ecs, message, name, opt, option, question, record

WORLD = rel_world()
SOURCES = st.sampled_from(
    [ip_address(a).packed for a in ("127.0.0.1", "8.8.8.8", "::1", "::ffff:1.2.3.4")]
)
NAMES = [
    rel(label)
    for label in (
        *("@", "www", "WWW", "geo", "gEo", "away", "dark", "alias", "dangle", "loopa", "c1", "sub"),
        *("h.sub", "todeleg", "toservice", "ent", "a.ent", "nope", "x.y.wild", "q.wcn", "child"),
        *("www.child", "signed", "svc", "generic", "x.wildgeo", "*.wild"),
    )
] + ["example.org.", ".", "version.bind."]
TYPES = [
    0,
    1,
    2,
    5,
    6,
    15,
    16,
    28,
    33,
    41,
    43,
    64,
    65,
    97,
    128,
    250,
    252,
    255,
    65280,
    0x4101,
    0x6101,
]
OPTIONS = [
    ecs(1, 24, b"\x08\x08\x08"),
    ecs(1, 24, b"\xc1\0\6"),
    ecs(1, 24, b"\x0a\0\0"),
    ecs(2, 56, b"\x20\x01\x06" + b"\0" * 4),
    ecs(0, 0),
    ecs(1, 33, b"\1\2\3\4\5"),
    option(3),
    option(10, b"\1" * 8),
    option(11),
    option(65001, b"x"),
]

questions = st.builds(
    question, st.sampled_from(NAMES), st.sampled_from(TYPES), st.sampled_from([1, 1, 1, 3, 255])
)
opts = st.builds(
    lambda options, size, version, flags: opt(*options, size=size, version=version, flags=flags),
    st.lists(st.sampled_from(OPTIONS), max_size=3),
    st.sampled_from([0, 512, 1232, 65535]),
    st.sampled_from([0, 0, 0, 1]),
    st.sampled_from([0, 0x8000, 0xFFFF]),
)
records = st.builds(record, st.sampled_from([b"\0", name("x."), b"\xc0\x0c"]))
messages = st.builds(
    lambda asked, flags, additional: message(asked, flags=flags, additional=tuple(additional)),
    questions,
    st.sampled_from([0, 0x0100, 0x0110, 0x0120, 0x0130, 0x2000, 0x0200]),
    st.lists(st.one_of(opts, opts, records), max_size=2),
)


def answer_every_way(query: bytes, source: bytes) -> None:
    """Old entries and new ones, UDP and TCP."""
    WORLD.octets(query, source)
    cold = FastPath(WORLD.engine, None)
    check_reply(query, cold.answer(query, source))
    check_reply(query, WORLD.engine.answer(query, source, is_tcp=True), is_tcp=True)


@given(st.binary(max_size=600), SOURCES)
@example(b"", b"\x7f\0\0\1")
@example(b"\0" * 12, b"\x7f\0\0\1")
@example(b"\0" * 11 + b"\1", b"\x7f\0\0\1")
@example(b"\xff" * 64, b"\x7f\0\0\1")
def test_random_octets(query, source):
    answer_every_way(query, source)


@given(st.binary(max_size=200), st.sampled_from([1, 2, 257]), SOURCES)
def test_random_octets_behind_a_header(rest, count, source):
    answer_every_way(message(counts=(1, 0, 0, count & 1)) + rest, source)


@given(messages, SOURCES)
def test_valid_queries(query, source):
    answer_every_way(query, source)


@given(messages, SOURCES, st.data())
def test_flipped_bits(query, source, data):
    octets = bytearray(query)
    for at in data.draw(st.lists(st.integers(0, len(query) * 8 - 1), min_size=1, max_size=4)):
        octets[at // 8] ^= 1 << at % 8
    answer_every_way(bytes(octets), source)


@given(messages, SOURCES, st.data())
def test_cut_short(query, source, data):
    answer_every_way(query[: data.draw(st.integers(0, len(query)))], source)


@given(messages, SOURCES, st.binary(min_size=1, max_size=64))
def test_extended(query, source, tail):
    answer_every_way(query + tail, source)


@given(messages, messages, SOURCES, st.data())
def test_spliced(one, other, source, data):
    cut, join = data.draw(st.integers(0, len(one))), data.draw(st.integers(0, len(other)))
    answer_every_way(one[:cut] + other[join:], source)


@given(messages, SOURCES, st.data())
def test_octets_replaced_by_the_edges_of_their_range(query, source, data):
    octets = bytearray(query)
    for at in data.draw(st.lists(st.integers(2, len(query) - 1), min_size=1, max_size=3)):
        octets[at] = data.draw(st.sampled_from([0, 1, 0x29, 0x3F, 0x40, 0x7F, 0x80, 0xC0, 0xFF]))
    answer_every_way(bytes(octets), source)
