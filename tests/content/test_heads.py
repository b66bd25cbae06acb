"""Reading values: lists, quoted strings, tags, dates."""

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslb.content.heads import (
    compose_date,
    is_tag,
    maybe_date,
    members,
    tags,
    unquoted,
    weakened,
    with_lines,
)
from tests.content.heads import ask


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(b"", [], id="nothing"),
        pytest.param(b"a, b,c", [b"a", b"b", b"c"], id="plain"),
        pytest.param(b" , a ,,\tb ,", [b"a", b"b"], id="empty members"),
        pytest.param(b'a="x, y", b', [b'a="x, y"', b"b"], id="comma in quotes"),
        pytest.param(rb'a="x\", y", b', [rb'a="x\", y"', b"b"], id="escaped quote"),
        pytest.param(b'a="x, b', [b'a="x, b'], id="quote that never ends"),
        pytest.param(b'a="x\\', [b'a="x\\'], id="escape at the end"),
        pytest.param(b'"", a', [b'""', b"a"], id="empty string"),
    ],
)
def test_members(value, expected):
    assert members(value) == expected


@given(st.binary(max_size=40))
def test_members_lose_only_commas_and_blanks(value):
    def bare(octets):
        return octets.translate(None, b", \t")

    assert bare(b"".join(members(value))) == bare(value)


@pytest.mark.parametrize("value", [b'"\\"', b'"', b'"a', b'",', b"a,", b'a"b\\'], ids=repr)
def test_law_1_reading_is_linear(value):
    began = time.perf_counter()
    members(value * 20_000)
    tags(value * 20_000)
    assert time.perf_counter() - began < 2.0


@pytest.mark.parametrize(
    ("value", "expected"),
    [(b'"a b"', b"a b"), (rb'"a\"b"', b'a"b'), (b"a", b"a"), (b'"', b'"'), (b'""', b"")],
    ids=repr,
)
def test_unquoted(value, expected):
    assert unquoted(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(b'"a"', [b'"a"'], id="one"),
        pytest.param(b'W/"a", "b"', [b'"a"', b'"b"'], id="weak and strong"),
        pytest.param(b'"a,b"', [b'"a,b"'], id="comma inside"),
        pytest.param(b'"a b", "c"', [b'"c"'], id="blank inside is no tag"),
        pytest.param(b"abc", [], id="no quotes"),
        pytest.param(b'"a', [], id="no end"),
    ],
)
def test_tags(value, expected):
    assert tags(value) == expected


def test_tag_forms():
    assert [is_tag(tag) for tag in (b'"a"', b'W/"a"', b'w/"a"', b"a", b'"a"b')] == [
        *(True, True),
        *(False, False, False),
    ]
    assert (weakened(b'"a"'), weakened(b'W/"a"')) == (b'W/"a"', b'W/"a"')


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(b"Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777.0, id="IMF-fixdate"),
        pytest.param(b"Sunday, 06-Nov-94 08:49:37 GMT", 784_111_777.0, id="RFC 850"),
        pytest.param(b"Sun Nov  6 08:49:37 1994", 784_111_777.0, id="asctime"),
        pytest.param(b"Thursday, 01-Jan-26 00:00:00 GMT", 1_767_225_600.0, id="RFC 850, 2026"),
        pytest.param(b"Thu, 31 Dec 1998 23:59:60 GMT", 915_148_800.0, id="leap second"),
        pytest.param(b"0", None, id="0"),
        pytest.param(b"", None, id="nothing"),
        pytest.param(b"Sun, 06 Nov 1994 08:49:37 CET", None, id="another zone"),
        pytest.param(b"Sun, 06 Nov 1994 24:49:37 GMT", None, id="hour 24"),
        pytest.param(b"Sun, 00 Nov 1994 08:49:37 GMT", None, id="day 0"),
        pytest.param(b"Sun, 06 Foo 1994 08:49:37 GMT", None, id="no month"),
        pytest.param(b"Sun, 06 Nov 0000 08:49:37 GMT", None, id="year 0"),
        pytest.param(b"Sun, 06 Nov 1994 08:49:37 GMT, " * 2, None, id="two dates"),
        pytest.param(None, None, id="none"),
    ],
)
def test_dates(value, expected):
    assert maybe_date(value) == expected


@given(st.integers(min_value=0, max_value=4_000_000_000))
def test_dates_come_back(at):
    composed = compose_date(at)
    assert maybe_date(composed) == at
    assert composed[5:16].decode() == datetime.fromtimestamp(at, UTC).strftime("%d %b %Y")


def test_with_lines_leaves_the_request_alone():
    request = ask("A: 1", "Cookie: x=1")
    other = with_lines(request, [b"Host: shop.example", b"Cookie: a=1", b"Cookie: b=2"])
    assert request.fields == {b"host": b"shop.example", b"a": b"1", b"cookie": b"x=1"}
    assert other.fields == {b"host": b"shop.example", b"cookie": b"a=1; b=2"}
    assert (other.target, other.authority, other.body) == (b"/a", b"shop.example", 0)
