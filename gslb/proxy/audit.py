"""The audit record of a request: what was decided and why, and how long each phase took.

Times are milliseconds, rounded to microseconds. What does not apply is left out. Nothing here holds
a secret: no cookie, no token, no query value, no field of a client but what routes are judged by.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from time import time as unix_time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gslb.balance.pool_state import Candidate
    from gslb.http1.errors import HttpError
    from gslb.proxy.client import ClientConnection
    from gslb.proxy.exchange import Exchange
    from gslb.proxy.tcp_record import TcpRecord


def compose_record(exchange: Exchange) -> dict[str, Any]:
    """The record of an exchange that is done. Costs 3 us."""
    request, lane, pool = exchange.request, exchange.lane, exchange.pool
    now = monotonic()
    arrived_at = exchange.arrived_at
    winner = exchange.winner
    timers: dict[str, float] = {"total": round((now - arrived_at) * 1000, 3)}
    record: dict[str, Any] = {
        "at": round(unix_time() - (now - arrived_at), 3),
        "id": exchange.request_id.decode("latin-1"),
        "client": str(exchange.address),
        "method": request.method.decode("latin-1"),
        "host": request.host.decode("latin-1"),
        "path": request.path.decode("latin-1"),
        "route": None if lane is None else lane.name,
        "pool": None if pool is None else pool.name,
        "backend": None if winner is None else winner.member.name,
        "status": exchange.status,
        "octets_in": request.size + (0 if exchange.body is None else exchange.body.total),
        "octets_out": exchange.octets_out,
        "timers": timers,
        "configuration": exchange.tier.generation,
    }
    if exchange.answered_at:
        timers["head"] = round((exchange.answered_at - arrived_at) * 1000, 3)
    if winner is not None:
        timers["backend"] = round((exchange.answered_at - winner.began_at) * 1000, 3)
    if exchange.queued_s:
        timers["queue"] = round(exchange.queued_s * 1000, 3)
    if pool is not None:
        _add_choice(record, exchange)
    if exchange.ended_by:
        record["ended_by"] = exchange.ended_by
        record["reason"] = exchange.reason
    if exchange.notes:
        record |= exchange.notes
    return record


def _add_choice(record: dict[str, Any], exchange: Exchange) -> None:
    pool, winner = exchange.pool, exchange.winner
    assert pool is not None
    record["algorithm"] = pool.algorithm
    _add_candidates(record, exchange.candidates or ())
    record["attempts"] = len(exchange.trail) + (winner is not None and winner.held is None)
    record["choice"] = _tell_choice(exchange)
    if exchange.affinity:
        record["affinity"] = exchange.affinity
    if exchange.was_hedged:
        record["hedge"] = "won" if winner is not None and winner.is_hedge else "lost"
    _add_trail(record, exchange.trail)


def _add_candidates(record: dict[str, Any], candidates: Sequence[Candidate]) -> None:
    """Who there was to choose from with its score, and who could not be chosen and why."""
    if not candidates:
        return
    record["candidates"] = {
        name: score if score is None else round(score, 6)
        for name, score, excluded in candidates
        if excluded is None
    }
    excluded = {name: why for name, _, why in candidates if why is not None}
    if excluded:
        record["excluded"] = excluded


def _add_trail(record: dict[str, Any], trail: Sequence[tuple[str, str, float, str]]) -> None:
    """Attempts that did not become the answer."""
    if trail:
        record["tried"] = [
            {"backend": name, "result": result, "ms": round(ms, 3), "reason": reason}
            for name, result, ms, reason in trail
        ]


def _tell_choice(exchange: Exchange) -> str:
    """Why it was this backend, in one word."""
    winner, pool = exchange.winner, exchange.pool
    if winner is None:
        return "none"
    if winner.is_hedge:
        return "hedge"
    if winner.is_retry:
        return "retry"
    if exchange.sticky == winner.member.name:
        return "affinity"
    if pool is not None and pool.state.is_panic:
        return "panic"
    return "algorithm"


def compose_tcp_record(told: TcpRecord, generation: str) -> dict[str, Any]:
    """The record of a connection in TCP mode; fields are named as those of requests."""
    record: dict[str, Any] = {
        "at": round(unix_time() - told.total_ms / 1000, 3),
        "client": told.client,
        "mode": "tcp",
        "pool": told.pool,
        "backend": told.backend,
        "octets_in": told.octets_in,
        "octets_out": told.octets_out,
        "timers": {"total": round(told.total_ms, 3)},
        "configuration": generation,
        "attempts": len(told.attempts) + (told.backend is not None),
    }
    if told.connect_ms is not None:
        record["timers"]["backend"] = round(told.connect_ms, 3)
    if told.queue_ms:
        record["timers"]["queue"] = round(told.queue_ms, 3)
    _add_candidates(record, told.candidates)
    if told.affinity:
        record["affinity"] = told.affinity
    _add_trail(record, told.attempts)
    if told.ended_by:
        record["ended_by"] = told.ended_by
        record["reason"] = told.reason
    return record


def compose_refused(client: ClientConnection, error: HttpError) -> dict[str, Any]:
    """The record of octets that were no request."""
    return {
        "at": round(unix_time(), 3),
        "client": str(client.peer.address),
        "route": None,
        "status": error.status,
        "ended_by": "client",
        "reason": error.reason,
    }
