"""The name server's own clock: a step changes no state, and an hour without agents no octet."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from tests.app.failstatic.worlds import (
    SITES,
    STALE_S,
    Here,
    View,
    read_views,
    took,
    under_load,
    world_here,
)
from tests.app.world import make_query, wait_for

HOUR_S = 3600.0


@pytest.mark.parametrize("step_s", [HOUR_S, -HOUR_S])
def test_r20_a_step_of_the_name_servers_clock_changes_no_state(tmp_path: Path, step_s: float):
    with world_here(tmp_path) as (system, server):
        system.calm_down()
        with under_load(server):
            seen = len(server.log("site changed"))
            server.step(step_s)
            wait_for(lambda: "this one is the suspect" in " ".join(system.status()["alerts"]))
            system.agents.stop("sin")
            system.agents.start("sin")  # a boot that is heard of for the first time meanwhile
            until = time.monotonic() + 2 * STALE_S
            wait_for(lambda: time.monotonic() > until)
            assert len(server.log("site changed")) == seen
            known = [name for name in system.voters if name != "sin"]  # that one may be a replay
            assert all(system.status()["agents"][name]["has_vote"] for name in known)
            system.kill("eu")
            down_s = took(lambda: system.state("eu") == "down")
            system.revive()
            up_s = took(lambda: system.state("eu") == "up")
            server.step(0.0)
            wait_for(lambda: system.status()["alerts"] == [])
        assert set(read_views(system.status()).values()) == {View("up")}
        assert server.log("own probes began") == []
    assert max(down_s, up_s) < 2


def _octets(server: Here) -> bytes:
    """The reply to one and the same query."""
    query = make_query("first.w.test")
    query.id = 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", server.dns_port))
        client.settimeout(3)
        client.send(query.to_wire())
        return client.recv(4096)


def test_r3_an_hour_without_agents_and_own_probes_changes_no_octet(tmp_path: Path):
    with world_here(tmp_path, own_probes="false") as (system, server):
        system.calm_down()
        system.kill("eu")
        wait_for(lambda: system.state("eu") == "down")
        before = _octets(server)
        assert socket.inet_aton(SITES["eu"]) not in before
        with under_load(server):
            system.agents.stop()
            system.revive()  # nobody sees it
            for minute in range(61):
                server.step(60.0 * minute, 60.0 * minute)
                server.merge()
                assert _octets(server) == before
            wait_for(lambda: "stale" in " ".join(system.status()["alerts"]))
            assert _octets(server) == before
            assert system.status()["own_probes"] == "off"
            server.step(0.0, 3600.0)  # the hour has passed for all, so no clock is off
            system.agents.start(*system.voters)
            wait_for(lambda: system.state("eu") == "up")
