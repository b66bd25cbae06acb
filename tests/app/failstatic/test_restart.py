"""A name server that starts while Redis is away, or with nothing at all; and the order in the file,
which needs neither Redis nor the admin port.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

from gslb.app.keeper import Known, dump_known
from gslb.health.snapshot import HealthSnapshot, SiteHealth
from gslb.store.state_dir import StateDir
from tests.app.failstatic.sites import open_sites
from tests.app.failstatic.worlds import (
    SITES,
    Files,
    View,
    name_server,
    place_order,
    read_views,
    server_here,
    took,
    under_load,
    world,
)
from tests.app.world import wait_for

NOWHERE = "redis://127.0.0.1:1"


def test_r12_a_restart_without_redis_goes_on_from_the_disk_and_tells_its_age(tmp_path: Path):
    with world(tmp_path, own_probes="false", stale_s=30.0) as system:
        system.calm_down()
        system.kill("eu")
        wait_for(lambda: system.state("eu") == "down")
        place_order(system.server, "us", "drain")
        wait_for(lambda: read_views(system.status())["us"].order == "drain")
        before = read_views(system.status())
        stopped_at = time.time()
        assert system.server.stop() == 0
        system.redis.kill()
        system.revive()  # nobody can know: what was down stays down
        with name_server(system.files) as again, under_load(again):
            status = again.status()
            assert read_views(status) == before
            assert stopped_at - 1 < status["restored_at"] < time.time()
            assert "disk" in " ".join(status["alerts"])
            system.redis.start()
            wait_for(lambda: read_views(again.status())["eu"] == View("up"))
            assert again.status()["restored_at"] is None
            assert read_views(again.status())["us"].order == "drain"


def test_r20_a_time_on_the_disk_of_a_clock_that_was_ahead_delays_no_withdrawal(tmp_path: Path):
    files = Files(tmp_path / "gslb", NOWHERE, names=(), pace=0.25)
    later = time.time() + 3600
    health = HealthSnapshot(7, {"eu": SiteHealth(False, 0.4, later, withdrawn_at=later)})
    StateDir(files.folder / "state").save(dump_known(Known(health, (), {})))
    with open_sites(SITES, files.web) as sites, server_here(files) as server:
        sites["eu"].stop()
        assert server.states()["eu"] == "down"
        wait_for(lambda: set(server.states().values()) == {"down", "up"})
        sites["us"].stop()
        wait_for(lambda: read_views(server.status())["us"] == View("down", held=True))
        server.step(61.0, 61.0)  # now eu has been gone for over a minute
        wait_for(lambda: read_views(server.status())["us"] == View("down"))


def test_r12_a_cold_start_with_nothing_answers_all_until_own_probes_know(
    tmp_path: Path, record_property
):
    files = Files(tmp_path / "gslb", NOWHERE)
    told = {}
    with ExitStack() as stack:
        sites = stack.enter_context(open_sites(SITES, files.web))
        sites["eu"].stop()
        since = time.monotonic()
        server = stack.enter_context(name_server(files))
        told["ready"] = time.monotonic() - since
        with under_load(server):
            assert set(read_views(server.status()).values()) == {View("unknown")}
            told["own probes"] = took(lambda: server.status()["own_probes"] == "active")
            told["eu down"] = took(lambda: server.states()["eu"] == "down")
            others = {address for site, address in SITES.items() if site != "eu"}
            told["eu out"] = took(lambda: set(server.answers("all.w.test")) == others)
    record_property("seconds", told)


def test_r19_an_order_in_the_file_holds_within_seconds_without_redis(
    tmp_path: Path, record_property
):
    files = Files(tmp_path / "gslb", NOWHERE)
    with name_server(files) as server, under_load(server):
        files.write("orders: {us: {do: down, reason: broken glass}}\n")
        took_s = took(lambda: SITES["us"] not in server.answers("all.w.test"))
        assert took_s < 4  # two looks at the files, a second apart, and a busy machine
        order = server.status()["sites"]["us"]["order"]
        assert (order["kind"], order["reason"]) == ("down", "broken glass")
        assert order["applied_at"] is not None
        files.write()
        back_s = took(lambda: SITES["us"] in server.answers("all.w.test"))
    record_property("seconds", (took_s, back_s))


def test_r19_an_order_in_the_file_holds_from_the_start(tmp_path: Path):
    files = Files(tmp_path / "gslb", NOWHERE)
    files.write("orders: {us: {do: drain, reason: moving}}\n")
    with name_server(files) as server:
        assert SITES["us"] not in server.answers("all.w.test")
        assert server.status()["sites"]["us"]["order"]["applied_at"] is not None
