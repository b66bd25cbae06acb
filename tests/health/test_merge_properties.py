"""The merge against a slow model, over random histories of random systems."""

from fractions import Fraction
from itertools import groupby

from hypothesis import given, settings
from hypothesis import strategies as st

from gslb.health.snapshot import HealthSnapshot
from gslb.model.check import Check, TcpCheck
from gslb.model.report import Report, SiteReport
from gslb.model.system import HealthSettings
from tests.health.builders import merge_at, named, site, withdrawn

NAMES = ("a", "b", "c", "d")
STALE_S = 10
CHECK = Check((TcpCheck(80),), interval_s=2.0, fall=3, rise=3)

shares = st.integers(0, 20).map(lambda twentieth: twentieth / 20)
capacities = st.tuples(*[st.integers(0, 5)] * len(NAMES))
views = st.builds(SiteReport, up=st.sampled_from([True, False, None]), streak=st.integers(0, 2))
site_views = st.dictionaries(st.sampled_from(NAMES), views)
# (seconds since the step before, the observers' (age, views))
steps = st.tuples(
    st.integers(0, 15), st.lists(st.tuples(st.integers(0, 15), site_views), max_size=3)
)
histories = st.lists(steps, min_size=1, max_size=6)


def system(capacities):
    pairs = zip(NAMES, capacities, strict=True)
    return named(*(site(name, float(capacity), CHECK) for name, capacity in pairs))


def trusting(**settings):
    """Settings under which each observer's word is enough: the other rules have their own model in
    test_machine.
    """
    return HealthSettings(
        stale_after_s=STALE_S, min_domains=1, distrust_above=1.0, flap_hold_s=0.0, **settings
    )


def unfold(history):
    """(reports, at) for each step of a history."""
    at = 1000.0
    for wait_s, observed in history:
        at += wait_s
        yield (
            [Report(f"x{i}", "b", 1, at - age, seen) for i, (age, seen) in enumerate(observed)],
            at,
        )


def play(history, sites, health_settings):
    snapshot = HealthSnapshot()
    snapshots = []
    for reports, at in unfold(history):
        snapshot = merge_at(reports, sites, health_settings, snapshot, at)
        snapshots.append(snapshot)
    return snapshots


class Model:
    """The laws of the merge in exact fractions, with all state in plain dictionaries."""

    def __init__(self, capacities, quorum, budget):
        self.capacity = dict(zip(NAMES, capacities, strict=True))
        self.quorum = Fraction(round(quorum * 20), 20)
        self.budget = Fraction(round(budget * 20), 20) * sum(capacities)
        self.up = dict.fromkeys(NAMES)
        self.down_at = {}
        self.flip_s = dict.fromkeys(NAMES, 2.0)

    def feed(self, reports, at):
        for name in NAMES:
            seen = [r.sites[name] for r in reports if name in r.sites and at - r.at <= STALE_S]
            seen = [view for view in seen if view.up is not None]
            if not seen:
                continue
            self.flip_s[name] = min(2.0 * (3 - view.streak) for view in seen)
            up = Fraction(sum(view.up for view in seen), len(seen)) >= self.quorum
            if self.up[name] is not False and not up:
                self.down_at[name] = at
            self.up[name] = up

    def withdrawn(self):
        down = sorted((self.down_at[name], name) for name in NAMES if self.up[name] is False)
        gone = set()
        for _, group in groupby(down, key=lambda pair: pair[0]):
            together = gone | {name for _, name in group}
            if sum(self.capacity[name] for name in together) <= self.budget:
                gone = together
        return gone


def weight(names, sites):
    return sum(sites[name].capacity for name in names)


@settings(max_examples=150, deadline=None)
@given(history=histories, capacities=capacities, quorum=shares, budget=shares)
def test_merge_equals_the_model(history, capacities, quorum, budget):
    health = trusting(quorum=quorum, max_withdrawn=budget)
    model = Model(capacities, quorum, budget)
    snapshots = play(history, system(capacities), health)
    for (reports, at), snapshot in zip(unfold(history), snapshots, strict=True):
        model.feed(reports, at)
        assert {name: site.up for name, site in snapshot.sites.items()} == model.up
        assert {name: site.flip_s for name, site in snapshot.sites.items()} == model.flip_s
        assert withdrawn(snapshot) == model.withdrawn()


@settings(max_examples=60, deadline=None)
@given(history=histories, capacities=capacities, budget=shares)
def test_law_9_never_more_capacity_withdrawn_than_the_budget(history, capacities, budget):
    sites = system(capacities)
    health = trusting(max_withdrawn=budget)
    for snapshot in play(history, sites, health):
        assert weight(withdrawn(snapshot), sites) <= budget * sum(capacities) + 1e-6


@settings(max_examples=60, deadline=None)
@given(history=histories, capacities=capacities)
def test_law_9_a_budget_of_1_withdraws_all_that_is_down(history, capacities):
    health = trusting(max_withdrawn=1.0)
    for snapshot in play(history, system(capacities), health):
        down = {name for name, site in snapshot.sites.items() if site.up is False}
        assert withdrawn(snapshot) == down


@settings(max_examples=60, deadline=None)
@given(history=histories, capacities=capacities, budgets=st.tuples(shares, shares))
def test_a_larger_budget_withdraws_no_less(history, capacities, budgets):
    sites = system(capacities)
    small, large = (
        play(history, sites, trusting(max_withdrawn=budget)) for budget in sorted(budgets)
    )
    for less, more in zip(small, large, strict=True):
        assert weight(withdrawn(less), sites) <= weight(withdrawn(more), sites)


@settings(max_examples=60, deadline=None)
@given(history=histories, capacities=capacities, name=st.sampled_from(NAMES), quorum=shares)
def test_one_more_vote_for_up_never_takes_a_site_down(history, capacities, name, quorum):
    health = trusting(quorum=quorum)
    reports, at = list(unfold(history))[-1]
    voter = Report("voter", "b", 1, at, {name: SiteReport(up=True)})
    before = merge_at(reports, system(capacities), health, HealthSnapshot(), at)
    after = merge_at([*reports, voter], system(capacities), health, HealthSnapshot(), at)
    if before.sites[name].up:
        assert after.sites[name].up


@settings(max_examples=60, deadline=None)
@given(history=histories, capacities=capacities, budget=shares, panic=shares)
def test_merge_is_deterministic_and_settles_at_once(history, capacities, budget, panic):
    sites = system(capacities)
    health = trusting(max_withdrawn=budget, panic_below=panic)
    snapshots = play(history, sites, health)
    assert play(history, sites, health) == snapshots
    reports, at = list(unfold(history))[-1]
    assert merge_at(reports, sites, health, snapshots[-1], at) is snapshots[-1]


@settings(max_examples=60, deadline=None)
@given(history=histories, capacities=capacities, panic=shares)
def test_law_9_panic_holds_all_or_nothing(history, capacities, panic):
    sites = system(capacities)
    health = trusting(panic_below=panic)
    for snapshot in play(history, sites, health):
        down = {name for name, site in snapshot.sites.items() if site.up is False}
        available = sum(capacities) - weight(down, sites)
        is_panic = available < panic * sum(capacities) - 1e-6
        assert withdrawn(snapshot) == (set() if is_panic else down)
        assert any(alert.startswith("panic: ") for alert in snapshot.alerts) is is_panic
