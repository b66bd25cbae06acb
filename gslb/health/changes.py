"""Two snapshots to the events that lie between them.

Laws:
1. Each difference that an operator may want to know is one event; equal snapshots give none.
2. The order is sites, orders, votes, alerts, each by name or as they stand.
3. What comes and goes with the configuration (a site that nobody has judged yet, an agent that was
   not declared before) is no event.
"""

from __future__ import annotations

from collections.abc import Iterator

from gslb.health.snapshot import AgentHealth, HealthSnapshot, SiteHealth
from gslb.health.trust import NEVER_HEARD
from gslb.model.event import Event, EventKind, Value
from gslb.model.order import Order

_UNJUDGED = SiteHealth(up=None)


def list_changes(old: HealthSnapshot, new: HealthSnapshot, at: float) -> tuple[Event, ...]:
    """What happened from old to new. at: Unix seconds at which it did."""
    if old is new:
        return ()
    return (
        *_list_states(old, new, at),
        *_list_orders(old, new, at),
        *_list_votes(old, new, at),
        *_list_alerts(old, new, at),
    )


def _list_states(old: HealthSnapshot, new: HealthSnapshot, at: float) -> Iterator[Event]:
    for name, health in new.sites.items():
        before = old.sites.get(name, _UNJUDGED)
        if before is health or health.since_at == 0.0:
            continue
        if (before.up, before.held) != (health.up, health.held):
            fields: dict[str, Value] = {
                "state": _state(health),
                "held": health.held,
                "reason": health.reason,
                "was": _state(before),
            }
            yield Event(EventKind.SITE_CHANGED, at, name, fields)


def _state(health: SiteHealth) -> str:
    return {True: "up", False: "down", None: "unknown"}[health.up]


def _list_orders(old: HealthSnapshot, new: HealthSnapshot, at: float) -> Iterator[Event]:
    for name, health in new.sites.items():
        order, before = health.order, old.of(name).order
        if order == before:
            continue
        kind = EventKind.ORDER_OVER if order is None else EventKind.ORDER_APPLIED
        told = order or before
        assert told is not None, "two orders that differ are not both None"
        yield Event(kind, at, name, describe_order(told))


def describe_order(order: Order) -> dict[str, Value]:
    """What events say of an order."""
    return {
        "order": order.kind.value,
        "owner": order.owner,
        "reason": order.reason,
        "until_at": order.until_at,
        "version": order.version,
    }


def _list_votes(old: HealthSnapshot, new: HealthSnapshot, at: float) -> Iterator[Event]:
    for name, agent in new.agents.items():
        before = old.agents.get(name)
        if before is None or before.has_vote is agent.has_vote or before.why == NEVER_HEARD:
            continue
        yield _vote_event(name, before, agent, at)


def _vote_event(name: str, before: AgentHealth, agent: AgentHealth, at: float) -> Event:
    """A vote that is regained tells what had cost it."""
    if agent.has_vote:
        return Event(EventKind.VOTE_REGAINED, at, name, {"why": before.why})
    return Event(EventKind.VOTE_LOST, at, name, {"why": agent.why})


def _list_alerts(old: HealthSnapshot, new: HealthSnapshot, at: float) -> Iterator[Event]:
    for alert in new.alerts:
        if alert not in old.alerts:
            yield Event(EventKind.ALERT, at, fields={"alert": alert})
    for alert in old.alerts:
        if alert not in new.alerts:
            yield Event(EventKind.ALERT_OVER, at, fields={"alert": alert})
