"""Rules over several keys of a proxy: pure functions from entries to findings.

What a route may say is in gslb.config.proxy_route_rules, what a pool may say in
gslb.config.proxy_pool_rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import NamedTuple

from gslb.config.finding import Finding, Path, dotted
from gslb.config.health_rules import Known, unknown_site
from gslb.config.proxy_parts import Parts
from gslb.config.proxy_pool_rules import check_pool
from gslb.config.proxy_route_rules import check_routes, unknown_pool
from gslb.config.proxy_schema import ListenerEntry, ProxyEntry
from gslb.config.schema import MainFile
from gslb.model.endpoint import Endpoint

_TIMES = ("connect_s", "response_s")


def check_proxies(main: MainFile, known: Known, parts: Mapping[str, Parts]) -> Iterator[Finding]:
    """What is wrong with the proxies beyond their shape. parts: of each, by name."""
    for name, proxy in main.proxies.items():
        path = ("proxies", name)
        if known.sites and proxy.site not in known.sites:
            yield unknown_site(proxy.site, (*path, "site"), known.sites)
        yield from _check_admin(main, proxy, known, path)
        yield from _check_listeners(proxy, parts[name], path)
        yield from _check_trust(proxy, path)
        yield from _check_times(proxy, path)
        yield from check_routes(proxy, parts[name], path)
        yield from _check_pools(proxy, parts[name], path)
    yield from _check_sockets(main, parts)


def _check_admin(main: MainFile, proxy: ProxyEntry, known: Known, path: Path) -> Iterator[Finding]:
    is_open = not main.admin.tokens and "admin" not in known.broken
    if proxy.admin and is_open and not ip_address(proxy.admin.host).is_loopback:
        found = (
            f"{proxy.admin} is not a loopback address: that needs a token in admin.tokens; "
            "`gslb token` makes one"
        )
        yield Finding((*path, "admin"), found)


def _check_listeners(proxy: ProxyEntry, parts: Parts, path: Path) -> Iterator[Finding]:
    for index, listener in zip(parts.listen, proxy.listen, strict=True):
        yield from _check_listener(listener, parts, (*path, "listen", index))
        if listener.proxy_protocol and not proxy.trusted_proxies and parts.has("trusted_proxies"):
            found = "has no effect: trusted_proxies is empty, so no header is believed"
            yield Finding((*path, "listen", index, "proxy_protocol"), found, is_warning=True)
    if not parts.is_whole:
        return
    takes_http = any(one.mode == "http" for one in proxy.listen)
    if takes_http and not proxy.routes:
        found = "no routes: every request on its http listeners would be answered with 404"
        yield Finding((*path, "routes"), found, at_key=True)
    elif proxy.routes and not takes_http:
        found = "not read: no listener has mode http"
        yield Finding((*path, "routes"), found, at_key=True, is_warning=True)


def _check_listener(listener: ListenerEntry, parts: Parts, path: Path) -> Iterator[Finding]:
    if listener.mode == "tcp" and listener.pool is None:
        yield Finding(path, "the key pool is missing: where mode is tcp, connections go to a pool")
    elif listener.mode == "http" and listener.pool is not None:
        found = "is read only where mode is tcp: here routes name the pools"
        yield Finding((*path, "pool"), found, at_key=True)
    elif listener.pool is not None:
        yield from unknown_pool(listener.pool, (*path, "pool"), parts)


def _check_trust(proxy: ProxyEntry, path: Path) -> Iterator[Finding]:
    for index, network in enumerate(proxy.trusted_proxies):
        if network.prefixlen == 0:
            found = f"{network} is everybody: any client may choose the address it counts as"
            yield Finding((*path, "trusted_proxies", index), found, is_warning=True)


def _check_times(proxy: ProxyEntry, path: Path) -> Iterator[Finding]:
    times = proxy.timeouts
    for name in _TIMES:
        if name in times.model_fields_set and getattr(times, name) > times.total_s:
            found = f"has no effect: total_s ({times.total_s:g}) is over before"
            yield Finding((*path, "timeouts", name), found, is_warning=True)


def _check_pools(proxy: ProxyEntry, parts: Parts, path: Path) -> Iterator[Finding]:
    by_routes = {name for route in proxy.routes for name in (route.pool, *(route.pools or ()))}
    by_listeners = {one.pool for one in proxy.listen if one.mode == "tcp"}
    for name, pool in proxy.pools.items():
        where = (*path, "pools", name)
        is_tcp = parts.is_whole and name in by_listeners and name not in by_routes
        yield from check_pool(pool, where, mode="tcp" if is_tcp else "http")
        if parts.is_whole and name not in by_routes | by_listeners:
            found = "not used: no route and no listener names this pool"
            yield Finding(where, found, at_key=True, is_warning=True)


class _Socket(NamedTuple):
    """Where something listens for TCP. owner: what runs in one process. site: None is unknown."""

    endpoint: Endpoint
    path: Path
    owner: str
    site: str | None = None


def _check_sockets(main: MainFile, parts: Mapping[str, Parts]) -> Iterator[Finding]:
    """Addresses that are used twice. Those of two processes are only doubtful, as they may run on
    two machines; a proxy of another site that takes all addresses of its machine does for sure.
    """
    seen: list[_Socket] = []
    for one in _sockets(main, parts):
        first = next((other for other in seen if _collide(one, other)), None)
        seen.append(one)
        if first is None:
            continue
        is_warning = first.owner != one.owner
        found = f"{one.endpoint} is used by {dotted(first.path)} already" + (
            ": not both can run on one machine" if is_warning else ""
        )
        yield Finding(one.path, found, is_warning=is_warning)


def _sockets(main: MainFile, parts: Mapping[str, Parts]) -> Iterator[_Socket]:
    if "listen" in main.model_fields_set:
        yield from _server_sockets(main)
    for name, proxy in main.proxies.items():
        for index, one in zip(parts[name].listen, proxy.listen, strict=True):
            at: Path = ("proxies", name, "listen", index, "address")
            yield _Socket(one.address, at, f"proxies.{name}", proxy.site)
        if proxy.admin:
            yield _Socket(proxy.admin, ("proxies", name, "admin"), f"proxies.{name}", proxy.site)


def _server_sockets(main: MainFile) -> Iterator[_Socket]:
    """Those of the name server, which gslb.config.rules compares with each other."""
    for index, endpoint in enumerate(main.listen.dns):
        yield _Socket(endpoint, ("listen", "dns", index), "listen")
    if main.listen.admin:
        yield _Socket(main.listen.admin, ("listen", "admin"), "listen")


def _collide(one: _Socket, other: _Socket) -> bool:
    if one.owner == other.owner == "listen" or one.endpoint.port != other.endpoint.port:
        return False
    hosts = [ip_address(one.endpoint.host), ip_address(other.endpoint.host)]
    if hosts[0].version != hosts[1].version:
        return False
    takes_all = any(host.is_unspecified for host in hosts)
    if takes_all and None not in (one.site, other.site) and one.site != other.site:
        return False
    return takes_all or hosts[0] == hosts[1]
