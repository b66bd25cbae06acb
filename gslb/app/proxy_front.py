"""What serves the clients of a proxy: one data plane in this process (here), or several workers
(gslb.app.proxy_workers), behind one face.
"""

from __future__ import annotations

import base64
import io
import pickle
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

from gslb.app.proxy_log import AccessLog
from gslb.balance.words import Mode
from gslb.model.order import Order
from gslb.model.proxy import Proxy
from gslb.model.system import RedisSettings

Plain = Mapping[str, Any]
Runs = Mapping[str, Callable[[], Awaitable[None]]]


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a data plane is made of. keys: the octets of key files, by path. affinity: what
    signs cookies without a key file of their own. store, redis: of the region, where limits are
    counted. generation: of the configuration. workers: how many data planes share the proxy.
    """

    proxy: Proxy
    keys: Mapping[str, bytes] = field(repr=False)
    affinity: bytes = field(repr=False)
    workers: int = 1
    store: str = field(default="memory", repr=False)
    redis: RedisSettings = RedisSettings()
    generation: str = ""


class Front(Protocol):
    """Serves the clients of one proxy."""

    async def start(self) -> None:
        """Begins to accept."""

    async def apply(self, plan: Plan) -> None:
        """Goes by another plan; its sockets are listening already. Raises ConfigError, ValueError
        or OSError, and changes nothing then.
        """

    def take_check(self, pool: str, backend: str, *, up: bool) -> None:
        """Hears what a check says."""

    def take_mode(self, pool: str, backend: str, mode: Mode) -> None:
        """Hears what is ordered."""

    def take_neighbours(self, count: int) -> None:
        """Hears how many proxies share the region's limits."""

    def status(self) -> Plain:
        """All there is to know, as plain data."""

    def load(self) -> Plain:
        """in_flight, requests_per_s, p50_ms, p95_ms, p99_ms, error_share, pools."""

    def counters(self) -> Plain:
        """Numbers that only grow, by name, some of them by what they count. requests: by
        `route/pool/backend/2xx`, where what was not reached is empty.
        """

    def reopen_log(self) -> None:
        """Opens the access log again."""

    def begin_drain(self, *, is_replaced: bool) -> None:
        """Fails the health path, then takes nobody new, ends what is idle, and the rest when it is
        done. is_replaced: somebody else accepts already, so the health path has nothing to tell.
        """

    async def drained(self, timeout_s: float) -> bool:
        """Whether all is done, after this time at the latest."""

    async def close(self) -> None:
        """Ends at once."""

    def runs(self) -> Runs:
        """What must go on for ever, by name."""


class DataPlane(Protocol):
    """A `gslb.proxy.tier.Tier`."""

    generation: str

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """See Tier."""

    def apply(
        self, proxy: Proxy, sockets: Sequence[socket.socket], keys: Mapping[str, bytes]
    ) -> None:
        """See Tier."""

    def take_check(self, pool: str, backend: str, *, up: bool) -> None:
        """See Tier."""

    def take_mode(self, pool: str, backend: str, mode: Mode) -> None:
        """See Tier."""

    def status(self) -> Plain:
        """See Tier."""

    def load(self) -> Plain:
        """See Tier."""

    def counters(self) -> Plain:
        """See Tier."""

    def begin_drain(self, *, is_replaced: bool = False) -> None:
        """See Tier."""

    async def drained(self, timeout_s: float) -> bool:
        """See Tier."""

    async def close(self) -> None:
        """See Tier."""


Tell = Callable[[str], None]
MakePlane = Callable[[Plan, Tell | None, Callable[[], int]], tuple[DataPlane, Runs]]
"""(plan, tell, known proxies of the region) -> a data plane, and what must go on for it."""
Lend = Callable[[Proxy], Sequence[socket.socket]]
"""The listening sockets of a proxy, one for each of its listeners; they stay the lender's."""


class LocalFront:
    """One data plane in this process. lend: its sockets. is_shared: other processes write to the
    access log, too. Raises ListenError when that cannot be opened.
    """

    def __init__(self, plan: Plan, lend: Lend, make: MakePlane, *, is_shared: bool = False) -> None:
        target = plan.proxy.access_log
        self._plan = plan
        self._lend = lend
        self._log = None if target is None else AccessLog(target, is_shared=is_shared)
        self._neighbours = 1
        tell = None if self._log is None else self._log.tell
        self._plane, self._runs = make(plan, tell, lambda: self._neighbours)
        self._plane.generation = plan.generation
        self.take_check = self._plane.take_check
        self.take_mode = self._plane.take_mode
        self.status = self._plane.status
        self.load = self._plane.load
        self.drained = self._plane.drained

    async def start(self) -> None:
        """See Front."""
        await self._plane.start(self._lend(self._plan.proxy))

    async def apply(self, plan: Plan) -> None:
        """See Front."""
        self._plane.apply(plan.proxy, self._lend(plan.proxy), plan.keys)
        self._plane.generation = plan.generation
        self._plan = plan

    def take_neighbours(self, count: int) -> None:
        """See Front."""
        self._neighbours = count

    def counters(self) -> Plain:
        """See Front."""
        counted, logged = self._plane.counters(), Counter[str]()
        if self._log is not None:
            logged = self._log.count()
        requests = {
            "/".join((*names, f"{hundreds}xx")): number
            for (*names, hundreds), number in counted["requests"].items()
        }
        return {**counted, "requests": requests, **logged}

    def reopen_log(self) -> None:
        """See Front."""
        if self._log is not None:
            self._log.reopen()

    def begin_drain(self, *, is_replaced: bool) -> None:
        """See Front."""
        self._plane.begin_drain(is_replaced=is_replaced)

    async def close(self) -> None:
        """See Front."""
        await self._plane.close()
        if self._log is not None:
            self._log.close()

    def runs(self) -> Runs:
        """See Front."""
        return self._runs


def mode_of(order: Order | None) -> Mode:
    """What an order that is in force means for a backend; READY without one."""
    return Mode.READY if order is None else Mode(order.kind.value)


# ---------------------------------------------------------------- plans through pipes


def dump_plan(plan: Plan) -> str:
    """A plan as text, for a process of ours."""
    octets = io.BytesIO()
    _Pickler(octets).dump(plan)
    return base64.b64encode(octets.getvalue()).decode("ascii")


def load_plan(text: str) -> Plan:
    """The plan in a text of our own leader. Nobody else has the other end of the pipe."""
    plan = pickle.loads(base64.b64decode(text))  # noqa: S301
    assert isinstance(plan, Plan), "a leader sends plans"
    return plan


class _Pickler(pickle.Pickler):
    """Takes read-only mappings, too, which the configuration is full of."""

    def reducer_override(self, value: object) -> Any:
        """How to make a value again, NotImplemented for the usual way."""
        if type(value) is MappingProxyType:
            return MappingProxyType, (dict(value),)
        return NotImplemented
