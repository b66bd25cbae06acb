"""What becomes of the requests of a route, once `txn.route` holds its name.

The order is gslb's: redirect, rate limit, drill, cache, pool; then what backends get to see.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gslb.model.proxy import (
    HeaderChanges,
    KeyKind,
    KeySpec,
    Priority,
    RateLimit,
    Redirect,
    Rewrite,
    Route,
)
from gslb.render.features import Notes
from gslb.render.text import Section, argument, fetch, literal, milliseconds, name, word

ADDRESS = "src,ipmask(32,64)"
"""A client: its address, or the /64 that an IPv6 one is in."""

CLIENT = "var(txn.client)"
"""The same, put aside when a request's client was settled."""

CLASSES = {Priority.LOW: 10, Priority.NORMAL: 0, Priority.HIGH: -10}
"""Of a queue: the lowest is served first."""

_REPLACEMENT = re.compile(r"(?:[^\\]|\\[1-9](?![0-9]))*")
_CACHE_MAX_MB = 4095
_MEGA = 1024 * 1024


def is_route(route: Route) -> str:
    """The name of the rule that a route was taken."""
    return name("is", route.name)


def key_fetch(key: KeySpec | None) -> str:
    """What a key is of a request, as a fetch."""
    if key is None:
        return CLIENT
    match key.kind:
        case KeyKind.CLIENT_IP:
            return CLIENT
        case KeyKind.HOST:
            return "var(txn.host)"
        case KeyKind.PATH:
            return "var(txn.path)"
        case KeyKind.URI:
            return "var(txn.target)"
        case KeyKind.HEADER:
            return fetch("req.fhdr", key.name)
        case KeyKind.COOKIE:
            return fetch("req.cook", key.name)
        case KeyKind.QUERY:
            return word(f"urlp({argument(key.name)}),url_dec(1)")


def set_key(variable: str, key: KeySpec | None, condition: str) -> Iterator[str]:
    """Puts a key aside; who has none is keyed by its address."""
    yield f"http-request set-var({variable}) {key_fetch(key)} if {condition}"
    if key is not None and key.kind is not KeyKind.CLIENT_IP:
        yield f"http-request set-var({variable},ifnotexists) {CLIENT} if {condition}"


# ---------------------------------------------------------------- before a pool is asked


def render_redirect(redirect: Redirect, condition: str) -> Iterator[str]:
    """The answer instead of a pool. A port is kept with the scheme that it is of."""
    scheme = "%[var(txn.scheme)]" if redirect.scheme is None else redirect.scheme
    if redirect.host is not None:
        authority = redirect.host.replace("%", "%%")
    else:
        authority = "%[var(txn.authority)]"
        yield f"http-request set-var(txn.authority) req.hdr(host) if {condition}"
        if redirect.scheme is not None:
            other = "!{ ssl_fc }" if redirect.scheme == "https" else "{ ssl_fc }"
            host = "req.hdr(host),host_only"
            yield f"http-request set-var(txn.authority) {host} if {condition} {other}"
    root = f"{scheme}://{authority}"
    code = f"code {redirect.status} if {condition}"
    if redirect.path is None:
        yield f"http-request redirect location {word(root + '%[var(txn.target)]')} {code}"
        return
    path = redirect.path.replace("%", "%%")
    path = path if path.startswith("/") else f"/{path}"
    if "?" not in path:
        asked = word(f"{root}{path}?%[query]")
        yield f"http-request redirect location {asked} {code} {{ query -m len gt 0 }}"
    yield f"http-request redirect location {word(root + path)} {code}"


def rate_table(proxy: str, route: Route) -> Section | None:
    """The table that counts for a route's limit: as many as may come at once, in the time in which
    so many more are allowed.
    """
    limit = route.rate_limit
    if limit is None:
        return None
    by_client = limit.key.kind is KeyKind.CLIENT_IP
    period_s = limit.per_s * _burst(limit) / limit.requests
    table = Section(f"backend {name(proxy, route.name, 'rate')}", f"route {route.name}: rate_limit")
    kind = "ipv6" if by_client else "string len 64"
    table.add(
        f"stick-table type {kind} size 100k expire {milliseconds(2 * period_s)} "
        f"store gpc0,gpc0_rate({milliseconds(period_s)})"
    )
    return table


def _burst(limit: RateLimit) -> int:
    return limit.requests if limit.sliding or limit.burst is None else limit.burst


def render_rate_limit(proxy: str, route: Route, limit: RateLimit, notes: Notes) -> Iterator[str]:
    """Only requests that pass are counted, as in gslb."""
    notes.add("routes.rate_limit", "routes", route.name, "rate_limit")
    table, condition = name(proxy, route.name, "rate"), is_route(route)
    allowed = max(1, int(_burst(limit) / route.cost))
    again_s = max(1, round(limit.per_s * route.cost / limit.requests))
    yield from set_key("txn.rate_key", limit.key, condition)
    yield f"http-request track-sc0 var(txn.rate_key) table {table} if {condition}"
    yield (
        f"http-request deny deny_status 429 hdr Retry-After {again_s} "
        f"if {condition} {{ sc0_gpc0_rate({table}) ge {allowed} }}"
    )
    yield f"http-request sc-inc-gpc0(0) if {condition}"


def render_fault(route: Route, notes: Notes) -> Iterator[str]:
    """A drill: only what ends a request at once."""
    fault = route.fault
    if fault is None:
        return
    if fault.delay_ms and fault.delay_share:
        notes.add("routes.fault.delay", "routes", route.name, "fault", "delay_ms")
    if fault.abort_share:
        yield (
            f"http-request return status {fault.abort_status} content-type text/plain "
            f"string 'aborted by a drill' if {is_route(route)} "
            f"{{ rand(1000000) lt {round(fault.abort_share * 1_000_000)} }}"
        )


def cache_section(proxy: str, route: Route) -> Section | None:
    """The cache of a route."""
    if route.cache is None:
        return None
    megabytes = min(_CACHE_MAX_MB, max(1, route.cache.max_octets // _MEGA))
    entry = min(route.cache.max_entry_octets, megabytes * _MEGA // 2)
    section = Section(f"cache {name(proxy, route.name)}", f"route {route.name}: cache")
    section.add(
        f"total-max-size {megabytes}",
        f"max-object-size {entry}",
        "max-age 86400",
        "process-vary on",
    )
    return section


# ---------------------------------------------------------------- what backends see


def render_rewrite(rewrite: Rewrite, route: Route, notes: Notes) -> Iterator[str]:
    """Prefix off, expression, prefix on, Host: in this order."""
    condition = is_route(route)
    strip = (rewrite.strip_prefix or "").rstrip("/")
    if strip:
        yield f"http-request set-path / if {condition} {{ path -m str -- {word(strip)} }}"
        pattern = word(rf"\A{re.escape(strip)}(/.*)\z")
        yield rf"http-request replace-path {pattern} '\1' if {condition}"
    if rewrite.regex is not None:
        if _REPLACEMENT.fullmatch(rewrite.replacement):
            changed = f"path,regsub({argument(rewrite.regex)},{argument(rewrite.replacement)},g)"
            yield f"http-request set-var(txn.changed) {word(changed)} if {condition}"
            yield f"http-request set-path %[var(txn.changed)] if {condition}"
        else:
            notes.add("routes.rewrite.replacement", "routes", route.name, "rewrite", "replacement")
    add = (rewrite.add_prefix or "").rstrip("/")
    if add:
        prefix = add.replace("%", "%%")
        yield f"http-request set-path {word(prefix + '%[path]')} if {condition}"
    if rewrite.host:
        yield f"http-request set-header Host {literal(rewrite.host)} if {condition}"


def render_changes(changes: HeaderChanges, side: str, condition: str) -> Iterator[str]:
    """Changes of headers. side: http-request or http-response."""
    for each in changes.remove:
        yield f"{side} del-header {each} if {condition}"
    for each, value in changes.set.items():
        yield f"{side} set-header {each} {_value(value)} if {condition}"
    for each, value in changes.add.items():
        yield f"{side} add-header {each} {_value(value)} if {condition}"


def _value(text: str) -> str:
    return literal(text) if text else "%[var(txn.nothing)]"  # no word may be empty
