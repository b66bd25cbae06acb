"""Desks, what they decide, and the plans that remember it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslb.engine import desks
from gslb.engine.desk import Choices, Conditions, Plan, answer_rrset, can_answer, desk_type
from gslb.engine.division import longest_prefixes
from gslb.engine.fast import FastPath
from gslb.health.snapshot import HealthSnapshot
from gslb.model.service import AllDown
from gslb.policy.base import NO_MEASUREMENTS
from gslb.policy.registry import make_filter
from gslb.wire import codes
from tests.engine.builders import (
    DOWN,
    alias,
    ask,
    ask_sites,
    candidate,
    health,
    make_world,
    place,
    service,
    step,
    wire_name,
)

BOTH, FOUR, SIX = (candidate(n, f, families=f) for n, f in enumerate(("46", "4", "6"), 1))
NAME = alias("one")


# --- law 1: families -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "types"),
    [
        (BOTH, {codes.A, codes.AAAA}),
        (FOUR, {codes.A}),
        (SIX, {codes.AAAA}),
        (NAME, {codes.A, codes.AAAA, codes.CNAME}),
    ],
    ids=["both", "ipv4", "ipv6", "name"],
)
def test_law_1_who_can_answer_a_family(one, types):
    assert {t for t in (codes.A, codes.AAAA, codes.CNAME) if can_answer(one, t)} == types


@pytest.mark.parametrize(
    ("candidates", "qtype", "rtype"),
    [
        ((BOTH,), codes.A, codes.A),
        ((BOTH,), codes.AAAA, codes.AAAA),
        ((BOTH,), codes.HTTPS, None),
        ((BOTH, NAME), codes.A, codes.A),
        ((BOTH, NAME), codes.CNAME, None),
        ((NAME,), codes.A, codes.CNAME),
        ((NAME,), codes.HTTPS, codes.CNAME),
        ((NAME,), codes.CNAME, codes.CNAME),
    ],
)
def test_which_desk_a_type_goes_to(candidates, qtype, rtype):
    assert desk_type(service("health", candidates), qtype) == rtype


def test_law_1_a_site_without_ipv6_never_empties_an_aaaa_answer():
    www = service("failover", (replace(FOUR, order=1), replace(SIX, order=2)))
    engine = make_world(www).engine()
    assert ask_sites(engine, www) == ["4"]
    assert ask_sites(engine, www, "AAAA") == ["6"]


def test_law_1_a_family_that_nobody_has_is_nodata():
    got = ask(make_world(service("health", (FOUR,))).engine(), "www", "AAAA", ecs="9.1.2.0/24")
    assert (got.rcode, got.message.answer, got.scope) == ("NOERROR", [], 0)
    assert got.message.authority[0].rdtype == codes.SOA


def test_law_1_one_family_going_down_does_not_touch_the_other():
    www = service("health", (FOUR, SIX), when_all_down=AllDown("nodata"))
    engine = make_world(www).engine(health(**{"4": DOWN}))
    assert ask(engine, "www").addresses == []
    assert ask_sites(engine, www, "AAAA") == ["6"]


# --- law 3: what is answered ---------------------------------------------------------------------


def rdatas(rrset):
    return [b"".join(rdata) for rdata in rrset.rdatas]


def test_law_3_a_name_in_front_is_the_whole_answer():
    rrset = answer_rrset(codes.A, 30, (NAME, BOTH), ())
    assert (rrset.rtype, rrset.ttl) == (codes.CNAME, 30)
    assert rdatas(rrset) == [b"\3one\3cdn\7example\0"]


def test_law_3_names_behind_a_site_are_passed_over():
    rrset = answer_rrset(codes.A, 30, (BOTH, NAME, FOUR), ())
    assert (rrset.rtype, rdatas(rrset)) == (codes.A, [b"\xc6\x33\x64\1", b"\xc6\x33\x64\2"])


def test_nothing_chosen_is_nodata_or_the_fixed_addresses_of_the_family():
    fixed = (ip_address("192.0.2.1"), ip_address("2001:db8::1"))
    assert answer_rrset(codes.A, 30, (), ()) is None
    assert rdatas(answer_rrset(codes.A, 30, (), fixed)) == [fixed[0].packed]
    assert rdatas(answer_rrset(codes.AAAA, 30, (), fixed)) == [fixed[1].packed]
    assert answer_rrset(codes.AAAA, 30, (), fixed[:1]) is None


def test_law_3_sites_and_names_take_turns_in_one_service():
    www = service("round_robin", (candidate(1, "a"), NAME))
    engine = make_world(www).engine()
    kinds = [ask(engine, "www").message.answer[0].rdtype.name for _ in range(4)]
    assert kinds == ["A", "CNAME", "A", "CNAME"]


# --- prefixes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ([step("health"), step("geo")], None),
        ([step("sticky")], (24, 56)),
        ([step("geo"), step("sticky", ipv4_prefix=16, ipv6_prefix=32)], (16, 32)),
    ],
)
def test_the_prefixes_that_filters_read(policy, expected):
    assert longest_prefixes(map(make_filter, policy)) == expected


# --- choices and plans ---------------------------------------------------------------------------

TRIO = (candidate(1, "a", weight=3), candidate(2, "b", weight=2), candidate(3, "c"))


def plan_of(engine, name="www", rtype=codes.A, key=0):
    return engine.plans.plan(engine.ground.desks.get(wire_name(name), rtype), key)


def test_law_2_choices_hold_one_verdict_for_each_turn_made_when_needed():
    world = make_world(service("weighted", TRIO))
    desk = world.ground.desks.get(wire_name("www"), codes.A)
    choices = Choices(desk, Conditions(HealthSnapshot(), NO_MEASUREMENTS, "x"), 0)
    assert (choices.period, len(choices.frames), set(choices.verdicts)) == (6, 6, {0})
    assert choices.at(4) is choices.at(4)
    assert set(choices.verdicts) == {0, 4}
    assert Counter(choices.at(turn).first for turn in range(6)) == {"a": 3, "b": 2, "c": 1}


@given(start=st.integers(0, 5), uses=st.integers(0, 40))
def test_a_plan_counts_each_of_its_turns(start, uses):
    desk = COUNTED.ground.desks.get(wire_name("www"), codes.A)
    choices = Choices(desk, Conditions(HealthSnapshot(), NO_MEASUREMENTS, "x"), 0)
    plan = Plan(choices, start)
    given_out = Counter(choices.at(plan.take_turn()).first for _ in range(uses))
    counted = Counter()
    for first, times in plan.answers():
        counted[first] += times
    assert +counted == given_out


COUNTED = make_world(service("weighted", TRIO))


def test_law_1_services_that_decide_alike_share_choices_but_not_turns():
    policy = "health weighted"
    world = make_world(service(policy, TRIO), service(policy, TRIO, name="shop"))
    engine = world.engine()
    www, shop = plan_of(engine), plan_of(engine, "shop")
    assert www.choices is shop.choices
    www.take_turn()
    assert (www.uses, shop.uses) == (1, 0)


@pytest.mark.parametrize(
    "other",
    [
        service("health weighted", TRIO, name="shop", ttl_max=31),
        service("health weighted", TRIO, name="shop", max_answers=2),
        service("health round_robin", TRIO, name="shop"),
        service("health weighted", TRIO[:2], name="shop"),
        service("health weighted", TRIO, name="shop", when_all_down=AllDown("nodata")),
        service("health weighted", (replace(TRIO[0], weight=4), *TRIO[1:]), name="shop"),
    ],
    ids=["ttl", "max_answers", "policy", "candidates", "all_down", "weight"],
)
def test_law_1_services_that_differ_in_anything_share_nothing(other):
    engine = make_world(service("health weighted", TRIO), other).engine()
    assert plan_of(engine).choices is not plan_of(engine, "shop").choices


def test_law_1_families_share_nothing():
    engine = make_world(service("health weighted", TRIO)).engine()
    assert plan_of(engine).choices is not plan_of(engine, rtype=codes.AAAA).choices


def test_law_1_sticky_services_share_nothing_because_their_names_are_hashed():
    world = make_world(service("sticky", TRIO), service("sticky", TRIO, name="shop"))
    engine = world.engine()
    key = (0, b"\x09\1\2\0")
    assert plan_of(engine, key=key).choices is not plan_of(engine, "shop", key=key).choices


def test_law_2_a_new_snapshot_means_new_plans_with_the_old_turns():
    engine = make_world(service("health weighted", TRIO)).engine(health())
    plan = plan_of(engine)
    for _ in range(8):
        plan.take_turn()
    later = plan_of(engine.with_health(health(generation=2)))
    assert later is not plan
    assert later.uses == 8 % 6


def test_law_2_a_turn_outlives_a_reload_by_what_its_key_means():
    """The reload adds a place, so classes are numbered otherwise."""
    www = service("geo weighted", [replace(c, serves=frozenset({"country:DE"})) for c in TRIO])
    www = replace(www, candidates=(*www.candidates, candidate(4, "d", serves="country:FR")))
    old = make_world(www, places={"9.0.0.0/8": place("DE", "EU")}).engine()
    for _ in range(2):
        ask(old, "www", ecs="9.1.1.0/24")
    world = make_world(www, places={"8.0.0.0/8": place("FR", "EU"), "9.0.0.0/8": place("DE", "EU")})
    new = world.engine(turns=old.plans.turns())
    whole = world.engine()
    expected = [ask_sites(whole, www, ecs="9.1.1.0/24") for _ in range(6)]
    got = [ask_sites(new, www, ecs="9.1.1.0/24") for _ in range(4)]
    assert got == expected[2:]
    assert ask_sites(new, www, ecs="8.1.1.0/24") == ["d"]


def count_plans(engine):
    return sum(len(plans) for plans in engine.plans._of_desk.values())


@pytest.mark.parametrize("make", [lambda engine: engine, FastPath], ids=["engine", "fast"])
def test_law_3_plans_are_bounded_and_answers_stay_right_when_they_are_forgotten(monkeypatch, make):
    www = service("health sticky", TRIO)
    world = make_world(www)
    networks = [f"9.{n % 40}.0.0/24" for n in range(200)]
    expected = [ask_sites(world.engine(), www, ecs=ecs) for ecs in networks]
    monkeypatch.setattr(desks, "MAX_PLANS", 7)
    engine = world.engine()
    path = make(engine)
    for ecs, sites in zip(networks, expected, strict=True):
        assert ask_sites(path, www, ecs=ecs) == sites
        assert 0 < count_plans(engine) <= 7
        assert len(engine.plans._choices) <= 7
    assert engine.plans.count_answers().total() == len(networks)


@pytest.mark.parametrize("make", [lambda engine: engine, FastPath], ids=["engine", "fast"])
def test_law_3_forgetting_plans_keeps_every_split_even(monkeypatch, make):
    """Three services of one split under a bound of two plans: each asks in turn, so every query
    makes a plan anew.
    """
    monkeypatch.setattr(desks, "MAX_PLANS", 2)
    services = [service("health weighted", TRIO, name=name) for name in ("www", "shop", "cart")]
    engine = make_world(*services).engine()
    path = make(engine)
    order = {one.name: [] for one in services}
    for _ in range(12):
        for one in services:
            order[one.name] += ask_sites(path, one)
    split = {"a": 3, "b": 2, "c": 1}
    assert all(Counter(sites[:6]) == Counter(sites[6:]) == split for sites in order.values())
    assert engine.plans.count_answers() == {
        (f"{one.name}.gslb.test.", site): 2 * times
        for one in services
        for site, times in split.items()
    }


# --- counting ------------------------------------------------------------------------------------


def test_answers_are_counted_by_service_and_first_site():
    www, shop = service("weighted", TRIO), service("round_robin", TRIO, name="shop")
    engine = make_world(www, shop).engine()
    for _ in range(12):
        ask(engine, "www")
    for _ in range(4):
        ask(engine, "shop", "AAAA")
    assert +engine.plans.count_answers() == {
        ("www.gslb.test.", "a"): 6,
        ("www.gslb.test.", "b"): 4,
        ("www.gslb.test.", "c"): 2,
        ("shop.gslb.test.", "a"): 2,
        ("shop.gslb.test.", "b"): 1,
        ("shop.gslb.test.", "c"): 1,
    }


def test_answers_without_a_site_are_counted_too():
    www = service("health", TRIO, when_all_down=AllDown("nodata"))
    engine = make_world(www).engine(health(a=DOWN, b=DOWN, c=DOWN))
    for _ in range(3):
        ask(engine, "www")
    assert engine.plans.count_answers() == {("www.gslb.test.", "-"): 3}


@pytest.mark.parametrize("make", [lambda engine: engine, FastPath], ids=["engine", "fast"])
@given(
    asked=st.lists(
        st.tuples(
            st.sampled_from(("www", "shop", "pin", "alias", "nothing", "@")),
            st.sampled_from(("A", "AAAA", "HTTPS")),
            st.sampled_from((None, "9.1.2.0/24", "11.1.2.0/24")),
        ),
        max_size=60,
    )
)
def test_counts_add_up_to_the_queries_that_services_answered(make, asked):
    engine = MIXED.engine(health(a=DOWN))
    path = make(engine)
    decided = Counter()
    for name, rtype, ecs in asked:
        got = ask(path, name, rtype, ecs=ecs)
        if name == "alias" or (name in ("www", "shop", "pin") and rtype != "HTTPS"):
            decided[f"{name}.gslb.test."] += 1
            assert got.message.answer or name == "shop"
    counts = Counter()
    for (name, _), times in engine.plans.count_answers().items():
        counts[name] += times
    assert +counts == decided


MIXED = make_world(
    service("health geo weighted", [replace(c, serves=frozenset({"default"})) for c in TRIO]),
    service("health", TRIO[:1], name="shop", when_all_down=AllDown("nodata")),
    service("geo sticky", (*TRIO, candidate(4, "d", serves="country:DE")), name="pin"),
    service("weighted", (NAME, alias("two")), name="alias"),
    places={"9.0.0.0/8": place("DE", "EU")},
)
