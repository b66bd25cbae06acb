"""Pools as backends: who is asked, how one is picked, and what happens when it fails."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from hashlib import blake2b

from gslb.model.proxy import (
    Algorithm,
    Backend,
    PassiveSettings,
    Pool,
    Proxy,
    RetrySettings,
    UpstreamTls,
)
from gslb.render.actions import ADDRESS, CLIENT
from gslb.render.checks import find_check, render_check, server_check
from gslb.render.features import Notes
from gslb.render.frontend import HASHED, backend_name
from gslb.render.text import Section, argument, milliseconds, word

MAX_WEIGHT = 256
RETRIED = frozenset((401, 403, 404, 408, 425, 500, 501, 502, 503, 504))
COMPRESSED = (
    "text/html text/plain text/css text/xml text/javascript text/csv application/javascript "
    "application/json application/xml image/svg+xml"
)
_FAILURES = "conn-failure empty-response response-timeout"
_PASSIVE = PassiveSettings()
_RETRY = RetrySettings()
_DRAIN_S = 30.0

_PLAIN = {
    Algorithm.ROUND_ROBIN: "balance roundrobin",
    Algorithm.LEAST_CONNECTIONS: "balance leastconn",
    Algorithm.LEAST_RESPONSE_TIME: "balance leastconn",
    Algorithm.POWER_OF_TWO: "balance random(2)",
}
_TOLD = (
    Algorithm.LEAST_RESPONSE_TIME,
    Algorithm.IP_HASH,
    Algorithm.CONSISTENT_HASH,
    Algorithm.MAGLEV,
)


def render_backends(proxy: Proxy, notes: Notes) -> Iterator[Section]:
    """The backends of all pools; a pool of both kinds of listeners is two."""
    of_tcp = {listener.pool for listener in proxy.listeners}
    of_http = {pool for route in proxy.routes for pool in route.pools}
    for pool in proxy.pools.values():
        if pool.name in of_tcp & of_http:
            notes.add("pools.both", "pools", pool.name)
        if pool.name in of_http or pool.name not in of_tcp:
            yield _render(proxy, pool, notes, is_tcp=False)
        if pool.name in of_tcp:
            yield _render(proxy, pool, notes, is_tcp=True)


def _render(proxy: Proxy, pool: Pool, notes: Notes, *, is_tcp: bool) -> Section:
    section = Section(
        f"backend {backend_name(proxy, pool.name, is_tcp=is_tcp)}", f"pool {pool.name}"
    )
    idle_s = proxy.timeouts.tunnel_idle_s if is_tcp else proxy.timeouts.response_s
    section.add(
        f"mode {'tcp' if is_tcp else 'http'}",
        *_render_balance(pool, notes, is_tcp=is_tcp),
        f"timeout server {milliseconds(idle_s)}",
        "option allbackups" if any(each.backup for each in pool.backends) else "",
        *_render_affinity(pool, notes, is_tcp=is_tcp),
        *_render_retry(pool, notes, is_tcp=is_tcp),
        *_render_queue(pool, notes, is_tcp=is_tcp),
        *render_check(pool, notes),
        # The header names who is connected, not whom X-Forwarded-For names.
        "http-request set-src var(txn.peer)" if pool.send_proxy and not is_tcp else "",
    )
    if any(route.compress and route.pools.get(pool.name) for route in proxy.routes) and not is_tcp:
        section.add("compression algo gzip", f"compression type {COMPRESSED}")
    _tell_missing(pool, notes)
    weights = _scale_weights(pool, notes)
    shared = tuple(_render_shared(proxy, pool, is_tcp=is_tcp))
    for backend in pool.backends:
        words = _server(pool, backend, weights, is_tcp=is_tcp)
        section.add(f"server {backend.name} {backend.address} {' '.join([*words, *shared])}")
    return section


def _tell_missing(pool: Pool, notes: Notes) -> None:
    """What the file asks for and nothing here does."""
    place = ("pools", pool.name)
    for key, is_asked in {
        "hedge": pool.hedge is not None,
        "circuit": pool.circuit is not None,
        "panic_below": pool.panic_below > 0,
        "drain_timeout_s": pool.drain_timeout_s != _DRAIN_S,
    }.items():
        if is_asked:
            notes.add(f"pools.{key}", *place, key)
    if pool.passive is None:
        return
    notes.add("pools.passive", *place, "passive")
    if find_check(pool) is None:
        notes.add("pools.passive.check", *place, "passive")
    notes.add("pools.passive.eject", *place, "passive", "eject_s")


# ---------------------------------------------------------------- picking


def _render_balance(pool: Pool, notes: Notes, *, is_tcp: bool) -> Iterator[str]:
    balance = pool.balance
    if balance.algorithm in _TOLD:
        notes.add(f"pools.balance.{balance.algorithm}", "pools", pool.name, "balance")
    if balance.algorithm in _PLAIN:
        yield _PLAIN[balance.algorithm]
    else:
        key = "var(txn.key)" if balance.algorithm in HASHED else CLIENT
        yield f"balance hash {ADDRESS if is_tcp else key}"
        yield "hash-type consistent sdbm avalanche"
    if balance.bounded_load is not None:
        yield f"hash-balance-factor {max(101, round(balance.bounded_load * 100))}"


def _scale_weights(pool: Pool, notes: Notes) -> Mapping[str, int]:
    most = max(backend.weight for backend in pool.backends)
    if most <= MAX_WEIGHT:
        return {backend.name: backend.weight for backend in pool.backends}
    notes.add("pools.backends.weight", "pools", pool.name, "backends")
    return {
        backend.name: max(min(backend.weight, 1), round(backend.weight * MAX_WEIGHT / most))
        for backend in pool.backends
    }


def _render_affinity(pool: Pool, notes: Notes, *, is_tcp: bool) -> Iterator[str]:
    affinity = pool.affinity
    if affinity is None:
        return
    if affinity.cookie is None or is_tcp:
        yield "stick-table type ipv6 size 100k expire 24h"
        yield f"stick on {ADDRESS if is_tcp else CLIENT}"
        return
    notes.add("pools.affinity.signature", "pools", pool.name, "affinity", "cookie")
    age = f' attr "Max-Age={affinity.max_age_s}"' if affinity.max_age_s is not None else ""
    cookie = word(affinity.cookie)
    yield f'cookie {cookie} insert indirect nocache httponly attr "SameSite=Lax"{age}'
    own = word(rf"\A({re.escape(affinity.cookie)}=.*)\z")
    yield rf"http-after-response replace-header Set-Cookie {own} '\1; Secure' if {{ ssl_fc }}"


def _cookie_value(pool: Pool, backend: Backend) -> str:
    """What stands for a backend in a cookie: the same in every proxy, and no name or address."""
    named = f"{pool.name}:{backend.name}".encode()
    return blake2b(named, digest_size=8, person=b"gslb render").hexdigest()


# ---------------------------------------------------------------- failing


def _render_retry(pool: Pool, notes: Notes, *, is_tcp: bool) -> Iterator[str]:
    retry, place = pool.retry, ("pools", pool.name, "retry")
    yield f"retries {retry.attempts}"
    if not retry.attempts:
        return
    yield "option redispatch 1"
    if retry.budget < 1:
        is_default = (retry.budget, retry.min_retries) == (_RETRY.budget, _RETRY.min_retries)
        notes.add(f"pools.retry.{'default_budget' if is_default else 'budget'}", *place, "budget")
    if is_tcp:
        return
    if set(retry.statuses) - RETRIED:
        notes.add("pools.retry.statuses", *place, "statuses")
    if retry.buffer_octets != _RETRY.buffer_octets:
        notes.add("pools.retry.buffer_kb", *place, "buffer_kb")
    statuses = " ".join(str(each) for each in retry.statuses if each in RETRIED)
    yield f"retry-on {_FAILURES} {statuses}".rstrip()
    yield "http-request disable-l7-retry unless { method GET HEAD OPTIONS PUT DELETE }"


def _render_queue(pool: Pool, notes: Notes, *, is_tcp: bool) -> Iterator[str]:
    if not any(backend.max_connections is not None for backend in pool.backends):
        return
    yield f"timeout queue {milliseconds(pool.queue.timeout_s)}"
    if is_tcp:
        return
    if pool.queue.size:
        notes.add("pools.queue", "pools", pool.name, "queue")
        is_full = f"{{ queue ge {pool.queue.size} }}"
    elif all(backend.max_connections is not None for backend in pool.backends):
        is_full = "{ be_conn_free eq 0 }"
    else:
        return
    yield f"http-request return status 503 hdr Retry-After 2 if {is_full}"


# ---------------------------------------------------------------- servers


def _server(
    pool: Pool, backend: Backend, weights: Mapping[str, int], *, is_tcp: bool
) -> Iterator[str]:
    yield f"weight {weights[backend.name]}"
    if backend.backup:
        yield "backup"
    if backend.max_connections is not None:
        yield f"maxconn {backend.max_connections}"
    if pool.affinity is not None and pool.affinity.cookie is not None and not is_tcp:
        yield f"cookie {_cookie_value(pool, backend)}"
    yield from server_check(pool, backend)
    if pool.passive is not None and backend.check is not None:
        layer = "layer4" if is_tcp else "layer7"
        limit = pool.passive.connect_failures
        yield f"observe {layer} error-limit {limit} on-error fail-check"


def _render_shared(proxy: Proxy, pool: Pool, *, is_tcp: bool) -> Iterator[str]:
    """What all servers of a pool have."""
    if pool.slow_start_s > 0:
        yield f"slowstart {milliseconds(pool.slow_start_s)}"
    if pool.send_proxy:
        yield "send-proxy" if pool.send_proxy == 1 else "send-proxy-v2"
    if not is_tcp:
        yield f"pool-purge-delay {milliseconds(proxy.timeouts.idle_upstream_s)}"
    if pool.tls is not None:
        yield from _render_tls(pool.tls, is_tcp=is_tcp)


def _render_tls(tls: UpstreamTls, *, is_tcp: bool) -> Iterator[str]:
    yield "ssl"
    if tls.server_name is not None:
        yield f"sni {word(f'str({argument(tls.server_name)})')}"
    elif not is_tcp:
        yield "sni req.hdr(host),host_only"
    if not tls.verify:
        yield "verify none"
        return
    yield f"verify required ca-file {word(tls.ca_file or '@system-ca')}"
