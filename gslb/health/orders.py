"""Orders as registers: which order of a site holds, and what an order would leave.

Laws:
1. Of two orders for one site the one with the higher version holds; of two with the same version
   the one that the store has, so that all name servers come to the same. Version 0, from the
   configuration, beats all others.
2. What the store lacks or has lost is written again: a wiped or older store takes nothing back.
3. Taking back is an order, too. It is forgotten after FORGET_S, as one that has expired is: long
   after every name server that knew the earlier order has read it.
4. An order that takes capacity away must leave at least `min_capacity` of all capacity serving; one
   for a site that does not serve anyway takes nothing away.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import inf

from gslb.health.snapshot import HealthSnapshot
from gslb.health.votes import TOLERANCE
from gslb.health.words import tell_share
from gslb.model.order import Order, OrderKind
from gslb.model.service import Site
from gslb.model.system import HealthSettings

FORGET_S = 7 * 86400.0
_VERBS = {
    OrderKind.DRAIN: "draining",
    OrderKind.DOWN: "taking down",
    OrderKind.MAINT: "taking down",
}


def pick_orders(
    kept: Mapping[str, Order], found: Iterable[Order]
) -> tuple[Mapping[str, Order], tuple[Order, ...]]:
    """The order of each site that holds, `kept` itself if it goes on; those that the store lacks.

    kept: what is known here, by site. found: what the store holds. An order that the store does not
    have, or has in an older version, is lacking; those of the configuration stay out of it.
    """
    stored: dict[str, Order] = {}
    for order in found:
        if order.site not in stored or _rank(order) > _rank(stored[order.site]):
            stored[order.site] = order
    news = {site: order for site, order in stored.items() if _is_news(kept.get(site), order)}
    picked = {**kept, **news} if news else kept
    missing = tuple(
        order
        for site, order in picked.items()
        if order.version and (site not in stored or _rank(order) > _rank(stored[site]))
    )
    return picked, missing


def _is_news(known: Order | None, order: Order) -> bool:
    return known is None or (order != known and _rank(order) >= _rank(known))


def _rank(order: Order) -> float:
    return order.version or inf


def forget_orders(kept: Mapping[str, Order], at: float) -> Mapping[str, Order]:
    """What is still worth knowing, `kept` itself if it is all. at: Unix seconds."""
    over = {site for site, order in kept.items() if _ended_at(order) < at - FORGET_S}
    if not over:
        return kept
    return {site: order for site, order in kept.items() if site not in over}


def _ended_at(order: Order) -> float:
    """When it ceased to order anything."""
    if order.kind is OrderKind.NONE:
        return order.version / 1000
    return inf if order.until_at is None else order.until_at


def judge_order(
    order: Order, sites: Mapping[str, Site], health: HealthSnapshot, settings: HealthSettings
) -> str:
    """Why an order must not be given (law 4); empty if it may."""
    verb = _VERBS.get(order.kind)
    if verb is None or not health.of(order.site).is_serving:
        return ""
    total = sum(site.capacity for site in sites.values())
    left = sum(
        site.capacity
        for name, site in sites.items()
        if name != order.site and health.of(name).is_serving
    )
    if left >= (settings.min_capacity - TOLERANCE) * total:
        return ""
    return (
        f"{verb} {order.site} would leave {tell_share(left / total)} of capacity serving; "
        f"health.min_capacity asks for {tell_share(settings.min_capacity)}"
    )
