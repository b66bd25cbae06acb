"""The files and programs that proxies name, and where in the main file each is named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from gslb.config.finding import Path
from gslb.config.proxy_parts import Parts
from gslb.config.proxy_pool_schema import PoolCheckEntry, PoolEntry
from gslb.config.proxy_route_schema import JwtEntry
from gslb.config.proxy_schema import ListenerTlsEntry, ProxyEntry
from gslb.config.schema import MainFile


class NamedFile(NamedTuple):
    """A file that something else reads. path: of the key that names it. is_secret: only its owner
    should be able to read it.
    """

    path: Path
    name: str
    is_secret: bool = False


def proxy_files(main: MainFile, parts: Mapping[str, Parts]) -> Iterator[NamedFile]:
    """The files of certificates, keys and secrets under `proxies`. parts: of each, by name."""
    for name, proxy in main.proxies.items():
        path: Path = ("proxies", name)
        for index, listener in zip(parts[name].listen, proxy.listen, strict=True):
            if listener.tls:
                yield from _certificates(listener.tls, (*path, "listen", index, "tls"))
        for index, route in zip(parts[name].routes, proxy.routes, strict=True):
            if route.jwt:
                yield _jwt_key(route.jwt, (*path, "routes", index, "jwt"))
        for pool_name, pool in proxy.pools.items():
            yield from _pool_files(pool, (*path, "pools", pool_name))


def _certificates(tls: ListenerTlsEntry, path: Path) -> Iterator[NamedFile]:
    pairs = ((path, tls), *(((*path, "more", index), one) for index, one in enumerate(tls.more)))
    for where, pair in pairs:
        yield NamedFile((*where, "certificate"), pair.certificate)
        yield NamedFile((*where, "key"), pair.key, is_secret=True)


def _jwt_key(jwt: JwtEntry, path: Path) -> NamedFile:
    is_shared = any(one.startswith("HS") for one in jwt.algorithms)
    return NamedFile((*path, "key"), jwt.key, is_secret=is_shared)


def _pool_files(pool: PoolEntry, path: Path) -> Iterator[NamedFile]:
    if pool.affinity and pool.affinity.secret_file is not None:
        secret = pool.affinity.secret_file
        yield NamedFile((*path, "affinity", "secret_file"), secret, is_secret=True)
    if pool.tls and pool.tls.ca_file is not None:
        yield NamedFile((*path, "tls", "ca_file"), pool.tls.ca_file)


def proxy_checks(main: MainFile) -> Iterator[tuple[Path, PoolCheckEntry]]:
    """The checks of pools, with the path of each."""
    for name, proxy in main.proxies.items():
        yield from _checks(proxy, ("proxies", name, "pools"))


def _checks(proxy: ProxyEntry, path: Path) -> Iterator[tuple[Path, PoolCheckEntry]]:
    for name, pool in proxy.pools.items():
        if pool.check:
            yield (*path, name, "check"), pool.check
