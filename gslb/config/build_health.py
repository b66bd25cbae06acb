"""Checked entries of health, agents, orders and the store as the nouns of gslb.model."""

from __future__ import annotations

from pathlib import Path

from gslb.config.check_rules import timeout_s_of
from gslb.config.check_schema import CheckEntry, HttpEntry, HttpsEntry, KindEntry, TcpCheckEntry
from gslb.config.files import absolute
from gslb.config.health_schema import AgentEntry, HealthEntry, OrderEntry, RedisEntry
from gslb.model.agent import Agent
from gslb.model.check import Check, CheckKind, CommandCheck, HttpCheck, TcpCheck
from gslb.model.order import Order, OrderKind
from gslb.model.place import Location
from gslb.model.system import HealthSettings, RedisSettings

SECRET_FILES = ("password_file", "sentinel_password_file", "key_file")
REDIS_FILES = (*SECRET_FILES, "ca_file", "certificate_file")


def resolve(base: Path, name: str) -> Path:
    """A path of the operator's, absolute; a relative one is relative to base."""
    return absolute(base / name)


def build_check(check: CheckEntry, base: Path) -> Check:
    """A check from its entry. base: the main file's directory."""
    return Check(
        kinds=tuple(_build_kind(part, base) for part in check.parts),
        interval_s=check.interval_s,
        timeout_s=timeout_s_of(check),
        fall=check.fall,
        rise=check.rise,
        need=_count_needed(check),
        fast_interval_s=check.fast_interval_s,
    )


def _count_needed(check: CheckEntry) -> int:
    if check.need == "all":
        return len(check.parts)
    return 1 if check.need == "any" else check.need


def _build_kind(part: KindEntry, base: Path) -> CheckKind:
    if part.command is not None:
        program, *arguments = part.command
        return CommandCheck((str(resolve(base, program)), *arguments))
    if part.tcp is not None:
        return _build_tcp(part.tcp)
    entry = part.http or part.https
    assert entry is not None
    return _build_http(entry)


def _build_tcp(entry: TcpCheckEntry) -> TcpCheck:
    return TcpCheck(
        port=entry.port,
        address=entry.address,
        send=entry.send,
        expect=entry.expect,
        max_ms=entry.max_ms,
    )


def _build_http(entry: HttpEntry) -> HttpCheck:
    return HttpCheck(
        port=entry.port,
        scheme="https" if isinstance(entry, HttpsEntry) else "http",
        path=entry.path,
        host=entry.host,
        address=entry.address,
        method=entry.method,
        headers=tuple(entry.headers.items()),
        expect_status=tuple(entry.expect_status),
        expect_body=entry.expect_body,
        expect_json=tuple(entry.expect_json.items()),
        max_ms=entry.max_ms,
        verify=entry.verify if isinstance(entry, HttpsEntry) else True,
    )


def build_health(health: HealthEntry, base: Path) -> HealthSettings:
    """How reports become health."""
    plain = health.model_dump(exclude={"canaries"})
    canaries = tuple(build_check(canary, base) for canary in health.canaries)
    return HealthSettings(**plain, canaries=canaries)


def build_agent(name: str, agent: AgentEntry) -> Agent:
    """An agent from its entry."""
    return Agent(
        name=name,
        failure_domain=agent.failure_domain or name,
        public_keys=tuple(agent.public_key),
        location=Location(**agent.location.model_dump()),
        sites=None if agent.sites is None else frozenset(agent.sites),
    )


def build_order(site: str, order: OrderEntry) -> Order:
    """An order that stands in the configuration: version 0 beats all others."""
    return Order(
        site=site,
        kind=OrderKind(order.do),
        version=0,
        owner=order.owner,
        reason=order.reason,
        until_at=None if order.until is None else order.until.timestamp(),
    )


def build_redis(redis: RedisEntry, base: Path) -> RedisSettings:
    """How a Redis store is reached, with the paths of its files absolute."""
    plain = redis.model_dump()
    for name in REDIS_FILES:
        if plain[name] is not None:
            plain[name] = str(resolve(base, plain[name]))
    return RedisSettings(**plain)
