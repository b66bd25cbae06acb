"""An order as JSON and back: what the store keeps under the name of a site.

1. The site is the key under which the text is kept, so the text does not repeat it.
2. Reading is strict, because whoever may write orders can steer traffic; a bad one is no reason to
   stop: the caller drops it and counts.
"""

from __future__ import annotations

import json

from gslb.config.fields import parse_label
from gslb.errors import StoreError
from gslb.health import plain
from gslb.model.order import Order

MAX_TEXT_CHARACTERS = 500
"""Of an owner or a reason."""
MAX_VERSION = 2**53
MAX_TIME = 1e12


def dump_order(order: Order) -> bytes:
    """An order as JSON. Raises ValueError when it holds what `load_order` would not take."""
    _check(order)
    tree = plain.dump_order(order)
    del tree["site"]
    return json.dumps(tree, separators=(",", ":")).encode("ascii")


def check_order(order: Order) -> None:
    """Raise StoreError for an order that no twin keeps."""
    try:
        _check(order)
    except ValueError as error:
        raise StoreError(f"no such order can be kept: {error}") from None


def load_order(site: str, octets: bytes) -> Order:
    """The order for a site that JSON spells. Raises ValueError."""
    try:
        tree = json.loads(octets)
    except RecursionError:
        raise ValueError("lists within lists without end") from None
    if not isinstance(tree, dict) or "site" in tree:
        raise ValueError("not a mapping, or one that names a site")
    order = plain.load_order({**tree, "site": site})
    _check(order)
    return order


def _check_name(name: str) -> None:
    """A site, or a backend as `pool/backend`."""
    pool, slash, backend = name.partition("/")
    parse_label(pool)
    if slash:
        parse_label(backend)


def _check(order: Order) -> None:
    _check_name(order.site)
    if not 0 <= order.version <= MAX_VERSION:
        raise ValueError(f"a version must be a whole number from 0 to {MAX_VERSION}")
    for text in (order.owner, order.reason):
        if len(text) > MAX_TEXT_CHARACTERS or not text.isprintable():
            raise ValueError(f"a text must be at most {MAX_TEXT_CHARACTERS} printable characters")
    for time in (order.created_at, order.until_at):
        if time is not None and not 0 <= time <= MAX_TIME:
            raise ValueError(f"a time must be a number from 0 to {MAX_TIME:.0f}")
