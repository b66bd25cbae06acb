"""Checked entries as the nouns of gslb.model: no rule is judged here any more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gslb.config.build_health import (
    build_agent,
    build_check,
    build_health,
    build_order,
    build_redis,
    resolve,
)
from gslb.config.build_proxy import STREAMS, build_proxy, count_workers
from gslb.config.schema import MainFile, SiteEntry
from gslb.config.zone_schema import DEFAULT_TTL_MIN, AnswerEntry, PolicyStep, ServiceEntry, ZoneFile
from gslb.model.service import AllDown, Candidate, FilterSpec, Service, Site
from gslb.model.system import (
    AdminSettings,
    DnsLimits,
    EventSettings,
    GeoSettings,
    LogSettings,
    System,
)
from gslb.model.zone import ZoneSource
from gslb.policy.registry import FILTERS

BUNDLED = "bundled"


def build_system(main: MainFile, base: Path) -> System:
    """The system without zones, files and digest, which loading adds. base: the main file's
    directory.
    """
    return System(
        node=main.node,
        dns=tuple(main.listen.dns),
        admin=main.listen.admin,
        workers=count_workers(main.workers),
        store=main.store,
        state_dir=None if main.state_dir is None else str(resolve(base, main.state_dir)),
        agents={name: build_agent(name, agent) for name, agent in main.agents.items()},
        orders=tuple(build_order(*item) for item in main.orders.items()),
        redis=build_redis(main.redis, base),
        geo=_build_geo(main, base),
        health=build_health(main.health, base),
        limits=_build_limits(main),
        log=_build_log(main, base),
        zones=(),
        sites={name: build_site(name, site, base) for name, site in main.sites.items()},
        proxies={name: build_proxy(name, proxy, base) for name, proxy in main.proxies.items()},
        admin_access=AdminSettings(tuple(main.admin.tokens)),
        events=EventSettings(main.events.webhook),
    )


def _build_geo(main: MainFile, base: Path) -> GeoSettings:
    databases = (
        name if name == BUNDLED else str(resolve(base, name)) for name in main.geo.database
    )
    maps = {name: tuple(networks) for name, networks in main.geo.maps.items()}
    return GeoSettings(tuple(databases), maps)


def _build_limits(main: MainFile) -> DnsLimits:
    edns, tcp = main.edns, main.tcp
    return DnsLimits(
        udp_size=edns.udp_size,
        ecs=edns.client_subnet,
        ecs_max_ipv4=edns.max_ipv4_prefix,
        ecs_max_ipv6=edns.max_ipv6_prefix,
        nsid=(main.node if edns.nsid is None else edns.nsid) or None,
        version=edns.version or None,
        tcp_connections=tcp.max_connections,
        tcp_per_client=tcp.max_per_client,
        tcp_idle_s=tcp.idle_s,
        tcp_message_s=tcp.message_s,
    )


def _build_log(main: MainFile, base: Path) -> LogSettings:
    log = main.log
    decisions = log.decisions
    if decisions is not None and decisions not in STREAMS:
        decisions = str(resolve(base, decisions))
    return LogSettings(log.level, log.format, decisions, log.decision_share)


def build_site(name: str, site: SiteEntry, base: Path) -> Site:
    """A site from its entry. base: the main file's directory."""
    where = site.location
    point = None
    if where.latitude is not None and where.longitude is not None:
        point = (where.latitude, where.longitude)
    return Site(
        name=name,
        addresses=tuple(site.addresses),
        country=where.country,
        point=point,
        capacity=site.capacity,
        check=build_check(site.check, base) if site.check else None,
    )


@dataclass(frozen=True, slots=True)
class ZoneTexts:
    """What a zone was read from. Paths as messages show them; modified_at: of the newer file, Unix
    seconds.
    """

    file: str
    modified_at: int
    master_file: str | None = None
    master: str | None = None


def build_zone(zone: ZoneFile, texts: ZoneTexts, sites: Mapping[str, Site]) -> ZoneSource:
    """A zone's source, to be compiled."""
    nameservers = {
        name.lower().removesuffix("."): tuple(found) for name, found in zone.nameservers.items()
    }
    return ZoneSource(
        origin=zone.zone,
        file=texts.file,
        nameservers=nameservers,
        contact=zone.contact,
        negative_ttl=zone.negative_ttl,
        serial=max(1, texts.modified_at) % 2**32,
        master=texts.master,
        master_file=texts.master_file,
        services=tuple(build_service(name, entry, sites) for name, entry in zone.services.items()),
    )


def build_service(name: str, service: ServiceEntry, sites: Mapping[str, Site]) -> Service:
    """A service whose sites are all known."""
    ttl = service.ttl
    return Service(
        name=name.lower(),
        candidates=tuple(_build_candidate(*item, sites) for item in service.answers.items()),
        policy=tuple(map(_build_filter, service.policy)),
        ttl_max=ttl.max,
        ttl_min=min(DEFAULT_TTL_MIN, ttl.max) if ttl.min is None else ttl.min,
        max_answers=service.max_answers,
        when_all_down=AllDown(service.when_all_down.rule, tuple(service.when_all_down.addresses)),
    )


def _build_candidate(name: str, answer: AnswerEntry, sites: Mapping[str, Site]) -> Candidate:
    return Candidate(
        name=name,
        site=sites.get(name) if answer.cname is None else None,
        cname=answer.cname,
        weight=answer.weight,
        order=answer.order,
        serves=frozenset(answer.serves),
    )


def _build_filter(step: PolicyStep) -> FilterSpec:
    options = FILTERS[step.name].Options.model_validate(step.options)
    return FilterSpec(step.name, options)
