"""What is said of pools and backends: answers of a pick, orders, results and reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple


class Refusal(StrEnum):
    """Why no backend was picked.

    ALL_DOWN: none is usable, and so it is before the first check of a pool passed. FULL: all usable
    ones are at their ceiling. NONE_LEFT: all usable ones were tried. CIRCUIT_OPEN: the pool is left
    alone.
    """

    ALL_DOWN = "all_down"
    FULL = "full"
    NONE_LEFT = "none_left"
    CIRCUIT_OPEN = "circuit_open"


class Mode(StrEnum):
    """An operator's order for a backend.

    READY: checks and traffic decide. DRAIN: no new clients, but sessions stay and checks count.
    MAINT: out, whatever checks say. UP, DOWN: forced.
    """

    READY = "ready"
    DRAIN = "drain"
    MAINT = "maint"
    UP = "up"
    DOWN = "down"


class Result(StrEnum):
    """How an attempt ended.

    ERROR: an answer that counts as one, 5xx but 501 and 505. BAD_ANSWER: not HTTP, or cut short.
    CANCELLED: by us, as the loser of a hedge, or because the client left: says nothing.
    """

    OK = "ok"
    ERROR = "error"
    CONNECT_FAILED = "connect_failed"
    RESET = "reset"
    TIMEOUT = "timeout"
    BAD_ANSWER = "bad_answer"
    CANCELLED = "cancelled"


class Candidate(NamedTuple):
    """What a pick sees of one backend. score: the algorithm's, the lower the better, None has none.
    excluded: why it is not picked, None if it may be.
    """

    name: str
    score: float | None
    excluded: str | None


class PoolLoad(NamedTuple):
    """How busy a pool is. Rates, times and shares are of the last seconds; times are None without
    any answer, and span attempts, not requests with their retries.
    """

    in_flight: int
    requests_per_s: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    error_share: float
    healthy: int
    total: int


class Standings(NamedTuple):
    """What a pick chose from, quickly told. members: those that may be picked, as backends are
    called; scores: the algorithm's of each, the lower the better. excluded: why others may not be.
    """

    members: Sequence[str]
    scores: Sequence[float]
    excluded: Mapping[str, str]
