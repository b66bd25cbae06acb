"""The laws of deciding (docs/architecture.md), each asked for over the wire.

Law 6 has its property tests in test_law_6.py as well.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from ipaddress import ip_address

import pytest

from gslb.engine.explain import explain
from gslb.health.evidence import Evidence, Heard
from gslb.health.merge import merge
from gslb.health.snapshot import HealthSnapshot, SiteHealth
from gslb.model.agent import Agent
from gslb.model.check import Check, TcpCheck
from gslb.model.report import Report, SiteReport
from gslb.model.service import AllDown
from gslb.model.system import HealthSettings
from gslb.wire import codes
from tests.engine.builders import (
    DOWN,
    HELD,
    RESOLVER,
    UNKNOWN,
    UP,
    alias,
    ask,
    ask_sites,
    candidate,
    health,
    make_world,
    place,
    service,
    step,
    subnet,
    wire_name,
)


def tell(engine, name, *, ecs=None, rtype=codes.A):
    client = None if ecs is None else subnet(ecs)
    return explain(engine, wire_name(name), rtype, source=ip_address(RESOLVER), subnet=client)


def observed(report, *, at):
    """The evidence of one agent that was just heard."""
    agent = Agent(report.agent, failure_domain="here")
    return Evidence((agent,), (Heard(agent, report, age_s=0.0),), at)


def trio(policy, **more):
    return service(
        policy,
        (candidate(1, "a", weight=3), candidate(2, "b", weight=2), candidate(3, "c")),
        **more,
    )


# --- law 1 ---------------------------------------------------------------------------------------


def test_law_1_a_candidate_that_no_filter_removes_is_answered():
    www = trio("health", max_answers=3)
    engine = make_world(www).engine(health(b=DOWN))
    assert ask_sites(engine, www) == ["a", "c"]


@pytest.mark.parametrize("policy", ["geo", "nearest", "latency", "failover", "weighted", "sticky"])
def test_law_1_a_filter_with_nothing_to_choose_by_hands_on_all(policy):
    """Nobody serves anything, no place is known, all orders and weights are equal."""
    www = service(policy, [candidate(n, name) for n, name in enumerate("abc", 1)], max_answers=3)
    engine = make_world(www).engine()
    assert sorted(ask_sites(engine, www, ecs="9.9.9.0/24")) == ["a", "b", "c"]


@pytest.mark.parametrize("policy", ["health geo", "geo health", "health failover weighted"])
def test_law_1_when_all_are_down_the_rule_decides_and_nothing_else(policy):
    www = trio(policy, max_answers=3)
    down = health(a=DOWN, b=DOWN, c=DOWN)
    assert sorted(ask_sites(make_world(www).engine(down), www)) == ["a", "b", "c"]
    nodata = replace(www, when_all_down=AllDown("nodata"))
    got = ask(make_world(nodata).engine(down), "www")
    assert (got.rcode, got.message.answer) == ("NOERROR", [])
    assert got.message.authority[0].rdtype == codes.SOA
    fixed = replace(www, when_all_down=AllDown("addresses", (ip_address("192.0.2.99"),)))
    assert ask(make_world(fixed).engine(down), "www").addresses == ["192.0.2.99"]


# --- law 2 ---------------------------------------------------------------------------------------

PARIS = place(
    "FR",
    "EU",
    map="office",
    asn=64500,
    city="Paris",
    subdivision="FR-75",
    latitude=48.86,
    longitude=2.35,
)
LADDER = (
    ("office", "map:office"),
    ("network", "asn:64500"),
    ("city", "city:Paris"),
    ("part", "subdivision:FR-75"),
    ("country", "country:FR"),
    ("continent", "continent:EU"),
    ("rest", "default"),
)
CLIMB = [name for name, _ in LADDER] + ["near", "far"]


def make_ladder():
    """A site for each level, in no helpful order, and two that serve nothing."""
    steps = [candidate(n, name, serves=key) for n, (name, key) in enumerate(LADDER, 1)]
    far = candidate(8, "far", at=(35.7, 139.7))
    near = candidate(9, "near", at=(50.1, 8.7))
    return service("health geo", [far, near, *reversed(steps)])


@pytest.mark.parametrize("killed", range(len(CLIMB)))
def test_law_2_geo_climbs_level_by_level_to_the_nearest_healthy_site(killed):
    www = make_ladder()
    snapshot = health(**dict.fromkeys(CLIMB[:killed], DOWN))
    engine = make_world(www, places={"9.0.0.0/8": PARIS}).engine(snapshot)
    assert ask_sites(engine, www, ecs="9.1.2.0/24") == [CLIMB[killed]]


def test_law_2_geo_comes_back_down_when_a_level_recovers():
    www = make_ladder()
    engine = make_world(www, places={"9.0.0.0/8": PARIS}).engine(health(office=DOWN))
    assert ask_sites(engine, www, ecs="9.1.2.0/24") == ["network"]
    engine = engine.with_health(health(generation=2))
    assert ask_sites(engine, www, ecs="9.1.2.0/24") == ["office"]


def test_law_2_geo_never_ends_with_nothing():
    www = make_ladder()
    engine = make_world(www, places={"9.0.0.0/8": PARIS}).engine(
        health(**dict.fromkeys(CLIMB, DOWN))
    )
    assert len(ask_sites(engine, www, ecs="9.1.2.0/24")) == 1


def test_law_2_all_sites_of_a_level_share_it():
    pair = [candidate(n, name, serves="country:FR") for n, name in enumerate("ab", 1)]
    www = service("health geo round_robin", [*pair, candidate(3, "c", serves="default")])
    engine = make_world(www, places={"9.0.0.0/8": PARIS}).engine()
    assert [ask_sites(engine, www, ecs="9.0.0.0/24") for _ in "1234"] == [["a"], ["b"]] * 2
    engine = engine.with_health(health(generation=2, a=DOWN))
    assert [ask_sites(engine, www, ecs="9.0.0.0/24") for _ in "12"] == [["b"]] * 2


# --- law 3 ---------------------------------------------------------------------------------------

SPLIT = {"a": 3, "b": 2, "c": 1}


def firsts(engine, of, times, rtype="A", **more):
    return [ask_sites(engine, of, rtype, **more)[0] for _ in range(times)]


def test_law_3_six_answers_of_3_2_1_are_3_2_and_1():
    www = trio("health weighted")
    assert Counter(firsts(make_world(www).engine(), www, 6)) == SPLIT


def test_law_3_every_window_is_exact():
    www = trio("health weighted")
    order = firsts(make_world(www).engine(), www, 24)
    for first in range(len(order) - 5):
        assert Counter(order[first : first + 6]) == SPLIT


def test_law_3_round_robin_gives_each_its_turn():
    www = trio("health round_robin")
    assert firsts(make_world(www).engine(), www, 6) == ["a", "b", "c"] * 2


def test_law_3_families_services_and_places_do_not_take_each_others_turns():
    www, shop = trio("geo weighted"), trio("geo weighted", name="shop")
    one, other = place("DE", "EU"), place("JP", "AS")
    serving = [replace(c, serves=frozenset({"country:DE", "country:JP"})) for c in www.candidates]
    serving.append(candidate(4, "d", serves="country:JP", weight=6))
    www = replace(www, candidates=tuple(serving))
    world = make_world(www, shop, places={"9.0.0.0/8": one, "11.0.0.0/8": other})
    askers = [
        (www, {"ecs": "9.1.0.0/24"}),
        (www, {"ecs": "11.1.0.0/24"}),
        (www, {"ecs": "9.1.0.0/24", "rtype": "AAAA"}),
        (shop, {"ecs": "9.1.0.0/24"}),
        (shop, {}),
    ]
    alone = [firsts(world.engine(), of, 24, **more) for of, more in askers]
    engine = world.engine()
    mixed = [[] for _ in askers]
    for turn in range(24):
        # Each asks once in a round but for the second, who asks as it likes.
        for index, (of, more) in enumerate(askers):
            if index != 1 or turn % 3 == 0:
                mixed[index] += firsts(engine, of, 1, **more)
    assert mixed[0] == alone[0]
    assert mixed[1] == alone[1][:8]
    assert mixed[2:3] == alone[2:3]
    # Both clients of shop are offered the same by nobody's place, so they share one turn.
    together = [site for pair in zip(mixed[3], mixed[4], strict=True) for site in pair]
    assert together[:24] == alone[3]


def test_law_3_clients_of_one_class_share_the_split():
    www = trio("geo weighted")
    world = make_world(www, places={"9.0.0.0/8": place("DE", "EU")})
    engine = world.engine()
    order = [ask_sites(engine, www, ecs=f"9.{n}.0.0/24")[0] for n in range(6)]
    assert Counter(order) == SPLIT


@pytest.mark.parametrize("swap_after", range(1, 7))
def test_law_3_a_swap_of_health_keeps_the_turn(swap_after):
    www = trio("health weighted")
    engine = make_world(www).engine(health())
    order = []
    for turn in range(12):
        if turn % swap_after == 0:
            engine = engine.with_health(health(generation=turn + 2))
        order += firsts(engine, www, 1)
    assert [Counter(order[:6]), Counter(order[6:])] == [SPLIT, SPLIT]


def test_law_3_a_swap_keeps_the_turn_of_those_who_did_not_ask_in_between():
    www = trio("health weighted")
    engine = make_world(www).engine(health())
    order = firsts(engine, www, 2)
    for generation in (2, 3, 4):
        engine = engine.with_health(health(generation=generation))
    order += firsts(engine, www, 4)
    assert Counter(order) == SPLIT


def test_law_3_a_lost_site_leaves_the_others_an_even_split():
    www = trio("health weighted")
    engine = make_world(www).engine(health())
    firsts(engine, www, 4)
    engine = engine.with_health(health(generation=2, c=DOWN))
    order = firsts(engine, www, 15)
    for first in range(11):
        assert Counter(order[first : first + 5]) == {"a": 3, "b": 2}


def test_law_3_other_answers_follow_the_first_by_whose_turn_is_next():
    www = trio("weighted", max_answers=2)
    engine = make_world(www).engine()
    answers = [ask_sites(engine, www) for _ in range(6)]
    assert all(len(set(answer)) == 2 for answer in answers)
    assert Counter(answer[0] for answer in answers) == SPLIT


# --- law 4 ---------------------------------------------------------------------------------------

NETWORKS = [f"9.{n}.{n * 7 % 256}.0/24" for n in range(120)]


def sticky_quartet(**more):
    names = ["a", "b", "c", "d"]
    return service("health sticky", [candidate(n, name) for n, name in enumerate(names, 1)], **more)


def homes(engine, of):
    return {ecs: ask_sites(engine, of, ecs=ecs)[0] for ecs in NETWORKS}


def test_law_4_sticky_is_the_same_on_every_server_and_after_every_restart():
    www = sticky_quartet()
    first = homes(make_world(www).engine(), www)
    assert homes(make_world(www).engine(), www) == first
    assert set(first.values()) == {"a", "b", "c", "d"}


def test_law_4_sticky_does_not_depend_on_who_asked_before():
    www = sticky_quartet()
    engine = make_world(www).engine()
    first = homes(engine, www)
    backwards = {ecs: ask_sites(engine, www, ecs=ecs)[0] for ecs in reversed(NETWORKS)}
    assert backwards == first


@pytest.mark.parametrize("lost", ["a", "b", "c", "d"])
def test_law_4_a_lost_site_moves_only_its_own_clients_and_they_come_back(lost):
    www = sticky_quartet()
    engine = make_world(www).engine(health())
    before = homes(engine, www)
    without = engine.with_health(health(generation=2, **{lost: DOWN}))
    during = homes(without, www)
    assert lost not in during.values()
    assert {n: s for n, s in during.items() if before[n] != lost} == {
        n: s for n, s in before.items() if s != lost
    }
    moved = {during[n] for n, s in before.items() if s == lost}
    assert len(moved) > 1  # they spread, nobody inherits all of them
    assert homes(without.with_health(health(generation=3)), www) == before


def test_law_4_one_network_is_one_client_whether_it_sends_its_subnet_or_itself():
    www = sticky_quartet()
    engine = make_world(www).engine()
    for n in range(20):
        by_subnet = ask_sites(engine, www, ecs=f"9.{n}.5.0/24")
        assert ask_sites(engine, www, source=f"9.{n}.5.77") == by_subnet
        assert ask_sites(engine, www, source=f"::ffff:9.{n}.5.200") == by_subnet


def test_law_4_services_are_sticky_each_for_itself():
    www, shop = sticky_quartet(), sticky_quartet(name="shop")
    engine = make_world(www, shop).engine()
    assert homes(engine, www) != homes(engine, shop)


# --- law 5 ---------------------------------------------------------------------------------------


class Measured:
    """Times by (AS number, site), of clients and of agents."""

    generation = 1

    def __init__(self, client=(), agents=()):
        self.client, self.agents = dict(client), dict(agents)

    def client_rtt_ms(self, location, site):
        return self.client.get((location.asn, site))

    def agent_rtt_ms(self, location, site):
        return self.agents.get((location.asn, site))

    def agent_names(self, location, site):
        return ("fra",) if (location.asn, site) in self.agents else ()


HERE = place("DE", "EU", asn=64500, latitude=50.0, longitude=8.0)
NEAR, FAR = (50.0, 9.0), (35.0, 139.0)
AT = "9.1.2.0/24"


@pytest.mark.parametrize(
    ("measured", "expected", "told"),
    [
        (Measured(), "near", "near 1 ms guessed from distance"),
        (
            Measured(agents={(64500, "near"): 90.0, (64500, "far"): 20.0}),
            "far",
            "far 20 ms measured by agent fra",
        ),
        (
            Measured(
                client={(64500, "near"): 7.0, (64500, "far"): 80.0},
                agents={(64500, "near"): 90.0, (64500, "far"): 20.0},
            ),
            "near",
            "near 7 ms measured by client",
        ),
        (
            Measured(client={(64500, "far"): 0.2}, agents={(64500, "near"): 30.0}),
            "far",
            "far 0 ms measured by client",
        ),
        (Measured(client={(64501, "far"): 0.2}), "near", "near 1 ms guessed from distance"),
    ],
    ids=["distance", "agents", "client-before-agents", "mixed", "another-network"],
)
def test_law_5_latency_takes_the_best_source_and_says_which(measured, expected, told):
    www = service("health latency", [candidate(1, "near", at=NEAR), candidate(2, "far", at=FAR)])
    world = make_world(www, places={"9.0.0.0/8": HERE}, measurements=measured)
    engine = world.engine()
    assert ask_sites(engine, www, ecs=AT) == [expected]
    steps = {one.name: one for one in tell(engine, "www", ecs=AT).steps}
    assert steps["latency"].kept[0] == expected
    assert told in steps["latency"].why


def test_law_5_latency_with_no_source_keeps_all_and_says_so():
    www = service("latency", [candidate(1, "a"), candidate(2, "b")], max_answers=2)
    engine = make_world(www).engine()
    assert ask_sites(engine, www) == ["a", "b"]
    assert "nothing is measured" in tell(engine, "www").steps[0].why


# --- law 6 ---------------------------------------------------------------------------------------


def test_law_6_the_scope_is_the_shortest_prefix_of_equal_clients():
    pair = (candidate(1, "a", serves="country:DE"), candidate(2, "b", serves="default"))
    world = make_world(
        service("health geo", pair),
        places={
            "9.64.0.0/10": place("DE", "EU"),
            "9.64.8.0/24": place("FR", "EU"),
            "2a00:1::/32": place("DE", "EU"),
        },
    )
    engine = world.engine()
    expected = {
        "9.127.0.0/24": 11,  # 9.96.0.0/11 holds nobody else
        "9.64.9.0/24": 24,  # its neighbour is in France
        "9.64.8.0/24": 24,
        "9.64.10.0/24": 23,
        "9.64.12.0/24": 22,
        "9.0.0.0/24": 10,
        "9.128.0.0/24": 9,
        "8.0.0.0/8": 8,
        "128.0.0.0/24": 3,  # 169.254.0.0/16 and others are private
        "2a00:1::/56": 32,
        "2a00:0::/56": 32,
        "2a00:2::/56": 31,
        "2000::/56": 5,  # 2000::/5 to 27ff:
        "4000::/56": 2,
    }
    assert {ecs: ask(engine, "www", ecs=ecs).scope for ecs in expected} == expected


def test_law_6_the_scope_is_0_where_the_client_makes_no_difference():
    places = {"9.0.0.0/8": place("DE", "EU"), "11.0.0.0/8": place("JP", "AS")}
    for policy in ("health weighted", "failover", "round_robin", "geo", "health nearest"):
        www = trio(policy)
        assert ask(make_world(www, places=places).engine(), "www", ecs="9.1.2.0/24").scope == 0


def test_law_6_the_scope_is_0_where_the_subnet_did_not_decide():
    pair = (candidate(1, "a", serves="country:DE"), candidate(2, "b", serves="default"))
    www = service("geo", pair)
    engine = make_world(www, places={"9.0.0.0/8": place("DE", "EU")}).engine()
    for ecs in ("0.0.0.0/0", "::/0"):
        by_source = ask(engine, "www", ecs=ecs, source="9.9.9.9")
        assert (by_source.addresses, by_source.scope) == (["198.51.100.1"], 0)


def test_law_6_an_answer_to_a_private_subnet_is_for_private_neighbours_alone():
    pair = (candidate(1, "a", serves="country:DE"), candidate(2, "b", serves="default"))
    www = service("geo", pair)
    engine = make_world(www, places={"9.0.0.0/8": place("DE", "EU")}).engine()
    expected = {"10.1.2.0/24": 8, "127.0.0.0/8": 8, "192.168.7.0/24": 16, "fd00::/32": 7}
    for ecs, scope in expected.items():
        by_source = ask(engine, "www", ecs=ecs, source="9.9.9.9")
        assert (by_source.addresses, by_source.scope) == (["198.51.100.1"], scope)


def test_law_6_no_option_without_being_asked():
    www = trio("sticky")
    assert ask(make_world(www).engine(), "www").scope is None


def test_law_6_a_scope_is_never_shorter_than_what_sticky_used():
    policy = [step("geo"), step("sticky", ipv4_prefix=20, ipv6_prefix=48)]
    pair = (candidate(1, "a", serves="default"), candidate(2, "b", serves="default country:DE"))
    world = make_world(
        service(policy, pair),
        places={"9.0.0.0/8": place("DE", "EU"), "11.1.1.0/24": place("DE", "EU")},
    )
    engine = world.engine()
    expected = {"9.1.0.0/24": 20, "11.1.1.0/24": 24, "9.1.0.0/16": 20, "2a00::/56": 48}
    assert {ecs: ask(engine, "www", ecs=ecs).scope for ecs in expected} == expected


# --- law 7 ---------------------------------------------------------------------------------------

COUNT_DOWN = [
    (None, 30),
    (300.0, 30),
    (30.0, 30),
    (29.9, 29),
    (12.0, 12),
    (5.0, 5),
    (4.9, 5),
    (0.0, 5),
]


@pytest.mark.parametrize(("flip_s", "ttl"), COUNT_DOWN)
def test_law_7_the_ttl_ends_before_the_earliest_flip_within_its_bounds(flip_s, ttl):
    www = trio("health weighted", ttl_max=30, ttl_min=5)
    snapshot = health(a=UP, b=SiteHealth(up=True, flip_s=flip_s), c=UP)
    engine = make_world(www).engine(snapshot)
    assert [ask(engine, "www").ttl for _ in range(6)] == [ttl] * 6
    assert f"{ttl} s" in tell(engine, "www").ttl_why


def test_law_7_a_site_that_may_come_back_shortens_the_ttl_as_well():
    www = trio("health failover", ttl_max=30, ttl_min=5)
    snapshot = health(a=UP, b=UP, c=SiteHealth(up=False, flip_s=9.0))
    assert ask(make_world(www).engine(snapshot), "www").ttl == 9


def test_law_7_is_interval_times_checks_left():
    """fall 3 of 5 s each: one failure leaves two checks, which is ten seconds."""
    check = Check((TcpCheck(80),), interval_s=5.0, fall=3, rise=2)
    a, b = candidate(1, "a"), candidate(2, "b")
    sites = {one.name: replace(one.site, check=check) for one in (a, b)}
    www = service("health", (a, b), ttl_max=60, ttl_min=2)
    world = make_world(www)
    expected = {0: 15, 1: 10, 2: 5}
    for streak, ttl in expected.items():
        seen = {"a": SiteReport(up=True, streak=streak), "b": SiteReport(up=True)}
        report = Report("here", "boot", 1, 1000.0, seen)
        evidence = observed(report, at=1000.0)
        snapshot = merge(evidence, sites, HealthSettings(), HealthSnapshot())
        assert ask(world.engine(snapshot), "www").ttl == ttl


def test_law_7_a_family_waits_for_its_own_sites_only():
    six = candidate(2, "six", families="6")
    www = service("health", (candidate(1, "four", families="4"), six), ttl_max=30)
    engine = make_world(www).engine(health(four=UP, six=SiteHealth(up=True, flip_s=7.0)))
    assert [ask(engine, "www", rtype).ttl for rtype in ("A", "AAAA")] == [30, 7]


def test_law_7_a_forced_state_gets_the_max_unless_it_expires_sooner():
    www = service("health", (candidate(1, "a"), candidate(2, "b")), ttl_max=30)
    world = make_world(www)
    forced = SiteHealth(up=False, flip_s=None, reason="forced down")
    assert ask(world.engine(health(a=forced, b=UP)), "www").ttl == 30
    expiring = replace(forced, flip_s=11.5)
    assert ask(world.engine(health(a=expiring, b=UP)), "www").ttl == 11


def test_law_7_a_cname_has_the_ttl_of_its_service():
    www = service("health failover", (alias("one"), alias("two", order=2)), ttl_max=45)
    engine = make_world(www).engine()
    got = ask(engine, "www", "HTTPS")
    assert [str(r) for r in got.message.answer[0]] == ["one.cdn.example."]
    assert got.ttl == 45


def test_law_7_health_that_nobody_reads_does_not_matter():
    www = trio("weighted", ttl_max=40)
    soon = SiteHealth(up=True, flip_s=6.0)
    assert ask(make_world(www).engine(health(a=soon, b=soon, c=soon)), "www").ttl == 40


# --- law 8 ---------------------------------------------------------------------------------------


def test_law_8_unknown_is_not_down_all_are_answered_with_the_min_ttl():
    www = trio("health", max_answers=3, ttl_max=30, ttl_min=7)
    world = make_world(www)
    for snapshot in (
        health(a=UNKNOWN, b=UNKNOWN, c=UNKNOWN),
        health(a=UNKNOWN, b=DOWN, c=UP),
        health(c=UNKNOWN),
    ):
        got = ask(world.engine(snapshot), "www")
        assert (len(got.addresses), got.ttl) == (3, 7)
        assert "no full round" in tell(world.engine(snapshot), "www").ttl_why


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (AllDown("all"), ["198.51.100.1", "198.51.100.2", "198.51.100.3"]),
        (AllDown("last_good"), ["198.51.100.2"]),
        (AllDown("nodata"), []),
        (AllDown("addresses", (ip_address("192.0.2.9"), ip_address("2001:db8::9"))), ["192.0.2.9"]),
    ],
    ids=lambda value: value.rule if isinstance(value, AllDown) else "",
)
def test_law_8_everything_down_is_answered_as_the_service_says(rule, expected):
    www = trio("health", max_answers=3, when_all_down=rule)
    latest = replace(DOWN, since_at=DOWN.since_at + 60)
    engine = make_world(www).engine(health(a=DOWN, b=latest, c=DOWN))
    got = ask(engine, "www")
    assert (got.rcode, got.addresses) == ("NOERROR", expected)
    assert tell(engine, "www").steps[1].name == "when_all_down"


def test_law_8_all_is_the_default():
    assert trio("health").when_all_down == AllDown("all")


# --- law 9 ---------------------------------------------------------------------------------------


def test_law_9_a_held_site_is_answered_and_every_decision_says_so():
    www = trio("health", max_answers=3)
    alert = "the withdrawal budget is used up: b is held"
    engine = make_world(www).engine(health(a=UP, b=HELD, c=DOWN, alerts=(alert,)))
    assert ask_sites(engine, www) == ["a", "b"]
    told = tell(engine, "www")
    assert told.alerts == (alert,)
    assert "held although down" in told.steps[0].why


@pytest.mark.parametrize(
    "settings", [HealthSettings(panic_below=0.5), HealthSettings(max_withdrawn=0.34)]
)
def test_law_9_panic_and_budget_hold_the_last_good_set(settings):
    """Two of three went down at once: more than either rule lets go."""
    check = Check((TcpCheck(80),))
    www = trio("health", max_answers=3)
    sites = {c.name: replace(c.site, check=check) for c in www.candidates}
    up, down = SiteReport(up=True), SiteReport(up=False, since_at=990.0, reason="refused")
    first = Report("here", "boot", 1, 1000.0, {"a": up, "b": up, "c": up})
    second = Report("here", "boot", 2, 1005.0, {"a": up, "b": down, "c": down})
    before = merge(observed(first, at=1000.0), sites, settings, HealthSnapshot())
    after = merge(observed(second, at=1005.0), sites, settings, before)
    engine = make_world(www).engine(before)
    assert ask_sites(engine, www) == ["a", "b", "c"]
    engine = engine.with_health(after)
    assert ask_sites(engine, www) == ["a", "b", "c"]
    told = tell(engine, "www")
    assert told.alerts == after.alerts != ()
    assert "held although down" in told.steps[0].why


# --- law 10 --------------------------------------------------------------------------------------


def test_law_10_an_id_names_configuration_geography_health_and_turn():
    www = trio("health weighted")
    engine = make_world(www, generation="conf7-geo3").engine(health(generation=12))
    assert tell(engine, "www").decision_id == "conf7-geo3-h12-t0"
    ask(engine, "www")
    assert tell(engine, "www").decision_id == "conf7-geo3-h12-t1"


def test_law_10_two_different_states_never_share_an_id():
    www = trio("health weighted")
    seen = []
    for generation in ("conf1-geo1", "conf1-geo11", "conf11-geo1", "conf2-geo1"):
        engine = make_world(www, generation=generation).engine(health(generation=1))
        for number in (1, 2, 11):
            engine = engine.with_health(health(generation=number))
            for _ in range(6):
                seen.append(tell(engine, "www").decision_id)
                ask(engine, "www")
    assert len(set(seen)) == len(seen) == 4 * 3 * 6


def test_law_10_an_id_comes_back_only_with_its_decision():
    www = trio("health weighted", max_answers=2)
    engine = make_world(www).engine()
    decisions = {}
    for _ in range(18):
        told = tell(engine, "www")
        assert decisions.setdefault(told.decision_id, told) == told
        ask(engine, "www")
    assert len(decisions) == 6


def test_law_10_a_decision_can_be_explained_later():
    """A new engine over the same values, brought to the same turn, tells the same."""
    www = trio("health weighted")
    world = make_world(www, places={"9.0.0.0/8": place("DE", "EU")})
    snapshot = health(generation=4, b=DOWN)
    engine = world.engine(snapshot)
    for _ in range(3):
        ask(engine, "www")
    told = tell(engine, "www", ecs="9.1.2.0/24")
    later = world.engine(snapshot, turns=engine.plans.turns())
    assert tell(later, "www", ecs="9.1.2.0/24") == told
