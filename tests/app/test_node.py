"""One answering node and its follower: real sockets, reports put by hand, exact TTLs."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from pathlib import Path

import dns.asyncquery
import pytest

from gslb.app.assemble import assemble
from gslb.app.node import Node
from gslb.errors import StoreError
from gslb.health.snapshot import HealthSnapshot
from gslb.model.report import SiteReport
from gslb.store.base import Holding
from gslb.store.memory import MemoryStore
from tests.app.observed import UP, Running, run
from tests.app.world import ZONE, Files, make_query, records, until

# Reports are merged when they come, at most five times a second; so this takes 0.2 s at most.


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path, interval_s=10)  # fall 4 and rise 2: flips 40 and 20 s away


def test_ttls_shorten_as_a_change_comes_near_law_7(files):
    async def script(running: Running) -> None:
        assert await running.seen() == (["127.0.1.1"], 1)  # unknown: the minimum
        eu, us = ["127.0.1.1"], ["127.0.2.1"]
        await running.report(eu=UP, us=UP)
        await running.until(eu, 40)
        for streak, ttl in ((1, 30), (2, 20), (3, 10)):
            await running.report(eu=SiteReport(up=True, streak=streak, reason="HTTP 503"), us=UP)
            await running.until(eu, ttl)
        await running.report(eu=SiteReport(up=False, reason="HTTP 503"), us=UP)
        await running.until(us, 20)  # it could be back after two checks
        await running.report(eu=SiteReport(up=False, streak=1), us=UP)
        await running.until(us, 10)
        await running.report(eu=UP, us=UP)
        await running.until(eu, 40)
        assert running.node.fast.engine.health is running.node.health

    run(files, script)


def test_a_report_that_changes_nothing_swaps_nothing(files):
    async def script(running: Running) -> None:
        await running.report(eu=UP, us=UP)
        await running.until(["127.0.1.1"], 40)
        engine, generation = running.node.fast.engine, running.node.health.generation
        before = [one.report.sequence for one in running.follower.heard()]
        await running.report(eu=UP, us=UP)
        await until(lambda: [one.report.sequence for one in running.follower.heard()] != before)
        await running.report(eu=UP, us=UP)  # by the time of this one the other was merged
        await until(lambda: running.follower.heard()[0].report.sequence == before[0] + 2)
        assert running.node.fast.engine is engine
        assert running.node.health.generation == generation

    run(files, script)


def test_changes_are_logged_a_line_each(files, caplog):
    async def script(running: Running) -> None:
        await running.report(eu=UP, us=UP)
        await running.until(["127.0.1.1"], 40)
        await running.report(eu=SiteReport(up=False, reason="HTTP 503"), us=UP)
        await running.until(["127.0.2.1"], 20)

    with caplog.at_level(logging.INFO, logger="gslb"):
        run(files, script)
    told = [
        (record.gslb_fields["site"], record.gslb_fields["state"], record.gslb_fields["reason"])
        for record in caplog.records
        if record.getMessage() == "site changed"
    ]
    assert told == [
        ("eu", "up", "checks pass"),
        ("us", "up", "checks pass"),
        ("eu", "down", "HTTP 503"),
    ]


class Failing(MemoryStore):
    """A store that says nothing but that it fails, from a moment on."""

    is_failing = False

    async def read(self, agents) -> Holding:
        if self.is_failing:
            raise StoreError("gone")
        return await super().read(agents)


def test_a_store_that_fails_changes_no_answer(files, caplog):
    store = Failing()

    async def script(running: Running) -> None:
        await running.report(eu=SiteReport(up=False, reason="HTTP 503"), us=UP)
        await running.until(["127.0.2.1"], 20)
        store.is_failing = True
        await running.report(eu=UP, us=UP)
        await until(lambda: "store lost" in caplog.messages)
        assert await running.seen() == (["127.0.2.1"], 20)
        store.is_failing = False
        await running.until(["127.0.1.1"], 40)

    with caplog.at_level(logging.WARNING):
        run(files, script, store=store)


def test_another_configuration_keeps_turns_and_counts_and_health(files):
    async def script(running: Running) -> None:
        await running.report(eu=UP, us=UP)
        await running.until(["127.0.1.1"], 40)
        first = [records(await running.ask("split.w.test"))[0] for _ in range(2)]
        files.zone.write_text(ZONE + "  new: {answers: {us: {}}}\n")
        running.reload()
        assert await running.seen() == (["127.0.1.1"], 40)
        assert records(await running.ask("new.w.test")) == ["127.0.2.1"]
        rest = [records(await running.ask("split.w.test"))[0] for _ in range(4)]
        every = first + rest  # 2:1, exact over each three
        assert sorted(every[:3]) == sorted(every[3:]) == ["127.0.1.1", "127.0.1.1", "127.0.2.1"]
        counts = running.node.count_answers()
        assert (counts["split.w.test.", "eu"], counts["split.w.test.", "us"]) == (4, 2)
        assert counts["new.w.test.", "us"] == 1

    run(files, script)


def test_a_reload_may_raise_the_size_of_answers_and_says_what_it_cannot_change(files, caplog):
    addresses = ", ".join(f'"2001:db8::{number:x}"' for number in range(1, 65))
    records_text = "big: {answers: {big: {}}}\n"
    files.zone.write_text(ZONE + "  " + records_text)
    files.main.write_text(files.main.read_text() + f"  big: {{addresses: [{addresses}]}}\n")

    async def script(running: Running) -> None:
        query = make_query("big.w.test", "AAAA")
        query.use_edns(0, payload=4096)
        where = {"port": files.dns, "timeout": 5}
        assert (await dns.asyncquery.udp(query, "127.0.0.1", **where)).flags & 0x0200  # TC
        files.main.write_text(
            files.main.read_text() + "edns: {udp_size: 4096}\nlog: {level: debug}\n"
        )
        running.reload()
        # Many at once, so that replies that were longer than their place would meet each other.
        replies = await asyncio.gather(
            *(dns.asyncquery.udp(query, "127.0.0.1", **where) for _ in range(20))
        )
        assert {len(records(reply)) for reply in replies} == {64}

    files.main.write_text(files.main.read_text().replace("log: {}\n", ""))
    with caplog.at_level(logging.WARNING, logger="gslb"):
        run(files, script)
    told = [record for record in caplog.records if "restart" in record.getMessage()]
    assert [record.gslb_fields["key"] for record in told] == ["log"]


def test_what_cannot_change_without_a_restart_is_named_as_in_the_file(files, caplog):
    node = Node(assemble(files.main), HealthSnapshot())
    system = node.assembled.system
    other = replace(system, node="b", dns=(), admin=None, workers=3, store="redis://h")
    configuration = replace(node.assembled.configuration, system=other)
    with caplog.at_level(logging.WARNING, logger="gslb"):
        node.apply(replace(node.assembled, configuration=configuration), HealthSnapshot())
    assert [record.gslb_fields["key"] for record in caplog.records] == [
        "node",
        "listen.dns",
        "listen.admin",
        "workers",
        "store",
    ]
