"""Orders of people: judged, numbered, kept here at once and spread by the store.

Laws:
1. What makes no sense (no such site, no reason, an end that has passed) is ValueError; what the
   state of things forbids is OrderError. Neither changes anything.
2. `force` in a request overrides the rule about capacity and no other.
3. An order is newer than every order for its site that this node knows, whatever its clock says.
4. An order that stands in the configuration beats all others, so one that it would beat is refused
   rather than taken and ignored.
5. The store may be away: the order holds here all the same, and the answer says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Protocol

from gslb.admin.requests import OrderRequest
from gslb.errors import OrderError
from gslb.health.orders import judge_order
from gslb.health.plain import dump_order
from gslb.health.snapshot import HealthSnapshot
from gslb.model.order import Order
from gslb.model.service import Site
from gslb.model.system import HealthSettings, System


class OrderKeeper(Protocol):
    """Who knows the orders and applies them; `gslb.app.follower` implements it."""

    @property
    def system(self) -> System:
        """The configuration in force."""

    @property
    def health(self) -> HealthSnapshot:
        """The snapshot in force, which knows the orders that were kept before."""

    @property
    def orders(self) -> Mapping[str, Order]:
        """The order of each site that has one, in force or not."""

    async def keep_order(self, order: Order) -> str:
        """Applies an order before it waits for anything, then writes it to the store.

        Returns "", or why the store does not have it yet.
        """


@dataclass(frozen=True, slots=True)
class OrderRules:
    """What orders are for, and when one is refused. judge: why one must not be given, empty if it
    may. unit: what a thing with orders is called.
    """

    judge: Callable[[Order, Mapping[str, Site], HealthSnapshot, HealthSettings], str] = judge_order
    unit: str = "site"


class OrderDesk:
    """Takes orders. clock: Unix seconds."""

    def __init__(
        self,
        keeper: OrderKeeper,
        clock: Callable[[], float] = time.time,
        rules: OrderRules = OrderRules(),
    ) -> None:
        self._keeper = keeper
        self._clock = clock
        self._rules = rules

    async def place(self, request: OrderRequest) -> dict[str, Any]:
        """The order that holds now, as {order: {site, kind, owner, ...}, store_error: str|null}.

        Raises ValueError and OrderError (law 1).
        """
        order = self._compose(request)
        self._judge(order, request)
        store_error = await self._keeper.keep_order(order)
        return {"order": dump_order(order), "store_error": store_error or None}

    def _compose(self, request: OrderRequest) -> Order:
        """The order with its number (law 3). Raises ValueError."""
        at = self._clock()
        self._require_site(request.site)
        if not request.reason:
            raise ValueError("an order needs a reason")
        if request.until_at is not None and request.until_at <= at:
            raise ValueError("the order would be over already: `until` has passed")
        last = self._keeper.orders.get(request.site)
        return Order(
            site=request.site,
            kind=request.kind,
            version=max(int(at * 1000), 0 if last is None else last.version + 1),
            owner=request.owner,
            reason=request.reason,
            created_at=at,
            until_at=request.until_at,
        )

    def _judge(self, order: Order, request: OrderRequest) -> None:
        """Raises OrderError for what may not be ordered now (laws 2 and 4)."""
        system = self._keeper.system
        fixed = next((one for one in system.orders if one.site == order.site), None)
        if fixed is not None and fixed.is_in_force(order.created_at):
            raise OrderError(
                f"{order.site} has an order in the configuration ({fixed.kind}: {fixed.reason}),"
                " which beats this one: change the file"
            )
        why_not = self._rules.judge(order, system.sites, self._keeper.health, system.health)
        if why_not and not request.is_forced:
            raise OrderError(why_not)

    def _require_site(self, name: str) -> None:
        sites = self._keeper.system.sites
        if name in sites:
            return
        close = get_close_matches(name, sites, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"allowed: {', '.join(sites)}"
        raise ValueError(f"there is no {self._rules.unit} {name!r:.80}; {hint:.400}")
