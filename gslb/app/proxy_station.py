"""One proxy of this process: its sockets, the checks of its backends, and what serves its clients.

Laws:
1. What a check or an order says reaches the front when it changes, and what serves knows all of it
   before the first client comes.
2. A backend in maintenance is not checked.
3. A reload that cannot have its sockets changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from gslb.app.proxy_front import Front, Plan, Runs, mode_of
from gslb.app.proxy_sockets import Listening
from gslb.balance.words import Mode
from gslb.health.plain import dump_order
from gslb.model.endpoint import Endpoint
from gslb.model.event import Event, EventKind
from gslb.model.order import Order, OrderKind
from gslb.model.proxy import Proxy
from gslb.model.report import SiteReport
from gslb.proxy.checks import CheckChanged, Checks, backend_key

Tell = Callable[[Event], None]


class Station:
    """One proxy at work. tell: hears of backends that come and go."""

    def __init__(self, plan: Plan, listening: Listening, front: Front, tell: Tell) -> None:
        self.plan = plan
        self.listening = listening
        self.front = front
        self.is_draining = False
        self._tell = tell
        self._modes: dict[str, Mode] = {}
        self._orders: Mapping[str, Order] = {}
        self._checks = Checks(
            plan.proxy.pools.values(), self._take_check, name=f"proxy {plan.proxy.name}"
        )

    @property
    def proxy(self) -> Proxy:
        """Its configuration."""
        return self.plan.proxy

    @property
    def states(self) -> Mapping[str, bool]:
        """What its checks know, by `pool/backend`."""
        return self._checks.states

    def begin_with(self, states: Mapping[str, bool]) -> None:
        """Takes what a process before this one has checked for known."""
        self._checks.begin_with(states)

    async def start(self) -> None:
        """Begins to serve."""
        await self.front.start()

    async def apply(self, plan: Plan) -> None:
        """Goes by another plan, whose addresses are listened on already. Raises as Front.apply."""
        await self.front.apply(plan)
        self.plan = plan
        self._checks.reconfigure(plan.proxy.pools.values())
        self.front.reopen_log()
        self.listening.keep(endpoints_of(plan.proxy))
        known = set(self._names())
        self._modes = {name: mode for name, mode in self._modes.items() if name in known}
        for name, mode in self._modes.items():  # a backend may have another address now
            self._send_mode(name, mode)

    def take_orders(self, orders: Mapping[str, Order]) -> None:
        """Goes by these orders, by `pool/backend`, and by no others."""
        names = self._names()
        self._orders = {name: orders[name] for name in names if name in orders}
        for name in names:
            mode = mode_of(orders.get(name))
            if self._modes.get(name, Mode.READY) is not mode:
                self._modes[name] = mode
                self._send_mode(name, mode)
        self._checks.leave_out(
            frozenset(name for name, one in self._orders.items() if one.kind is OrderKind.MAINT)
        )

    def load(self) -> Mapping[str, Any]:
        """Its load at this moment."""
        return self.front.load()

    def take_neighbours(self, count: int) -> None:
        """Hears how many proxies the region has."""
        self.front.take_neighbours(count)

    def begin_drain(self, *, is_replaced: bool) -> None:
        """Lets its clients go, and its sockets."""
        self.is_draining = True
        self.front.begin_drain(is_replaced=is_replaced)
        self.listening.close()  # what accepts has a duplicate

    async def close(self) -> None:
        """Ends at once."""
        await self.front.close()
        self.listening.close()

    def runs(self) -> Runs:
        """What must go on for ever, by name."""
        return {"checks": self._checks.run, **self.front.runs()}

    def describe_backends(self) -> dict[str, dict[str, Any]]:
        """Each backend by `pool/backend`: address, weight, backup, state (up, down, unknown, or
        unchecked), reason, since_at, order.
        """
        told: dict[str, dict[str, Any]] = {}
        for pool in self.proxy.pools.values():
            for backend in pool.backends:
                name = backend_key(pool.name, backend.name)
                order = self._orders.get(name)
                told[name] = {
                    "address": str(backend.address),
                    "weight": backend.weight,
                    "backup": backend.backup,
                    **self._describe_check(name, is_checked=backend.check is not None),
                    "order": None if order is None else dump_order(order),
                }
        return told

    def _describe_check(self, name: str, *, is_checked: bool) -> dict[str, Any]:
        found = asdict(self._checks.reports.get(name, SiteReport()))
        up = self.states.get(name)
        word = {True: "up", False: "down", None: "unknown"}[up] if is_checked else "unchecked"
        return {
            "state": word,
            "reason": found["reason"],
            "since_at": found["since_at"],
            "rtt_ms": found["rtt_ms"],
        }

    def _send_mode(self, name: str, mode: Mode) -> None:
        pool, _, backend = name.partition("/")
        self.front.take_mode(pool, backend, mode)

    def _names(self) -> list[str]:
        pools = self.proxy.pools.values()
        return [backend_key(pool.name, one.name) for pool in pools for one in pool.backends]

    def _take_check(self, change: CheckChanged) -> None:
        self.front.take_check(change.pool, change.backend, up=change.up)
        state = "up" if change.up else "down"
        name = backend_key(change.pool, change.backend)
        fields = {"proxy": self.proxy.name, "state": state, "reason": change.reason}
        self._tell(Event(EventKind.BACKEND_CHANGED, time.time(), name, fields))


def endpoints_of(proxy: Proxy) -> Sequence[Endpoint]:
    """Where a proxy listens, in the order of its listeners."""
    return [listener.endpoint for listener in proxy.listeners]
