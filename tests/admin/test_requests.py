"""Bodies of orders, good and bad."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslb.admin.requests import MAX_BODY_OCTETS, OrderRequest, parse_order_request
from gslb.model.order import OrderKind


def body(**changes: object) -> bytes:
    whole = {"site": "eu", "do": "drain", "reason": "upgrade", **changes}
    return json.dumps({key: value for key, value in whole.items() if value != ...}).encode()


def test_least_that_an_order_needs():
    assert parse_order_request(body()) == OrderRequest("eu", OrderKind.DRAIN, "upgrade")


def test_all_that_an_order_can_say():
    octets = body(do="up", owner=" anna ", until_at=1_790_000_000, force=True, reason='\\"[' * 20)
    assert parse_order_request(octets) == OrderRequest(
        "eu", OrderKind.UP, '\\"[' * 20, "anna", 1_790_000_000.0, is_forced=True
    )


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"\xff", "is not UTF-8"),
        (b"[]", "must be a JSON object"),
        (b"[" * 60_000, "nested deeper than 8"),
        (b'{"site":' * 9, "nested deeper than 8"),
        ('{"a":1}'.encode("utf-16"), "is not UTF-8"),
        (b'{"site": "eu", "site": "us"}', "a key stands twice"),
        (b'{"until_at": NaN}', "NaN is no number"),
        (b'{"until_at": -Infinity}', "-Infinity is no number"),
        (b'{"until_at": ' + b"1" * 5000 + b"}", "Exceeds the limit"),
        (body(what=1), "unknown key 'what'; allowed: site, do"),
        (body(site=...), "site must not be empty"),
        (body(site=5), "site must be text"),
        (body(site="x" * 254), "site is longer than 253"),
        (body(reason=" "), "reason must not be empty"),
        (body(reason="x" * 501), "reason is longer than 500"),
        (body(reason="a\nb"), "reason must be one line of printable"),
        (body(reason="\x1b[2J"), "reason must be one line of printable"),
        (body(reason="\u202egnp"), "reason must be one line of printable"),
        (body(owner="\ud800"), "owner must be one line of printable"),
        (body(owner=None), "owner must be text"),
        (body(do="stop"), "do must be one of none, drain, up, down"),
        (body(do=...), "do must be one of"),
        (body(do=["up"]), "do must be one of"),
        (body(do=True), "do must be one of"),
        (body(until_at="1790000000"), "until_at must be Unix seconds or null"),
        (body(until_at=True), "until_at must be"),
        (body(until_at=0), "until_at must be"),
        (body(until_at=10**300), "until_at must be"),
        (body(until_at=-1), "until_at must be"),
        (b'{"site":"e","do":"up","reason":"r","until_at":1e999}', "until_at must be"),
        (body(force=1), "force must be true or false"),
        (body(force=None), "force must be true or false"),
    ],
)
def test_law_2_what_is_no_order_says_why(octets, why):
    with pytest.raises(ValueError) as refused:
        parse_order_request(octets)
    assert why in str(refused.value)
    assert len(str(refused.value)) < 300


@given(st.binary() | st.recursive(st.text() | st.floats(), st.lists).map(repr).map(str.encode))
def test_law_1_any_octets_are_an_order_or_a_value_error(octets):
    try:
        parse_order_request(octets)
    except ValueError:
        return


@pytest.mark.parametrize("piece", [b"[", b'"', b'\\"', b'"\\', b"{}", b'""', b"\\"])
def test_law_1_the_longest_bodies_take_no_time(piece):
    octets = piece * (MAX_BODY_OCTETS // len(piece))
    began = time.process_time()
    with pytest.raises(ValueError, match="body"):
        parse_order_request(octets)
    assert time.process_time() - began < 0.5  # linear is 10 ms; walking back would take minutes
