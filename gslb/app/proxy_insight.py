"""What a proxy says of itself on its admin port, and the orders that it takes there.

Laws:
1. A backend may be named alone where only one pool has it; else the answer names all that could be
   meant.
2. An order is answered with the requests that are on their way at the backend, so that whoever
   drains it sees what is left.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NoReturn

from gslb.admin.requests import OrderRequest
from gslb.app.build import VERSION
from gslb.app.proxy_files import ProxyFiles
from gslb.app.proxy_load import describe_load
from gslb.app.proxy_region import Region
from gslb.app.proxy_station import Station
from gslb.app.reload import Reloader

Plain = dict[str, Any]


class ProxyInsight:
    """What one proxy knows and takes; an `Insight` of gslb.admin.http."""

    def __init__(self, station: Station, region: Region, reloader: Reloader[ProxyFiles]) -> None:
        self._station = station
        self._region = region
        self._reloader = reloader
        self._started_at = time.time()

    def status(self) -> Plain:
        """Everything as plain data. backends: by `pool/backend`, what checks and orders say. tier:
        as the data plane tells it. load: as it is written into the region's store.
        """
        station, region = self._station, self._region
        proxy, node = station.proxy, region.system.node
        return {
            "node": node,
            "proxy": proxy.name,
            "site": proxy.site,
            "version": VERSION,
            "pid": os.getpid(),
            "started_at": self._started_at,
            "is_draining": station.is_draining,
            "configuration": region.system.digest,
            "applied_at": self._reloader.state.applied_at,
            "reload_error": self._reloader.state.error,
            "reload_failed_at": self._reloader.state.failed_at,
            "listen": [str(listener.endpoint) for listener in proxy.listeners],
            "workers": station.plan.workers,
            "neighbours": region.neighbours,
            "alerts": region.alerts(),
            "store": self._describe_store(),
            "load": describe_load(proxy, node, station.load(), time.time()),
            "backends": self._describe_backends(),
            "tier": station.front.status(),
            "counters": dict(station.front.counters()),
        }

    def explain(self, name: str, rtype: str, client: str) -> NoReturn:
        """Raises ValueError: what is decided here is no name."""
        raise ValueError("this is a proxy: it answers no DNS; its access log explains each request")

    async def events(self, count: int) -> list[dict[str, Any]]:
        """The last events of the region, oldest first."""
        return await self._region.herald.events(count)

    async def place_order(self, request: OrderRequest) -> Plain:
        """Takes an order, for `pool/backend` or a backend alone (law 1); {order, store_error,
        in_flight}. Raises ValueError and OrderError.
        """
        name = find_backend(request.site, self._region.system.sites)
        told = await self._region.place(replace(request, site=name))
        return {**told, "in_flight": self._in_flight(name)}

    def _describe_backends(self) -> Plain:
        told = self._station.describe_backends()
        for name, one in told.items():
            one["in_flight"] = self._in_flight(name)
        return told

    def _describe_store(self) -> Plain:
        state = self._region.store_state
        return {
            "target": self._region.store_target,
            "connected": state.is_connected,
            "since_at": state.since_at,
            "error": state.error,
        }

    def _in_flight(self, name: str) -> int | None:
        """Requests at a backend, None where the data plane does not tell."""
        pool, _, backend = name.partition("/")
        found: Any = self._station.front.status()
        for key in ("pools", pool, "backends", backend, "in_flight"):
            found = found.get(key) if isinstance(found, Mapping) else None
        return found if isinstance(found, int) else None


def find_backend(name: str, known: Iterable[str]) -> str:
    """The `pool/backend` that a name means; the name itself if it may mean nothing that is known.

    Raises ValueError when it may mean several.
    """
    if "/" in name:
        return name
    found = [one for one in known if one.partition("/")[2] == name]
    if len(found) > 1:
        raise ValueError(f"{name!r} may be {' or '.join(found)}: name the pool, too")
    return found[0] if found else name
