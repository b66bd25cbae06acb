"""Health and orders as plain data, for pipes and disks, and back.

Laws:
1. `load_x(dump_x(value)) == value`.
2. What is loaded comes from outside: any shape but the right one raises ValueError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from math import isfinite
from types import MappingProxyType
from typing import Any, Final, TypeVar

from gslb.health.snapshot import AgentHealth, HealthSnapshot, SiteHealth
from gslb.model.order import Order, OrderKind

Plain = Mapping[str, Any]
Value = TypeVar("Value")


def dump_order(order: Order) -> dict[str, Any]:
    """An order as plain data."""
    return {each.name: getattr(order, each.name) for each in fields(order)}


def load_order(told: object) -> Order:
    """The order that plain data tell. Raises ValueError."""
    told = _require_mapping(told)
    return _build(Order, {**told, "kind": OrderKind(str(told.get("kind")))}, _ORDER)


def dump_health(health: HealthSnapshot) -> dict[str, Any]:
    """A snapshot as plain data."""
    return {
        "generation": health.generation,
        "sites": {name: _dump_site(site) for name, site in health.sites.items()},
        "alerts": list(health.alerts),
        "agents": {
            name: {"has_vote": agent.has_vote, "why": agent.why}
            for name, agent in health.agents.items()
        },
    }


def load_health(told: object) -> HealthSnapshot:
    """The snapshot that plain data tell. Raises ValueError."""
    told = _require_mapping(told)
    alerts = told.get("alerts")
    if not isinstance(alerts, list) or not all(isinstance(alert, str) for alert in alerts):
        raise ValueError("alerts must be a list of texts")
    return HealthSnapshot(
        generation=_require(told, "generation", int),
        sites=_load_each(told.get("sites"), _load_site),
        alerts=tuple(alerts),
        agents=_load_each(told.get("agents"), _load_agent),
    )


def _dump_site(site: SiteHealth) -> dict[str, Any]:
    told = {each.name: getattr(site, each.name) for each in fields(site)}
    return told | {"order": None if site.order is None else dump_order(site.order)}


def _load_site(told: object) -> SiteHealth:
    told = _require_mapping(told)
    order = told.get("order")
    loaded = {**told, "order": None if order is None else load_order(order)}
    if loaded["order"] is not None and loaded["order"].kind is OrderKind.NONE:
        raise ValueError("an order that was taken back is none")
    return _build(SiteHealth, loaded, _SITE)


def _load_agent(told: object) -> AgentHealth:
    return _build(AgentHealth, _require_mapping(told), _AGENT)


# ---------------------------------------------------------------- what each field may be

_Kinds = Mapping[str, tuple[type, ...]]
_NONE: Final = type(None)
_ORDER: Final[_Kinds] = {
    "site": (str,),
    "kind": (OrderKind,),
    "version": (int,),
    "owner": (str,),
    "reason": (str,),
    "created_at": (int, float),
    "until_at": (int, float, _NONE),
}
_SITE: Final[_Kinds] = {
    "up": (bool, _NONE),
    "flip_s": (int, float, _NONE),
    "since_at": (int, float),
    "held": (bool,),
    "reason": (str,),
    "order": (Order, _NONE),
    "flaps": (int,),
    "well_since_at": (int, float, _NONE),
    "withdrawn_at": (int, float, _NONE),
}
_AGENT: Final[_Kinds] = {"has_vote": (bool,), "why": (str,)}


def _build(kind: Callable[..., Value], told: Plain, kinds: _Kinds) -> Value:
    if told.keys() != kinds.keys():
        raise ValueError(f"must have exactly these fields: {', '.join(kinds)}")
    for name, allowed in kinds.items():
        _require(told, name, *allowed)
    return kind(**told)


def _require(told: Plain, name: str, *allowed: type) -> Any:
    value = told.get(name)
    is_odd_bool = isinstance(value, bool) and bool not in allowed
    if is_odd_bool or not isinstance(value, allowed):
        raise ValueError(f"{name} must be {' or '.join(each.__name__ for each in allowed)}")
    if isinstance(value, float) and not isfinite(value):
        raise ValueError(f"{name} must be a finite number")
    return value


def _require_mapping(told: object) -> Plain:
    if not isinstance(told, Mapping):
        raise ValueError("must be a mapping")
    return told


def _load_each(told: object, load: Callable[[object], Value]) -> Mapping[str, Value]:
    return MappingProxyType(
        {str(name): load(each) for name, each in _require_mapping(told).items()}
    )
