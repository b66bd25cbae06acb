"""What happens to a request before a backend is asked for.

In this order: the health path; load that sheds it; its route; a redirect; its rate limit; a drill;
the cache; the pool, and what binds the client to one of its backends. Each may answer and end it.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from gslb.balance.algorithms.base import hash_key
from gslb.balance.shed import admits
from gslb.http1.compose import client_address, compose_request
from gslb.http1.errors import HttpError
from gslb.http1.forwarding import id_of
from gslb.proxy.caching import serve_from_cache
from gslb.route.faults import decide
from gslb.route.keys import client_hash
from gslb.route.rate import RateVerdict, compose_rate_fields

if TYPE_CHECKING:
    from gslb.proxy.exchange import Exchange
    from gslb.route.router import Lane


def admit(exchange: Exchange) -> None:
    """Takes a request that has just come as far as it gets at once."""
    tier, request, client = exchange.tier, exchange.request, exchange.client
    via = client.via
    via.request_id = exchange.request_id = tier.next_id()
    tier.in_flight += 1
    if request.path == tier.health_path:
        _answer_health(exchange)
        return
    if via.is_trusted:
        _follow_chain(exchange)
    exchange.pools = tier.pools
    lane = tier.router.pick(request, client=exchange.address, at=time.time())
    if lane is None:
        exchange.refuse(404, "no route takes this request", "no_route")
        return
    exchange.lane = lane
    exchange.cost = lane.cost
    busy = tier.in_flight - tier.tunnels
    if busy > tier.calm_in_flight and not admits(
        tier.proxy.shed, lane.priority, in_flight=busy, lag_ms=tier.sweeper.lag_ms
    ):
        exchange.refuse_busy("the proxy is busy", "shed")
        return
    if lane in tier.plain_lanes:
        forward(exchange, lane)
        return
    if not _answer_by_redirect(exchange, lane):
        _limit(exchange, lane)


def _follow_chain(exchange: Exchange) -> None:
    """Whose request it is, when a trusted proxy says so."""
    client = exchange.client
    fields = exchange.request.fields
    if b"x-forwarded-for" in fields:
        exchange.address = client_address(
            fields, client.peer.address, exchange.tier.proxy.trusted_proxies
        )
        client.via.real = str(exchange.address).encode()
    else:
        client.via.real = b""
    exchange.request_id = id_of(fields, client.via)


def _answer_health(exchange: Exchange) -> None:
    reason = exchange.tier.why_unwell()
    exchange.is_health = True
    if reason:
        exchange.answer(503, reason + "\n")
    else:
        exchange.answer(200, "ok")


def _answer_by_redirect(exchange: Exchange, lane: Lane) -> bool:
    found = lane.redirect(exchange.request, scheme=exchange.client.via.scheme)
    if found is None:
        return False
    status, location = found
    exchange.answer(status, "", extra=b"Location: %b\r\n" % location)
    return True


# ---------------------------------------------------------------- limits and drills


def _limit(exchange: Exchange, lane: Lane) -> None:
    rule = lane.route.rate_limit
    if rule is None:
        _drill(exchange, lane)
        return
    tier = exchange.tier
    rule_id, read_key = tier.rate_keys[lane]
    key = read_key(exchange.request, exchange.address)
    verdict = tier.limiter.take_now(rule_id, rule, key, cost=lane.cost)
    if verdict is not None:
        _take_verdict(exchange, lane, verdict)
    else:
        exchange.await_answer(exchange.arrived_at)
        tier.spawn(_ask_limit(exchange, lane, key), "rate limit")


async def _ask_limit(exchange: Exchange, lane: Lane, key: bytes) -> None:
    rule = lane.route.rate_limit
    assert rule is not None
    verdict = await exchange.tier.limiter.take(lane.name, rule, key, cost=lane.cost)
    if not exchange.is_done:
        _take_verdict(exchange, lane, verdict)


def _take_verdict(exchange: Exchange, lane: Lane, verdict: RateVerdict) -> None:
    lines = compose_rate_fields(verdict)
    if verdict.allowed:
        exchange.extra_head += lines
        _drill(exchange, lane)
    else:
        exchange.refuse(429, "too many requests", "rate_limited", extra=lines)


def _drill(exchange: Exchange, lane: Lane) -> None:
    """A fault that was ordered for this route, told in the audit line."""
    fault = lane.route.fault
    if fault is None:
        forward(exchange, lane)
        return
    plan = decide(fault, draw_delay=random.random(), draw_abort=random.random())
    if plan.delay_s:
        exchange.note("fault_delay_ms", plan.delay_s * 1000)
        exchange.await_answer(exchange.arrived_at)
        exchange.loop.call_later(plan.delay_s, _end_drill, exchange, lane, plan.abort_status)
    else:
        _end_drill(exchange, lane, plan.abort_status)


def _end_drill(exchange: Exchange, lane: Lane, abort_status: int | None) -> None:
    if exchange.is_done:
        return
    if abort_status is None:
        forward(exchange, lane)
    else:
        exchange.note("fault_abort", abort_status)
        exchange.refuse(abort_status, "aborted by a drill", "fault")


# ---------------------------------------------------------------- the pool


def forward(exchange: Exchange, lane: Lane) -> None:
    """Sends the request to its pool, unless the cache has what it asks for."""
    route = exchange.tier.caches.get(lane.name) if lane.route.cache is not None else None
    if route is None or not serve_from_cache(exchange, route):
        choose_backend(exchange)


def choose_backend(exchange: Exchange) -> None:
    """Which pool, to whom the client belongs, what is sent: then a backend is asked for."""
    request, lane = exchange.request, exchange.lane
    assert lane is not None
    name = lane.single_pool or lane.pool_for(client_hash(exchange.address))
    if name is None:
        exchange.refuse_busy("the route has no pool", "no_pool")
        return
    exchange.pool = pool = exchange.pools[name]
    if pool.read_key is not None:
        exchange.key = hash_key(pool.read_key(request, exchange.address))
    if pool.bonds is not None:
        exchange.affinity, exchange.sticky = pool.bonds.read(request, exchange.address)
    try:
        compose_head(exchange)
    except HttpError as error:
        exchange.ended_by = "client"
        exchange.refuse(error.status, error.reason, error.reason)
        return
    body = exchange.body
    if body is not None:
        body.limit = pool.pool.retry.buffer_octets
    exchange.dispatch()


def compose_head(exchange: Exchange) -> None:
    """What a backend is sent of the request. Raises HttpError, the client's, for one that a rewrite
    has made of its path what no path may be.
    """
    request, lane = exchange.request, exchange.lane
    assert lane is not None
    target, host = lane.rewrite(request) if lane.is_rewriting else (request.target, None)
    exchange.head_octets = compose_request(
        request if exchange.visit is None else exchange.visit.request(request),
        target=target,
        host=host,
        via=exchange.client.via,
        changes=lane.request_changes,
        body=request.body,
        keep_expect=request.expects_continue,
    )
