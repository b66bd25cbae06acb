"""An insight that is made up, and a real admin port in front of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from gslb.admin.http import AdminServer
from gslb.admin.requests import OrderRequest
from gslb.model.endpoint import Endpoint
from gslb.model.system import AdminSettings
from gslb.server.sockets import open_tcp

NOW_AT = 1_790_000_000.0
"""2026-09-21T14:13:20Z."""


def make_order(kind: str = "drain", **changes: Any) -> dict[str, Any]:
    return {
        "kind": kind,
        "owner": "anna",
        "reason": "new kernel",
        "created_at": NOW_AT - 60,
        "until_at": NOW_AT + 7200,
        "version": 1_789_999_940_000,
        "applied_at": NOW_AT - 60,
    } | changes


def make_view(state: str = "up", **changes: Any) -> dict[str, Any]:
    return {
        "state": state,
        "streak": 0,
        "rtt_ms": 12.3,
        "first_byte_ms": 20.0,
        "age_s": 1.2,
        "counts": True,
        "reason": "",
        "certificate_until_at": None,
    } | changes


def make_site(state: str = "up", **changes: Any) -> dict[str, Any]:
    return {
        "state": state,
        "held": False,
        "is_serving": state != "down",
        "is_drained": False,
        "since_at": NOW_AT - 3 * 3600,
        "flip_s": 6.0,
        "reason": "",
        "addresses": ["192.0.2.1"],
        "capacity": 1.0,
        "flaps": 0,
        "order": None,
        "agents": {},
    } | changes


def make_agent(domain: str, **changes: Any) -> dict[str, Any]:
    return {
        "failure_domain": domain,
        "is_declared": True,
        "has_vote": True,
        "why": "",
        "age_s": 1.2,
        "boot": "b",
        "sequence": 7,
        "canaries": [3, 3],
    } | changes


def make_status(sites: dict[str, Any], agents: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "node": "ns1",
        "version": "0.3.0",
        "started_at": NOW_AT - 3 * 86400,
        "configuration": "1f2e3d4c5b6a",
        "shared_configuration": "1f2e3d4c5b6a",
        "geography": "2026-09",
        "applied_at": NOW_AT - 3600,
        "reload_error": None,
        "reload_failed_at": None,
        "health_generation": 412,
        "alerts": [],
        "sites": sites,
        "agents": agents,
        "strangers": [],
        "drops": [],
        "store": {
            "kind": "redis",
            "target": "192.0.2.9:6379",
            "is_connected": True,
            "since_at": NOW_AT - 7200,
            "error": None,
        },
        "own_probes": "idle",
        "restored_at": None,
        "nodes": {},
        "counters": {"udp_queries": 90, "tcp_queries": 10, "udp_silent": 2, "tcp_connections": 1},
        "answers": [{"service": "www.shop.example.", "site": "eu-west", "count": 60}],
    } | changes


def three_by_three() -> dict[str, Any]:
    """One site is up, one down, one drained; one agent has no vote."""
    lost = {"counts": False, "age_s": 47.0}
    sites = {
        "eu-west": make_site(
            agents={
                "fra": make_view(certificate_until_at=NOW_AT + 864000),
                "nyc": make_view(rtt_ms=88.0, certificate_until_at=NOW_AT + 432000),
                "sin": make_view("unknown", rtt_ms=None, first_byte_ms=None, **lost),
            }
        ),
        "us-east": make_site(
            "down",
            since_at=NOW_AT - 130,
            reason="fra: HTTP status 503; nyc: connection refused",
            agents={
                "fra": make_view("down", reason="HTTP status 503"),
                "nyc": make_view("down", rtt_ms=None, reason="connection refused"),
                "sin": make_view(rtt_ms=230.0, streak=2, **lost),
            },
        ),
        "ap-south": make_site(
            is_serving=False,
            is_drained=True,
            order=make_order(),
            agents={
                "fra": make_view(rtt_ms=140.0),
                "nyc": make_view(rtt_ms=210.0, streak=1),
                "sin": make_view(rtt_ms=31.0, **lost),
            },
        ),
    }
    agents = {
        "fra": make_agent("aws-eu"),
        "nyc": make_agent("gcp-us"),
        "sin": make_agent(
            "gcp-ap",
            has_vote=False,
            why="silent for 47 s (stale after 30 s)",
            age_s=47.0,
            canaries=[1, 3],
        ),
    }
    return make_status(
        sites,
        agents,
        alerts=["agent sin has lost its vote: silent for 47 s"],
        drops=[
            {"agent": "sin", "reason": "replayed", "count": 3},
            {"agent": "tok\x1byo", "reason": "undeclared", "count": 5},
            {"agent": "osaka", "reason": "undeclared", "count": 6},
        ],
        strangers=["osaka", "tok\x1byo"],
        nodes={
            "ns1": {"at": NOW_AT, "configuration": "1f2e3d4c5b6a"},
            "ns2": {"at": NOW_AT - 2, "configuration": "1f2e3d4c5b6a"},
            "ns3": {"at": NOW_AT - 3, "configuration": "000000000000"},
        },
    )


@dataclass
class Known:
    """An insight that tells what it was given. error: raised by what can fail."""

    told: dict[str, Any] = field(default_factory=three_by_three)
    happened: Sequence[dict[str, Any]] = ()
    error: Exception | None = None
    store_error: str | None = None
    placed: list[OrderRequest] = field(default_factory=list)
    status_calls: int = 0

    def status(self) -> dict[str, Any]:
        self.status_calls += 1
        return self.told

    def explain(self, name: str, rtype: str, client: str) -> dict[str, Any]:
        if not client:
            raise ValueError("'' is no client")
        return {"name": name, "type": rtype, "client": client}

    async def events(self, count: int) -> list[dict[str, Any]]:
        if self.error is not None:
            raise self.error
        return list(self.happened[-count:])

    async def place_order(self, request: OrderRequest) -> dict[str, Any]:
        if self.error is not None:
            raise self.error
        self.placed.append(request)
        order = make_order(
            request.kind.value,
            site=request.site,
            owner=request.owner,
            reason=request.reason,
            until_at=request.until_at,
        )
        return {"order": order, "store_error": self.store_error}


@contextmanager
def admin_port(known: Known, *digests: str, host: str = "127.0.0.1") -> Iterator[Endpoint]:
    """Where a real server serves it, in a thread of its own."""
    listener = open_tcp(Endpoint(host, 0), share=False)
    endpoint = Endpoint(host, listener.getsockname()[1])
    loop = asyncio.new_event_loop()
    server = AdminServer(known, listener, AdminSettings(digests))
    loop.run_until_complete(server.start())
    thread = threading.Thread(target=loop.run_forever, name="admin")
    thread.start()
    try:
        yield endpoint
    finally:
        asyncio.run_coroutine_threadsafe(server.close(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
