"""Checked entries of pools as the nouns of gslb.model.proxy: no rule is judged here any more."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Any

from gslb.config.build_health import build_check, resolve
from gslb.config.check_schema import HttpEntry, KindEntry, TcpCheckEntry
from gslb.config.proxy_pool_schema import (
    AffinityEntry,
    BackendEntry,
    BalanceEntry,
    HashEntry,
    PoolCheckEntry,
    PoolEntry,
    RetryEntry,
    UpstreamTlsEntry,
)
from gslb.model.check import Check
from gslb.model.endpoint import Endpoint
from gslb.model.proxy import (
    AffinitySettings,
    Backend,
    BalanceSpec,
    CircuitSettings,
    HedgeSettings,
    PassiveSettings,
    Pool,
    QueueSettings,
    RetrySettings,
    UpstreamTls,
)

_KB = 1024
_PROXY_VERSIONS = {None: 0, "v1": 1, "v2": 2}


def build_pool(name: str, pool: PoolEntry, base: Path) -> Pool:
    """A pool from its entry. base: the main file's directory."""
    return Pool(
        name=name,
        backends=tuple(_build_backend(*item, pool, base) for item in pool.backends.items()),
        balance=_build_balance(pool.balance),
        passive=PassiveSettings(**pool.passive.model_dump()) if pool.passive else None,
        affinity=_build_affinity(pool.affinity, base),
        retry=_build_retry(pool.retry),
        hedge=HedgeSettings(**pool.hedge.model_dump()) if pool.hedge else None,
        circuit=CircuitSettings(**pool.circuit.model_dump()) if pool.circuit else None,
        queue=QueueSettings(**pool.queue.model_dump()),
        slow_start_s=pool.slow_start_s,
        panic_below=pool.panic_below,
        drain_timeout_s=pool.drain_timeout_s,
        send_proxy=_PROXY_VERSIONS[pool.send_proxy],
        starts_up=pool.check is None or pool.check.init == "up",
        tls=_build_tls(pool.tls, base),
    )


def _build_backend(name: str, entry: BackendEntry, pool: PoolEntry, base: Path) -> Backend:
    return Backend(
        name=name,
        address=entry.address,
        weight=entry.weight,
        backup=entry.backup,
        max_connections=entry.max_connections or pool.max_connections,
        check=build_backend_check(pool.check, entry.address, base) if pool.check else None,
    )


def build_backend_check(check: PoolCheckEntry, address: Endpoint, base: Path) -> Check:
    """The check of one backend: where the pool's names no port and address, they are its own."""
    if check.of is not None:
        own = {"of": [part.model_copy(update=_own(part, address)) for part in check.of]}
    else:
        own = _own(check, address)
    return build_check(check.model_copy(update=own), base)


def _own(part: KindEntry, address: Endpoint) -> dict[str, Any]:
    """What is asked, of this backend."""
    given: dict[str, HttpEntry | TcpCheckEntry | None] = {
        "http": part.http,
        "https": part.https,
        "tcp": part.tcp,
    }
    return {name: _aim(entry, address) for name, entry in given.items() if entry is not None}


def _aim(entry: HttpEntry | TcpCheckEntry, address: Endpoint) -> HttpEntry | TcpCheckEntry:
    port = entry.port if "port" in entry.model_fields_set else address.port
    host = ip_address(address.host) if entry.address is None else entry.address
    return entry.model_copy(update={"port": port, "address": host})


def _build_balance(entry: BalanceEntry) -> BalanceSpec:
    algorithm, options = entry.chosen
    if isinstance(options, HashEntry):
        return BalanceSpec(algorithm, options.key, options.bounded_load)
    return BalanceSpec(algorithm)


def _build_affinity(entry: AffinityEntry | None, base: Path) -> AffinitySettings | None:
    if entry is None:
        return None
    secret = None if entry.secret_file is None else str(resolve(base, entry.secret_file))
    return AffinitySettings(entry.cookie, entry.max_age_s, secret)


def _build_retry(entry: RetryEntry) -> RetrySettings:
    return RetrySettings(
        attempts=entry.attempts,
        budget=entry.budget,
        min_retries=entry.min_retries,
        statuses=tuple(entry.statuses),
        buffer_octets=entry.buffer_kb * _KB,
    )


def _build_tls(entry: UpstreamTlsEntry | None, base: Path) -> UpstreamTls | None:
    if entry is None:
        return None
    ca_file = None if entry.ca_file is None else str(resolve(base, entry.ca_file))
    return UpstreamTls(entry.server_name, ca_file, entry.verify)
