"""Where agents leave their reports, operators their orders and name servers a word of themselves.

Laws, the same for every twin (tests/store/contract.py runs over all of them):
1. The store judges nothing: the last report that was put under a name is what is read. Readers
   verify (gslb.store.envelope) and order (gslb.health.intake) what they find.
2. Memory is bounded: by the names that are declared, MAX_OCTETS a value, MAX_EVENTS events,
   MAX_ORDERS orders, MAX_NODES nodes.
3. `wait` never sleeps through a change: after a change it returns, at the latest with the next
   call; it may return without one.
4. Of two orders for one site the one with the higher version is what is read.
5. A store that fails says so with StoreError and nothing else; what the caller knew before still
   holds. The store is a convenience, never a dependency of answering. No call takes longer than
   a few times the store's timeout, `wait` excepted.
6. After `close` every call raises StoreError, and calls that wait are woken by it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from gslb.errors import StoreError
from gslb.model.order import Order

MAX_OCTETS = 256 * 1024
"""Of one report, sealed: 10,000 sites fit."""
MAX_EVENTS = 1000
"""Events that are kept; older ones are dropped."""
MAX_ORDERS = 10_000
MAX_NODES = 1000
MAX_STRANGERS = 10
"""Names of undeclared agents that are told of: enough to see a typing error."""


@dataclass(frozen=True, slots=True)
class Holding:
    """All that a store held at one moment.

    reports: sealed, by the agent under whose name they were put. orders: one a site, those that
    were taken back included. nodes: what name servers say of themselves, by name. strangers: other
    names under which reports came lately.
    """

    reports: Mapping[str, bytes] = field(default_factory=dict)
    orders: tuple[Order, ...] = ()
    nodes: Mapping[str, bytes] = field(default_factory=dict)
    strangers: frozenset[str] = frozenset()


class HealthStore(Protocol):
    """Keeps the last report of each agent, the orders, and the last events.

    The loop of a reader, which needs no lock and loses nothing: `await store.read(agents)`, then
    `await store.wait()`, and again.
    """

    async def put_report(self, agent: str, octets: bytes) -> None:
        """Keep a sealed report as the last of its agent. Raises StoreError."""

    async def read(self, agents: Collection[str]) -> Holding:
        """What is held now. agents: the declared ones. Raises StoreError."""

    async def wait(self) -> None:
        """Return when a report or an order came since the last `read`. Raises StoreError."""

    async def put_order(self, order: Order) -> None:
        """Keep an order, unless the site has one with a higher version. Raises StoreError."""

    async def put_node(self, node: str, octets: bytes) -> None:
        """Keep what a name server says of itself. Raises StoreError."""

    async def add_event(self, octets: bytes) -> None:
        """Append to the events. Raises StoreError."""

    async def events(self, count: int) -> tuple[bytes, ...]:
        """The last events, at most count, oldest first. Raises StoreError."""

    def describe(self) -> str:
        """Which store it is, for people: never a password."""

    async def close(self) -> None:
        """Let go of everything; a second call does nothing."""


def check_size(octets: bytes) -> None:
    """Raise StoreError for a value that is larger than MAX_OCTETS: no twin keeps it."""
    if len(octets) > MAX_OCTETS:
        raise StoreError(f"{len(octets)} octets are too many; at most {MAX_OCTETS} are kept")
