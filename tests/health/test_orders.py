import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslb.health.orders import FORGET_S, forget_orders, judge_order, pick_orders
from gslb.health.snapshot import HealthSnapshot, SiteHealth
from gslb.model.order import Order, OrderKind
from gslb.model.system import HealthSettings
from tests.health.builders import AT, named, site

AT_MS = int(AT * 1000)


def order(site="a", version=AT_MS, kind=OrderKind.DRAIN, **more):
    return Order(site, kind, version, **more)


def by_site(*orders):
    return {each.site: each for each in orders}


@pytest.mark.parametrize(
    ("kept", "found", "picked", "missing"),
    [
        pytest.param([], [order(version=1)], order(version=1), [], id="the store knows more"),
        pytest.param(
            [order(version=2)], [order(version=1)], order(version=2), [2], id="law 2: older"
        ),
        pytest.param([order(version=2)], [], order(version=2), [2], id="law 2: wiped"),
        pytest.param([order(version=1)], [order(version=2)], order(version=2), [], id="newer"),
        pytest.param(
            [order(version=2, owner="here")],
            [order(version=2, owner="there")],
            order(version=2, owner="there"),
            [],
            id="law 1: of equals the store's",
        ),
        pytest.param(
            [order(version=0)], [order(version=9)], order(version=0), [], id="law 1: file"
        ),
        pytest.param(
            [], [order(version=2), order(version=1)], order(version=2), [], id="several of one site"
        ),
    ],
)
def test_laws_1_and_2_which_order_holds(kept, found, picked, missing):
    holds, lacking = pick_orders(by_site(*kept), found)
    assert holds == {"a": picked}
    assert [each.version for each in lacking] == missing


def test_kept_itself_is_returned_when_the_store_has_nothing_new():
    kept = by_site(order(), order("b"))
    assert pick_orders(kept, kept.values()) == (kept, ())
    assert pick_orders(kept, ())[0] is kept
    assert pick_orders(kept, kept.values())[0] is kept


@given(
    versions=st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 5)), unique=True, min_size=1)
)
def test_law_1_in_any_order_of_arrival_the_highest_holds(versions):
    kept = {}
    for name, version in versions:
        kept, _ = pick_orders(kept, [order(name, version)])
    highest = {name: max(v for n, v in versions if n == name) for name, _ in versions}
    assert {name: each.version for name, each in kept.items()} == highest


@pytest.mark.parametrize(
    ("kept", "is_forgotten"),
    [
        pytest.param(order(kind=OrderKind.NONE), True, id="taken back"),
        pytest.param(order(kind=OrderKind.NONE, version=AT_MS + 2000), False, id="later"),
        pytest.param(order(until_at=AT), True, id="expired"),
        pytest.param(order(until_at=AT + 2), False, id="expired later"),
        pytest.param(order(), False, id="in force for good"),
    ],
)
def test_law_3_what_is_over_is_forgotten(kept, is_forgotten):
    orders = by_site(kept)
    left = forget_orders(orders, AT + FORGET_S + 1)
    assert left == ({} if is_forgotten else orders)
    assert is_forgotten or left is orders


SITES = named(site("a", 300), site("b", 200), site("c", 100))
DOWN = SiteHealth(up=False)


@pytest.mark.parametrize(
    ("target", "kind", "down", "refusal"),
    [
        ("a", OrderKind.DRAIN, [], ""),
        ("a", OrderKind.DRAIN, ["c"], "draining a would leave 33.3 % of capacity serving"),
        ("b", OrderKind.DOWN, ["c"], ""),
        ("c", OrderKind.DOWN, ["a"], "taking down c would leave 33.3 % of capacity serving"),
        ("a", OrderKind.DOWN, ["a", "b"], ""),
        ("a", OrderKind.UP, ["b", "c"], ""),
        ("a", OrderKind.NONE, ["b", "c"], ""),
    ],
)
def test_law_4_an_order_must_leave_min_capacity(target, kind, down, refusal):
    health = HealthSnapshot(1, dict.fromkeys(down, DOWN))
    told = judge_order(order(target, kind=kind), SITES, health, HealthSettings(min_capacity=0.5))
    assert told == (f"{refusal}; health.min_capacity asks for 50 %" if refusal else "")
