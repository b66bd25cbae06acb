"""The health of a name server as plain data: sites, what each agent says of them, and the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from gslb.app.follower import Follower
from gslb.health.evidence import Heard
from gslb.health.snapshot import AgentHealth, SiteHealth
from gslb.model.order import Order
from gslb.model.report import SiteReport
from gslb.model.service import Site

STATES: Final[Mapping[bool | None, str]] = {True: "up", False: "down", None: "unknown"}
SILENT: Final = AgentHealth(has_vote=False, why="never heard")


def describe_health(follower: Follower) -> dict[str, Any]:
    """Everything that a follower knows."""
    health, system = follower.health, follower.system
    heard = follower.heard()
    store = follower.store_state
    return {
        "health_generation": health.generation,
        "shared_configuration": system.shared_digest,
        "alerts": [*health.alerts, *follower.alerts()],
        "sites": {
            name: _describe_site(site, health.of(name), follower)
            | {"agents": _describe_views(name, heard, health.agents)}
            for name, site in system.sites.items()
        },
        "agents": _describe_agents(follower, heard),
        "strangers": sorted(follower.strangers),
        "drops": [
            {"agent": agent, "reason": reason, "count": count}
            for (agent, reason), count in sorted(follower.drops.items())
        ],
        "store": {
            "kind": "memory" if system.store == "memory" else "redis",
            "target": follower.store_target,
            "is_connected": store.is_connected,
            "since_at": store.since_at,
            "error": store.error,
        },
        "own_probes": _tell_own(follower),
        "restored_at": follower.restored_at,
        "nodes": dict(follower.peers.known),
    }


def _tell_own(follower: Follower) -> str:
    if not follower.system.health.own_probes:
        return "off"
    return "active" if follower.own.is_active else "idle"


def _describe_site(site: Site, health: SiteHealth, follower: Follower) -> dict[str, Any]:
    return {
        "state": STATES[health.up],
        "held": health.held,
        "is_serving": health.is_serving,
        "is_drained": health.is_drained,
        "since_at": health.since_at,
        "flip_s": health.flip_s,
        "reason": health.reason,
        "addresses": [str(address) for address in site.addresses],
        "capacity": site.capacity,
        "flaps": health.flaps,
        "order": None if health.order is None else _describe_order(health.order, follower),
    }


def _describe_order(order: Order, follower: Follower) -> dict[str, Any]:
    return {
        "kind": order.kind.value,
        "owner": order.owner,
        "reason": order.reason,
        "created_at": order.created_at,
        "until_at": order.until_at,
        "version": order.version,
        "applied_at": follower.applied_at(order),
    }


def _describe_views(
    site: str, heard: Iterable[Heard], agents: Mapping[str, AgentHealth]
) -> dict[str, Any]:
    """What each agent says of a site."""
    return {
        one.agent.name: _describe_view(view, one, agents.get(one.agent.name, SILENT))
        for one in heard
        if (view := one.report.sites.get(site)) is not None
    }


def _describe_view(view: SiteReport, heard: Heard, agent: AgentHealth) -> dict[str, Any]:
    return {
        "state": STATES[view.up],
        "streak": view.streak,
        "rtt_ms": view.rtt_ms,
        "first_byte_ms": view.first_byte_ms,
        "age_s": round(heard.age_s, 1),
        "counts": agent.has_vote and view.up is not None,
        "reason": view.reason,
        "certificate_until_at": view.certificate_until_at,
    }


def _describe_agents(follower: Follower, heard: Iterable[Heard]) -> dict[str, Any]:
    """Every agent that is declared or, like the own probes, heard."""
    last = {one.agent.name: one for one in heard}
    declared = follower.system.agents
    observers = {**declared, **{name: one.agent for name, one in last.items()}}
    found = {}
    for name, agent in observers.items():
        judged, one = follower.health.agents.get(name, SILENT), last.get(name)
        found[name] = {
            "failure_domain": agent.failure_domain,
            "is_declared": name in declared,
            "has_vote": judged.has_vote,
            "why": judged.why,
            "age_s": None if one is None else round(one.age_s, 1),
            "boot": None if one is None else one.report.boot,
            "sequence": None if one is None else one.report.sequence,
            "canaries": [0, 0] if one is None else list(one.report.canaries),
        }
    return found
