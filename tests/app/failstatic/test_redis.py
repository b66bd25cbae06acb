"""Whatever happens to Redis, no answer is lost or wrong; own probes then see what really dies.

One system for all cases; each begins and ends calm.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
import redis

from tests.app.failstatic.worlds import World, place_order, read_views, took, under_load, world
from tests.app.world import wait_for


@pytest.fixture(scope="module")
def system(tmp_path_factory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("redis")) as made:
        yield made


def _hang(system: World) -> None:
    system.redis.pause()


def _partition(system: World) -> None:
    system.store_way.blackhole()
    system.agents_way.blackhole()


def _mend(system: World) -> None:
    system.store_way.restore()
    system.agents_way.restore()


def _delay(system: World) -> None:
    system.store_way.delay_s = system.agents_way.delay_s = 0.4


OUTAGES = {
    "stopped": (lambda system: system.redis.stop(), lambda system: system.redis.start()),
    "killed": (lambda system: system.redis.kill(), lambda system: system.redis.start()),
    "hung": (_hang, lambda system: system.redis.resume()),
    "slower than the timeout": (_delay, _mend),
    "partitioned": (_partition, _mend),
}


@pytest.mark.parametrize("outage", OUTAGES)
def test_r1_an_outage_changes_no_answer_and_own_probes_see_what_dies(
    system: World, outage: str, record_property
):
    begin, end = OUTAGES[outage]
    system.calm_down()
    told = {}
    with under_load(system.server):
        begin(system)
        told["store lost"] = took(lambda: not system.status()["store"]["is_connected"])
        system.kill("eu")
        told["own probes"] = took(lambda: system.status()["own_probes"] == "active")
        told["eu down"] = took(lambda: system.state("eu") == "down")
        system.revive()
        told["eu up"] = took(lambda: system.state("eu") == "up")
        end(system)
        told["store back"] = took(lambda: system.status()["store"]["is_connected"])
        told["agents back"] = took(lambda: system.status()["own_probes"] == "idle")
        told["calm"] = took(system.is_calm)
    record_property("seconds", told)


@pytest.fixture
def client(system: World) -> Iterator[redis.Redis]:
    """A client of it that may forbid things; all is allowed again at the end."""
    system.calm_down()
    with system.redis.client() as client:
        yield client
        client.config_set("maxmemory", 0)
        client.execute_command("ACL", "SETUSER", "default", "+@all")
    if read_views(system.status())["us"].order is not None:
        place_order(system.server, "us", "none")


@pytest.fixture
def drained(system: World) -> Iterator[World]:
    """The same with a drain, which is taken back at the end."""
    system.calm_down()
    place_order(system.server, "us", "drain")
    wait_for(lambda: _stored(system) == {"us": "drain"})
    yield system
    system.store_way.delay_s = system.agents_way.delay_s = 0
    place_order(system.server, "us", "none")


def _stored(system: World) -> dict[str, str]:
    """The orders that Redis holds."""
    with system.redis.client() as client:
        found = client.hgetall("{gslb}:orders")
    return {site.decode(): json.loads(octets)["kind"] for site, octets in found.items()}


def _count(system: World, *events: str) -> int:
    return sum(line["event"] in events for line in system.server.log())


WIPES = {
    "flushed": lambda system: system.redis.flush(),
    "restarted empty": lambda system: system.redis.restart(),
}


@pytest.mark.parametrize("wipe", WIPES)
def test_a_drain_outlives_a_store_that_is_wiped_and_is_written_back(
    drained: World, wipe: str, record_property
):
    with under_load(drained.server) as load:
        WIPES[wipe](drained)
        written_s = took(lambda: _stored(drained) == {"us": "drain"})
        sent = load.sent
        wait_for(lambda: load.sent > sent + 100)
        assert read_views(drained.status())["us"].order == "drain"
    record_property("seconds", written_s)


def test_writing_orders_back_to_a_slow_store_does_not_keep_reports_from_being_read(
    drained: World, record_property
):
    seen = _count(drained, "own probes began")
    with under_load(drained.server):
        drained.store_way.delay_s = drained.agents_way.delay_s = 0.1
        drained.redis.flush()
        written_s = took(lambda: _stored(drained) == {"us": "drain"})
        until = time.monotonic() + 3.5  # as long as reading would have paused
        wait_for(lambda: time.monotonic() > until or _count(drained, "own probes began") > seen)
        assert _count(drained, "own probes began") == seen
        assert drained.status()["store"]["is_connected"]
    record_property("seconds", written_s)


def test_a_store_that_takes_no_orders_is_not_lost_again_and_again(
    system: World, client: redis.Redis, record_property
):
    with under_load(system.server) as load:
        seen = _count(system, "store lost", "store back", "own probes began")
        client.execute_command("ACL", "SETUSER", "default", "-hset")
        told = place_order(system.server, "us", "drain")
        assert "not permitted" in told["store_error"]
        sent = load.sent
        wait_for(lambda: load.sent > sent + 300)  # a second and a half: some 20 reads
        assert _count(system, "store lost", "store back", "own probes began") == seen
        assert read_views(system.status())["us"].order == "drain"
        assert "orders are not stored" in " ".join(system.status()["alerts"])
        client.execute_command("ACL", "SETUSER", "default", "+hset")
        took_s = took(lambda: _stored(system) == {"us": "drain"})
    record_property("seconds", took_s)


def test_a_full_store_leaves_the_answers_to_own_probes(system: World, client: redis.Redis):
    with under_load(system.server):
        client.config_set("maxmemory", 1)
        wait_for(lambda: system.status()["own_probes"] == "active")
        assert "maxmemory" in place_order(system.server, "us", "drain")["store_error"]
        system.kill("eu")
        wait_for(lambda: system.state("eu") == "down")
        client.config_set("maxmemory", 0)
        wait_for(lambda: _stored(system) == {"us": "drain"})
        system.revive()
        wait_for(lambda: system.status()["own_probes"] == "idle")
