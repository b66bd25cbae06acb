"""Several name servers, and a Redis that fails over."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise
from pathlib import Path

from gslb.app.clock import Clocks
from gslb.app.store_reader import StoreReader
from gslb.model.endpoint import Endpoint
from gslb.model.system import RedisSettings
from gslb.store.base import Holding
from gslb.store.open_redis import open_redis
from gslb.store.target import parse_target
from tests.app.failstatic.worlds import (
    TIMEOUT_S,
    place_order,
    read_views,
    server_here,
    took,
    under_load,
    watched_world,
    world,
    world_here,
)
from tests.app.world import until, wait_for
from tests.ports import free_port
from tests.redis_servers import Proxy, running

# ---------------------------------------------------------------- Sentinel


def test_a_failover_changes_no_answer_and_loses_no_order(tmp_path: Path, record_property):
    told: dict[str, float] = {}
    with watched_world(tmp_path) as (system, group):
        system.calm_down()
        place_order(system.server, "us", "drain")
        with under_load(system.server):
            old = system.redis
            old.kill()
            system.kill("eu")
            told["eu down"] = took(lambda: system.state("eu") == "down")
            group.wait_for_failover(old)
            told["store back"] = took(lambda: system.status()["store"]["is_connected"])
            told["agents back"] = took(lambda: system.status()["own_probes"] == "idle")
            system.revive()
            told["eu up"] = took(lambda: system.state("eu") == "up")
            assert read_views(system.status())["us"].order == "drain"
            with group.master().client() as client:
                wait_for(lambda: client.hexists("{gslb}:orders", "us"))
    record_property("seconds", told)


# ---------------------------------------------------------------- who comes back when, R23

READERS = 20
FAILURES = 4


class _Fleet:
    """Readers of one store, as many name servers have them. back: when each of them read first
    after the moment that is noted.
    """

    def __init__(self, port: int) -> None:
        target = parse_target(f"redis://127.0.0.1:{port}")
        settings = RedisSettings(timeout_s=TIMEOUT_S)
        self.stores = [open_redis(target, settings, {}, shown="") for _ in range(READERS)]
        self.readers = [self._make(number) for number in range(READERS)]
        self.back: dict[int, float] = {}

    def _make(self, number: int) -> StoreReader:
        async def take_up(_: Holding) -> None:
            self.back.setdefault(number, time.monotonic())

        return StoreReader(
            self.stores[number], tuple, take_up, tell=lambda _: None, clocks=Clocks()
        )

    @property
    def failures(self) -> list[int]:
        return [reader._failures for reader in self.readers]


def test_r23_many_readers_come_back_one_by_one_and_read_once(tmp_path: Path):
    async def play(proxy: Proxy) -> tuple[_Fleet, float, int]:
        fleet = _Fleet(proxy.port)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(reader.run(), name="reader") for reader in fleet.readers]
            await until(lambda: len(fleet.back) == READERS)
            await asyncio.to_thread(proxy.refuse)
            began = time.monotonic()
            await until(lambda: min(fleet.failures) >= FAILURES)
            # The k-th pause is drawn up to 0.2 s x 2^k: nobody hammers at what is away.
            assert max(fleet.failures) <= FAILURES + 4 * (time.monotonic() - began)
            accepted = proxy.accepted
            fleet.back.clear()
            await asyncio.to_thread(proxy.accept)
            back = time.monotonic()
            await until(lambda: len(fleet.back) == READERS)
            for task in tasks:
                task.cancel()
        for store in fleet.stores:
            await store.close()
        return fleet, back, proxy.accepted - accepted

    with running(tmp_path) as redis, Proxy(redis.port) as proxy:
        fleet, back, connections = asyncio.run(play(proxy))
    assert connections <= 2 * READERS  # one to ask and one to wait, once
    moments = sorted(moment - back for moment in fleet.back.values())
    assert moments[-1] <= 5 + 3 * TIMEOUT_S
    assert moments[-1] - moments[0] > 1.0
    assert max(later - sooner for sooner, later in pairwise(moments)) < 4
    crowd = max(sum(first <= one < first + 0.25 for one in moments) for first in moments)
    assert crowd <= READERS / 2


def test_r23_a_name_server_writes_nothing_of_itself_while_the_store_is_away(tmp_path: Path):
    with world_here(tmp_path) as (system, server):
        system.calm_down()
        store, written = server.server.store, []
        put_node = store.put_node

        async def count(node: str, octets: bytes) -> None:
            written.append(time.monotonic())
            await put_node(node, octets)

        store.put_node = count
        wait_for(lambda: written)
        system.redis.kill()
        wait_for(lambda: not system.status()["store"]["is_connected"])
        lost = time.monotonic()
        wait_for(lambda: time.monotonic() > lost + 2.5)
        assert [moment for moment in written if moment > lost] == []
        system.redis.start()
        wait_for(lambda: written[-1] > lost)


# ---------------------------------------------------------------- who sees something else, R24


def test_r24_a_name_server_that_sees_something_else_is_told_of(tmp_path: Path):
    port = free_port("127.0.0.1")
    with world(tmp_path, own_probes="false") as system:
        system.calm_down()
        other = {"node": "ns2", "dns": (Endpoint("127.0.0.1", port),), "admin": None}
        with server_here(system.files, **other, state_dir=None) as second:
            follower = second.server.follower
            wait_for(lambda: set(follower.health.sites) == set(read_views(system.status())))
            wait_for(lambda: all(one.up for one in follower.health.sites.values()))
            wait_for(lambda: "ns2" in system.status()["nodes"])
            take_up = follower._reader._take_up
            follower._reader._take_up = _take_nothing_up  # its view is frozen from here on
            with under_load(system.server):
                system.kill("eu")
                wait_for(lambda: system.state("eu") == "down")
                told_s = took(lambda: "divergence: ns2" in " ".join(system.status()["alerts"]))
                assert 1 < told_s < 6  # more than two of its words, which come once a second
                follower._reader._take_up = take_up
                wait_for(lambda: "divergence" not in " ".join(system.status()["alerts"]))


async def _take_nothing_up(_: Holding) -> None:
    return
