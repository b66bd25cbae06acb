"""Other measurements: who is divided anew, what stays, and what decisions say of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gslb.engine.engine import Engine
from gslb.engine.fast import FastPath
from gslb.policy.measured import AgentRow, AgentTimes, MeasuredTimes
from gslb.wire import codes
from tests.engine.builders import (
    ask,
    ask_sites,
    candidate,
    health,
    make_world,
    place,
    service,
    wire_name,
)

BERLIN = place("DE", "EU", city="Berlin", latitude=52.5, longitude=13.4)
MUNICH = place("DE", "EU", city="Munich", latitude=48.1, longitude=11.6)
PAIR = (
    candidate(1, "near", at=(50.0, 9.0), serves="default"),
    candidate(2, "far", at=(35.0, 139.0), serves="country:FR"),
)
QUICK = service("health latency", PAIR, name="quick")
TURNS = service("latency round_robin", (PAIR[0], candidate(3, "twin", at=(50.0, 9.0))), name="turn")
PLAIN = service("health geo", PAIR, name="plain")
WORLD = make_world(
    QUICK,
    TURNS,
    PLAIN,
    places={"9.0.0.0/9": BERLIN, "9.128.0.0/9": MUNICH},
    master="x 300 IN A 192.0.2.7",
)
IN_BERLIN, IN_MUNICH = "9.1.2.0/24", "9.200.2.0/24"


def measured(generation=3, *, at=BERLIN, **rtt_ms):
    return MeasuredTimes(agents=AgentTimes(generation, (AgentRow("ber", at, rtt_ms),)))


TIMES = measured(near=80.0, far=20.0)
FROM_THE_NORTH = measured(at=replace(BERLIN, latitude=60.5), near=80.0, far=20.0)


def desk(ground, name):
    return ground.desks.get(wire_name(name), codes.A)


def test_clients_near_the_agent_are_answered_by_its_times_and_the_scope_shrinks_to_them():
    """Munich is 505 km from the agent, so it goes by the agent, too; from farther north not."""
    ground = WORLD.ground.with_measurements(TIMES)
    before, after = Engine(WORLD.ground), Engine(ground)
    assert ask_sites(before, QUICK, ecs=IN_BERLIN) == ["near"]
    assert (
        ask_sites(after, QUICK, ecs=IN_BERLIN) == ask_sites(after, QUICK, ecs=IN_MUNICH) == ["far"]
    )
    assert ask_sites(after, QUICK, ecs="8.8.8.0/24") == ["near"]
    assert ask(before, "quick", ecs=IN_BERLIN).scope == 8
    assert ask(after, "quick", ecs=IN_BERLIN).scope == 8
    parted = Engine(WORLD.ground.with_measurements(FROM_THE_NORTH))
    assert ask_sites(parted, QUICK, ecs=IN_BERLIN) == ["far"]  # 890 km
    assert ask_sites(parted, QUICK, ecs=IN_MUNICH) == ["near"]  # 1,383 km
    assert ask(parted, "quick", ecs=IN_BERLIN).scope == 9


def test_law_4_of_desks_only_those_that_read_measurements_are_made_anew():
    ground = WORLD.ground.with_measurements(TIMES)
    assert desk(ground, "plain") is desk(WORLD.ground, "plain")
    assert desk(ground, "quick") is not desk(WORLD.ground, "quick")
    assert desk(ground, "quick").kind == desk(WORLD.ground, "quick").kind
    assert ground.zones is WORLD.ground.zones


def test_the_ground_itself_where_nobody_reads_measurements():
    ground = make_world(PLAIN).ground
    assert ground.with_measurements(TIMES) is ground


def test_law_2_of_divisions_the_ground_before_keeps_its_times():
    """The engine that answers meanwhile must not see the new ones."""
    WORLD.ground.with_measurements(TIMES)
    assert ask_sites(WORLD.engine(), QUICK, ecs=IN_BERLIN) == ["near"]


@pytest.mark.parametrize("make", [Engine, lambda g: FastPath(Engine(g))])
def test_what_is_remembered_of_clients_goes_with_the_times(make):
    path = make(WORLD.ground)
    for _ in range(3):
        assert ask_sites(path, QUICK, ecs=IN_BERLIN) == ["near"]
        assert ask_sites(path, QUICK, source="9.1.2.3") == ["near"]
    ground = WORLD.ground.with_measurements(FROM_THE_NORTH)
    after = path.with_measured(ground) if isinstance(path, FastPath) else path.with_ground(ground)
    for _ in range(3):
        assert ask_sites(after, QUICK, ecs=IN_BERLIN) == ["far"]
        assert ask_sites(after, QUICK, source="9.1.2.3") == ["far"]
        assert ask_sites(after, QUICK, ecs=IN_MUNICH) == ["near"]
        assert ask_sites(after, QUICK, source="9.200.2.3") == ["near"]


def test_the_fast_path_goes_on_knowing_what_no_time_changes():
    path = FastPath(Engine(WORLD.ground))
    names = ("x", "plain", "quick", "turn")
    for name in names:
        ask(path, name)
    general = path.counts.general
    after = path.with_measured(WORLD.ground.with_measurements(TIMES))
    for name in names:
        ask(after, name)
    assert after.counts.general == general  # nothing had to be learned again
    assert ask_sites(after, QUICK, ecs=IN_BERLIN) == ["far"]


def test_turns_go_on_under_other_times():
    path = FastPath(Engine(WORLD.ground))
    first = [ask_sites(path, TURNS, ecs=IN_BERLIN)[0] for _ in range(3)]
    even = measured(near=7.0, twin=7.0)
    after = path.with_measured(WORLD.ground.with_measurements(even))
    assert first == ["near", "twin", "near"]
    assert ask_sites(after, TURNS, ecs=IN_BERLIN) == ["twin"]


def test_health_goes_on_under_other_times_and_times_under_other_health():
    engine = Engine(WORLD.ground, health(generation=7)).with_ground(
        WORLD.ground.with_measurements(TIMES)
    )
    assert engine.health.generation == 7
    assert ask_sites(engine.with_health(health(generation=8)), QUICK, ecs=IN_BERLIN) == ["far"]


@pytest.mark.parametrize(
    ("generation", "expected"), [(0, "conf1-geo1-h1"), (3, "conf1-geo1-h1-m3")]
)
def test_law_10_a_decision_id_names_the_measurements(generation, expected):
    ground = WORLD.ground.with_measurements(measured(generation, near=1.0))
    assert Engine(ground, health()).plans.conditions.generation == expected
