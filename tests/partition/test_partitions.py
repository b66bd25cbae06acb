"""Whatever is parted from what, no query is lost and no answer is against the recorded health.

One system for all cases; each begins calm. Every answer is judged by observer.py; what the cases
assert besides is that the right thing happened meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.app.failstatic.load import View
from tests.app.world import wait_for
from tests.partition.world import ALL_UP, REGIONS, SITES, STALE_S, Region, World, parted_world

LOSS_PERCENT = 30
FLAPS = ((0.5, 0.5), (0.5, 0.5), (1.5 * STALE_S, 0.5))
"""Seconds for which a way is cut and back: too short to be noticed, and long enough."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Iterator[World]:
    with parted_world(tmp_path_factory.mktemp("parted")) as made:
        yield made


@pytest.fixture
def world(shared: World) -> Iterator[World]:
    shared.calm_down()
    yield shared
    shared.network.heal()


@pytest.fixture
def eu(world: World) -> Region:
    """The region that is parted from others."""
    return world.regions["eu"]


def is_away(region: Region) -> bool:
    return not region.status()["store"]["is_connected"]


def probes_its_own(region: Region) -> bool:
    return bool(region.status()["own_probes"] == "active")


def has_no_vote(agent: str) -> Callable[[Region], bool]:
    return lambda region: not region.status()["agents"][agent]["has_vote"]


def is_down(*sites: str) -> Callable[[Region], bool]:
    return lambda region: {region.state(site) for site in sites} == {"down"}


def sees(**changed: View) -> Callable[[Region], bool]:
    """Whether a region sees all sites up and without orders, but for these."""
    return lambda region: region.views() == ALL_UP | changed


@contextmanager
def nothing_changes(world: World) -> Iterator[None]:
    """Answers are judged, and all of them have all sites: no name server changes its mind."""
    before = {name: region.changes() for name, region in world.regions.items()}
    with world.observed() as observers:
        yield
    assert {name: region.changes() for name, region in world.regions.items()} == before
    for observer in observers.values():
        assert {one.addresses for one in observer.load.answers} == {frozenset(SITES.values())}


def linger(seconds: float) -> None:
    """Goes on for a while: that something does not happen has no event to wait for."""
    until = time.monotonic() + seconds
    wait_for(lambda: time.monotonic() > until)


# ---------------------------------------------------------------- from the store


def test_a_region_cut_off_from_the_store_holds_on_and_then_sees_by_itself(
    world: World, eu: Region, record_property
):
    """Fail static, then own probes: a site dies as the way to the store is cut."""
    told: dict[str, float] = {}
    with world.observed() as observers:
        world.network.cut("eu", "store")
        world.kill("us")
        died_at = time.time()
        told["us down elsewhere"] = world.everywhere(is_down("us"), "us", "ap")
        told["us down in eu"] = world.everywhere(is_down("us"), "eu")
        assert probes_its_own(eu)
        world.everywhere(is_away, "eu")
        assert not any(probes_its_own(world.regions[name]) for name in ("us", "ap"))
        world.network.heal()
        told["agents back"] = world.everywhere(lambda region: not probes_its_own(region))
        assert eu.state("us") == "down"
        world.revive()
        told["calm"] = world.everywhere(Region.is_calm)
    with_us = [one for one in observers["eu"].load.answers if SITES["us"] in one.addresses]
    held = [one for one in with_us if died_at < one.sent_at < died_at + 0.8 * STALE_S]
    assert held, "the last state held until own probes knew better"
    record_property("seconds", told)


@pytest.mark.parametrize(("deaf", "mute"), [("eu", "store"), ("store", "eu")])
def test_one_direction_alone_changes_no_answer(world: World, deaf: str, mute: str):
    """Replies are lost, or questions are: what is written may arrive all the same."""
    with nothing_changes(world):
        world.network.deafen(deaf, mute)
        world.everywhere(is_away, "eu")
        world.everywhere(has_no_vote("eu"), "us", "ap")
        world.everywhere(probes_its_own, "eu")
        world.network.heal()
        world.everywhere(Region.is_calm)


def test_every_region_cut_off_from_the_store_goes_on_alone(world: World):
    with world.observed():
        for name in REGIONS:
            world.network.cut(name, "store")
        world.everywhere(probes_its_own)
        world.kill("ap")
        world.everywhere(is_down("ap"))
        world.network.heal()
        world.revive()
        world.everywhere(Region.is_calm)


def test_a_store_behind_a_lossy_way_changes_no_answer(world: World):
    with nothing_changes(world):
        for name in REGIONS:
            world.network.lose(name, "store", LOSS_PERCENT)
        linger(3 * STALE_S)
        world.network.heal()
        world.everywhere(Region.is_calm)


def test_a_store_that_comes_and_goes_changes_no_answer(world: World):
    with nothing_changes(world):
        for away_s, back_s in FLAPS:
            world.network.cut("eu", "store")
            world.network.cut("us", "store")
            linger(away_s)
            world.network.heal()
            linger(back_s)
        world.everywhere(Region.is_calm)


def test_orders_given_on_both_sides_meet_when_the_way_is_back(world: World, eu: Region):
    us, drained = world.regions["us"], View("up", order="drain")
    with world.observed():
        world.network.cut("eu", "store")
        world.everywhere(is_away, "eu")
        eu.order("us", "drain")
        us.order("ap", "drain")
        world.everywhere(sees(ap=drained), "us", "ap")
        assert sees(us=drained)(eu)
        world.network.heal()
        world.everywhere(sees(us=drained, ap=drained))
        eu.order("ap", "none")
        us.order("us", "none")
        world.everywhere(Region.is_calm)


# ---------------------------------------------------------------- from each other


def test_a_region_that_no_other_one_reaches_is_withdrawn_everywhere(world: World):
    """It still reaches the store, so it knows that others do not see it."""
    with world.observed():
        world.network.cut("eu", "us", "ap")
        world.everywhere(sees(eu=View("down")))
        world.network.heal()
        world.everywhere(Region.is_calm)


def test_a_region_on_its_own_answers_with_what_it_reaches(world: World, eu: Region):
    """Both sides are right: its clients reach its site, and nobody else does."""
    with world.observed():
        world.network.cut("eu", "us", "ap", "store")
        world.everywhere(sees(eu=View("down")), "us", "ap")
        world.everywhere(is_down("us", "ap"), "eu")
        assert eu.state("eu") == "up"
        world.network.heal()
        world.everywhere(Region.is_calm)


def test_two_regions_that_lose_sight_of_each_other_take_nothing_down(world: World):
    """One observer of three says down of each; it is outvoted."""
    with nothing_changes(world):
        world.network.cut("us", "ap")
        linger(1.5 * STALE_S)
        world.network.heal()
        world.everywhere(Region.is_calm)


def test_a_region_that_comes_and_goes_behind_lossy_ways_is_answered_lawfully(world: World):
    """Other sites may go up and down, too, as their checks get lost; what is answered is what was
    known.
    """
    with world.observed() as observers:
        for _ in range(2):
            for one, other in (("eu", "ap"), ("eu", "store"), ("ap", "store")):
                world.network.lose(one, other, LOSS_PERCENT)
            world.network.cut("us", "eu", "ap", "store")
            world.everywhere(is_down("us"), "eu", "ap")
            world.network.heal()
            world.everywhere(lambda region: region.state("us") == "up")
        world.everywhere(Region.is_calm)
    for name in ("eu", "ap"):
        seen = {one.addresses for one in observers[name].load.answers}
        assert seen >= {frozenset(SITES.values()), frozenset({SITES["eu"], SITES["ap"]})}
