"""The audit line of a request: what was decided and why, and how long each phase took; one object
of JSON in ASCII.

Times are milliseconds, rounded to microseconds. What does not apply is left out. Nothing here holds
a secret: no cookie, no token, no query value, no field of a client but what routes are judged by.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quote
from time import monotonic
from time import time as unix_time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gslb.balance.pool_state import Candidate
    from gslb.http1.errors import HttpError
    from gslb.proxy.attempt import Attempt
    from gslb.proxy.client import ClientConnection
    from gslb.proxy.exchange import Exchange
    from gslb.proxy.pool import BackendPool
    from gslb.proxy.tcp_record import TcpRecord

_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False, default=str).encode


def compose_line(exchange: Exchange) -> str:
    """The line of an exchange that is done, without its end. Written out, it costs 5 us; a
    dictionary of 25 fields and its encoding took 12.
    """
    request, lane, pool = exchange.request, exchange.lane, exchange.pool
    winner, body, address = exchange.winner, exchange.body, exchange.address
    arrived_at, answered_at, peer = exchange.arrived_at, exchange.answered_at, exchange.client.peer
    taken_s = monotonic() - arrived_at
    timers = f'"total":{taken_s * 1000:.3f}'
    if answered_at:
        timers += f',"head":{(answered_at - arrived_at) * 1000:.3f}'
    if winner is not None:
        timers += f',"backend":{(answered_at - winner.began_at) * 1000:.3f}'
    if exchange.queued_s:
        timers += f',"queue":{exchange.queued_s * 1000:.3f}'
    return (
        f'{{"at":{unix_time() - taken_s:.3f},"id":{quote(exchange.request_id.decode("latin-1"))}'
        f',"client":"{peer.text if address is peer.address else address}"'
        f',"method":{quote(request.method.decode("latin-1"))}'
        f',"host":{quote(request.host.decode("latin-1"))}'
        f',"path":{quote(request.path.decode("latin-1"))}'
        f',"route":{"null" if lane is None else quote(lane.name)}'
        f',"pool":{"null" if pool is None else quote(pool.name)}'
        f',"backend":{"null" if winner is None else quote(winner.member.name)}'
        f',"status":{exchange.status}'
        f',"octets_in":{request.size if body is None else request.size + body.total}'
        f',"octets_out":{exchange.octets_out},"timers":{{{timers}}}'
        f',"configuration":{quote(exchange.tier.generation)}'
        f"{'' if pool is None else _choice(exchange, pool, winner)}{_rest(exchange, winner)}}}"
    )


def _choice(exchange: Exchange, pool: BackendPool, winner: Attempt | None) -> str:
    """How the backend was chosen, as a part of a line that begins with a comma."""
    standings = exchange.standings
    told = ""
    if standings is not None:
        told = _form(tuple(standings.members)) % tuple(standings.scores)
        if standings.excluded:
            told += f',"excluded":{_encode(standings.excluded)}'
    attempts = len(exchange.trail) + (winner is not None and winner.held is None)
    choice = _tell_choice(exchange, pool, winner)
    return f',"algorithm":"{pool.algorithm}"{told},"attempts":{attempts},"choice":"{choice}"'


@lru_cache(maxsize=256)
def _form(names: tuple[str, ...]) -> str:
    """Who could be chosen, with a place for the score of each."""
    places = (quote(name).replace("%", "%%") + ":%.6f" for name in names)
    return ',"candidates":{' + ",".join(places) + "}"


def _tell_choice(exchange: Exchange, pool: BackendPool, winner: Attempt | None) -> str:
    """Why it was this backend, in one word."""
    if winner is None:
        return "none"
    if winner.is_hedge:
        return "hedge"
    if winner.is_retry:
        return "retry"
    if exchange.sticky == winner.member.name:
        return "affinity"
    return "panic" if pool.state.is_panic else "algorithm"


def _rest(exchange: Exchange, winner: Attempt | None) -> str:
    """What few requests have to tell, as `_choice` does; usually nothing."""
    told: dict[str, Any] = {}
    if exchange.affinity:
        told["affinity"] = exchange.affinity
    if exchange.was_hedged:
        told["hedge"] = "won" if winner is not None and winner.is_hedge else "lost"
    if exchange.trail:
        told["tried"] = _describe_trail(exchange.trail)
    if exchange.ended_by:
        told["ended_by"] = exchange.ended_by
        told["reason"] = exchange.reason
    if exchange.notes:
        told |= exchange.notes
    return "," + _encode(told)[1:-1] if told else ""


def _describe_trail(trail: Sequence[tuple[str, str, float, str]]) -> list[dict[str, Any]]:
    """Attempts that did not become the answer."""
    return [
        {"backend": name, "result": result, "ms": round(ms, 3), "reason": reason}
        for name, result, ms, reason in trail
    ]


def compose_tcp_line(told: TcpRecord, generation: str) -> str:
    """The line of a connection in TCP mode; fields are named as those of requests."""
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
    if told.attempts:
        record["tried"] = _describe_trail(told.attempts)
    if told.ended_by:
        record["ended_by"] = told.ended_by
        record["reason"] = told.reason
    return _encode(record)


def _add_candidates(record: dict[str, Any], candidates: Sequence[Candidate]) -> None:
    """Who there was to choose from with its score, and who could not be chosen and why."""
    if not candidates:
        return
    record["candidates"] = {
        name: None if score is None else round(score, 6)
        for name, score, excluded in candidates
        if excluded is None
    }
    excluded = {name: why for name, _, why in candidates if why is not None}
    if excluded:
        record["excluded"] = excluded


def compose_refused(client: ClientConnection, error: HttpError) -> str:
    """The line of octets that were no request."""
    record = {
        "at": round(unix_time(), 3),
        "client": client.peer.text,
        "route": None,
        "status": error.status,
        "ended_by": "client",
        "reason": error.reason,
    }
    return _encode(record)
