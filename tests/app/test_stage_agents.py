import asyncio
from dataclasses import replace
from ipaddress import ip_address
from types import MappingProxyType

import pytest

from gslb.app.stage_agents import (
    LIE,
    PLACES,
    Conduct,
    StageAgent,
    declare,
    lie,
    make_keys,
    travel,
    way_ms,
)
from gslb.model.check import Check, TcpCheck
from gslb.model.place import NOWHERE, Location
from gslb.model.report import Report, SiteReport
from gslb.model.service import Site
from gslb.model.system import System
from gslb.store.envelope import unseal
from gslb.store.memory import MemoryStore
from tests.app.agents import listening
from tests.app.world import until

WEST = SiteReport(up=True, since_at=5.0, rtt_ms=1.0, first_byte_ms=3.0, samples=9)
REPORT = Report("fra", "boot", 7, 100.0, MappingProxyType({"west": WEST, "east": SiteReport()}))


def system(port, *names):
    check = Check((TcpCheck(port),), interval_s=0.1, timeout_s=0.1, fall=1, rise=1)
    sites = {name: Site(name, (ip_address("127.0.1.1"),), check=check) for name in names}
    return System(node="ns", dns=(), zones=(), sites=sites)


def test_law_1_each_has_a_key_and_a_failure_domain_of_its_own():
    agents = declare(make_keys())
    assert [(one.name, one.failure_domain) for one in agents.values()] == [
        (name, name) for name in PLACES
    ]
    assert len({key for one in agents.values() for key in one.public_keys}) == len(PLACES) == 3
    assert all(one.location.point for one in agents.values())


def test_law_3_a_lie_has_every_site_down_and_is_numbered_like_any_other_report():
    told = lie(REPORT)
    assert {name: (one.up, one.reason) for name, one in told.sites.items()} == {
        "west": (False, LIE),
        "east": (False, LIE),
    }
    assert replace(told, sites=REPORT.sites) == REPORT


def test_law_2_the_way_is_added_to_what_was_measured_and_to_nothing_else():
    here = Location(latitude=0.0, longitude=0.0)
    there = Site("west", (), point=(0.0, 90.0))
    quarter_ms = 6371.0088 * 3.14159265 / 2 / 100
    told = travel(REPORT, here, {"west": there, "east": replace(there, name="east")}).sites
    assert told["west"].rtt_ms == pytest.approx(1.0 + quarter_ms, rel=0.01)
    assert told["west"].first_byte_ms == pytest.approx(3.0 + quarter_ms, rel=0.01)
    assert replace(told["west"], rtt_ms=1.0, first_byte_ms=3.0) == WEST
    assert told["east"] == SiteReport()  # nothing was measured


def test_law_2_no_way_is_known_from_nowhere_to_nowhere_or_to_a_site_that_is_gone():
    assert way_ms(NOWHERE, (0.0, 90.0)) == way_ms(PLACES["fra"], None) == 0.0
    assert travel(REPORT, PLACES["fra"], {}) == REPORT


# ---------------------------------------------------------------- alive


def on_agent(act, *names, port=None):
    """What a coroutine function makes of an agent that runs, its store, and what it is told."""

    async def run():
        keys, store, told = make_keys(), MemoryStore(), {"system": system(port or 1, *names)}
        declared = declare(keys)["fra"]
        agent = StageAgent(declared, keys["fra"], store, lambda: told["system"])
        running = asyncio.ensure_future(agent.run())

        async def last():
            held = (await store.read(["fra"])).reports
            return unseal(held["fra"], declared) if held else None

        async def until_told(is_true):
            async def holds():
                report = await last()
                return report is not None and is_true(report)

            await until(holds)
            return await last()

        try:
            return await act(agent, until_told, told)
        finally:
            running.cancel()
            await asyncio.wait([running])
            assert asyncio.all_tasks() == {asyncio.current_task()}

    return asyncio.run(run())


def states(report):
    return {name: one.up for name, one in report.sites.items()}


def test_law_1_what_it_saw_comes_back_through_the_store_under_its_key():
    async def act(agent, until_told, _told):
        return await until_told(lambda report: states(report) == {"west": True})

    with listening("127.0.1.1") as port:
        report = on_agent(act, "west", port=port)
    assert (report.agent, report.sites["west"].reason) == ("fra", "")


def test_law_3_it_lies_and_is_honest_again():
    async def act(agent, until_told, _told):
        await until_told(lambda report: states(report) == {"west": True})
        agent.behave(Conduct.LYING)
        lying = await until_told(lambda report: states(report) == {"west": False})
        agent.behave(Conduct.HONEST)
        honest = await until_told(lambda report: states(report) == {"west": True})
        assert lying.boot == honest.boot
        assert lying.sequence < honest.sequence

    with listening("127.0.1.1") as port:
        on_agent(act, "west", port=port)


def test_law_3_a_dead_one_is_silent_and_comes_back_as_another_boot():
    async def act(agent, until_told, _told):
        before = await until_told(lambda report: states(report) == {"west": False})
        agent.behave(Conduct.DEAD)
        await until(lambda: not any("probe" in one.get_name() for one in asyncio.all_tasks()))
        silent = await until_told(lambda _: True)
        await asyncio.sleep(0.3)  # three checks and six reports of one that lives
        assert await until_told(lambda _: True) == silent
        agent.behave(Conduct.HONEST)
        after = await until_told(lambda report: report.boot != before.boot)
        assert after.sequence < before.sequence + 3

    on_agent(act, "west")


def test_it_follows_a_reload():
    async def act(agent, until_told, told):
        await until_told(lambda report: states(report) == {"west": False})
        told["system"] = system(1, "west", "east")
        await until_told(lambda report: states(report) == {"west": False, "east": False})

    on_agent(act, "west")
