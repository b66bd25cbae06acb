"""When a name server probes by itself."""

import asyncio
from dataclasses import replace
from ipaddress import ip_address

import pytest

from gslb.app.own_probes import START_S, OwnProbes
from gslb.model.agent import Agent
from gslb.model.check import Check, CommandCheck, TcpCheck
from gslb.model.report import Report
from gslb.model.service import Site
from gslb.model.system import HealthSettings, System
from tests.app.world import until
from tests.ports import free_port

AGENTS = {"fra": Agent("fra", "fra")}


class Clock:
    """A clock that is set by hand."""

    def __init__(self):
        self.at = 1000.0

    def now(self):
        return self.at


def probes(*, agents=AGENTS, own_probes=True, port=1, known=None):
    check = Check((TcpCheck(port),), interval_s=0.1, timeout_s=0.1)
    site = Site("eu", (ip_address("127.0.0.1"),), check=check)
    system = System(
        "ns1",
        (),
        (),
        {"eu": site},
        agents=agents,
        health=HealthSettings(own_probes=own_probes),
    )
    clock = Clock()
    return OwnProbes(system, lambda: None, lambda: known or {}, clock), clock, system


def test_law_1_without_agents_they_always_run_unless_configured_away():
    own, _, _ = probes(agents={})
    assert own.is_active
    own.judge(is_heard=False)
    assert own.is_active
    assert not probes(agents={}, own_probes=False)[0].is_active


def test_law_2_they_begin_when_nobody_is_heard_within_a_while_of_the_start():
    own, clock, _ = probes()
    assert not own.is_active
    clock.at += START_S
    assert not own.judge(is_heard=False)
    clock.at += 0.1
    assert own.judge(is_heard=False)
    assert own.is_active
    assert own.judge(is_heard=True)  # and end as soon as one is
    assert not own.is_active


def test_law_2_they_begin_at_once_when_the_last_agent_falls_silent():
    own, clock, _ = probes()
    assert not own.judge(is_heard=True)
    clock.at += 0.1
    assert own.judge(is_heard=False)
    assert not own.judge(is_heard=False)  # that is no news


def test_law_2_never_when_they_are_configured_away():
    own, clock, _ = probes(own_probes=False)
    clock.at += 3600
    assert not own.judge(is_heard=False)
    assert not own.is_active


@pytest.mark.parametrize("is_listening", [True, False])
def test_what_they_see_counts_only_while_they_run(is_listening):
    async def script():
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1] if is_listening else free_port("127.0.0.1")
        own, _, _ = probes(port=port)
        own.judge(is_heard=True)
        own.judge(is_heard=False)
        task = asyncio.create_task(own.run())

        def seen():
            return [one.report.sites["eu"].up for one in own.heard()]

        await until(lambda: seen() == [is_listening])
        assert own.heard()[0].agent == Agent("ns1", "ns1")
        own.judge(is_heard=True)
        assert own.heard() == ()
        own.judge(is_heard=False)
        await until(lambda: seen() == [is_listening])  # a second time
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        server.close()
        await server.wait_closed()

    asyncio.run(script())


def test_law_3_they_begin_with_what_was_known():
    async def script():
        own, _, _ = probes(agents={}, port=free_port("127.0.0.1"), known={"eu": True})
        seen = []
        own._news = lambda: seen.append(own.heard()[0].report.sites["eu"])
        task = asyncio.create_task(own.run())
        await until(lambda: seen and seen[-1].up is False)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        told = [(one.up, one.streak) for one in seen if one.up is not None]
        assert list(dict.fromkeys(told)) == [(True, 1), (True, 2), (False, 0)]  # fall 3

    asyncio.run(script())


def test_another_configuration_is_probed_at_once():
    async def script():
        own, _, system = probes(agents={}, port=free_port("127.0.0.1"))
        task = asyncio.create_task(own.run())
        await until(lambda: own.heard() and own.heard()[0].report.sites["eu"].up is False)
        us = replace(system.sites["eu"], name="us")
        own.reconfigure(replace(system, sites={"us": us}))
        await until(lambda: set(own.heard()[0].report.sites) == {"us"})
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(script())


def test_law_2_a_report_that_comes_while_they_end_counts_no_more():
    async def script():
        own, _, _ = probes(agents={"fra": Agent("fra", "fra")})
        own.judge(is_heard=True)
        own.judge(is_heard=False)
        own.judge(is_heard=True)
        await own._take(Report("ns1", "boot", 1, 1000.0, {}))
        assert own.heard() == ()

    asyncio.run(script())


def test_a_reload_that_comes_while_they_end_is_taken_up_by_the_next_ones(tmp_path):
    begun = tmp_path / "begun"
    slow = Check((CommandCheck(("sh", "-c", f"touch {begun}; sleep 30")),), timeout_s=5.0)

    async def script():
        own, _, system = probes(agents=AGENTS)
        eu = system.sites["eu"]
        own.reconfigure(replace(system, sites={"eu": replace(eu, check=slow)}))
        own.judge(is_heard=True)
        own.judge(is_heard=False)
        task = asyncio.create_task(own.run())
        await until(begun.exists)
        own.judge(is_heard=True)
        for _ in range(3):  # they are told to end, and wait for the command
            await asyncio.sleep(0)
        own.reconfigure(replace(system, sites={"us": replace(eu, name="us")}))
        own.judge(is_heard=False)
        await until(lambda: own.heard() and set(own.heard()[0].report.sites) == {"us"})
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(script())
