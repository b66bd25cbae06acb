"""The load report of a proxy: what it writes into its region's store, and reads of the others.

Laws:
1. A report is what others may plan by: it tells of this moment, under the name of node and proxy.
2. Another proxy is known while its word changes: nobody's clock is believed. One that has said
   nothing new for FRESH_S is gone.
3. Where no limit is configured there is no utilisation: null, not 0.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from typing import Any

from gslb.model.proxy import Pool, Proxy

REPORT_EVERY_S = 1.0
FRESH_S = 20.0
"""A store that wakes nobody is read every 5 s; three reads may be missed."""
MAX_NAME = 63

Load = Mapping[str, Any]


def name_reporter(node: str, proxy: str) -> str:
    """Under which name a proxy reports; at most MAX_NAME characters."""
    name = f"{node}.{proxy}"
    if len(name) <= MAX_NAME:
        return name
    return f"{name[:46]}.{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def describe_load(proxy: Proxy, node: str, load: Load, at: float) -> dict[str, Any]:
    """A load report: site, proxy, node, at (Unix seconds), workers, utilisation (a share, null
    where nothing limits), capacity, backends {healthy, total}, and the load as the proxy tells it.
    """
    pools = load.get("pools", {}).values()
    return {
        "site": proxy.site,
        "proxy": proxy.name,
        "node": node,
        "at": round(at, 3),
        "workers": proxy.workers,
        "capacity": proxy.capacity,
        "utilisation": judge_utilisation(proxy, load),
        "backends": {
            "healthy": sum(int(pool.get("healthy", 0)) for pool in pools),
            "total": sum(len(pool.backends) for pool in proxy.pools.values()),
        },
        **load,
    }


def judge_utilisation(proxy: Proxy, load: Load) -> float | None:
    """The share of what this proxy can take that is on its way now: of its capacity, else of the
    ceilings of the busiest pool all of whose backends have one.
    """
    if proxy.capacity:
        return _share(load.get("in_flight", 0), proxy.capacity)
    shares = [
        _share(load.get("pools", {}).get(name, {}).get("in_flight", 0), ceiling)
        for name, pool in proxy.pools.items()
        if (ceiling := _ceiling(pool)) is not None
    ]
    return max(shares, default=None)


def _ceiling(pool: Pool) -> int | None:
    """The requests that a pool takes at once; None is unlimited."""
    limits = [backend.max_connections for backend in pool.backends if not backend.backup]
    if not limits or None in limits:
        return None
    return sum(limit for limit in limits if limit is not None)


def _share(part: float, whole: float) -> float:
    return round(part / whole, 4)


def dump_load(report: Load) -> bytes:
    """A report as octets of JSON."""
    return json.dumps(report, separators=(",", ":")).encode()


class Neighbours:
    """Who else reports in the region. now: monotonic seconds."""

    def __init__(self, own: Collection[str], now: Callable[[], float]) -> None:
        self._own = frozenset(own)
        self._now = now
        self._heard: dict[str, tuple[int, float | None]] = {}  # hash of the word, since when
        self._is_first = True

    def own(self, names: Collection[str]) -> None:
        """Takes other names for this process's own."""
        self._own = frozenset(names)

    def take(self, nodes: Mapping[str, bytes]) -> None:
        """Takes what a store holds. A word that was there before we listened may be anybody's, long
        gone: it counts when it changes.
        """
        now, before = self._now(), self._heard
        is_first, self._is_first = self._is_first, False
        heard: dict[str, tuple[int, float | None]] = {}
        for name, octets in nodes.items():
            mark = hash(octets)
            known = before.get(name)
            if known is not None and known[0] == mark:
                heard[name] = known
            else:
                heard[name] = (mark, None if known is None and is_first else now)
        self._heard = heard

    def count(self) -> int:
        """How many proxies of the region are known, this process's own included; at least 1."""
        now = self._now()
        others = sum(
            since is not None and now - since <= FRESH_S
            for name, (_, since) in self._heard.items()
            if name not in self._own
        )
        return max(1, len(self._own)) + others
