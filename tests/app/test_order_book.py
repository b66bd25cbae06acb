"""Orders that a name server knows, beside those that a store holds."""

from gslb.app.order_book import OrderBook
from gslb.health.orders import FORGET_S
from gslb.model.order import Order, OrderKind
from gslb.model.service import Site
from gslb.model.system import System
from gslb.store.memory import MemoryStore

AT = 1_800_000_000.0
DRAIN = Order("eu", OrderKind.DRAIN, version=int(1000 * (AT - 3 * FORGET_S)))
NONE = Order("eu", OrderKind.NONE, version=int(1000 * (AT - 2 * FORGET_S)))


def book(*orders: Order) -> OrderBook:
    opened = OrderBook(System("ns1", (), (), {"eu": Site("eu", ())}), MemoryStore())
    opened.restore(orders)
    return opened


def test_one_that_was_away_for_long_learns_that_an_order_was_taken_back_long_ago():
    kept = book(DRAIN)
    assert kept.take([NONE], AT)
    assert kept.orders(AT) == {}
    assert kept._missing == ()


def test_what_is_over_for_long_is_no_news_however_often_it_is_read():
    kept = book()
    assert not kept.take([NONE], AT)
    assert not kept.take([NONE], AT)


def test_law_2_what_the_store_lacks_is_written_again_unless_it_is_over_for_long():
    kept = book(DRAIN)
    assert not kept.take([], AT)
    assert kept._missing == (DRAIN,)
    kept = book(NONE)
    assert kept.take([], AT)
    assert kept._missing == ()


def test_orders_for_sites_that_nobody_declares_are_not_taken():
    kept = book()
    stray = [Order(f"site{number}", OrderKind.DOWN, 7) for number in range(1000)]
    assert not kept.take(stray, AT)
    assert kept.kept == ()
