"""Votes of failure domains, orders, certificates and cost, through the merge."""

from dataclasses import replace
from time import process_time

import pytest

from gslb.health.merge import merge
from gslb.model.agent import Agent
from gslb.model.order import Order, OrderKind
from gslb.model.report import SiteReport
from gslb.model.system import HealthSettings
from tests.health.builders import AT, START, evidence, merge_at, named, report, site

SETTINGS = HealthSettings()
SITES = named(site("a"))
DAY_S = 86400.0


def health(votes, settings=SETTINGS, before=START, **more):
    """The site after these agents said up (True) or down; f/1 and f/2 are one failure domain."""
    reports = [report(agent=agent, a=up) for agent, up in votes.items()]
    return merge(evidence(*reports, **more), SITES, settings, before)


ALL_UP = health({"x": True, "y": True, "z": True})


@pytest.mark.parametrize(
    ("votes", "quorum", "up"),
    [
        pytest.param({"x": False, "y": True, "z": True}, 0.5, True, id="one of three down"),
        pytest.param({"x": False, "y": False, "z": True}, 0.5, False, id="two of three down"),
        pytest.param({"x": False, "y": False}, 0.5, False, id="all of two"),
        pytest.param({"x": False, "y": True, "z": True}, 1.0, True, id="one is too few"),
        pytest.param(
            {"f/1": False, "f/2": False, "y": True}, 1.0, True, id="two heads, one domain"
        ),
        pytest.param({"f/1": True, "f/2": False, "y": False, "z": False}, 0.16, True, id="1/6"),
        pytest.param({"f/1": True, "f/2": False, "y": False, "z": False}, 0.17, False, id="< 0.17"),
    ],
)
def test_r4_quorum_over_failure_domains(votes, quorum, up):
    assert health(votes, replace(SETTINGS, quorum=quorum), ALL_UP).sites["a"].up is up


def test_r4_one_agents_uplink_is_cut_and_nothing_changes():
    sites = named(*(site(name) for name in "abcd"))
    up, down = dict.fromkeys("abcd", True), dict.fromkeys("abcd", False)
    before = merge_at([report(agent=name, **up) for name in "xyz"], sites, SETTINGS, START, AT)
    told = [report(agent="x", **down), report(agent="y", **up), report(agent="z", **up)]
    after = merge_at(told, sites, SETTINGS, before, AT)
    assert {one.up for one in after.sites.values()} == {True}
    assert {one.flip_s for one in after.sites.values()} == {6.0}
    assert before.sites.keys() == after.sites.keys()
    assert not after.agents["x"].has_vote


@pytest.mark.parametrize(
    ("declared", "settings", "is_alone", "up"),
    [
        pytest.param(["x"], SETTINGS, False, False, id="one domain is all there is"),
        pytest.param(["x", "y"], SETTINGS, False, None, id="the other one is silent"),
        pytest.param(["f/1", "f/2"], SETTINGS, False, False, id="two heads of one domain"),
        pytest.param(["x", "y"], replace(SETTINGS, min_domains=1), False, False, id="one by order"),
        pytest.param(["x"], replace(SETTINGS, min_domains=2), False, None, id="two by order"),
        pytest.param(["x", "y"], SETTINGS, True, False, id="own probes alone"),
    ],
)
def test_law_4_domains_needed(declared, settings, is_alone, up):
    first = declared[0]
    found = health({first: False}, settings, agents=declared, is_alone=is_alone)
    assert found.sites["a"].up is up


def test_law_4_only_agents_that_may_report_the_site_are_needed():
    told = evidence(report(agent="x", a=False), agents=["x", "y"])
    elsewhere = Agent("y", "y", sites=frozenset({"b"}))
    told = replace(told, agents=(told.agents[0], elsewhere))
    assert merge(told, SITES, SETTINGS, START).sites["a"].up is False


def test_too_few_domains_say_so():
    reason = (
        health({"x": False, "y": True}, replace(SETTINGS, quorum=1.0), ALL_UP).sites["a"].reason
    )
    assert reason == ("1 of 2 observers say up; too few domains say down, so the last state holds")


def test_r3_agents_gone_for_an_hour_change_no_answer():
    before = health({"x": False, "y": False, "z": True}, before=ALL_UP)
    gone = evidence(at=AT + 3600, agents=["x", "y", "z"])
    after = merge(gone, SITES, SETTINGS, before)
    assert after.sites == before.sites
    assert after.alerts == ("stale: no fresh report of a: its last state (down) holds",)


def test_reports_without_a_vote_raise_another_alert():
    told = evidence(report(agent="x", a=False), faults={"x": "its clock is off by +99 s"})
    after = merge(told, SITES, SETTINGS, ALL_UP)
    assert after.sites == ALL_UP.sites
    assert after.alerts == (
        "no vote: nobody whose word counts reports a: its last state (up) holds",
    )


# ---------------------------------------------------------------- orders


def ordered(kind, lasts_s=None, **more):
    return Order("a", kind, version=1, until_at=None if lasts_s is None else AT + lasts_s, **more)


@pytest.mark.parametrize(
    ("kind", "up", "serves"),
    [
        (OrderKind.DRAIN, True, False),
        (OrderKind.DOWN, True, False),
        (OrderKind.UP, False, True),
        (OrderKind.NONE, False, False),
        (OrderKind.NONE, True, True),
    ],
)
def test_law_7_an_order_decides_and_the_votes_go_on_underneath(kind, up, serves):
    found = health({"x": up}, orders=[ordered(kind)]).sites["a"]
    assert (found.up, found.is_serving) == (up, serves)
    assert (found.order is None) == (kind is OrderKind.NONE)


@pytest.mark.parametrize(
    ("lasts_s", "flip_s"),
    [(None, None), (0.5, 0.0), (59.9, 59.0), (69.0, 60.0), (599.0, 590.0), (3599.0, 3540.0)],
)
def test_law_7_an_ordered_site_changes_when_the_order_expires(lasts_s, flip_s):
    assert (
        health({"x": True}, orders=[ordered(OrderKind.DOWN, lasts_s)]).sites["a"].flip_s == flip_s
    )


def test_law_7_an_order_that_has_expired_orders_nothing():
    orders = [ordered(OrderKind.DOWN, 10.0)]
    assert health({"x": True}, orders=orders, order_at=AT + 10).sites["a"].order is None


def test_law_7_a_state_survives_an_order_for_good_and_silence():
    before = health({"x": False, "y": False}, before=ALL_UP, orders=[ordered(OrderKind.UP)])
    after = merge(evidence(agents=["x", "y"]), SITES, SETTINGS, before)
    assert (after.sites["a"].up, after.sites["a"].flip_s) == (False, 2.0)


def test_a_site_without_a_check_can_be_ordered():
    sites = named(site("a", check=None))
    told = evidence(orders=[ordered(OrderKind.DRAIN)])
    found = merge(told, sites, SETTINGS, START)
    assert (found.sites["a"].is_serving, found.sites["a"].is_drained) == (False, True)
    assert merge(told, sites, SETTINGS, found) is found
    assert merge(evidence(), sites, SETTINGS, found).sites["a"].is_serving


# ---------------------------------------------------------------- certificates


@pytest.mark.parametrize(
    ("left_s", "alerts"),
    [
        (7 * DAY_S, ()),
        (6 * DAY_S, ("certificate of a expires 2023-11-20T22:13:20Z",)),
        (0.0, ("certificate of a expired 2023-11-14T22:13:20Z",)),
    ],
)
def test_certificates_that_expire_soon(left_s, alerts):
    late, soon = (SiteReport(True, certificate_until_at=AT + left_s + s) for s in (DAY_S, 0.0))
    assert health({"x": late, "y": soon}).alerts == alerts


# ---------------------------------------------------------------- cost, blast radius


MANY = named(*(site(f"s{index}") for index in range(300)))


def cost_s(share_down):
    """The least CPU seconds of a settled merge of 300 sites x 5 observers."""
    cut = int(len(MANY) * share_down)
    states = {name: index >= cut for index, name in enumerate(MANY)}
    views = {name: SiteReport(up, reason="" if up else "refused") for name, up in states.items()}
    told = evidence(*(report(agent=name, **views) for name in "vwxyz"))
    settled = merge(told, MANY, SETTINGS, START)
    times = []
    for _ in range(9):
        began = process_time()
        assert merge(told, MANY, SETTINGS, settled) is settled
        times.append(process_time() - began)
    return min(times)


def test_r14_a_merge_costs_about_the_same_whatever_fails():
    calm = cost_s(0.0)
    assert cost_s(0.5) < 2 * calm
    assert cost_s(1.0) < 2 * calm


@pytest.mark.parametrize(
    "poison",
    [
        SiteReport(False, streak=10**9, reason="x" * 100),
        SiteReport(True, streak=-5, certificate_until_at=0.0),
        SiteReport(None, since_at=1e300),
    ],
)
def test_r15_a_poisoned_view_touches_no_other_site(poison):
    sites = named(site("a"), site("b"))
    fine = [report(agent=name, a=True, b=True) for name in "yz"]
    clean = merge_at([report(agent="x", a=True, b=True), *fine], sites, SETTINGS, START, AT)
    found = merge_at([report(agent="x", a=poison, b=True), *fine], sites, SETTINGS, START, AT)
    assert found.sites["b"] == clean.sites["b"]
    assert found.sites["a"].up is True


@pytest.mark.parametrize("step_s", [3600.0, -3600.0])
def test_r20_the_wall_clock_changes_no_state(step_s):
    told = evidence(report(agent="x", a=False), report(agent="y", a=True), order_at=AT + step_s)
    before = merge(replace(told, order_at=AT), SITES, SETTINGS, START)
    assert merge(told, SITES, SETTINGS, before) is before
