"""One proxy in one worker: everything that a request meets, and what changes it from outside.

Laws:
1. A request is judged by one configuration: what it has been given stays with it through a reload.
2. A reload swaps routes and keeps pools of the same name: unchanged backends keep their
   connections, their health and what is on its way, tunnels included.
3. Draining tells first, on the health path; then accepts nobody, ends connections after their
   answer, and leaves what is on its way alone until the deadline.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from gslb.balance.pool_state import Mode
from gslb.balance.shed import admits
from gslb.model.proxy import Listener, Priority, Proxy
from gslb.proxy.accept import Acceptor, Make, Terms
from gslb.proxy.admission import choose_backend, compose_head
from gslb.proxy.audit import compose_line, compose_refused, compose_tcp_line
from gslb.proxy.background import ask_again
from gslb.proxy.caching import RouteCache, keep_or_make, refresh_entry
from gslb.proxy.client import ClientConnection
from gslb.proxy.gate import Gate, fit_connections
from gslb.proxy.pool import BackendPool, PoolParts, PoolTerms, make_parts
from gslb.proxy.tcp import TcpFront
from gslb.proxy.tcp_record import TcpRecord
from gslb.proxy.timers import Sweeper
from gslb.proxy.tls import HTTP_PROTOCOLS, ServerTls
from gslb.route.rate import compile_rate_key
from gslb.route.router import Lane, Router
from gslb.telemetry.logs import get_limited_logger

if TYPE_CHECKING:
    from gslb.http1.errors import HttpError
    from gslb.http1.head import Request
    from gslb.model.place import Address
    from gslb.proxy.exchange import Exchange
    from gslb.proxy.limiter import Limiter

Tell = Callable[[str], None]
RateKey = Callable[["Request", "Address"], bytes]

HEALTH_GRACE_S = 2.0
"""How long the health path fails before nobody new is accepted: the probes of the global tier see
it first, and clients that come meanwhile are served.
"""

log = get_limited_logger(__name__)


class Tier:
    """One proxy in one worker.

    in_flight: requests on their way. tunnels: those of them that have become WebSockets, which may
    be idle for hours and are no reason to shed. pools: swapped as a whole, never changed.
    rate_keys: the id of a route's limit, and what reads a request's key for it. tell: gets audit
    lines, None without a log. generation: of the configuration, for the audit. calm_in_flight: up
    to so many on the way nobody is judged for shedding.
    """

    def __init__(  # noqa: PLR0913 - all that one is made of, once
        self,
        proxy: Proxy,
        *,
        affinity: bytes,
        keys: Mapping[str, bytes],
        limiter: Limiter,
        tell: Tell | None = None,
        share: float = 1.0,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.proxy = proxy
        self.tell = tell
        self.limiter = limiter
        self.sweeper = Sweeper()
        self.in_flight = 0
        self.tunnels = 0
        self.generation = ""
        self.is_draining = False
        self.is_leaving = False
        self.calm_in_flight = 0
        self.requests: Counter[tuple[str, str, str, int]] = Counter()
        self.refused: Counter[str] = Counter()
        self.faults = 0
        self.pools: dict[str, BackendPool] = {}
        self.caches: dict[str, RouteCache] = {}
        self._share = share
        self._affinity = affinity
        self._gate = Gate(0)  # how many have room comes with the configuration
        self._clients: set[ClientConnection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._acceptors: list[Acceptor] = []
        self._fronts: dict[Listener, TcpFront] = {}
        self._retired: list[TcpFront] = []  # their listeners are gone, some connections are not
        self._retired_pools: list[BackendPool] = []  # the same of pools
        self.rate_keys: dict[Lane, tuple[str, RateKey]] = {}
        self._idle = asyncio.Event()
        self._id_prefix = secrets.token_hex(6).encode()
        self._id_count = 0
        self._take(proxy, keys)
        self.sweeper.each_tick(self._tick)

    # ------------------------------------------------------------ starting, reloading

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Accepts clients on listening sockets, one for each listener in order, which belong to
        whoever handed them in.
        """
        self.sweeper.start()
        for listener, listening in zip(self.proxy.listeners, sockets, strict=True):
            acceptor = self._make_acceptor(listener, listening, _make_tls(listener))
            await acceptor.start()

    def apply(
        self, proxy: Proxy, sockets: Sequence[socket.socket], keys: Mapping[str, bytes]
    ) -> None:
        """Goes on with another configuration (law 2). sockets: for each of its listeners, those of
        before included. Raises ConfigError or ValueError, and changes nothing then.
        """
        tls = [_make_tls(listener) for listener in proxy.listeners]
        before = dict(zip(self.proxy.listeners, self._acceptors, strict=True))
        self._take(proxy, keys)
        self._acceptors = []
        for listener, listening, fresh in zip(proxy.listeners, sockets, tls, strict=True):
            acceptor = before.pop(listener, None)
            if acceptor is not None:
                acceptor.tls, acceptor.terms = fresh, self._terms()
                self._acceptors.append(acceptor)
            else:
                acceptor = self._make_acceptor(listener, listening, fresh)
                self.spawn(self._begin(acceptor, listener), f"listen {listener.endpoint}")
        for listener, acceptor in before.items():
            acceptor.stop()
            front = self._fronts.pop(listener, None)
            if front is not None:
                front.retire()
                self._retired.append(front)

    async def _begin(self, acceptor: Acceptor, listener: Listener) -> None:
        try:
            await acceptor.start()
        except OSError as error:
            log.error("cannot accept", address=str(listener.endpoint), cause=error)  # noqa: TRY400 - has the cause

    def _take(self, proxy: Proxy, keys: Mapping[str, bytes]) -> None:
        # What cannot be used is refused before anything changes.
        router = Router(proxy.routes, keys=keys)
        terms = PoolTerms(proxy.timeouts, proxy.limits, self._affinity, self._share)
        parts = {name: make_parts(pool, terms) for name, pool in proxy.pools.items()}
        self.router = router
        self.proxy = proxy
        self.health_path = (proxy.health_path or "").encode()
        self._gate.limit = fit_connections(proxy.limits.connections)
        self._look_for_calm()
        lanes = self.router.lanes
        self.plain_lanes = frozenset(lane for lane in lanes if _is_plain(lane))
        self.plain_answers = frozenset(lane for lane in lanes if _has_plain_answers(lane))
        self.caches = {
            lane.name: keep_or_make(self.caches.get(lane.name), lane.route.cache)
            for lane in lanes
            if lane.route.cache is not None
        }
        self.rate_keys = {
            lane: _make_rate_key(proxy, lane) for lane in lanes if lane.route.rate_limit is not None
        }
        for front in self._fronts.values():
            front.timeouts = proxy.timeouts
        self._take_pools(proxy, terms, parts)

    def _take_pools(self, proxy: Proxy, terms: PoolTerms, parts: Mapping[str, PoolParts]) -> None:
        before, self.pools = dict(self.pools), {}  # requests on their way have the one of before
        for name, pool in proxy.pools.items():
            known = before.pop(name, None)
            if known is None:
                known = BackendPool(pool, terms, parts[name])
            else:
                known.apply(pool, terms, parts[name])
            self.pools[name] = known
        for gone in before.values():
            gone.retire()
            self._retired_pools.append(gone)

    def _terms(self) -> Terms:
        timeouts = self.proxy.timeouts
        return Terms(
            gate=self._gate,
            trusted=self.proxy.trusted_proxies,
            tls_timeout_s=timeouts.tls_s,
            header_timeout_s=timeouts.headers_s,
        )

    def _make_acceptor(
        self, listener: Listener, listening: socket.socket, tls: ServerTls | None
    ) -> Acceptor:
        make: Make
        if listener.pool is None:
            make = partial(ClientConnection, self)
        else:
            front = TcpFront(
                self.pools[listener.pool], self.proxy.timeouts, self.sweeper, self._tell_tcp
            )
            self._fronts[listener] = front
            make = front.make
        acceptor = Acceptor(listening, listener, make, terms=self._terms(), tls=tls)
        self._acceptors.append(acceptor)
        return acceptor

    def _all_fronts(self) -> list[TcpFront]:
        return [*self._fronts.values(), *self._retired]

    def _tell_tcp(self, record: TcpRecord) -> None:
        status = 2 if record.backend else 5
        self.requests["", record.pool, record.backend or "", status] += 1
        if self.tell is not None:
            self.tell(compose_tcp_line(record, self.generation))
        self._tell_if_idle()

    # ------------------------------------------------------------ what is told from outside

    def take_check(self, pool: str, backend: str, *, up: bool) -> None:
        """What the active checks say of a backend."""
        if pool in self.pools:
            self.pools[pool].state.take_check(backend, up=up, now=monotonic())

    def take_mode(self, pool: str, backend: str, mode: Mode, until: float | None = None) -> None:
        """An operator's order for a backend. until: loop time."""
        if pool in self.pools:
            now = monotonic()
            self.pools[pool].state.take_mode(backend, mode, now=now, until=until)

    # ------------------------------------------------------------ for connections and exchanges

    def next_id(self) -> bytes:
        """An id for a request: of this process and of nothing before."""
        self._id_count += 1
        return b"%b-%x" % (self._id_prefix, self._id_count)

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Has something run that a request waits for."""
        task = self.loop.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def add_client(self, client: ClientConnection) -> None:
        """A client has connected."""
        self._clients.add(client)
        self.sweeper.add(client)
        if self.is_leaving:
            client.leave_soon()

    def forget_client(self, client: ClientConnection) -> None:
        """It is gone."""
        self._clients.discard(client)
        self.sweeper.discard(client)
        self._tell_if_idle()

    def conclude(self, exchange: Exchange) -> None:
        """An exchange is done: counted and told, once."""
        self.in_flight -= 1
        self.tunnels -= exchange.is_tunnel
        if exchange.is_health:
            return
        lane, pool, winner = exchange.lane, exchange.pool, exchange.winner
        self.requests[
            lane.name if lane is not None else "",
            pool.name if pool is not None else "",
            winner.member.name if winner is not None else "",
            exchange.status // 100,
        ] += 1
        if self.tell is not None:
            self.tell(compose_line(exchange))

    def count_refused(self, error: HttpError) -> None:
        """Octets that were refused as no request."""
        self.refused[error.reason] += 1

    def tell_refused(self, client: ClientConnection, error: HttpError) -> None:
        """The same for the audit, where there was no request at all."""
        if self.tell is not None:
            self.tell(compose_refused(client, error))

    def count_fault(self) -> None:
        """A fault of ours."""
        self.faults += 1

    def forward(self, exchange: Exchange) -> None:
        """Asks a backend, as the cache has nothing to offer."""
        choose_backend(exchange)

    def ask_whole(self, exchange: Exchange) -> None:
        """Has the request ask for all of what it is about: what the cache has is of no use."""
        compose_head(exchange)

    def refresh(self, exchange: Exchange) -> None:
        """Asks anew for what the cache has answered with, behind the answer; once at a time."""
        assert exchange.visit is not None
        assert exchange.lane is not None
        self.in_flight += 1
        again = ask_again(exchange)
        again.request_id = self.next_id()
        again.client.via.request_id = again.request_id
        again.note("cache", "refresh")
        if not refresh_entry(again, self.caches[exchange.lane.name]):
            again.client.take_finished(again)
            self.in_flight -= 1

    def why_unwell(self) -> str:
        """Why this region should get no new clients now, empty if it should.

        A pool without a backend that can be used counts when the last route, which takes what no
        other has taken, sends at least half of its requests there: a canary's pool takes no region
        out.
        """
        if self.is_draining:
            return "draining"
        route = self.proxy.routes[-1] if self.proxy.routes else None
        if route is not None and route.pools:
            lost = sum(
                weight for name, weight in route.pools.items() if not self.pools[name].is_usable
            )
            if lost * 2 >= sum(route.pools.values()) and lost:
                return "no backend"
        if not self._admits_all():
            return "busy"
        return ""

    def _admits_all(self) -> bool:
        return admits(
            self.proxy.shed,
            Priority.HIGH,
            in_flight=self.in_flight - self.tunnels,
            lag_ms=self.sweeper.lag_ms,
        )

    # ------------------------------------------------------------ what it tells

    def load(self) -> dict[str, Any]:
        """How busy it is: in_flight, requests_per_s, p50_ms, p95_ms, p99_ms, error_share, and the
        same for each of its pools, with healthy and total backends. Times are None without answers;
        the proxy's own are those of its busiest pool.
        """
        now = monotonic()
        loads = {name: pool.state.load(now) for name, pool in self.pools.items()}
        rate = sum(one.requests_per_s for one in loads.values())
        busiest = max(loads.values(), key=lambda one: one.requests_per_s, default=None)
        errors = sum(one.error_share * one.requests_per_s for one in loads.values())
        return {
            "in_flight": self.in_flight,
            "requests_per_s": round(rate, 3),
            "p50_ms": busiest.p50_ms if busiest else None,
            "p95_ms": busiest.p95_ms if busiest else None,
            "p99_ms": busiest.p99_ms if busiest else None,
            "error_share": round(errors / rate, 6) if rate else 0.0,
            "pools": {name: one._asdict() for name, one in loads.items()},
        }

    def status(self) -> dict[str, Any]:
        """Everything, as plain data."""
        now = monotonic()
        return {
            "proxy": self.proxy.name,
            "site": self.proxy.site,
            "state": "draining" if self.is_draining or self.is_leaving else "serving",
            "unwell": self.why_unwell() or None,
            "in_flight": self.in_flight,
            "clients": len(self._clients),
            "lag_ms": round(self.sweeper.lag_ms, 1),
            "pools": {name: pool.state.summary(now) for name, pool in self.pools.items()},
        }

    def counters(self) -> dict[str, Any]:
        """Numbers that only grow. requests: by (route, pool, backend, hundreds of the status).
        answer_times: see PoolState, by pool.
        """
        return {
            "requests": dict(self.requests),
            "refused": dict(self.refused),
            "faults": self.faults,
            "accepted": sum(one.accepted for one in self._acceptors),
            "not_accepted": dict(sum((one.refused for one in self._acceptors), Counter())),
            "caches": {name: asdict(one.cache.counts) for name, one in self.caches.items()},
            "answer_times": {name: one.state.answer_times() for name, one in self.pools.items()},
        }

    # ------------------------------------------------------------ time

    def _tick(self, now: float) -> None:
        self._look_for_calm()
        self._retired_pools = [pool for pool in self._retired_pools if pool.is_used]
        for pool in (*self.pools.values(), *self._retired_pools):
            pool.tick(now)
        self._retired = [front for front in self._retired if front.connections]
        for front in self._all_fronts():
            front.tick(now)

    def _look_for_calm(self) -> None:
        shed = self.proxy.shed
        is_late = self.sweeper.lag_ms * 4 > shed.max_lag_ms
        self.calm_in_flight = 0 if is_late else shed.max_in_flight // 4

    # ------------------------------------------------------------ the end

    def begin_drain(self, *, is_replaced: bool = False) -> None:
        """Begins to leave (law 3). is_replaced: somebody else accepts on the same sockets already,
        so the health path has nothing bad to tell.
        """
        if is_replaced or not self.health_path:
            self._stop_accepting()
        else:
            self.is_draining = True
            self.loop.call_later(HEALTH_GRACE_S, self._stop_accepting)

    def _stop_accepting(self) -> None:
        self.is_leaving = True
        for acceptor in self._acceptors:
            acceptor.stop()
        for client in list(self._clients):
            client.leave_soon()
        self._tell_if_idle()

    def _tell_if_idle(self) -> None:
        if (
            self.is_leaving
            and not self._clients
            and not any(front.connections for front in self._all_fronts())
        ):
            self._idle.set()

    async def drained(self, timeout_s: float) -> bool:
        """Waits until the last client has left: whether that was so in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Ends everything at once."""
        for acceptor in self._acceptors:
            acceptor.stop()
            await acceptor.drop_pending()
        for client in list(self._clients):
            client.transport.abort()
        for front in self._all_fronts():
            front.close()
        for pool in (*self.pools.values(), *self._retired_pools):
            pool.close()
        for task in list(self._tasks):
            task.cancel()
        self.sweeper.stop()
        await asyncio.sleep(0)  # lost connections say so in the loop's next turn


def _make_tls(listener: Listener) -> ServerTls | None:
    if not listener.certificates:
        return None
    protocols = HTTP_PROTOCOLS if listener.pool is None else ()
    return ServerTls(listener.certificates, protocols=protocols)


def _make_rate_key(proxy: Proxy, lane: Lane) -> tuple[str, RateKey]:
    """The rule's id, which tells the proxies of a region apart, and what reads keys of requests."""
    assert lane.route.rate_limit is not None
    rule_id = f"{proxy.name}/{lane.name}"
    return rule_id, compile_rate_key(rule_id, lane.route.rate_limit.key)


def _is_plain(lane: Lane) -> bool:
    """Whether its requests go straight to a pool."""
    route = lane.route
    return route.redirect is None and route.rate_limit is None and route.fault is None


def _has_plain_answers(lane: Lane) -> bool:
    """Whether its answers pass as they are."""
    return lane.route.cache is None and not lane.route.compress
