import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslb.model.order import Order, OrderKind
from gslb.store.order_text import dump_order, load_order
from tests.store.contract import DRAIN

TREE = json.loads(dump_order(DRAIN))
TEXTS = st.text(max_size=500).filter(str.isprintable)
TIMES = st.floats(0, 1e12) | st.integers(0, 10**12)


@given(
    st.builds(
        Order,
        st.from_regex("[A-Za-z0-9][A-Za-z0-9._-]{0,62}", fullmatch=True),
        st.sampled_from(OrderKind),
        st.integers(0, 2**53),
        TEXTS,
        TEXTS,
        TIMES,
        st.none() | TIMES,
    )
)
def test_any_order_comes_back_as_it_was(order):
    assert load_order(order.site, dump_order(order)) == order


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "delete"},
        {"kind": ["drain"]},
        {"kind": None},
        {"version": -1},
        {"version": 1.5},
        {"version": True},
        {"version": 2**53 + 1},
        {"owner": None},
        {"reason": "x" * 501},
        {"reason": "a\u001bb"},
        {"reason": "\ud800"},
        {"created_at": "now"},
        {"created_at": -1},
        {"until_at": float("inf")},
        {"until_at": 10**400},
        {"until_at": False},
        {"site": "us-east"},
        {"more": 1},
    ],
    ids=str,
)
def test_an_order_of_another_shape_is_refused(changes):
    with pytest.raises(ValueError):
        load_order("eu-west", json.dumps(TREE | changes).encode())


@pytest.mark.parametrize(
    "octets", [b"", b"[]", b"1", b"{", b"\xff", b"[" * 100_000], ids=["", "[]", "1", "{", "ff", "["]
)
def test_what_is_no_json_is_refused(octets):
    with pytest.raises(ValueError):
        load_order("eu-west", octets)


def test_a_site_that_is_no_name_is_refused():
    with pytest.raises(ValueError, match="is not a name"):
        load_order("a b", dump_order(DRAIN))
    with pytest.raises(ValueError, match="is not a name"):
        dump_order(replace(DRAIN, site=""))
