"""Flap damping through the merge: one observer's word, seconds apart."""

import itertools
from dataclasses import replace

import pytest

from gslb.health.flaps import hold_s
from gslb.model.report import SiteReport
from gslb.model.system import HealthSettings
from tests.health.builders import AT, START, merge_at, named, report, site

SETTINGS = HealthSettings(flap_hold_s=30.0, flap_hold_max_s=600.0)
SITES = named(site("a"))


def play(states, settings=SETTINGS, start=START, begin_at=AT):
    """The snapshots after (seconds since the beginning, up) pairs."""
    snapshot, told = start, []
    for second, up in states:
        at = begin_at + second
        view = SiteReport(up, reason="" if up else "refused")
        snapshot = merge_at([report(at, a=view)], SITES, settings, snapshot, at)
        told.append(snapshot.sites["a"])
    return snapshot, told


def steps(text, step_s=10):
    """`+` and `-` that far apart."""
    return [(index * step_s, state == "+") for index, state in enumerate(text)]


def line(text, settings=SETTINGS):
    return "".join("+" if health.up else "-" for health in play(steps(text), settings)[1])


@pytest.mark.parametrize(
    ("votes", "states"),
    [
        pytest.param("+-+", "+-+", id="law 1: the first return is at once"),
        pytest.param("-+", "-+", id="law 1: also of one that began down"),
        pytest.param("+-+-++++", "+-+----+", id="law 2: after one flap 30 s of up"),
        pytest.param("+-+-++-++++", "+-+-------+", id="law 2: without a break"),
        pytest.param(
            "+-+-++++-+++++++", "+-+----+-------+", id="law 2: after the second flap 60 s"
        ),
        pytest.param("+-+" + "-" * 5 + "++++", "+-+" + "-" * 8 + "+", id="a longer outage"),
    ],
)
def test_law_2_states(votes, states):
    assert line(votes) == states


def test_law_2_the_hold_doubles_up_to_the_maximum():
    assert [hold_s(flaps, SETTINGS) for flaps in (0, 1, 2, 3, 5, 6, 5000)] == [
        0.0,
        30.0,
        60.0,
        120.0,
        480.0,
        600.0,
        600.0,
    ]


@pytest.mark.parametrize(("up_s", "flaps"), [(600, 1), (601, 0)])
def test_law_2_only_soon_after_a_return_is_it_a_flap(up_s, flaps):
    _, told = play([(0, True), (10, False), (20, True), (20 + up_s, False)])
    assert told[-1].flaps == flaps


def test_law_1_the_first_outage_is_no_flap_however_soon_it_comes():
    assert play([(0, True), (1, False)])[1][-1].flaps == 0


@pytest.mark.parametrize(("up_s", "flaps"), [(599, 1), (600, 0)])
def test_law_3_flaps_are_forgotten(up_s, flaps):
    states = [*steps("+-+-++++"), (70 + up_s, True)]
    last = play(states)[1][-1]
    assert (last.up, last.flaps) == (True, flaps)
    assert (last.well_since_at is None) == (flaps == 0)


def test_law_4_off():
    assert line("+-+-+-+", replace(SETTINGS, flap_hold_s=0.0)) == "+-+-+-+"


def test_law_4_switched_off_while_it_holds():
    snapshot, _ = play(steps("+-+-+"))
    off = replace(SETTINGS, flap_hold_s=0.0)
    assert play([(41, True)], off, snapshot)[1][0].up


def test_no_word_neither_comes_back_nor_counts_as_well():
    snapshot, told = play(steps("+-+-++"))
    assert told[-1].well_since_at == AT + 40
    silent = merge_at([], SITES, SETTINGS, snapshot, AT + 1000)
    assert (silent.sites["a"].up, silent.sites["a"].well_since_at) == (False, None)
    assert play([(1001, True)], start=silent)[1][0].up is False


def test_dampened_sites_say_so_and_flip_s_includes_the_hold():
    _, told = play(steps("+-+-++"))
    down, well = told[3], told[5]
    assert (down.flaps, down.flip_s, down.reason) == (1, 4.0 + 30.0, "refused")
    assert (well.flaps, well.flip_s) == (1, 20.0)
    assert well.reason == (
        "well since 2023-11-14T22:14:00Z, but it flapped (1): "
        "back 2023-11-14T22:14:30Z at the earliest"
    )


def changes(period_s, duty, settings=SETTINGS):
    """How often a site changes in an hour whose votes are a square wave; duty: the share of up."""
    states = [(second, second % period_s < period_s * duty) for second in range(3600)]
    ups = [health.up for health in play(states, settings)[1]]
    return sum(before is not after for before, after in itertools.pairwise(ups))


@pytest.mark.parametrize("period_s", [6, 15, 30, 45, 60, 90])
def test_r7_square_wave_changes_at_most_four_times(period_s):
    assert changes(period_s, 1 / 3) <= 4
    undamped = changes(period_s, 1 / 3, replace(SETTINGS, flap_hold_s=0.0))
    assert undamped >= 2 * (3600 // period_s) - 1


@pytest.mark.parametrize(("period_s", "most"), [(60, 5), (180, 7), (360, 9)])
def test_r7_slower_waves_that_are_mostly_up_are_bounded_by_the_doubling(period_s, most):
    assert changes(period_s, 2 / 3) <= most
