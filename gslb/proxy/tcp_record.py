"""What is told of a connection in TCP mode when it is over."""

from __future__ import annotations

from dataclasses import dataclass

from gslb.balance.pool_state import Candidate


@dataclass(frozen=True, slots=True)
class TcpRecord:
    """One connection, when it is over. Times in milliseconds.

    client, port: who it was. backend: None when none was connected. attempts: (backend, result,
    milliseconds, reason) of those that could not be connected to. octets_in: from the client;
    octets_out: to it. ended_by: client, backend, timeout, drain or error; reason: a short code or a
    few words, empty for an ordinary end.
    """

    client: str
    port: int
    server_name: str | None
    pool: str
    backend: str | None
    candidates: tuple[Candidate, ...]
    affinity: str
    attempts: tuple[tuple[str, str, float, str], ...]
    octets_in: int
    octets_out: int
    queue_ms: float
    connect_ms: float | None
    total_ms: float
    ended_by: str
    reason: str
