"""Rules over several keys of a pool: pure functions from entries to findings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from gslb.config.check_rules import check_check
from gslb.config.finding import Finding, Path
from gslb.config.proxy_pool_schema import AffinityEntry, HashEntry, PassiveEntry, PoolEntry
from gslb.model.endpoint import Endpoint
from gslb.model.proxy import KeyKind

_COOKIE_KEYS = ("max_age_s", "secret_file")


def check_pool(pool: PoolEntry, path: Path, *, mode: Literal["http", "tcp"]) -> Iterator[Finding]:
    """What is wrong in a pool beyond its shape. mode: tcp where no route uses it."""
    yield from _check_backends(pool, path)
    yield from _check_addresses(pool, path)
    if pool.check:
        yield from check_check(pool.check, (*path, "check"))
    if pool.passive:
        yield from _check_passive(pool.passive, (*path, "passive"))
    if pool.affinity:
        yield from _check_affinity(pool.affinity, (*path, "affinity"))
    yield from _check_idle(pool, path)
    if mode == "tcp":
        yield from _check_tcp(pool, path)


def _check_backends(pool: PoolEntry, path: Path) -> Iterator[Finding]:
    path = (*path, "backends")
    backends = pool.backends.values()
    if not any(one.weight for one in backends):
        yield Finding(path, "no backend can be chosen: every weight is 0")
    if all(one.backup for one in backends):
        found = "all of them are backup: none is used before the others"
        yield Finding(path, found, is_warning=True)


def _check_addresses(pool: PoolEntry, path: Path) -> Iterator[Finding]:
    owners: dict[Endpoint, str] = {}
    for name, backend in pool.backends.items():
        first = owners.setdefault(backend.address, name)
        if first != name:
            found = f"{backend.address} is the address of {first} already"
            yield Finding((*path, "backends", name, "address"), found, is_warning=True)


def _check_passive(passive: PassiveEntry, path: Path) -> Iterator[Finding]:
    if passive.eject_s <= passive.max_eject_s:
        return
    key, told = "eject_s", f"at most max_eject_s ({passive.max_eject_s:g})"
    if key not in passive.model_fields_set:
        key, told = "max_eject_s", f"at least eject_s ({passive.eject_s:g})"
    yield Finding((*path, key), f"must be {told}, not {getattr(passive, key):g}")


def _check_affinity(affinity: AffinityEntry, path: Path) -> Iterator[Finding]:
    given = [key for key in ("cookie", "client_ip") if getattr(affinity, key) is not None]
    if len(given) != 1:
        said = " and ".join(given) or "none of them"
        found = f"must hold exactly one of cookie, client_ip, not {said}"
        yield Finding(path, found, at_key=True)
    elif affinity.cookie is None:
        for key in _COOKIE_KEYS:
            if getattr(affinity, key) is not None:
                yield Finding((*path, key), "is read only beside cookie", at_key=True)


def _check_idle(pool: PoolEntry, path: Path) -> Iterator[Finding]:
    """What is given and can do nothing here."""
    others = len(pool.backends) - 1
    if pool.hedge and not others:
        found = "has no effect: the pool has one backend, and the second request needs another"
        yield Finding((*path, "hedge"), found, at_key=True, is_warning=True)
    if "attempts" in pool.retry.model_fields_set and pool.retry.attempts > others:
        found = f"more than the other backends ({others}), each of which is tried once"
        yield Finding((*path, "retry", "attempts"), found, is_warning=True)
    ceilings = [pool.max_connections, *(one.max_connections for one in pool.backends.values())]
    if pool.queue.size and not any(ceilings):
        found = "has no effect: without max_connections no request has to wait"
        yield Finding((*path, "queue"), found, at_key=True, is_warning=True)
    if pool.panic_below and not (pool.check or pool.passive):
        found = "has no effect: without check and passive every backend counts as healthy"
        yield Finding((*path, "panic_below"), found, is_warning=True)
    if pool.tls and not pool.tls.verify and pool.tls.ca_file is not None:
        found = "not read: verify is false"
        yield Finding((*path, "tls", "ca_file"), found, is_warning=True)


def _check_tcp(pool: PoolEntry, path: Path) -> Iterator[Finding]:
    """What asks for requests where there are only connections."""
    if pool.hedge:
        found = "not read: only tcp listeners use this pool"
        yield Finding((*path, "hedge"), found, at_key=True, is_warning=True)
    if pool.affinity and pool.affinity.cookie is not None:
        found = "never seen: only tcp listeners use this pool; take client_ip: {}"
        yield Finding((*path, "affinity", "cookie"), found)
    name, options = pool.balance.chosen
    key_spec = options.key if isinstance(options, HashEntry) else None
    if key_spec and key_spec.kind is not KeyKind.CLIENT_IP:
        found = "never seen: only tcp listeners use this pool; take client_ip"
        yield Finding((*path, "balance", name, "key"), found)
