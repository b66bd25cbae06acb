import json
from dataclasses import replace

import pytest

from gslb.errors import ReportError
from gslb.health.intake import (
    DROPS,
    FORGED,
    MISTAKEN,
    NOT_GIVEN,
    REPLAYED,
    STALE,
    TWIN,
    TWIN_FAULT,
    UNKNOWN_SITE,
    Intake,
    Moment,
)
from gslb.model.agent import Agent
from tests.health.builders import AT, report

STALE_S = 30.0
HOUR_S = 3600.0
SITES = {"a", "b"}


class World:
    """An intake, a wall clock that can step, a monotonic one that cannot, and agents."""

    def __init__(self, *names):
        self.intake = Intake(STALE_S)
        self.agents = {name: Agent(name, name) for name in names or ("x",)}
        self.now = self.begun_now = 100.0
        self.step_s = 0.0

    @property
    def moment(self):
        return Moment(at=self.true_at + self.step_s, now=self.now)

    @property
    def true_at(self):
        return AT + self.now - self.begun_now

    def pass_s(self, seconds):
        self.now += seconds
        return self

    def put(self, sequence, agent="x", boot="one", off_s=0.0, at=None, **sites):
        """Take a report made now by a clock that is off; at: made then instead."""
        made_at = self.true_at + off_s if at is None else at
        made = report(made_at, agent, boot=boot, sequence=sequence, **sites or {"a": True})
        return self.intake.take(self.agents[agent], made, self.moment, SITES)

    def heard(self):
        return {one.agent.name: one for one in self.intake.heard(self.moment, self.agents)}

    def last(self, agent="x"):
        """(boot, sequence, age_s, fault) of an agent."""
        one = self.heard()[agent]
        return one.report.boot, one.report.sequence, round(one.age_s, 6), one.fault

    def restart(self, away_s=0.0):
        """As after a restart of the process: all that lives is what was dumped, as JSON."""
        told, saved_at = json.loads(json.dumps(self.intake.dump(self.moment))), self.moment.at
        self.intake = Intake(STALE_S)
        self.now += away_s
        self.now, self.begun_now = 7.0, 7.0 - (self.now - self.begun_now)  # another clock
        self.intake.load(told, self.moment, saved_at)


def test_every_reason_is_explained():
    assert all(DROPS[drop] for drop in (FORGED, MISTAKEN, REPLAYED, STALE, TWIN))
    assert ReportError("x", drop=FORGED).drop in DROPS


# ---------------------------------------------------------------- law 1


@pytest.mark.parametrize(
    ("sequences", "drops", "last"),
    [
        pytest.param([1, 2, 3], ["", "", ""], 3, id="growing"),
        pytest.param([5, 9], ["", ""], 9, id="gaps"),
        pytest.param([5, 4], ["", REPLAYED], 5, id="older"),
        pytest.param([5, 6, 5], ["", "", REPLAYED], 6, id="the one before"),
    ],
)
def test_law_1_sequences_grow_within_a_boot(sequences, drops, last):
    world = World()
    told = [world.put(each, at=AT + each) for each in sequences]
    assert (told, world.last()[1]) == (drops, last)
    assert world.intake.drops == ({("x", REPLAYED): 1} if REPLAYED in drops else {})


def test_law_1_the_same_report_again_is_welcome_and_does_not_make_it_younger():
    world = World()
    assert world.put(1, at=AT) == ""
    world.pass_s(10)
    assert world.put(1, at=AT) == ""
    assert world.last() == ("one", 1, 10.0, "")
    assert not world.intake.drops


def test_in_another_agents_name():
    world = World("x", "y")
    made = report(AT, "y", a=True)
    assert world.intake.take(world.agents["x"], made, world.moment, SITES) == MISTAKEN
    assert world.heard() == {}
    assert world.intake.drops == {("x", MISTAKEN): 1}


# ---------------------------------------------------------------- law 2


def test_law_2_a_later_boot_follows_and_the_older_one_is_a_replay():
    world = World()
    world.put(50)
    assert world.pass_s(1).put(1, boot="two") == ""
    assert world.put(50, at=AT) == REPLAYED
    assert world.last()[:2] == ("two", 1)


def test_law_2_a_late_write_of_the_old_boot_is_no_twin():
    world = World()
    world.put(50)
    world.pass_s(2).put(1, boot="two")
    assert world.put(52, at=AT + 1) == REPLAYED  # made before the restart, came after it
    assert world.last() == ("two", 1, 0.0, "")


def test_law_2_an_unknown_boot_that_is_older_is_a_replay():
    world = World()
    world.pass_s(5).put(1)
    assert world.put(99, boot="ancient", at=AT) == REPLAYED


def test_law_2_a_clock_that_ran_ahead_and_was_set_right_locks_nobody_out():
    world = World()
    world.put(1, off_s=HOUR_S)
    world.pass_s(1).put(2, off_s=HOUR_S)
    assert world.pass_s(5).put(1, boot="two") == ""
    assert world.last() == ("two", 1, 0.0, "")


# ---------------------------------------------------------------- law 3


def twins(world):
    """Two processes of one agent; `two` began later."""
    world.put(1)
    world.pass_s(1).put(1, boot="two")
    world.pass_s(1)
    return world.put(3), world.last()


def test_law_3_an_older_boot_that_lives_is_a_twin():
    assert twins(World()) == (TWIN, ("two", 1, 1.0, TWIN_FAULT))


def test_law_3_until_only_one_was_heard_for_stale_after_s():
    world = World()
    twins(world)
    for second in range(1, 31):
        world.pass_s(1).put(1 + second, boot="two")
        assert world.last()[3] == TWIN_FAULT, second
    world.pass_s(1).put(99, boot="two")
    assert world.last()[3] == ""


def test_law_3_the_older_one_is_taken_again_when_the_later_one_ends():
    world = World()
    twins(world)
    drops = [world.pass_s(1).put(4 + second) for second in range(31)]
    assert drops == [TWIN] * 29 + ["", ""]
    assert world.last()[:2] == ("one", 34)
    world.pass_s(31).put(99)
    assert world.last() == ("one", 99, 0.0, "")


def test_law_3_two_from_one_image_have_the_same_boot():
    world = World()
    world.put(7)
    assert world.pass_s(1).put(7) == TWIN
    assert world.last()[3] == TWIN_FAULT


# ---------------------------------------------------------------- laws 4 and 5


@pytest.mark.parametrize(
    ("old_s", "drop"), [(0, ""), (30, ""), (-30, ""), (31, STALE), (-31, STALE), (1e7, STALE)]
)
def test_law_5_the_first_report_of_a_boot(old_s, drop):
    world = World()
    assert world.put(1, at=AT - old_s) == drop
    ages = {name: one.age_s for name, one in world.heard().items()}
    assert ages == ({} if drop else {"x": max(0.0, old_s)})


def test_law_5_what_is_not_believed_is_remembered_until_the_next_one():
    world = World()
    made = world.true_at - HOUR_S
    assert [world.put(4, at=made), world.put(4, at=made)] == [STALE, ""]
    assert (world.heard(), world.intake.drops) == ({}, {("x", STALE): 1})
    assert world.put(3, at=made - 1) == REPLAYED
    assert world.pass_s(2).put(5, off_s=-HOUR_S) == ""
    assert world.last()[:3] == ("one", 5, 0.0)


def test_law_4_ages_count_from_receipt():
    world = World()
    world.put(1, at=AT - 5)
    assert world.last()[2] == 5.0
    assert world.pass_s(7).last()[2] == 12.0
    world.put(2)
    assert world.last()[2] == 0.0


def test_law_4_what_was_made_while_the_store_was_away_is_as_old_as_it_is():
    world = World()
    world.put(1)
    world.pass_s(600)
    world.put(20, at=AT + 60)  # the last one of an agent that died 540 s ago
    assert world.last() == ("one", 20, 540.0, "")


@pytest.mark.parametrize("off_s", [HOUR_S, -HOUR_S])
def test_r20_an_agents_clock_that_steps_changes_no_age(off_s):
    world = World("x", "y", "z")
    for name in world.agents:
        world.put(1, name)
    world.pass_s(1)
    assert world.put(2, off_s=off_s) == ""
    world.put(2, "y")
    world.put(2, "z")
    assert world.last()[2] <= 1.0
    assert world.pass_s(1).put(3, off_s=off_s) == ""
    assert world.last()[2] == 0.0


@pytest.mark.parametrize("step_s", [HOUR_S, -HOUR_S])
def test_r20_this_nodes_clock_that_steps_changes_no_age_and_no_vote(step_s):
    world = World("x", "y", "z")
    for name in world.agents:
        world.put(1, name)
    world.pass_s(1)
    world.step_s = step_s
    assert [world.last(name)[2:] for name in world.agents] == [(1.0, "")] * 3
    assert world.put(2) == ""  # one of them is heard before the others
    assert [world.last(name)[3] for name in world.agents] == [""] * 3
    assert world.intake.clock_alert == (
        f"clock: most agents differ from this node's by {-step_s:+.0f} s, so this one is the "
        "suspect; agents that were believed before keep their votes"
    )
    world.step_s = 0.0
    world.heard()
    assert world.intake.clock_alert == ""


# ---------------------------------------------------------------- law 6


def play_clocks(world, **offsets):
    for sequence in (1, 2, 3):
        for name, off_s in offsets.items():
            world.put(sequence, name, off_s=off_s)
        world.pass_s(1)
    return {name: one.fault for name, one in world.heard().items()}


@pytest.mark.parametrize(
    ("offsets", "faulty", "is_suspect"),
    [
        pytest.param({"x": 30, "y": 0, "z": 0}, set(), False, id="30 s are tolerated"),
        pytest.param({"x": 31, "y": 0, "z": 0}, {"x"}, False, id="one of three"),
        pytest.param({"x": -HOUR_S, "y": 0, "z": 0}, {"x"}, False, id="an hour late"),
        pytest.param({"x": HOUR_S, "y": 0}, {"x"}, False, id="half is not more than half"),
        pytest.param({"x": 99, "y": 99, "z": 0}, {"x", "y"}, True, id="two of three"),
        pytest.param({"x": 99}, {"x"}, True, id="the only one"),
    ],
)
def test_law_6_clocks_that_are_off(offsets, faulty, is_suspect):
    world = World(*offsets)
    faults = play_clocks(world, **offsets)
    assert {name for name, fault in faults.items() if fault} == faulty
    assert bool(world.intake.clock_alert) is is_suspect
    for name in faulty:
        assert faults[name] == f"its clock is off by {offsets[name]:+.0f} s"


def test_law_6_only_live_agents_are_asked():
    world = World("x", "y", "z")
    play_clocks(world, x=99, y=0, z=0)
    world.pass_s(40).put(4, "x", off_s=99)
    assert (world.last("x")[3], bool(world.intake.clock_alert)) == (
        "its clock is off by +99 s",
        True,
    )


def test_law_6_a_boot_of_last_week_that_is_played_back_whole_has_no_vote():
    """By somebody who may write to the store but has no key, to a node that knew nothing."""
    world = World("x", "y", "z")
    week_s = 7 * 24 * HOUR_S
    faults = play_clocks(world, x=-week_s, y=-week_s, z=-week_s)
    assert all(faults.values())
    assert world.intake.clock_alert


@pytest.mark.parametrize("off_s", [-99, 99])
def test_law_6_agents_that_were_believed_keep_their_votes_when_most_clocks_are_off(off_s):
    world = World("x", "y", "z")
    play_clocks(world, x=0, y=0, z=0)
    world.put(4, "x", off_s=off_s)
    world.put(4, "y", off_s=off_s)
    assert [one.fault for one in world.heard().values()] == [""] * 3
    assert world.intake.clock_alert


def test_law_6_what_is_told_does_not_change_with_every_report():
    world = World("x", "y", "z")
    told = set()
    for sequence, jitter_s in enumerate([0, 3, 5, 7, -1, -9, -9, -6], start=1):
        world.put(sequence, "y")
        world.put(sequence, "z")
        world.put(sequence, "x", off_s=100 + jitter_s)
        if sequence > 1:
            told.add(world.last()[3])
        world.pass_s(10)
    assert told == {"its clock is off by +103 s", "its clock is off by +91 s"}


# ---------------------------------------------------------------- law 7


def test_law_7_sites_that_are_none_of_its_own_are_taken_out_and_counted():
    world = World()
    world.agents["x"] = replace(world.agents["x"], sites=frozenset({"a", "ghost"}))
    assert world.put(1, a=True, b=False, ghost=False, other=False) == ""
    assert world.heard()["x"].report.sites.keys() == {"a"}
    assert world.intake.drops == {("x", UNKNOWN_SITE): 2, ("x", NOT_GIVEN): 1}


def test_law_7_after_a_reload_the_same_report_tells_of_its_new_sites():
    world = World()
    made = report(AT, "x", a=True, b=True)
    world.intake.take(replace(world.agents["x"], sites=frozenset("a")), made, world.moment, SITES)
    world.intake.take(world.agents["x"], made, world.moment, SITES)
    assert world.heard()["x"].report.sites.keys() == {"a", "b"}


def test_r15_a_poisoned_report_touches_no_other_agent():
    world = World("x", "y")
    world.put(1, "y", b=True)
    before = world.last("y")
    for poison in ({"sequence": -1, "at": 1e300}, {"sequence": 2**62, "at": -1e300}):
        world.put(**poison, a=False, ghost=False)
    assert world.last("y") == before
    assert world.heard()["y"].report.sites["b"].up is True
    assert world.put(2, "y") == ""


# ---------------------------------------------------------------- law 8


def test_law_8_who_is_not_declared_any_more_is_forgotten():
    world = World("x", "y")
    world.put(1)
    world.put(1, "y", at=AT - 99)
    world.intake.count("x", FORGED)
    world.agents = {"z": Agent("z", "z")}
    assert world.heard() == {}
    assert world.intake.drops == {("?", FORGED): 1, ("?", STALE): 1}
    world.heard()
    assert world.intake.drops.total() == 2


def test_law_8_former_boots_are_bounded():
    world = World()
    for boot in range(100):
        assert world.pass_s(1).put(1, boot=f"b{boot}") == ""
    assert len(world.intake.dump(world.moment)["x"]["former"]) == 8


# ---------------------------------------------------------------- restart


def test_a_restart_goes_on_with_ages_and_takes_no_replays():
    world = World()
    world.put(1, boot="zero")
    world.pass_s(1).put(8)
    world.pass_s(3).restart(away_s=5)
    assert world.last() == ("one", 8, 8.0, "")
    assert world.put(7, at=AT) == REPLAYED
    assert world.put(1, boot="zero", at=AT) == REPLAYED
    assert world.put(9) == ""
    assert world.last() == ("one", 9, 0.0, "")


def test_after_a_restart_the_report_that_the_store_still_has_is_welcome():
    world = World()
    world.put(8, at=AT, a=False)
    world.restart(away_s=2)
    assert world.heard()["x"].report.sites == {}
    assert world.put(8, at=AT, a=False) == ""
    assert world.heard()["x"].report.sites["a"].up is False
    assert world.last()[2] == 2.0


@pytest.mark.parametrize(
    "told",
    [None, [], "x", {"x": None}, {"x": {}}, {"x": {"boot": "b"}}, {"x": [1]}, {1: {"at": "now"}}],
)
def test_what_dump_did_not_write_is_passed_over(told):
    world = World()
    world.intake.load(told, world.moment, AT)
    assert world.heard() == {}
    assert world.put(1) == ""


def test_r15_one_broken_seat_on_the_disk_leaves_the_others():
    world = World("x", "y")
    world.put(1)
    world.put(1, "y")
    told = world.intake.dump(world.moment)
    told["x"]["sequence"] = "many"
    world.intake = Intake(STALE_S)
    world.intake.load(told, world.moment, AT)
    assert world.heard().keys() == {"y"}
