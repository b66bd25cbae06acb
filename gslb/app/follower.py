"""What a name server believes: reports, own probes and orders, merged to snapshot after snapshot.

Laws:
1. Answering needs nothing of this: whatever fails here, the last snapshot stays (R1, R3).
2. Reports are merged when there is news, and once in MERGE_EVERY_S, because reports grow stale by
   themselves. A merge goes on in slices between which queries are answered, and takes a tenth of
   the process at most; snapshots are swapped at most 1 / SWAP_PAUSE_S times a second.
3. An order holds here as soon as it is given, and is written to the store when that is there; what
   the store lacks or has lost is written again. Reading never waits for that: a store that is slow
   to take orders, or takes none, still has reports.
4. What is dropped is counted by agent and reason, never merged.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import (
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import suppress
from typing import NamedTuple

from gslb.app.clock import Clocks
from gslb.app.herald import Herald
from gslb.app.keeper import Keeper, Known, forget_future, restore
from gslb.app.order_book import OrderBook, tell_order
from gslb.app.own_probes import OwnProbes
from gslb.app.peers import Peers
from gslb.app.store_reader import StoreReader, StoreState
from gslb.app.turns import run_in_turns
from gslb.errors import ReportError, StoreError
from gslb.health.changes import list_changes
from gslb.health.evidence import Evidence, Heard
from gslb.health.intake import Intake, Moment
from gslb.health.merge import merge, merge_in_slices
from gslb.health.snapshot import HealthSnapshot
from gslb.health.votes import least_domains
from gslb.model.event import Event, EventKind
from gslb.model.order import Order
from gslb.model.system import System
from gslb.policy.measured import AgentTimes, revise_times
from gslb.store.base import HealthStore, Holding
from gslb.store.envelope import unseal_in_slices
from gslb.store.payload import Texts
from gslb.store.state_dir import StateDir

MERGE_EVERY_S = 1.0
MERGE_PAUSE_S = 0.05
SWAP_PAUSE_S = 0.2
REVISE_EVERY_S = 10.0
SLICE_SITES = 8
"""Sites between two looks at the clock: a tenth of a millisecond of merging with ten agents."""


class Outlet(NamedTuple):
    """Where news goes: `health` takes each new snapshot, `times` each new table of times."""

    health: Callable[[HealthSnapshot], None]
    times: Callable[[AgentTimes], Awaitable[None]]


class Follower:
    """The health of one name server."""

    def __init__(
        self,
        system: System,
        store: HealthStore,
        herald: Herald,
        outlet: Outlet,
        *,
        clocks: Clocks | None = None,
    ) -> None:
        self.system = system
        self.herald = herald
        self.restored_at: float | None = None
        self.strangers: frozenset[str] = frozenset()
        self._store = store
        self._outlet = outlet
        self._clocks = clocks or Clocks()
        self._news = asyncio.Event()
        self._times_are_due = asyncio.Event()
        self._sealed: dict[str, bytes] = {}
        self._texts: dict[str, Texts] = {}
        self._intake = Intake(system.health.stale_after_s)
        self._book = OrderBook(system, store)
        self._applied: dict[Order, float] = {}
        self._told_alerts: tuple[str, ...] = ()
        self._judged: Sequence[Heard] = ()
        self.health = HealthSnapshot()
        self.times = AgentTimes()
        self.own = OwnProbes(system, self._news.set, self._states, self._clocks)
        self.peers = Peers(system.node)
        self._reader = StoreReader(
            store, self._agent_names, self._take_up, tell=herald.tell, clocks=self._clocks
        )
        self._keeper = self._open_keeper()
        self.health = merge(self._evidence(), system.sites, system.health, self.health)
        self._note_applied(self._clocks.wall())

    # ------------------------------------------------------------ what others ask

    @property
    def orders(self) -> Mapping[str, Order]:
        """The order of each site that has one, in force or not."""
        return self._book.orders(self._clocks.wall())

    @property
    def drops(self) -> Counter[tuple[str, str]]:
        """How many reports were dropped, by agent and reason."""
        return self._intake.drops

    @property
    def store_state(self) -> StoreState:
        """Whether the store can be reached."""
        return self._reader.state

    @property
    def store_target(self) -> str:
        """Which store it is, without secrets."""
        return self._store.describe()

    def heard(self) -> tuple[Heard, ...]:
        """The last report of each observer, the own probes included while they run."""
        return (*self._heard_agents(), *self.own.heard())

    def alerts(self) -> tuple[str, ...]:
        """What is wrong around health, for people."""
        found = list(self._own_alerts())
        if not self.store_state.is_connected and self.system.store != "memory":
            found.append(f"the store is away: {self.store_state.error}")
        elif self._book.failure:
            found.append(f"orders are not stored, others do not obey them: {self._book.failure}")
        return tuple(found)

    def count(self) -> Counter[str]:
        """What was counted beside answering."""
        return Counter(
            events_written=self.herald.written,
            events_dropped=self.herald.dropped,
            webhook_failed=self.herald.webhook_failed,
        )

    def applied_at(self, order: Order) -> float | None:
        """When this name server began to obey an order, in Unix seconds."""
        return self._applied.get(order)

    # ------------------------------------------------------------ what others order

    def reconfigure(self, system: System) -> HealthSnapshot:
        """Follows another configuration from now on; the health of its sites."""
        self.system = system
        self._book.reconfigure(system)
        self.own.reconfigure(system)
        self._intake.stale_after_s = system.health.stale_after_s
        self._sealed.clear()  # what was refused may be welcome now
        self._texts.clear()
        before = self.health
        self.health = merge(self._evidence(), system.sites, system.health, before)
        self._tell_swap(before)
        self._news.set()
        self._times_are_due.set()
        return self.health

    async def keep_order(self, order: Order) -> str:
        """Obeys an order from now on; why the store does not have it yet, empty when it has."""
        self._book.keep(order)
        self.herald.tell(tell_order(order, self._clocks.wall()))
        self._merge_now()
        self._news.set()  # a merge that is under way may still have the order before
        self._note_change()
        return await self._book.store(order)

    # ------------------------------------------------------------ what goes on

    def runs(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """What must go on for ever, by name."""
        runs = {
            "health": self._keep_merging,
            "store": self._reader.run,
            "orders to the store": self._book.run,
            "own probes": self.own.run,
            "measured times": self._keep_revising,
            "word to the others": self._keep_publishing,
            "events": self.herald.run,
        }
        return runs if self._keeper is None else runs | {"disk": self._keeper.run}

    async def _keep_merging(self) -> None:
        """Merges for ever (law 2)."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(MERGE_EVERY_S):
                    await self._news.wait()
            self._news.clear()
            before = self.health
            busy_s = await self._merge_in_turns()
            is_calm = self.health.generation == before.generation
            pause_s = MERGE_PAUSE_S if is_calm else SWAP_PAUSE_S
            await asyncio.sleep(max(pause_s, 9 * busy_s))

    async def _merge_in_turns(self) -> float:
        """One merge with pauses for queries; the seconds that it was busy."""
        system, before, evidence = self.system, self.health, self._evidence()
        steps = merge_in_slices(
            evidence, system.sites, system.health, before, slice_sites=SLICE_SITES
        )
        merged, busy_s = await run_in_turns(steps)
        if self.system is system and self.health is before:
            self._swap(merged)
            self._tell_alerts()
            self._judged = evidence.heard
        else:  # a reload or an order came between: what was merged is of yesterday
            self._news.set()
        return busy_s

    def _merge_now(self) -> None:
        self._swap(merge(self._evidence(), self.system.sites, self.system.health, self.health))

    def _swap(self, merged: HealthSnapshot) -> None:
        """Has a changed snapshot answered from, and told."""
        before = self.health
        if merged is before:
            return
        self.health = merged
        if merged.generation != before.generation:
            self._outlet.health(merged)
            self._tell_swap(before)

    def _tell_swap(self, before: HealthSnapshot) -> None:
        at = self._clocks.wall()
        self._note_applied(at)
        for event in list_changes(before, self.health, at):
            self.herald.tell(event)
        self._note_change()

    def _note_applied(self, at: float) -> None:
        held = [health.order for health in self.health.sites.values() if health.order is not None]
        self._applied = {order: self._applied.get(order, at) for order in held}

    def _note_change(self) -> None:
        if self._keeper is not None:
            self._keeper.note_change()

    def _evidence(self) -> Evidence:
        """All that is known now; the own probes begin or end by the way."""
        agents = self._heard_agents()
        if self.own.judge(is_heard=self._can_decide(agents)):
            self._tell_own_probes()
        declared = tuple(self.system.agents.values())
        is_alone = self.own.is_active
        own = self.own.heard()
        if own:
            self.restored_at = None
        return Evidence(
            agents=(*declared, self.own.agent) if is_alone else declared,
            heard=(*agents, *own),
            at=self._clocks.steady(),
            orders=tuple(self.orders.values()),
            order_at=self._clocks.wall(),
            is_alone=is_alone,
        )

    def _can_decide(self, agents: Iterable[Heard]) -> bool:
        """Whether the agents that are heard, and had a vote last, are in enough failure domains to
        take a site down: while they are not, nobody but this name server could.
        """
        voted = self.health.agents
        domains = {
            one.agent.failure_domain
            for one in agents
            if one.age_s <= self.system.health.stale_after_s
            and (one.agent.name not in voted or voted[one.agent.name].has_vote)
        }
        return len(domains) >= least_domains(self.system.agents.values(), self.system.health)

    def _own_alerts(self) -> tuple[str, ...]:
        """Those that are told as events, too; that the store is away is an event of its own."""
        restored = ""
        if self.restored_at is not None:
            restored = "health comes from the disk: no observer has been heard since the start"
        return tuple(filter(None, (self._intake.clock_alert, *self.peers.alerts, restored)))

    def _tell_alerts(self) -> None:
        """An event for each of them that came or went."""
        before, self._told_alerts = self._told_alerts, self._own_alerts()
        at = self._clocks.wall()
        for alert in self._told_alerts:
            if alert not in before:
                self.herald.tell(Event(EventKind.ALERT, at, fields={"alert": alert}))
        for alert in before:
            if alert not in self._told_alerts:
                self.herald.tell(Event(EventKind.ALERT_OVER, at, fields={"alert": alert}))

    def _states(self) -> dict[str, bool]:
        """The sites whose state is known."""
        sites = self.health.sites.items()
        return {name: site.up for name, site in sites if site.up is not None}

    def _tell_own_probes(self) -> None:
        kind = EventKind.OWN_PROBES_BEGAN if self.own.is_active else EventKind.OWN_PROBES_ENDED
        self.herald.tell(Event(kind, self._clocks.wall()))

    def _heard_agents(self) -> tuple[Heard, ...]:
        return self._intake.heard(self._moment(), self.system.agents)

    def _moment(self) -> Moment:
        return Moment(at=self._clocks.wall(), now=self._clocks.now())

    # ------------------------------------------------------------ from the store

    def _agent_names(self) -> Collection[str]:
        return self.system.agents

    async def _take_up(self, holding: Holding) -> None:
        """Takes what the store holds: reports that are new, orders, what the others say."""
        self.strangers = holding.strangers - self.system.agents.keys()
        for name, octets in holding.reports.items():
            if self._sealed.get(name) != octets:
                self._sealed[name] = octets
                await self._take_report(name, octets)
                await asyncio.sleep(0)
        at = self._clocks.wall()
        if self._book.take(holding.orders, at):
            self._note_change()
        self.peers.take(holding.nodes, self.health, at, self.system.shared_digest)
        self._news.set()

    async def _take_report(self, name: str, octets: bytes) -> None:
        agent = self.system.agents.get(name)
        if agent is None:  # a reload came between
            return
        try:
            known = self._texts.get(name, {})
            steps = unseal_in_slices(octets, agent, known, slice_sites=SLICE_SITES)
            (report, self._texts[name]), _ = await run_in_turns(steps)
        except ReportError as error:
            self._intake.count(name, error.drop)
            return
        if self.system.agents.get(name) != agent:  # a reload came between
            return
        if not self._intake.take(agent, report, self._moment(), self.system.sites):
            self.restored_at = None

    async def _keep_publishing(self) -> None:
        """Tells the other name servers what this one sees, once a second (R24).

        Not while the store is away: when to try again is drawn by the reader alone (R23).
        """
        while True:
            if self.store_state.is_connected:
                await self._publish()
            await asyncio.sleep(MERGE_EVERY_S)

    async def _publish(self) -> None:
        octets = self.peers.compose(
            self.health, self.orders.values(), self._clocks.wall(), self.system.shared_digest
        )
        with suppress(StoreError):  # the reader tells that it is away
            await self._store.put_node(self.system.node, octets)

    async def _keep_revising(self) -> None:
        """Hands out a new table of measured times when they have moved, and after each reload,
        which begins without them.
        """
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(REVISE_EVERY_S):
                    await self._times_are_due.wait()
            times = revise_times(
                self.times,
                self._judged,
                self.health,
                stale_after_s=self.system.health.stale_after_s,
            )
            if times is not self.times or self._times_are_due.is_set():
                self._times_are_due.clear()
                self.times = times
                await self._outlet.times(times)

    # ------------------------------------------------------------ to the disk

    def _open_keeper(self) -> Keeper | None:
        path = self.system.state_dir
        if path is None:
            return None
        folder = StateDir(path)
        found = restore(folder)
        if found is not None:
            known, self.restored_at = found
            self.health = forget_future(known.health, self._clocks.steady())
            self._book.restore(known.orders)
            self._intake.load(known.intake, self._moment(), self.restored_at)
        return Keeper(folder, self._known)

    def _known(self) -> Known:
        return Known(self.health, self._book.kept, self._intake.dump(self._moment()))
