"""Two proxies of a region with one real Redis: load reports once a second, and orders for both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import redis

from tests.app.proxy_world import ProxyFiles, backends, proxying
from tests.app.world import wait_for
from tests.redis_servers import running

NODES = "{gslb:region:eu-west}:nodes"


class Board:
    """The load reports of a region, as anybody reads them."""

    def __init__(self, port: int) -> None:
        self._client = redis.Redis(port=port)

    def report(self, node: str) -> dict[str, Any]:
        told = self._client.hget(NODES, f"{node}.eu")
        return json.loads(told) if isinstance(told, bytes) else {}

    def collect(self, *nodes: str, count: int) -> dict[str, list[dict[str, Any]]]:
        """As many reports of each node, each once."""
        found: dict[str, list[dict[str, Any]]] = {node: [] for node in nodes}

        def is_complete() -> bool:
            for node, reports in found.items():
                told = self.report(node)
                if told and (not reports or told["at"] != reports[-1]["at"]):
                    reports.append(told)
            return all(len(reports) >= count for reports in found.values())

        wait_for(is_complete)
        return found


def test_loads_are_reported_each_second_and_orders_hold_for_both(tmp_path: Path) -> None:
    for name in ("one", "two", "redis"):
        (tmp_path / name).mkdir()
    with running(tmp_path / "redis") as server:
        store = f"redis://127.0.0.1:{server.port}"
        first = ProxyFiles(tmp_path / "one", node="l7-one", store=store)
        second = ProxyFiles(tmp_path / "two", node="l7-two", store=store, web=first.web)
        with backends(first.web), proxying(first) as one, proxying(second) as two:
            board = Board(server.port)
            wait_for(lambda: one.status()["neighbours"] == two.status()["neighbours"] == 2)
            for node, reports in board.collect("l7-one", "l7-two", count=4).items():
                passed_s = reports[-1]["at"] - reports[0]["at"]
                assert passed_s >= 0.9 * (len(reports) - 1)  # a busy machine takes longer
                last = reports[-1]
                assert (last["node"], last["site"], last["proxy"]) == (node, "eu-west", "eu")
                assert last["backends"] == {"healthy": 2, "total": 2}
                assert last["in_flight"] == 0

            for _ in range(20):
                assert one.ask("/")[0] == 200
            wait_for(lambda: board.report("l7-one")["requests_per_s"] > 0)
            told = board.report("l7-one")
            assert told["p50_ms"] > 0
            assert told["p50_ms"] <= told["p95_ms"] <= told["p99_ms"]
            assert told["error_share"] == 0
            assert board.report("l7-two")["requests_per_s"] == 0

            assert one.order("web1", "drain")[0] == 200
            wait_for(lambda: {two.ask("/")[1] for _ in range(4)} == {"web2"})
            assert two.order("web1", "none")[0] == 200
            wait_for(lambda: {one.ask("/")[1] for _ in range(4)} == {"web1", "web2"})

            server.kill()  # nothing that a client could notice
            assert {one.ask("/")[0] for _ in range(10)} == {200}
            assert two.order("web2", "drain")[0] == 200
            assert {two.ask("/")[1] for _ in range(4)} == {"web1"}
