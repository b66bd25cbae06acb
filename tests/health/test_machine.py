"""Random histories of reports, crashes, orders and time: the merge against a slow model in exact
fractions, and what must hold after every step (R2, R3, R4, R15, R24).
"""

from fractions import Fraction
from itertools import groupby

from hypothesis import settings as run
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gslb.health.divergence import digest_states
from gslb.health.evidence import Evidence, Heard
from gslb.health.merge import merge, merge_in_slices
from gslb.health.snapshot import HealthSnapshot
from gslb.model.agent import Agent
from gslb.model.order import Order, OrderKind
from gslb.model.report import Report, SiteReport
from gslb.model.system import HealthSettings
from tests.health.builders import AT, domain_of, named, site

NAMES = ("a", "b", "c")
AGENTS = ("f/1", "f/2", "g", "h")
STALE_S, HOLD_S, HOLD_MAX_S = 30, 8, 40

tenths = st.integers(0, 10).map(lambda tenth: Fraction(tenth, 10))
said = st.fixed_dictionaries({name: st.sampled_from([True, False, None]) for name in NAMES})


class Model:
    """The laws in exact fractions and plain dictionaries. One method a law, none of them quick."""

    def __init__(self, capacities, quorum, budget, pace, panic):
        self.capacity = dict(zip(NAMES, map(Fraction, capacities), strict=True))
        self.total = sum(self.capacity.values())
        self.quorum, self.budget, self.pace, self.panic = quorum, budget, pace, panic
        self.up = dict.fromkeys(NAMES)
        self.since = dict.fromkeys(NAMES, 0)
        self.returned = dict.fromkeys(NAMES, False)
        self.flaps = dict.fromkeys(NAMES, 0)
        self.well = dict.fromkeys(NAMES)
        self.gone = {}  # since when it does not serve, and whether by us
        self.held = set()
        self.ordered = {}

    def step(self, reports, orders, now):
        """reports: agent -> (age, canaries, states). orders: site -> kind."""
        fresh = {who: states for who, (age, _, states) in reports.items() if age <= STALE_S}
        fresh = {who: states for who, states in fresh.items() if not self.is_sick(reports[who][1])}
        self.voters = {who: states for who, states in fresh.items() if not self.lies(who, fresh)}
        for name in NAMES:
            self.follow(name, self.vote(name), now)
        self.ordered = orders
        self.withdraw(now)

    def is_sick(self, canaries):
        return canaries[1] - canaries[0] > Fraction(canaries[1], 2)

    def lies(self, who, fresh):
        compared = contradicted = 0
        for name in NAMES:
            others = self.domains(
                name, {o: s for o, s in fresh.items() if domain_of(o) != domain_of(who)}
            )
            ups = sum(share > Fraction(1, 2) for share in others)
            downs = sum(share < Fraction(1, 2) for share in others)
            if fresh[who][name] is not None and ups != downs:
                compared += 1
                contradicted += fresh[who][name] is not (ups > downs)
        return contradicted >= 2 and contradicted > Fraction(1, 2) * compared

    def domains(self, name, voters):
        """The vote of each domain that knows a site."""
        votes = {}
        for who, states in voters.items():
            if states[name] is not None:
                votes.setdefault(domain_of(who), []).append(states[name])
        return [Fraction(sum(each), len(each)) for each in votes.values()]

    def vote(self, name):
        shares = self.domains(name, self.voters)
        if not shares:
            return None
        if sum(shares) >= self.quorum * len(shares):
            return True
        return False if sum(share < Fraction(1, 2) for share in shares) >= 2 else None

    def follow(self, name, vote, now):
        if self.up[name] and vote and now - self.since[name] >= HOLD_MAX_S:
            self.flaps[name], self.returned[name] = 0, False
        if not self.up[name] and vote is not True:
            self.well[name] = None
        if vote is None or vote is self.up[name]:
            return
        if self.up[name] is None:
            self.up[name], self.since[name] = vote, now
        elif vote is False:
            is_flap = self.returned[name] and now - self.since[name] <= HOLD_MAX_S
            self.flaps[name] = self.flaps[name] + 1 if is_flap else 0
            self.up[name], self.since[name], self.well[name] = False, now, None
        else:
            self.well[name] = now if self.well[name] is None else self.well[name]
            flaps = self.flaps[name]
            hold = min(HOLD_MAX_S, HOLD_S * 2 ** (flaps - 1)) if flaps else 0
            if now - self.well[name] >= hold:
                self.up[name], self.since[name], self.returned[name] = True, now, True

    def withdraw(self, now):
        down = [name for name in NAMES if self.up[name] is False and name not in self.ordered]
        taken = {name for name, kind in self.ordered.items() if kind is not OrderKind.UP}
        offered = sum(self.capacity[name] for name in NAMES if name not in taken)
        up = offered - sum(self.capacity[name] for name in down)
        within = [] if up < self.panic * offered else self.spend(down)
        gone = {name: self.gone[name] for name in within if name in self.gone}
        lately = [name for name, at in gone.items() if at > now - 60]
        for name in within:
            if name in gone:
                continue
            spent = sum(self.capacity[each] for each in lately)
            if spent and spent + self.capacity[name] > self.pace * self.total:
                break
            gone[name] = now
            lately.append(name)
        self.held = set(down) - gone.keys()
        by_order = {name: self.since[name] for name in taken}
        self.gone = gone | by_order
        self.withdrawn = set(gone)

    def spend(self, down):
        within = []
        order = sorted(down, key=lambda name: (self.since[name], name))
        for _, group in groupby(order, key=lambda name: self.since[name]):
            together = within + list(group)
            if sum(self.capacity[name] for name in together) <= self.budget * self.total:
                within = together
        return within


def drive(told, sites, settings, before):
    steps = merge_in_slices(told, sites, settings, before, slice_sites=1)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


class Histories(RuleBasedStateMachine):
    """Agents report and crash, operators order and take back, time passes; a merge after each."""

    @initialize(
        capacities=st.tuples(*[st.integers(0, 4)] * len(NAMES)),
        quorum=tenths,
        budget=st.sampled_from([Fraction(1), Fraction(7, 10), Fraction(0)]) | tenths,
        pace=st.just(Fraction(1)) | tenths,
        panic=st.just(Fraction(0)) | tenths,
    )
    def begin(self, capacities, quorum, budget, pace, panic):
        self.model = Model(capacities, quorum, budget, pace, panic)
        self.settings = HealthSettings(
            quorum=float(quorum),
            stale_after_s=STALE_S,
            max_withdrawn=float(budget),
            max_withdrawn_per_min=float(pace),
            panic_below=float(panic),
            flap_hold_s=HOLD_S,
            flap_hold_max_s=HOLD_MAX_S,
        )
        capacity = zip(NAMES, capacities, strict=True)
        self.sites = named(*(site(name, float(size)) for name, size in capacity))
        self.agents = {name: Agent(name, domain_of(name)) for name in AGENTS}
        self.now, self.health = 0, HealthSnapshot()
        self.reports, self.orders = {}, {}
        self.merge()

    def evidence(self):
        heard = [
            Heard(
                self.agents[who],
                Report(
                    who, "b", 1, AT + at, {n: SiteReport(up) for n, up in states.items()}, canaries
                ),
                float(self.now - at),
            )
            for who, (at, canaries, states) in self.reports.items()
        ]
        at = AT + self.now
        return Evidence(tuple(self.agents.values()), heard, at, tuple(self.orders.values()), at)

    def merge(self):
        self.before, told = self.health, self.evidence()
        self.health = merge(told, self.sites, self.settings, self.before)
        reports = {
            who: (self.now - at, canaries, states)
            for who, (at, canaries, states) in self.reports.items()
        }
        orders = {
            name: order.kind
            for name, order in self.orders.items()
            if order.until_at is None or AT + self.now < order.until_at
        }
        self.model.step(reports, orders, self.now)
        self.check_other_ways(told)

    def check_other_ways(self, told):
        """Law 9: order and slices make no difference; law 8: once more changes nothing."""
        turned = Evidence(told.agents[::-1], told.heard[::-1], told.at, told.orders[::-1], told.at)
        assert drive(turned, self.sites, self.settings, self.before) == self.health
        assert merge(told, self.sites, self.settings, self.health) is self.health

    @rule(
        who=st.sampled_from(AGENTS), states=said, canaries=st.sampled_from([(0, 0), (1, 3), (2, 2)])
    )
    def report(self, who, states, canaries):
        self.reports[who] = (self.now, canaries, states)
        self.merge()

    @rule(states=said)
    def all_report(self, states):
        self.reports = dict.fromkeys(AGENTS, (self.now, (0, 0), states))
        self.merge()

    @rule(who=st.sampled_from(AGENTS))
    def crash(self, who):
        self.reports.pop(who, None)
        self.merge()

    @rule(
        name=st.sampled_from(NAMES),
        kind=st.sampled_from([OrderKind.DRAIN, OrderKind.UP, OrderKind.DOWN]),
        lasts_s=st.none() | st.integers(1, 30),
    )
    def order(self, name, kind, lasts_s):
        until_at = None if lasts_s is None else AT + self.now + lasts_s
        self.orders[name] = Order(name, kind, version=self.now + 1, until_at=until_at)
        self.merge()

    @rule(name=st.sampled_from(NAMES))
    def take_back(self, name):
        self.orders.pop(name, None)
        self.merge()

    @rule(seconds=st.sampled_from([1, 2, 5, 10, 31, 61]))
    def time_passes(self, seconds):
        self.now += seconds
        self.merge()

    @rule(seconds=st.integers(1, 9), states=said)
    def time_passes_and_all_report(self, seconds, states):
        self.now += seconds
        self.all_report(states)

    @invariant()
    def states_equal_the_model(self):
        sites = self.health.sites
        assert {name: sites[name].up for name in NAMES} == self.model.up
        assert {name: sites[name].flaps for name in NAMES} == self.model.flaps
        assert {name for name in NAMES if sites[name].held} == self.model.held
        gone = {name for name in NAMES if sites[name].withdrawn_at is not None}
        assert gone == self.model.withdrawn
        voters = {name for name, agent in self.health.agents.items() if agent.has_vote}
        assert voters == self.model.voters.keys()

    @invariant()
    def r2_the_automation_leaves_what_the_budget_says(self):
        sites = self.health.sites
        by_checks = {n for n in NAMES if not sites[n].is_serving and sites[n].order is None}
        taken = sum(self.model.capacity[name] for name in by_checks)
        assert taken <= self.model.budget * self.model.total
        left = [n for n in NAMES if sites[n].is_serving or sites[n].order is not None]
        assert left or self.model.budget == 1 or not self.model.total

    @invariant()
    def r3_without_a_vote_no_state_changes(self):
        if not self.model.voters:
            for name, health in self.health.sites.items():
                before = self.before.sites.get(name)
                assert before is None or health.up is before.up

    @invariant()
    def r4_no_site_goes_down_by_the_word_of_one_domain(self):
        domains = {domain_of(who) for who in self.model.voters}
        for name, health in self.health.sites.items():
            before = self.before.sites.get(name)
            if len(domains) < 2 and before is not None and before.up is not False:
                assert health.up is not False

    @invariant()
    def flip_s_of_what_an_order_decides_is_the_order(self):
        for name, health in self.health.sites.items():
            if health.order is not None and health.order.until_at is None:
                assert health.flip_s is None, name
            if health.order is None:
                assert health.flip_s >= 0, name

    @invariant()
    def r24_two_name_servers_with_the_same_evidence_see_the_same(self):
        again = merge(self.evidence(), self.sites, self.settings, self.before)
        assert digest_states(again) == digest_states(self.health)


TestHistories = Histories.TestCase
TestHistories.settings = run(max_examples=60, stateful_step_count=25, deadline=None)
