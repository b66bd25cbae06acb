"""What must hold for every filter and chain with any candidates, clients, health and turn."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gslb.model.place import Location
from gslb.model.service import Candidate, Site
from gslb.policy.base import Context
from gslb.policy.chain import run_chain
from gslb.policy.measured import AgentRow, AgentTimes, MeasuredTimes
from gslb.policy.registry import FILTERS
from tests.policy.values import DOWN, HELD, UNKNOWN, UP, all_down, health, make, ordered, service

KEYS = (
    "map:office",
    "city:Bern",
    "country:DE",
    "country:US",
    "continent:EU",
    "continent:NA",
    "default",
)
POINTS = (None, (0.0, 0.0), (0.0, 10.0), (0.0, 10.4), (0.0, -10.0), (60.0, 100.0))
"""Few, so that equal distances and narrow bands occur often."""

few = settings(max_examples=40)
"""For what each example proves for itself; classes need many to meet two that are equal."""

every_filter = pytest.mark.parametrize("name", sorted(FILTERS))


class Measured:
    """Times that depend on the client's AS number and the site only."""

    generation = 1

    def __init__(self, client, agents):
        self.client, self.agents = client, agents

    def client_rtt_ms(self, location, site):
        return self.client.get((location.asn, site))

    def agent_rtt_ms(self, location, site):
        return self.agents.get((location.asn, site))

    def agent_names(self, location, site):
        return ("one", "two") if (location.asn, site) in self.agents else ()


@st.composite
def candidate_of(draw, name):
    site = None
    if draw(st.integers(0, 9)):
        site = Site(name, (), point=draw(st.sampled_from(POINTS)))
    return Candidate(
        name,
        site=site,
        cname=None if site else f"{name}.example.",
        weight=draw(st.integers(0, 4)),
        order=draw(st.integers(1, 3)),
        serves=draw(st.frozensets(st.sampled_from(KEYS), max_size=2)),
    )


candidates_ = st.integers(1, 4).flatmap(
    lambda size: st.tuples(*(candidate_of(name) for name in "abcd"[:size]))
)


def place(map_, asn, city, country, continent, point):
    latitude, longitude = point or (None, None)
    return Location(map_, asn, city, None, country, continent, latitude, longitude)


locations_ = st.builds(
    place,
    st.sampled_from((None, None, "office")),
    st.sampled_from((None, 1, 2)),
    st.sampled_from((None, "Bern")),
    st.sampled_from(("DE", "US", "FR")),
    st.sampled_from(("EU", "NA")),
    st.sampled_from(POINTS),
)
times_ = st.dictionaries(
    st.tuples(st.sampled_from((1, 2)), st.sampled_from("abcd")),
    st.sampled_from((1.0, 10.0, 12.0, 25.0)),
)
agents_ = st.lists(
    st.builds(
        lambda location, rtt_ms: AgentRow("agent", location, rtt_ms),
        locations_,
        st.dictionaries(st.sampled_from("abcd"), st.sampled_from((1.0, 10.0, 12.0, 25.0))),
    ),
    max_size=4,
).map(lambda rows: MeasuredTimes(agents=AgentTimes(1, tuple(rows))))
measurements_ = st.one_of(st.builds(Measured, times_, times_), agents_)
ORDERED = tuple(
    ordered(kind, state) for kind in ("drain", "down", "up") for state in (UP, DOWN, HELD, UNKNOWN)
)
STATES = (UP, UP, DOWN, DOWN, HELD, UNKNOWN, *ORDERED)
health_ = st.fixed_dictionaries({name: st.sampled_from(STATES) for name in "abcd"}).map(
    lambda sites: health(**sites)
)
contexts_ = st.builds(
    Context,
    service=st.just("www.gslb.shop.example"),
    health=health_,
    location=locations_,
    network=st.sampled_from((b"", b"\xc0\0\2\0", b"\x08\x08\x08\0")),
    turn=st.integers(0, 2**40),
    measurements=measurements_,
)


@every_filter
@few
@given(candidates=candidates_, context=contexts_)
def test_law_1_a_filter_only_narrows_and_orders_and_never_to_nothing(name, candidates, context):
    kept = make(name).apply(candidates, context).kept
    assert kept
    assert set(kept) <= set(candidates)
    assert len(set(kept)) == len(kept)


@every_filter
@few
@given(candidates=candidates_, context=contexts_)
def test_law_1_a_reason_is_one_line_that_names_the_filter(name, candidates, context):
    why = make(name).apply(candidates, context).why
    assert why.startswith(f"{name}: ")
    assert "\n" not in why


@every_filter
def test_a_filter_of_nothing_keeps_nothing(name):
    assert make(name).apply((), Context()).kept == ()


@every_filter
@few
@given(candidates=candidates_, context=contexts_)
def test_law_3_the_turn_only_orders_and_the_order_repeats_after_the_period(
    name, candidates, context
):
    policy = make(name)
    first = policy.apply(candidates, context)
    for later in (1, first.period):
        again = policy.apply(candidates, replace(context, turn=context.turn + later))
        assert set(again.kept) == set(first.kept)
        assert again.period == first.period
        assert later != first.period or again.kept == first.kept


@every_filter
@given(
    candidates=candidates_,
    locations=st.lists(locations_, min_size=2, max_size=8, unique=True),
    context=contexts_,
)
def test_law_6_equal_classes_are_treated_alike_whatever_is_left(
    name, candidates, locations, context
):
    """Every subset of the candidates, and so every state of health."""
    policy = make(name)
    classes = {}
    for location in locations:
        key = policy.client_class(candidates, location, context.measurements)
        classes.setdefault(key, []).append(location)
    for alike in classes.values():
        for size in range(1, len(candidates) + 1):
            for left in combinations(candidates, size):
                kept = {policy.apply(left, replace(context, location=one)).kept for one in alike}
                assert len(kept) == 1


@every_filter
@few
@given(candidates=candidates_, context=contexts_, network=st.binary(min_size=4, max_size=4))
def test_law_6_a_filter_without_client_prefix_does_not_read_the_address(
    name, candidates, context, network
):
    policy = make(name)
    if policy.client_prefix is None:
        assert policy.apply(candidates, replace(context, network=network)) == policy.apply(
            candidates, context
        )


@every_filter
@few
@given(candidates=candidates_, context=contexts_, other=measurements_)
def test_a_filter_that_says_so_reads_no_measurements(name, candidates, context, other):
    policy = make(name)
    if not policy.reads_measurements:
        changed = replace(context, measurements=other)
        assert policy.apply(candidates, changed) == policy.apply(candidates, context)
        key = policy.client_class(candidates, context.location, context.measurements)
        assert policy.client_class(candidates, context.location, other) == key


def test_latency_alone_reads_measurements():
    assert [name for name in FILTERS if make(name).reads_measurements] == ["latency"]


@every_filter
@few
@given(candidates=candidates_, context=contexts_, other=health_)
def test_only_the_health_filter_reads_health(name, candidates, context, other):
    policy = make(name)
    same = policy.apply(candidates, context) == policy.apply(
        candidates, replace(context, health=other)
    )
    assert same or name == "health"


chains_ = st.lists(st.sampled_from(sorted(FILTERS)), max_size=4, unique=True)
rules_ = st.sampled_from(("all", "last_good", "nodata", "addresses"))


def build(chain, rule, max_answers=2):
    addresses = ("192.0.2.99",) if rule == "addresses" else ()
    return service(*chain, when_all_down=all_down(rule, *addresses), max_answers=max_answers)


@given(chain=chains_, rule=rules_, candidates=candidates_, context=contexts_)
@settings(max_examples=300)
def test_r2_law_1_a_chain_answers_something_unless_the_rule_says_otherwise(
    chain, rule, candidates, context
):
    chosen = run_chain([make(name) for name in chain], build(chain, rule), candidates, context)
    assert len(chosen.candidates) <= 2
    assert bool(chosen.candidates) != (chosen.all_down and rule in ("nodata", "addresses"))
    assert bool(chosen.fixed) == (chosen.all_down and rule == "addresses")
    assert chosen.steps[-1][1].kept == chosen.candidates


@given(chain=chains_, rule=rules_, candidates=candidates_, context=contexts_)
@settings(max_examples=300)
def test_a_site_that_is_ordered_out_is_answered_only_where_no_other_can_serve(
    chain, rule, candidates, context
):
    chosen = run_chain([make(name) for name in chain], build(chain, rule), candidates, context)
    states = [UP if one.site is None else context.health.of(one.name) for one in candidates]
    in_force = [state.order.kind if state.order else None for state in states]
    looks = "health" in chain
    free = [s for s, kind in zip(states, in_force, strict=True) if kind not in ("drain", "down")]
    can_serve = any(state.is_serving for state in free) if looks else bool(free)
    for one in chosen.candidates:
        kind = in_force[candidates.index(one)]
        assert kind not in ("drain", "down") or not can_serve
        assert kind != "down" or set(in_force) == {"down"}


@given(
    chain=chains_,
    rule=rules_,
    candidates=candidates_,
    locations=st.lists(locations_, min_size=2, max_size=8, unique=True),
    context=contexts_,
)
@settings(max_examples=200)
def test_law_6_clients_whose_classes_are_equal_in_every_step_get_the_same(
    chain, rule, candidates, locations, context
):
    filters = [make(name) for name in chain]
    found = {}
    for location in locations:
        key = tuple(
            each.client_class(candidates, location, context.measurements) for each in filters
        )
        chosen = run_chain(
            filters, build(chain, rule), candidates, replace(context, location=location)
        )
        answer = (chosen.candidates, chosen.fixed, chosen.period, chosen.all_down)
        assert found.setdefault(key, answer) == answer


@given(chain=chains_, rule=rules_, candidates=candidates_, context=contexts_)
def test_law_3_a_chain_repeats_after_its_period(chain, rule, candidates, context):
    filters, of = [make(name) for name in chain], build(chain, rule)
    first = run_chain(filters, of, candidates, context)
    again = run_chain(filters, of, candidates, replace(context, turn=context.turn + first.period))
    assert (again.candidates, again.fixed) == (first.candidates, first.fixed)


@given(chain=chains_, rule=rules_, candidates=candidates_, context=contexts_)
def test_law_10_a_decision_can_be_replayed(chain, rule, candidates, context):
    filters, of = [make(name) for name in chain], build(chain, rule)
    assert run_chain(filters, of, candidates, context) == run_chain(
        filters, of, candidates, context
    )
