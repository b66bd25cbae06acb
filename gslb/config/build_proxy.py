"""Checked entries of proxies as the nouns of gslb.model.proxy: no rule is judged here any more."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from gslb.config.build_health import resolve
from gslb.config.build_pool import build_pool
from gslb.config.fields import MAX_WORKERS
from gslb.config.proxy_route_schema import (
    CacheEntry,
    HeadersEntry,
    JwtEntry,
    RewriteEntry,
    RouteEntry,
    TextEntry,
)
from gslb.config.proxy_schema import (
    CertificateEntry,
    LimitsEntry,
    ListenerEntry,
    ProxyEntry,
    ShedEntry,
    TimeoutsEntry,
)
from gslb.model.proxy import (
    CacheSettings,
    Certificate,
    Fault,
    HeaderChanges,
    HttpLimits,
    JwtMatch,
    Listener,
    Match,
    Priority,
    Proxy,
    RateLimit,
    Redirect,
    Rewrite,
    Route,
    ShedSettings,
    TextMatch,
    TextTest,
    Timeouts,
)

KB = 1024
MB = 1024 * 1024
STREAMS = ("stdout", "stderr")


def build_proxy(name: str, proxy: ProxyEntry, base: Path) -> Proxy:
    """A proxy from its entry. base: the main file's directory."""
    return Proxy(
        name=name,
        site=proxy.site,
        listeners=tuple(_build_listener(one, base) for one in proxy.listen),
        routes=tuple(_build_route(one, base) for one in proxy.routes),
        pools={key: build_pool(key, pool, base) for key, pool in proxy.pools.items()},
        allow_faults=proxy.allow_faults,
        health_path=proxy.health_path,
        trusted_proxies=tuple(proxy.trusted_proxies),
        access_log=_build_log(proxy.access_log, base),
        admin=proxy.admin,
        workers=count_workers(proxy.workers),
        capacity=proxy.capacity,
        timeouts=_build_timeouts(proxy.timeouts),
        limits=_build_limits(proxy.limits),
        shed=_build_shed(proxy.shed),
        drain_timeout_s=proxy.drain_timeout_s,
    )


def count_workers(workers: int | str) -> int:
    """The number that `workers` says; `auto` is one for each core."""
    return workers if isinstance(workers, int) else min(os.cpu_count() or 1, MAX_WORKERS)


def _build_log(name: str | None, base: Path) -> str | None:
    return name if name is None or name in STREAMS else str(resolve(base, name))


def _build_listener(entry: ListenerEntry, base: Path) -> Listener:
    pairs = (entry.tls, *entry.tls.more) if entry.tls else ()
    return Listener(
        endpoint=entry.address,
        certificates=tuple(_build_certificate(pair, base) for pair in pairs),
        pool=entry.pool,
        proxy_protocol=entry.proxy_protocol,
    )


def _build_certificate(pair: CertificateEntry, base: Path) -> Certificate:
    return Certificate(str(resolve(base, pair.certificate)), str(resolve(base, pair.key)))


def _build_timeouts(entry: TimeoutsEntry) -> Timeouts:
    return Timeouts(**entry.model_dump())


def _build_shed(entry: ShedEntry) -> ShedSettings:
    return ShedSettings(**entry.model_dump())


def _build_limits(entry: LimitsEntry) -> HttpLimits:
    return HttpLimits(
        line_octets=entry.line_kb * KB,
        header_octets=entry.header_kb * KB,
        headers=entry.headers,
        body_octets=None if entry.body_mb is None else round(entry.body_mb * MB),
        connections=entry.connections,
        requests_per_connection=entry.requests_per_connection,
        body_octets_per_s=entry.body_octets_per_s,
    )


def _build_route(entry: RouteEntry, base: Path) -> Route:
    return Route(
        name=entry.name,
        match=_build_match(entry, base),
        pools={entry.pool: 1} if entry.pool is not None else dict(entry.pools or {}),
        redirect=Redirect(**entry.redirect.model_dump()) if entry.redirect else None,
        priority=Priority[entry.priority.upper()],
        cost=entry.cost,
        rate_limit=_build_rate_limit(entry),
        request_headers=_build_changes(entry.request_headers),
        response_headers=_build_changes(entry.response_headers),
        rewrite=_build_rewrite(entry.rewrite),
        fault=Fault(**entry.fault.model_dump()) if entry.fault else None,
        cache=_build_cache(entry.cache),
        compress=entry.compress,
    )


def _build_match(entry: RouteEntry, base: Path) -> Match:
    """Names of headers are put in lower case: theirs does not count."""
    headers = {name.lower(): test for name, test in entry.headers.items()}
    return Match(
        hosts=tuple(entry.hosts),
        path=entry.path,
        path_prefix=entry.path_prefix,
        path_regex=entry.path_regex,
        methods=tuple(entry.methods),
        headers=_build_tests(headers),
        cookies=_build_tests(entry.cookies),
        query=_build_tests(entry.query),
        languages=tuple(entry.languages),
        client_networks=tuple(entry.client_networks),
        jwt=_build_jwt(entry.jwt, base) if entry.jwt else None,
    )


def _build_tests(tests: Mapping[str, TextEntry]) -> dict[str, TextMatch]:
    return {name: _build_test(entry) for name, entry in tests.items()}


def _build_test(entry: TextEntry) -> TextMatch:
    (test,) = entry.tests
    text = getattr(entry, test)
    return TextMatch(TextTest(test), text if isinstance(text, str) else "")


def _build_jwt(entry: JwtEntry, base: Path) -> JwtMatch:
    return JwtMatch(
        key_file=str(resolve(base, entry.key)),
        claims=dict(entry.claims),
        algorithms=tuple(entry.algorithms),
        header=entry.header.lower(),
        audience=entry.audience,
        issuer=entry.issuer,
    )


def _build_rate_limit(route: RouteEntry) -> RateLimit | None:
    limit = route.rate_limit
    if limit is None:
        return None
    return RateLimit(limit.requests, limit.per_s, limit.burst, limit.key, limit.sliding)


def _build_changes(entry: HeadersEntry) -> HeaderChanges:
    return HeaderChanges(dict(entry.set), dict(entry.add), tuple(entry.remove))


def _build_rewrite(entry: RewriteEntry | None) -> Rewrite | None:
    return Rewrite(**entry.model_dump()) if entry else None


def _build_cache(entry: CacheEntry | None) -> CacheSettings | None:
    if entry is None:
        return None
    return CacheSettings(round(entry.max_size_mb * MB), round(entry.max_entry_mb * MB))
