from dataclasses import replace

import pytest

from gslb.health.snapshot import UNCHECKED
from gslb.model.report import Report, SiteReport
from gslb.model.system import HealthSettings
from tests.health.builders import (
    ANY_DOMAIN,
    AT,
    CHECK,
    START,
    held,
    merge_at,
    named,
    report,
    site,
    up_sites,
    withdrawn,
)

SETTINGS = HealthSettings()
BUDGET = HealthSettings(max_withdrawn=0.67)


SITES = named(site("eu-west", 300), site("us-east", 200), site("ap-south", 100))
"""The configuration contract's three regions."""


def play(*rounds, sites=SITES, settings=SETTINGS):
    """The last snapshot after rounds of one observer's states, a second apart."""
    snapshot = START
    for second, states in enumerate(rounds):
        at = AT + second
        snapshot = merge_at([report(at, **states)], sites, settings, snapshot, at)
    return snapshot


ALL_UP = {"eu_west": True, "us_east": True, "ap_south": True}


def all_up_but(*down):
    return ALL_UP | dict.fromkeys(down, False)


# ---------------------------------------------------------------- states


def test_a_site_without_a_check_is_up():
    snapshot = merge_at([], named(site("a", check=None)), SETTINGS, START, AT)
    assert snapshot.sites["a"] == UNCHECKED


def test_law_8_a_site_that_nobody_has_reported_is_unknown_and_serves():
    health = merge_at([], named(site("a")), SETTINGS, START, AT).sites["a"]
    assert (health.up, health.flip_s, health.is_serving) == (None, 2.0, True)
    assert health.reason == "no result yet"


def test_a_report_without_a_result_leaves_a_site_unknown():
    health = merge_at([report(a=None)], named(site("a")), SETTINGS, START, AT).sites["a"]
    assert health.up is None


def test_reports_of_unknown_sites_are_ignored():
    assert merge_at(
        [report(a=True, b=False)], named(site("a")), SETTINGS, START, AT
    ).sites.keys() == {"a"}


@pytest.mark.parametrize(
    ("votes", "quorum", "up"),
    [
        pytest.param([True], 0.5, True, id="one of one"),
        pytest.param([False], 0.5, False, id="none of one"),
        pytest.param([True, False], 0.5, True, id="half is enough at 0.5"),
        pytest.param([True, False, False], 0.5, False, id="one of three is not half"),
        pytest.param([True, True, False], 0.67, False, id="two of three under 0.67"),
        pytest.param([True, True, False], 2 / 3, True, id="two of three at 2/3"),
        pytest.param([True, None, None], 1.0, True, id="who knows nothing has no vote"),
        pytest.param([True] * 3 + [False] * 7, 0.1 + 0.2, True, id="float tolerance"),
        pytest.param([False, False], 0.0, True, id="quorum 0 needs nobody"),
    ],
)
def test_quorum(votes, quorum, up):
    reports = [report(agent=f"agent{index}", a=vote) for index, vote in enumerate(votes)]
    snapshot = merge_at(reports, named(site("a")), replace(ANY_DOMAIN, quorum=quorum), START, AT)
    assert snapshot.sites["a"].up is up


@pytest.mark.parametrize(
    ("age_s", "counts"),
    [(0.0, True), (30.0, True), (30.1, False)],
)
def test_a_report_counts_up_to_stale_after_s(age_s, counts):
    snapshot = merge_at([report(at=AT - age_s, a=True)], named(site("a")), SETTINGS, START, AT)
    assert snapshot.sites["a"].up is (True if counts else None)


def test_since_at_is_the_time_of_the_merge_that_saw_the_change():
    snapshot = play(ALL_UP, ALL_UP, all_up_but("us_east"), all_up_but("us_east"))
    assert snapshot.sites["us-east"].since_at == AT + 2
    assert snapshot.sites["eu-west"].since_at == AT


@pytest.mark.parametrize(
    ("view", "reason"),
    [
        (SiteReport(True), "checks pass"),
        (SiteReport(True, 1, reason="HTTP status 500"), "1 of 3 checks failed: HTTP status 500"),
        (SiteReport(False, reason="connection refused"), "connection refused"),
        (SiteReport(False, 1), "down, 1 of 2 checks passed"),
    ],
)
def test_reason_of_one_observer(view, reason):
    assert (
        merge_at([report(a=view)], named(site("a")), SETTINGS, START, AT).sites["a"].reason
        == reason
    )


def test_reason_of_several_observers_counts_votes():
    reports = [
        report(agent="x", a=True),
        report(agent="y", a=SiteReport(False, reason="connection refused")),
    ]
    health = merge_at(reports, named(site("a")), SETTINGS, START, AT).sites["a"]
    assert health.reason == "1 of 2 observers say up: connection refused"


# ---------------------------------------------------------------- flip_s


@pytest.mark.parametrize(
    ("up", "streak", "flip_s"),
    [(True, 0, 6.0), (True, 1, 4.0), (True, 2, 2.0), (False, 0, 4.0), (False, 1, 2.0)],
)
def test_law_7_flip_s_is_interval_times_checks_left(up, streak, flip_s):
    snapshot = merge_at([report(a=SiteReport(up, streak))], named(site("a")), SETTINGS, START, AT)
    assert snapshot.sites["a"].flip_s == flip_s


def test_law_7_flip_s_is_the_least_of_all_observers():
    reports = [
        report(agent="x", a=SiteReport(True)),
        report(agent="y", a=SiteReport(True, 1)),
        report(agent="z", a=SiteReport(None)),
    ]
    assert merge_at(reports, named(site("a")), SETTINGS, START, AT).sites["a"].flip_s == 4.0


# ---------------------------------------------------------------- fail static


@pytest.mark.parametrize("up", [True, False])
def test_no_fresh_report_holds_the_last_state_and_says_so(up):
    sites = named(site("a"), site("b"))
    before = merge_at([report(a=up, b=True)], sites, SETTINGS, START, AT)
    later = AT + 3600
    after = merge_at(
        [report(a=up, b=True), report(later, "x", b=True)], sites, SETTINGS, before, later
    )
    assert after.sites["a"] == before.sites["a"]
    state = "up" if up else "down"
    assert after.alerts == (
        f"stale: no fresh report of a since 2023-11-14T22:13:20Z: its last state ({state}) holds",
    )


def test_a_wiped_store_holds_the_last_state():
    before = merge_at([report(a=False)], named(site("a")), SETTINGS, START, AT)
    after = merge_at([], named(site("a")), SETTINGS, before, AT + 1)
    assert withdrawn(after) == {"a"}
    assert after.alerts == ("stale: no fresh report of a: its last state (down) holds",)


def test_an_agent_that_begins_anew_holds_the_last_state_without_an_alert():
    before = merge_at([report(a=False)], named(site("a")), SETTINGS, START, AT)
    assert merge_at([report(AT + 1, a=None)], named(site("a")), SETTINGS, before, AT + 1) is before


def test_a_stale_snapshot_does_not_grow_older_generations():
    reports = [report(a=True)]
    calm = merge_at(reports, named(site("a")), SETTINGS, START, AT)
    stale = merge_at(reports, named(site("a")), SETTINGS, calm, AT + 31)
    assert stale.generation == calm.generation + 1
    assert merge_at(reports, named(site("a")), SETTINGS, stale, AT + 3600) is stale


def test_a_site_that_gets_its_first_check_is_unknown_until_a_report():
    unchecked = merge_at([], named(site("a", check=None)), SETTINGS, START, AT)
    checked = merge_at([], named(site("a")), SETTINGS, unchecked, AT + 1)
    assert checked.sites["a"].up is None
    assert checked.alerts == ()


# ---------------------------------------------------------------- withdrawal budget


def test_law_9_within_the_budget_sites_that_are_down_are_withdrawn():
    snapshot = play(
        ALL_UP, all_up_but("eu_west"), all_up_but("eu_west", "ap_south"), settings=BUDGET
    )
    assert withdrawn(snapshot) == {"eu-west", "ap-south"}  # 400 of 600 = 0.667 <= 0.67
    assert snapshot.alerts == ()


def test_law_9_the_site_that_would_pass_the_budget_is_held_with_an_alert():
    snapshot = play(
        ALL_UP, all_up_but("eu_west"), all_up_but("eu_west", "us_east"), settings=BUDGET
    )
    assert withdrawn(snapshot) == {"eu-west"}  # 500 of 600 = 0.833 > 0.67
    assert held(snapshot) == {"us-east"}
    assert snapshot.sites["us-east"].up is False
    assert snapshot.alerts == (
        "withdrawal budget: us-east is down but held: withdrawing it would pass 67 % of capacity",
    )


def test_law_9_the_first_to_go_down_is_the_one_withdrawn():
    snapshot = play(
        ALL_UP, all_up_but("us_east"), all_up_but("eu_west", "us_east"), settings=BUDGET
    )
    assert (withdrawn(snapshot), held(snapshot)) == ({"us-east"}, {"eu-west"})


def test_law_9_all_down_in_one_merge_withdraws_nothing():
    snapshot = play(ALL_UP, all_up_but("eu_west", "us_east", "ap_south"), settings=BUDGET)
    assert withdrawn(snapshot) == set()
    assert snapshot.alerts == (
        (
            "withdrawal budget: eu-west, us-east, ap-south went down together but are held: "
            "withdrawing them would pass 67 % of capacity"
        ),
    )


def test_law_9_sites_that_go_down_together_within_the_budget_are_withdrawn():
    snapshot = play(ALL_UP, all_up_but("eu_west", "ap_south"), settings=BUDGET)
    assert withdrawn(snapshot) == {"eu-west", "ap-south"}


def test_law_9_a_site_that_returns_frees_its_share_for_the_one_held():
    snapshot = play(
        ALL_UP,
        all_up_but("eu_west"),
        all_up_but("eu_west", "us_east"),
        all_up_but("us_east"),
        settings=BUDGET,
    )
    assert (withdrawn(snapshot), held(snapshot), snapshot.alerts) == ({"us-east"}, set(), ())


def test_law_9_a_later_and_smaller_site_still_uses_what_is_left_of_the_budget():
    snapshot = play(
        ALL_UP,
        all_up_but("eu_west"),
        all_up_but("eu_west", "us_east"),
        all_up_but("eu_west", "us_east", "ap_south"),
        settings=BUDGET,
    )
    assert (withdrawn(snapshot), held(snapshot)) == ({"eu-west", "ap-south"}, {"us-east"})


def test_law_9_unknown_counts_as_capacity_and_is_not_withdrawn():
    snapshot = play({"eu_west": False}, settings=HealthSettings(max_withdrawn=0.5))
    assert withdrawn(snapshot) == {"eu-west"}  # 300 of 600


def test_law_9_a_site_without_a_check_is_no_capacity():
    sites = SITES | named(site("static", 10_000, check=None))
    snapshot = play(
        ALL_UP, all_up_but("eu_west"), sites=sites, settings=HealthSettings(max_withdrawn=0.4)
    )
    assert held(snapshot) == {"eu-west"}


def test_law_9_thirds_within_float_tolerance():
    sites = named(site("a", 0.1), site("b", 0.2), site("c", 0.7))
    down = {"a": False, "b": False, "c": True}
    snapshot = play(down, sites=sites, settings=HealthSettings(max_withdrawn=0.3))
    assert withdrawn(snapshot) == {"a", "b"}


def test_law_9_budget_0_withdraws_nothing():
    snapshot = play(ALL_UP, all_up_but("ap_south"), settings=HealthSettings(max_withdrawn=0.0))
    assert held(snapshot) == {"ap-south"}


# ---------------------------------------------------------------- panic


PANIC = HealthSettings(panic_below=0.5)


def test_law_9_below_the_panic_share_all_sites_that_are_down_are_held():
    snapshot = play(ALL_UP, all_up_but("us_east"), all_up_but("us_east", "eu_west"), settings=PANIC)
    assert held(snapshot) == {"us-east", "eu-west"}
    assert snapshot.alerts == (
        (
            "panic: 16.7 % of capacity is up, under panic_below (50 %): "
            "all sites that are down are held"
        ),
    )


def test_law_9_at_the_panic_share_exactly_there_is_no_panic():
    snapshot = play(ALL_UP, all_up_but("eu_west"), settings=PANIC)
    assert (withdrawn(snapshot), snapshot.alerts) == ({"eu-west"}, ())


def test_law_9_panic_is_off_at_0():
    snapshot = play(ALL_UP, all_up_but("eu_west", "us_east", "ap_south"))
    assert withdrawn(snapshot) == SITES.keys()


def test_sites_without_capacity_never_divide_by_zero():
    sites = named(site("a", 0.0))
    snapshot = play({"a": False}, sites=sites, settings=HealthSettings(0.5, 30.0, 0.5, 0.5))
    assert withdrawn(snapshot) == {"a"}


# ---------------------------------------------------------------- generations


def test_nothing_new_returns_the_previous_snapshot_itself():
    views = {"a": SiteReport(True, 0, AT, 1.0, "")}
    before = merge_at([Report("ns1", "b", 1, AT, views)], named(site("a")), SETTINGS, START, AT)
    views = {"a": SiteReport(True, 0, AT, 99.0, "")}
    after = merge_at(
        [Report("ns1", "b", 9, AT + 5, views)], named(site("a")), SETTINGS, before, AT + 5
    )
    assert before.generation == 1
    assert after is before


def test_nothing_new_while_down_and_held_returns_the_previous_snapshot_itself():
    settings = HealthSettings(max_withdrawn=0.1)
    before = play(ALL_UP, all_up_but("eu_west"), settings=settings)
    same = report(AT + 9, eu_west=False, us_east=True, ap_south=True)
    assert merge_at([same], SITES, settings, before, AT + 9) is before


def test_law_8_another_reason_alone_is_told_without_a_new_generation():
    before = play(ALL_UP, all_up_but("eu_west"))
    other = report(AT + 9, eu_west=SiteReport(False, reason="other"), us_east=True, ap_south=True)
    after = merge_at([other], SITES, HealthSettings(), before, AT + 9)
    assert (before.of("eu-west").reason, after.of("eu-west").reason) == ("checks fail", "other")
    assert after.generation == before.generation
    assert merge_at([other], SITES, HealthSettings(), after, AT + 9) is after


@pytest.mark.parametrize(
    ("up", "change"),
    [
        pytest.param(True, {"sites": named(site("a"), site("b"))}, id="a site more"),
        pytest.param(True, {"sites": {}}, id="a site less"),
        pytest.param(True, {"sites": named(site("a", check=replace(CHECK, fall=9)))}, id="flip_s"),
        pytest.param(True, {"reports": [report(a=False)]}, id="up"),
        pytest.param(False, {"settings": HealthSettings(max_withdrawn=0.0)}, id="held"),
        pytest.param(True, {"at": AT + 60}, id="alerts"),
    ],
)
def test_what_matters_makes_a_new_generation(up, change):
    now = {"reports": [report(a=up)], "sites": named(site("a")), "settings": SETTINGS, "at": AT}
    before = merge_at(**now, previous=START)
    after = merge_at(**now | change, previous=before)
    assert (before.generation, after.generation) == (1, 2)


def test_a_snapshot_cannot_be_changed():
    snapshot = play(ALL_UP)
    with pytest.raises(TypeError):
        snapshot.sites["eu-west"] = UNCHECKED
    assert up_sites(snapshot) == SITES.keys()
