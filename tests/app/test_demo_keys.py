import asyncio
import shutil
import socket

import pytest

from gslb.app.demo_keys import press, tell_keys
from gslb.app.events import collect_events
from gslb.app.stage import open_stage
from gslb.app.stage_agents import Conduct
from tests.app.example import write_example
from tests.app.world import until

REGIONS = "keys: 1 stop eu-west  2 stop us-east  3 stop ap-south"


def on_stage(tmp_path, act, *, has_redis=False):
    """What a coroutine function makes of a stage whose sites are up, and the events."""

    async def work():
        async with open_stage(write_example(tmp_path)[0], has_redis=has_redis) as stage:
            health = stage.server.node
            await until(lambda: all(one.up for one in health.health.sites.values()))
            return await act(stage)

    with collect_events() as events:
        return asyncio.run(work()), list(events.lines)


def test_numbers_stop_and_start_regions(tmp_path):
    async def act(stage):
        backend = stage.backends["us-east"]
        await press(stage, "2")
        assert not backend.is_running
        assert tell_keys(stage)[0] == REGIONS.replace("stop us", "START us")
        await press(stage, "2")
        assert backend.is_running
        assert tell_keys(stage)[0] == REGIONS

    on_stage(tmp_path, act)


def test_law_2_a_region_that_cannot_start_is_told(tmp_path):
    async def act(stage):
        backend = stage.backends["eu-west"]
        await press(stage, "1")
        with socket.create_server((backend.host, backend.port)):
            await press(stage, "1")
            assert not backend.is_running
        await press(stage, "1")
        assert backend.is_running

    _, lines = on_stage(tmp_path, act)
    assert sum("warning: backend not started site=eu-west" in line for line in lines) == 1


def test_d_drains_the_first_region_and_takes_it_back(tmp_path):
    async def act(stage):
        serving = []
        for _ in range(2):
            await press(stage, "d")
            serving.append((stage.server.node.health.of("eu-west").is_serving, tell_keys(stage)[1]))
        return serving

    (drained, undrained), lines = on_stage(tmp_path, act)
    others = "a make fra lie  t traffic  q quit"
    assert drained == (False, f"      d UNDRAIN eu-west  {others}")
    assert undrained == (True, f"      d drain eu-west  {others}")
    assert any("order given site=eu-west order=drain owner=demo" in line for line in lines)


def test_law_2_a_drain_that_would_leave_too_little_is_refused_and_told(tmp_path):
    async def act(stage):
        await press(stage, "2")
        await until(lambda: stage.server.node.health.of("us-east").up is False)
        await press(stage, "d")
        return stage.server.node.health.of("eu-west").order

    order, lines = on_stage(tmp_path, act)
    assert order is None
    assert any("warning: order refused" in line and "min_capacity" in line for line in lines)


def test_a_has_the_first_agent_lie_and_die_and_be_honest(tmp_path):
    async def act(stage):
        agent, seen = stage.agents["fra"], []
        for _ in range(3):
            await press(stage, "a")
            offer = tell_keys(stage)[1].split("  a ")[1].split("  ")[0]
            seen.append((agent.conduct, offer))
        return seen

    seen, _ = on_stage(tmp_path, act)
    assert seen == [
        (Conduct.LYING, "kill fra"),
        (Conduct.DEAD, "START fra"),
        (Conduct.HONEST, "make fra lie"),
    ]


def test_law_1_what_is_not_there_is_not_offered_and_does_nothing(tmp_path):
    async def act(stage):
        before = tell_keys(stage)
        for key in ("r", "x", "0", "4", "9", "\u00b2", ""):
            await press(stage, key)
        assert tell_keys(stage) == before

    on_stage(tmp_path, act)


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")
def test_law_3_r_kills_redis_and_brings_it_back_empty_and_it_is_filled_again(tmp_path):
    def store(stage):
        return stage.server.insight.status()["store"]

    async def act(stage):
        await press(stage, "d")
        assert "  r kill Redis" in tell_keys(stage)[1]
        await press(stage, "r")
        assert "  r START Redis" in tell_keys(stage)[1]
        await until(lambda: not store(stage)["is_connected"])
        await press(stage, "r")

        async def is_filled():
            if not store(stage)["is_connected"]:
                return False
            held = await stage.server.store.read(list(stage.agents))
            return len(held.reports) == 3 and [one.site for one in held.orders] == ["eu-west"]

        await until(is_filled)

    _, lines = on_stage(tmp_path, act, has_redis=True)
    assert any("store lost" in line for line in lines)
