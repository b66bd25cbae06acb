"""Where clients connect: the frontends of a proxy, and everything that is decided before a backend.

Laws:
1. Rules come in the order in which HAProxy evaluates them: connections, health, requests, answers.
2. Who a request comes from is settled first; what clients say of it counts for trusted ones only.
3. What a rule reads is put aside before anything is rewritten.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from gslb.model.proxy import Algorithm, Certificate, HttpLimits, Listener, Pool, Proxy, Route
from gslb.render.actions import (
    CLASSES,
    CLIENT,
    is_route,
    render_changes,
    render_fault,
    render_rate_limit,
    render_redirect,
    render_rewrite,
    set_key,
)
from gslb.render.client import render_client, render_forwarding
from gslb.render.conditions import render_conditions
from gslb.render.features import Notes
from gslb.render.text import Section, acl, milliseconds, name, word

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
HASHED = (Algorithm.CONSISTENT_HASH, Algorithm.MAGLEV)

_MOST_WATCHED = 6
_DOTS = r"(?:[/\\]|%2f|%5c)(?:\.|%2e){1,2}(?:[/\\;]|%2f|%5c|%3b|\z)"
_EXPECTED = "{ req.hdr(expect) -m str -i 100-continue }"
_PROTOCOL_RULES = (
    "http-request return status 505 if !{ req.ver 1.0 1.1 }",
    "http-request deny deny_status 400 if { req.ver 1.1 } !{ req.hdr(host) -m found }",
    f"http-request deny deny_status 400 if {{ path -m reg -i {word(_DOTS)} }}",
    "http-request deny deny_status 405 if { method CONNECT TRACE }",
    f"http-request return status 417 if {{ req.hdr(expect) -m found }} !{_EXPECTED}",
    "http-request del-header _ -m sub",
    "http-request del-header Upgrade unless { req.hdr(upgrade) -m str -i websocket }",
)


def render_frontends(proxy: Proxy, notes: Notes) -> Iterator[Section]:
    """One for all HTTP listeners, and one for each of TCP."""
    http = [listener for listener in proxy.listeners if listener.pool is None]
    if http:
        yield _render_http(proxy, http, notes)
    for listener in proxy.listeners:
        if listener.pool is not None:
            yield _render_tcp(proxy, listener, notes)


def _render_tcp(proxy: Proxy, listener: Listener, notes: Notes) -> Section:
    host, port = listener.endpoint.host, str(listener.endpoint.port)
    title = f"frontend {name(proxy.name, 'tcp', host, port)}"
    section = Section(title, f"listener {listener.endpoint}: whole connections for {listener.pool}")
    section.add(
        "mode tcp",
        _bind(listener, 1, notes),
        f"maxconn {proxy.limits.connections * proxy.workers}",
        f"timeout client {milliseconds(proxy.timeouts.tunnel_idle_s)}",
        *_render_trust(proxy, [listener]),
        f"default_backend {backend_name(proxy, str(listener.pool), is_tcp=True)}",
    )
    return section


def backend_name(proxy: Proxy, pool: str, *, is_tcp: bool = False) -> str:
    """The name of a pool's backend."""
    return name(proxy.name, pool, "tcp") if is_tcp else name(proxy.name, pool)


def _render_http(proxy: Proxy, listeners: Sequence[Listener], notes: Notes) -> Section:
    section = Section(f"frontend {name(proxy.name)}", f"routes of {proxy.name}: the first is taken")
    section.add("mode http")
    section.add(*(_bind(each, at, notes) for at, each in enumerate(listeners, 1)))
    section.add(f"maxconn {proxy.limits.connections * proxy.workers}")
    section.add(*_render_log(proxy, notes))
    section.add(*_render_trust(proxy, listeners))
    section.add(*_render_health(proxy, notes))
    section.tell("what no client may ask for")
    section.add(*_PROTOCOL_RULES, *_render_body_limit(proxy.limits, notes))
    section.tell("who asks, and for what")
    section.add(*render_client(proxy))
    taken = [route for route in proxy.routes if _render_route(section, route, notes)]
    section.tell("what becomes of it")
    section.add(f"acl is_routed {_ROUTED}", _NO_ROUTE)
    for route in taken:
        _render_actions(section, proxy, route, notes)
    section.tell("what backends are told of the client")
    section.add(*render_forwarding(proxy))
    for route in taken:
        _render_request(section, route, notes)
    section.tell("what clients are told")
    for route in taken:
        _render_answer(section, proxy, route, notes)
    section.tell("pools")
    for pool in dict.fromkeys(pool for route in taken for pool in _weighted(route)):
        condition = f"{{ var(txn.pool) -m str -- {pool} }}"
        section.add(f"use_backend {backend_name(proxy, pool)} if {condition}")
    return section


# ---------------------------------------------------------------- listening


def _bind(listener: Listener, number: int, notes: Notes) -> str:
    words = [f"bind {listener.endpoint} id {number}"]
    if listener.certificates:
        words += ["ssl", *(_certificate(each, notes) for each in listener.certificates)]
        words.append(f"ssl-min-ver TLSv1.2 ciphers {CIPHERS}")
    if listener.pool is None:
        words.append("alpn http/1.1 proto h1" if listener.certificates else "proto h1")
    return " ".join(words)


def _certificate(certificate: Certificate, notes: Notes) -> str:
    if certificate.key not in (certificate.certificate, f"{certificate.certificate}.key"):
        link = f"{certificate.certificate}.key -> {certificate.key}"
        notes.add("listen.tls.key", "listen", "tls", "key", detail=link)
    return f"crt {word(certificate.certificate)}"


def _render_trust(proxy: Proxy, listeners: Sequence[Listener]) -> Iterator[str]:
    if not proxy.trusted_proxies:
        return
    yield from acl("trusted", "src", map(str, proxy.trusted_proxies))
    for at, each in enumerate(listeners, 1):
        if each.proxy_protocol:
            yield f"tcp-request connection expect-proxy layer4 if trusted {{ so_id {at} }}"


def _render_log(proxy: Proxy, notes: Notes) -> Iterator[str]:
    if proxy.access_log is None:
        return
    if proxy.access_log not in ("stdout", "stderr"):
        notes.add("access_log.file", "access_log")
        return
    notes.add("access_log", "access_log")
    yield f"log {proxy.access_log} format raw daemon"
    yield f"log-format {word(_LOG)}"


_LOG = (
    '{"at":%Ts.%ms,"id":"%[var(txn.id),json(utf8s)]","client":"%[src]",'
    '"method":"%HM","host":"%[var(txn.host),json(utf8s)]","path":"%[var(txn.path),json(utf8s)]",'
    '"route":"%[var(txn.route)]","backend":"%b/%s","status":%ST,"retries":"%rc",'
    '"queued_ms":%Tw,"connect_ms":%Tc,"response_ms":%Tr,"total_ms":%Ta,"octets":%B,"end":"%tsc"}'
)

# ---------------------------------------------------------------- health


def _render_health(proxy: Proxy, notes: Notes) -> Iterator[str]:
    """200 while less than half of the last route's requests have nowhere to go."""
    if proxy.health_path is None:
        return
    yield f"monitor-uri {word(proxy.health_path)}"
    yield "monitor fail if { stopping }"
    weights = _weighted(proxy.routes[-1]) if proxy.routes else {}
    pools = list(weights)
    if len(pools) > _MOST_WATCHED:
        notes.add("health_path.pools", "health_path")
    sizes = range(1, len(pools) + 1 if len(pools) <= _MOST_WATCHED else 2)
    told: list[set[str]] = []
    for lost in (set(each) for size in sizes for each in combinations(pools, size)):
        is_told = any(less <= lost for less in told)
        if not is_told and 2 * sum(weights[pool] for pool in lost) >= sum(weights.values()):
            told.append(lost)
            tests = (f"{{ nbsrv({backend_name(proxy, pool)}) lt 1 }}" for pool in sorted(lost))
            yield f"monitor fail if {' '.join(tests)}"


def _weighted(route: Route) -> dict[str, int]:
    return {pool: weight for pool, weight in route.pools.items() if weight > 0}


# ---------------------------------------------------------------- requests


def _render_body_limit(limits: HttpLimits, notes: Notes) -> Iterator[str]:
    if limits.body_octets is None:
        return
    notes.add("limits.body_mb", "limits", "body_mb")
    too_long = f"{{ req.hdr_val(content-length) gt {limits.body_octets} }}"
    yield f"http-request deny deny_status 413 if {too_long}"


_ROUTED = "var(txn.route) -m found"
_NO_ROUTE = (
    "http-request return status 404 content-type text/plain "
    "string 'no route takes this request' if !is_routed"
)


def _render_route(section: Section, route: Route, notes: Notes) -> bool:
    """Whether the route can be taken at all."""
    found = render_conditions(route, notes)
    if not found.is_judged:
        section.tell(f"route {route.name} is never taken: HAProxy cannot judge what it asks for")
        return False
    section.tell(f"route {route.name}")
    section.add(*found.lines)
    first = f"!{{ {_ROUTED} }}"
    section.add(
        f"http-request set-var(txn.route) str({route.name}) if {' '.join([first, *found.names])}",
        f"acl {is_route(route)} var(txn.route) -m str -- {route.name}",
    )
    return True


def _render_actions(section: Section, proxy: Proxy, route: Route, notes: Notes) -> None:
    section.tell(f"route {route.name}")
    condition = is_route(route)
    if route.cost != 1.0:
        notes.add("routes.cost", "routes", route.name, "cost")
    if route.redirect is not None:
        section.add(*render_redirect(route.redirect, condition))
        return
    if route.rate_limit is not None:
        section.add(*render_rate_limit(proxy.name, route, route.rate_limit, notes))
    section.add(*render_fault(route, notes))
    if route.cache is not None:
        notes.add("routes.cache", "routes", route.name, "cache")
        section.add(f"http-request cache-use {name(proxy.name, route.name)} if {condition}")
    if CLASSES[route.priority]:
        notes.add("routes.priority", "routes", route.name, "priority")
        section.add(
            f"http-request set-priority-class int({CLASSES[route.priority]}) if {condition}"
        )
    section.add(*_render_split(route, notes))
    for pool in _weighted(route):
        section.add(*_render_pool_key(proxy.pools[pool]))


def _render_split(route: Route, notes: Notes) -> Iterator[str]:
    condition, weights = is_route(route), _weighted(route)
    if not weights:
        yield f"http-request return status 503 hdr Retry-After 2 if {condition}"
    if len(weights) <= 1:
        yield from (
            f"http-request set-var(txn.pool) str({pool}) if {condition}" for pool in weights
        )
        return
    notes.add("routes.pools.split", "routes", route.name, "pools")
    drawn = f"{CLIENT},crc32c(1),mod({sum(weights.values())})"
    yield f"http-request set-var(txn.draw) {drawn} if {condition}"
    start = 0
    for pool, weight in weights.items():
        share = f"{{ var(txn.draw) -m int {start}:{start + weight - 1} }}"
        yield f"http-request set-var(txn.pool) str({pool}) if {condition} {share}"
        start += weight


def _render_pool_key(pool: Pool) -> Iterator[str]:
    if pool.balance.algorithm in HASHED:
        yield from set_key(
            "txn.key", pool.balance.key, f"{{ var(txn.pool) -m str -- {pool.name} }}"
        )


def _render_request(section: Section, route: Route, notes: Notes) -> None:
    if route.rewrite is not None:
        section.add(*render_rewrite(route.rewrite, route, notes))
    section.add(*render_changes(route.request_headers, "http-request", is_route(route)))


def _render_answer(section: Section, proxy: Proxy, route: Route, notes: Notes) -> None:
    if route.compress:
        notes.add("routes.compress", "routes", route.name, "compress")
    if route.cache is not None:
        cache = name(proxy.name, route.name)
        section.add(
            f"filter cache {cache}", f"http-response cache-store {cache} if {is_route(route)}"
        )
    section.add(*render_changes(route.response_headers, "http-response", is_route(route)))
