"""Whatever becomes of agents, no answer is lost or wrong, and the word of a bad one counts for
nothing.

One system for all cases: `fra` and `iad` run in this process, `sin` comes and goes, `lim` was given
one site only, `ahead` and `behind` have clocks that are wrong. Each case begins and ends calm.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gslb.model.report import Report, SiteReport
from gslb.probe.prober import Clock
from gslb.store.envelope import seal
from gslb.store.signing import load_key
from tests.app.agents import Probing, probing
from tests.app.failstatic.worlds import (
    SITES,
    STALE_S,
    View,
    World,
    read_views,
    took,
    under_load,
    world,
)
from tests.app.world import wait_for

LOCAL = ("fra", "iad")
DOWN, UP = dict.fromkeys(SITES, False), dict.fromkeys(SITES, True)
ALL_UP = dict.fromkeys(SITES, View("up"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Iterator[World]:
    names = (*LOCAL, "sin", "lim", "ahead", "behind")
    folder = tmp_path_factory.mktemp("agents")
    with world(folder, names=names, local=LOCAL, given={"lim": ["eu"]}) as made:
        yield made


@pytest.fixture
def system(shared: World) -> World:
    shared.calm_down()
    return shared


def _agent(system: World, name: str) -> dict[str, object]:
    return system.status()["agents"][name]


def _has_vote(system: World, name: str) -> bool:
    return bool(_agent(system, name)["has_vote"])


def _drops(system: World) -> dict[tuple[str, str], int]:
    drops = system.status()["drops"]
    return {(drop["agent"], drop["reason"]): drop["count"] for drop in drops}


def _down(system: World) -> set[str]:
    return {name for name, state in system.server.states().items() if state == "down"}


@contextmanager
def _third(system: World) -> Iterator[Probing]:
    """`sin` as a process, once it counts."""
    with probing(system.files.main, "sin") as agent:
        wait_for(lambda: _has_vote(system, "sin"))
        yield agent


@contextmanager
def _nothing_changes(system: World) -> Iterator[None]:
    """Under load, and no site changes its state."""
    seen = len(system.server.log("site changed"))
    with under_load(system.server):
        yield
    assert read_views(system.status()) == ALL_UP
    assert len(system.server.log("site changed")) == seen


def _lose_and_regain(system: World, told: dict[str, float]) -> None:
    """A site dies and comes back, as those see that are left."""
    system.kill("eu")
    told["eu down"] = took(lambda: system.state("eu") == "down")
    system.revive()
    told["eu up"] = took(lambda: system.state("eu") == "up")


# ---------------------------------------------------------------- dead, hung, gone


def test_an_agent_that_is_killed_loses_its_vote_and_the_others_go_on(
    system: World, record_property
):
    told: dict[str, float] = {}
    with under_load(system.server):
        with _third(system) as agent:
            agent.process.kill()
            told["vote lost"] = took(lambda: not _has_vote(system, "sin"))
            _lose_and_regain(system, told)
        with _third(system):
            assert read_views(system.status()) == ALL_UP
    record_property("seconds", told)


def test_an_agent_that_hangs_loses_its_vote_until_it_goes_on(system: World, record_property):
    told: dict[str, float] = {}
    with under_load(system.server), _third(system) as agent:
        agent.send(signal.SIGSTOP)
        told["vote lost"] = took(lambda: not _has_vote(system, "sin"))
        _lose_and_regain(system, told)
        agent.send(signal.SIGCONT)
        told["vote regained"] = took(lambda: _has_vote(system, "sin"))
    assert _drops(system).get(("sin", "twin")) is None
    record_property("seconds", told)


def test_own_probes_take_over_when_every_agent_is_gone_and_step_back(
    system: World, record_property
):
    told: dict[str, float] = {}
    with under_load(system.server):
        system.agents.stop(*LOCAL)
        told["own probes"] = took(lambda: system.status()["own_probes"] == "active")
        assert told["own probes"] > 0.5 * STALE_S
        _lose_and_regain(system, told)
        system.agents.start(*LOCAL)
        told["stepped back"] = took(lambda: system.status()["own_probes"] == "idle")
    record_property("seconds", told)


# ---------------------------------------------------------------- lying


def test_an_agent_that_calls_all_sites_down_changes_nothing_and_loses_its_vote(system: World):
    with _nothing_changes(system), system.agents.saying("sin", DOWN):
        wait_for(lambda: "contradicts" in str(_agent(system, "sin")["why"]))


def test_an_agent_that_calls_all_sites_up_cannot_hold_those_that_die(
    system: World, record_property
):
    told: dict[str, float] = {}
    with under_load(system.server), system.agents.saying("sin", UP):
        wait_for(lambda: _has_vote(system, "sin"))
        system.kill("eu", "ap", "sa")
        told["three down"] = took(lambda: _down(system) == {"eu", "ap", "sa"})
        wait_for(lambda: "contradicts" in str(_agent(system, "sin")["why"]))
        system.revive()
        told["three up"] = took(lambda: read_views(system.status()) == ALL_UP)
    record_property("seconds", told)


def test_own_probes_tell_who_of_two_agents_lies(system: World):
    with _nothing_changes(system):
        system.agents.stop("iad")
        wait_for(lambda: not _has_vote(system, "iad"))
        with system.agents.saying("sin", DOWN):
            wait_for(lambda: not _has_vote(system, "sin"))
            wait_for(lambda: _has_vote(system, "fra"))
            assert system.status()["own_probes"] == "active"
        system.agents.start("iad")
        wait_for(lambda: _has_vote(system, "iad"))


# ---------------------------------------------------------------- clocks


@pytest.mark.parametrize(("name", "step_s"), [("ahead", 3600), ("behind", -3600)])
def test_r20_an_agent_whose_clock_is_an_hour_off_has_no_vote(system: World, name: str, step_s: int):
    with _nothing_changes(system):
        system.agents.start(name, clock=Clock(at=lambda: time.time() + step_s))
        try:
            wait_for(lambda: f"its clock is off by {step_s:+} s" == _agent(system, name)["why"])
            assert _drops(system)[name, "stale"] == 1  # its first report
            assert system.status()["alerts"] == []
        finally:
            system.agents.stop(name)


# ---------------------------------------------------------------- identity


def test_two_agents_with_one_name_lose_its_vote_until_one_is_left(system: World):
    with _nothing_changes(system), _third(system):
        system.agents.start("sin")
        try:
            wait_for(lambda: _agent(system, "sin")["why"] == "two agents have this name")
            assert _drops(system)["sin", "twin"] >= 1
        finally:
            system.agents.stop("sin")
        wait_for(lambda: _has_vote(system, "sin"))


def test_a_report_under_a_name_that_is_not_declared_is_told_and_counts_for_nothing(system: World):
    key = load_key(system.files.folder / "sin.key")
    sites = {name: SiteReport(up=False) for name in SITES}
    with _nothing_changes(system):
        system.agents.put("zrh", seal(Report("zrh", "b" * 32, 1, time.time(), sites), key))
        wait_for(lambda: system.status()["strangers"] == ["zrh"])
        assert "zrh" not in system.status()["agents"]


def test_a_site_that_an_agent_was_not_given_is_taken_out_of_its_report(system: World):
    with _nothing_changes(system), system.agents.saying("lim", DOWN):
        wait_for(lambda: _drops(system).get(("lim", "not_given"), 0) >= 3)
        sites = system.status()["sites"]
        assert [name for name in SITES if "lim" in sites[name]["agents"]] == ["eu"]


def test_r15_what_is_poisoned_under_one_name_touches_no_other(system: World):
    forger = load_key(system.files.folder / "fra.key")
    sites = {name: SiteReport(up=False) for name in SITES}
    poisons = {
        "malformed": b"no report",
        "forged": seal(Report("sin", "c" * 32, 9, time.time(), sites), forger),
        "oversized": b"x" * 300_000,
    }
    with _nothing_changes(system), system.redis.client() as client:
        for reason, octets in poisons.items():
            client.set("{gslb}:report:sin", octets)
            wait_for(lambda: _drops(system).get(("sin", reason), 0) >= 1)  # noqa: B023
        client.delete("{gslb}:orders", "{gslb}:nodes")
        client.set("{gslb}:orders", "no hash")
        client.hset("{gslb}:nodes", "ns9", "no JSON")
        client.rename("{gslb}:changes", "elsewhere")
        ages = {name: _agent(system, name)["sequence"] for name in LOCAL}
        wait_for(lambda: all(_agent(system, name)["sequence"] > ages[name] for name in LOCAL))  # type: ignore[operator]
        client.delete("{gslb}:orders", "{gslb}:report:sin")
