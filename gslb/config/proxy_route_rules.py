"""Rules over several keys of a proxy's routes: pure functions from entries to findings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from gslb.config.finding import Finding, Path, dotted
from gslb.config.proxy_parts import Parts
from gslb.config.proxy_route_schema import HeadersEntry, JwtEntry, RewriteEntry, RouteEntry
from gslb.config.proxy_schema import ProxyEntry
from gslb.config.words import did_you_mean, one_of, shown
from gslb.model.proxy import TextTest

_TARGETS = ("pool", "pools", "redirect")
_CONDITIONS = (
    *("hosts", "path", "path_prefix", "path_regex", "methods", "headers", "cookies", "query"),
    *("languages", "client_networks", "jwt"),
)
_FOR_BACKENDS = ("request_headers", "rewrite", "cache", "compress")


def check_routes(proxy: ProxyEntry, parts: Parts, path: Path) -> Iterator[Finding]:
    """What is wrong in the routes of a proxy beyond their shape. path: of the proxy."""
    placed = [
        ((*path, "routes", index), route)
        for index, route in zip(parts.routes, proxy.routes, strict=True)
    ]
    yield from _check_names(placed)
    yield from _check_reach(placed)
    for where, route in placed:
        yield from _check_target(route, where, parts)
        yield from _check_tests(route, where)
        yield from _check_changes(route, where)
        if route.rewrite:
            yield from _check_rewrite(route, route.rewrite, (*where, "rewrite"))
        if route.jwt:
            yield from _check_jwt(route.jwt, (*where, "jwt"))
        yield from _check_limit(route, where)
        yield from _check_fault(proxy, route, where, parts)
        yield from _check_cache(route, where)


def unknown_pool(name: str, path: Path, parts: Parts, *, at_key: bool = False) -> Iterator[Finding]:
    """That a name is no pool's, if it is none."""
    if name not in parts.pools and parts.has("pools"):
        hint = did_you_mean(name, parts.pools)
        found = f"unknown pool {shown(name)}; allowed: {one_of(parts.pools)}{hint}"
        yield Finding(path, found, at_key=at_key)


def _check_names(placed: list[tuple[Path, RouteEntry]]) -> Iterator[Finding]:
    owners: dict[str, Path] = {}
    for where, route in placed:
        first = owners.setdefault(route.name, where)
        if first != where:
            found = f"{route.name} is the name of {dotted(first)} already"
            yield Finding((*where, "name"), found)


def _check_reach(placed: list[tuple[Path, RouteEntry]]) -> Iterator[Finding]:
    """Routes that come too late: before them stands one that takes every request, or the same
    ones.
    """
    seen: dict[str, RouteEntry] = {}
    catch_all: RouteEntry | None = None
    for where, route in placed:
        conditions = repr([getattr(route, key) for key in _CONDITIONS])
        first = catch_all or seen.setdefault(conditions, route)
        if first is not route:
            takes = "every request" if catch_all else "the same requests"
            found = f"never taken: {first.name} stands before it and takes {takes}"
            yield Finding(where, found, is_warning=True)
        elif not any(getattr(route, key) for key in _CONDITIONS):
            catch_all = route


def _check_target(route: RouteEntry, path: Path, parts: Parts) -> Iterator[Finding]:
    given = [key for key in _TARGETS if getattr(route, key) is not None]
    if len(given) != 1:
        said = " and ".join(given) or "none of them"
        yield Finding(path, f"must hold exactly one of {one_of(_TARGETS)}, not {said}")
    if route.pool is not None:
        yield from unknown_pool(route.pool, (*path, "pool"), parts)
    for name in route.pools or ():
        yield from unknown_pool(name, (*path, "pools", name), parts, at_key=True)
    if route.pools and not any(route.pools.values()):
        yield Finding((*path, "pools"), "no pool can be chosen: every weight is 0")
    if route.redirect:
        yield from _check_redirect(route, path)


def _check_redirect(route: RouteEntry, path: Path) -> Iterator[Finding]:
    redirect = route.redirect
    if redirect and not (redirect.scheme or redirect.host or redirect.path):
        found = "leads back to the same address: give scheme, host or path"
        yield Finding((*path, "redirect"), found, at_key=True)
    for key in _FOR_BACKENDS:
        if getattr(route, key) != RouteEntry.model_fields[key].default:
            found = "not read: a redirect asks no backend"
            yield Finding((*path, key), found, at_key=True, is_warning=True)


def _check_tests(route: RouteEntry, path: Path) -> Iterator[Finding]:
    for key in ("headers", "cookies", "query"):
        for name, entry in getattr(route, key).items():
            if len(entry.tests) != 1:
                said = " and ".join(entry.tests) or "none of them"
                found = f"must hold exactly one of {one_of(TextTest)}, not {said}"
                yield Finding((*path, key, name), found, at_key=True)
    yield from _check_twins(route.headers, (*path, "headers"))


def _check_twins(names: Iterable[str], path: Path) -> Iterator[Finding]:
    """Names of headers that differ in case only."""
    seen: dict[str, str] = {}
    for name in names:
        first = seen.setdefault(name.lower(), name)
        if first != name:
            found = f"the same header as {first}: case does not count"
            yield Finding((*path, name), found, at_key=True)


def _check_changes(route: RouteEntry, path: Path) -> Iterator[Finding]:
    changes: tuple[tuple[str, HeadersEntry], ...] = (
        ("request_headers", route.request_headers),
        ("response_headers", route.response_headers),
    )
    for key, entry in changes:
        yield from _check_twins(entry.set, (*path, key, "set"))
        yield from _check_twins(entry.add, (*path, key, "add"))


def _check_rewrite(route: RouteEntry, rewrite: RewriteEntry, path: Path) -> Iterator[Finding]:
    strip = rewrite.strip_prefix
    begins = route.path_prefix if route.path is None else route.path
    if strip is not None and begins is not None:
        is_open = route.path is None and _is_below(strip, begins)
        if not (is_open or _is_below(begins, strip)):
            found = f"has no effect: the paths of this route begin with {begins}"
            yield Finding((*path, "strip_prefix"), found, is_warning=True)
    if rewrite.regex is not None:
        yield from _check_replacement(rewrite.regex, rewrite.replacement, path)
    elif "replacement" in rewrite.model_fields_set:
        found = "is read only beside regex"
        yield Finding((*path, "replacement"), found, at_key=True)


def _is_below(path: str, prefix: str) -> bool:
    """Whether a path is a prefix or lies below it, segment by segment."""
    return f"{path.rstrip('/')}/".startswith(f"{prefix.rstrip('/')}/")


def _check_replacement(regex: str, replacement: str, path: Path) -> Iterator[Finding]:
    """Substituting in any text reads the whole replacement, so an empty one will do."""
    try:
        re.sub(regex.encode(), replacement.encode(), b"")
    except (re.error, IndexError) as error:
        found = f"{shown(replacement)} does not fit regex: {error}"
        yield Finding((*path, "replacement"), found)


def _check_jwt(jwt: JwtEntry, path: Path) -> Iterator[Finding]:
    families = dict.fromkeys(_family(one) for one in jwt.algorithms)
    if len(families) > 1:
        found = (
            f"must be those of one kind of key, not of {' and '.join(families)}: "
            "a key that verifies by several can be made to verify what it should not"
        )
        yield Finding((*path, "algorithms"), found, at_key=True)


def _family(algorithm: str) -> str:
    """The kind of key that an algorithm takes; each curve is one."""
    kinds = {"HS": "a shared secret", "RS": "RSA", "PS": "RSA"}
    return kinds.get(algorithm[:2], algorithm)


def _check_limit(route: RouteEntry, path: Path) -> Iterator[Finding]:
    limit = route.rate_limit
    if limit is None:
        return
    path = (*path, "rate_limit")
    if limit.sliding and limit.burst is not None:
        found = "not read: a sliding window allows no burst"
        yield Finding((*path, "burst"), found, is_warning=True)
    key = "burst" if limit.burst is not None and not limit.sliding else "requests"
    most = getattr(limit, key)
    if most < route.cost:
        found = f"less than cost ({route.cost:g}): each request takes all that is allowed at once"
        yield Finding((*path, key), found, is_warning=True)


def _check_fault(
    proxy: ProxyEntry, route: RouteEntry, path: Path, parts: Parts
) -> Iterator[Finding]:
    fault = route.fault
    if fault is None:
        return
    path = (*path, "fault")
    if not proxy.allow_faults and parts.has("allow_faults"):
        found = "needs allow_faults: true at the proxy, as it breaks requests on purpose"
        yield Finding(path, found, at_key=True)
    if not (fault.abort_share or (fault.delay_share and fault.delay_ms)):
        found = "has no effect: give abort_share, or delay_ms and delay_share"
        yield Finding(path, found, at_key=True, is_warning=True)


def _check_cache(route: RouteEntry, path: Path) -> Iterator[Finding]:
    cache = route.cache
    if cache and cache.max_entry_mb > cache.max_size_mb:
        told = f"at most max_size_mb ({cache.max_size_mb:g})"
        key = "max_entry_mb"
        if key not in cache.model_fields_set:
            told, key = f"at least max_entry_mb ({cache.max_entry_mb:g})", "max_size_mb"
        found = f"must be {told}, not {getattr(cache, key):g}"
        yield Finding((*path, "cache", key), found)
