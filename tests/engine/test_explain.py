"""Explanations say what a query would get, why, and change nothing."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslb.engine.explain import explain
from gslb.engine.fast import FastPath
from gslb.model.order import Order, OrderKind
from gslb.model.place import NOWHERE
from gslb.policy.measured import AgentRow, AgentTimes, MeasuredTimes
from gslb.wire.names import from_text
from tests.engine.builders import (
    DOWN,
    HELD,
    UP,
    absolute,
    alias,
    ask,
    candidate,
    health,
    make_world,
    place,
    service,
    step,
    subnet,
)

GERMANY = place("DE", "EU", latitude=50.0, longitude=8.0)
BERN = place("DE", "EU", city="Bern", latitude=50.0, longitude=8.0)
"""Another place that every policy here treats like GERMANY."""
TRIO = (
    candidate(1, "a", weight=3, serves="country:DE"),
    candidate(2, "b", weight=2, serves="country:DE default"),
    candidate(3, "c", serves="default", at=(50.0, 9.0)),
)
MASTER = """
alias   300 IN CNAME plain
plain   300 IN A     192.0.2.7
text    300 IN TXT   "one \\"two\\""
sub     300 IN NS    ns.sub
ns.sub  300 IN A     192.0.2.8
*.wild  300 IN A     192.0.2.9
"""
WORLD = make_world(
    service("health geo weighted", TRIO),
    service([step("sticky", ipv4_prefix=20)], TRIO, name="pin"),
    service("weighted", TRIO, name="even"),
    service("weighted", (alias("one"), alias("two")), name="cdn"),
    places={"9.0.0.0/8": GERMANY, "9.7.0.0/16": BERN},
    master=MASTER,
)
STATE = health(generation=5, a=UP, b=UP, c=UP, alerts=("something is the matter",))


def tell(engine, name="www", rtype="A", *, ecs=None, source="203.0.113.53"):
    return explain(
        engine,
        bytes(from_text(absolute(name))),
        dns.rdatatype.from_text(rtype),
        source=ip_address(source),
        subnet=None if ecs is None else subnet(ecs),
    )


def test_a_decision_is_told_step_by_step():
    told = tell(WORLD.engine(STATE), ecs="9.1.2.0/24")
    assert (told.name, told.rtype, told.client) == ("www.gslb.test.", "A", "9.1.2.0/24")
    assert (told.rcode, told.is_authoritative) == ("NOERROR", True)
    assert told.answer == ("www.gslb.test. 30 IN A 198.51.100.1",)
    assert told.authority == ()
    assert told.why == "service 'www' decides"
    assert told.location == GERMANY
    assert [(one.name, one.kept) for one in told.steps] == [
        ("health", ("a", "b", "c")),
        ("geo", ("a", "b")),
        ("weighted", ("a", "b")),
        ("max_answers", ("a",)),
    ]
    assert told.steps[1].why == "geo: country:DE -> a, b"
    assert told.ttl_why.startswith("ttl: 30 s")
    assert (told.scope, told.scope_why[:3]) == (8, "/8:")
    assert told.decision_id == "conf1-geo1-h5-t0"
    assert told.alerts == ("something is the matter",)


@pytest.mark.parametrize(
    ("name", "ecs", "scope", "words"),
    [
        ("www", None, 0, "no client subnet"),
        ("www", "10.1.2.0/24", 8, "/8: the block of private addresses"),
        ("even", "10.1.2.0/24", 0, "no difference"),
        ("www", "0.0.0.0/0", 0, "empty"),
        ("even", "9.1.2.0/24", 0, "no difference"),
        ("pin", "9.1.2.0/24", 20, "/20"),
    ],
)
def test_the_scope_is_explained(name, ecs, scope, words):
    told = tell(WORLD.engine(STATE), name, ecs=ecs)
    assert told.scope == scope
    assert words in told.scope_why


@pytest.mark.parametrize(
    ("ecs", "source", "client", "location"),
    [
        (None, "9.1.2.3", "9.1.2.3", GERMANY),
        (None, "9.7.2.3", "9.7.2.3", BERN),
        ("9.7.0.0/16", "8.8.8.8", "9.7.0.0/16", BERN),
        (None, "8.8.8.8", "8.8.8.8", NOWHERE),
        ("9.1.2.0/24", "8.8.8.8", "9.1.2.0/24", GERMANY),
        ("8.8.8.0/24", "9.1.2.3", "8.8.8.0/24", NOWHERE),
        ("10.0.0.0/8", "9.1.2.3", "10.0.0.0/8", GERMANY),
    ],
)
def test_the_client_is_named_and_placed(ecs, source, client, location):
    told = tell(WORLD.engine(STATE), ecs=ecs, source=source)
    assert (told.client, told.location) == (client, location)


@pytest.mark.parametrize(
    ("name", "rtype", "rcode", "answer", "why"),
    [
        ("plain", "A", "NOERROR", ("plain.gslb.test. 300 IN A 192.0.2.7",), "static records at"),
        ("text", "TXT", "NOERROR", ('text.gslb.test. 300 IN TXT "one \\"two\\""',), "static"),
        ("plain", "MX", "NOERROR", (), "exists, but has no MX"),
        ("www", "TYPE65280", "NOERROR", (), "exists, but has no TYPE65280"),
        ("none", "A", "NXDOMAIN", (), "no such name; its closest encloser is gslb.test."),
        ("a.sub", "A", "NOERROR", (), "delegated at sub.gslb.test."),
        ("x.wild", "A", "NOERROR", ("x.wild.gslb.test. 300 IN A 192.0.2.9",), "*.wild.gslb.test."),
        ("www.example.com.", "A", "REFUSED", (), "no zone of this server"),
        ("www", "OPT", "FORMERR", (), ""),
        (
            "alias",
            "A",
            "NOERROR",
            (
                "alias.gslb.test. 300 IN CNAME plain.gslb.test.",
                "plain.gslb.test. 300 IN A 192.0.2.7",
            ),
            "static records at alias.gslb.test.",
        ),
    ],
)
def test_what_no_service_decides_is_explained_as_well(name, rtype, rcode, answer, why):
    told = tell(WORLD.engine(STATE), name, rtype)
    assert (told.rcode, told.answer) == (rcode, answer)
    assert why in told.why
    assert (told.steps, told.decision_id, told.location) == ((), "", None)


def test_negative_answers_show_the_soa():
    told = tell(WORLD.engine(STATE), "none")
    assert [line.split()[3] for line in told.authority] == ["SOA"]


def test_case_is_told_as_asked():
    told = tell(WORLD.engine(STATE), "wWw")
    assert told.name == "wWw.gslb.test."
    assert told.why == "service 'www' decides"


def test_a_cname_answer_is_explained_for_every_type():
    told = tell(WORLD.engine(STATE), "cdn", "HTTPS")
    assert told.answer == ("cdn.gslb.test. 30 IN CNAME one.cdn.example.",)
    assert told.decision_id == "conf1-geo1-h5-t0"


def test_an_order_is_told_before_the_steps_of_the_policy():
    order = Order("a", OrderKind.DRAIN, 1, owner="alice", reason="maintenance")
    engine = WORLD.engine(health(a=replace(UP, order=order, flip_s=None), b=UP, c=UP))
    told = tell(engine, ecs="9.1.2.0/24")
    assert [(one.name, one.kept) for one in told.steps] == [
        ("orders", ("b", "c")),
        ("health", ("b", "c")),
        ("geo", ("b",)),
        ("weighted", ("b",)),
        ("max_answers", ("b",)),
    ]
    assert told.steps[0].why == "orders: a drained by alice: maintenance; b, c stay"
    pinned = tell(engine, "pin", ecs="9.1.2.0/24")  # a policy without health
    assert pinned.steps[0] == ("orders", ("b", "c"), told.steps[0].why)


def test_a_measured_time_is_told_with_its_agents():
    near, far = candidate(1, "near", at=(50.0, 9.0)), candidate(2, "far", at=(35.0, 139.0))
    rows = (AgentRow("fra", GERMANY, {"far": 8.0}), AgentRow("par", GERMANY, {"far": 10.0}))
    world = make_world(
        service("latency", (near, far), max_answers=2),
        places={"9.0.0.0/8": GERMANY},
        measurements=MeasuredTimes(agents=AgentTimes(4, rows)),
    )
    told = tell(world.engine(STATE), ecs="9.1.2.0/24")
    assert told.steps[0].why == (
        "latency: near 1 ms guessed from distance, far 9 ms measured by agents fra, par"
        " (tolerance 10 ms)"
    )
    assert told.decision_id == "conf1-geo1-h5-m4-t0"


def test_down_and_held_sites_are_told_with_their_reason():
    told = tell(WORLD.engine(health(a=DOWN, b=HELD, c=UP)), ecs="9.1.2.0/24")
    assert told.steps[0].kept == ("b", "c")
    assert "HTTP 503" in told.steps[0].why
    assert "held although down" in told.steps[0].why


@pytest.mark.parametrize("make", [lambda engine: engine, FastPath], ids=["engine", "fast"])
def test_explaining_takes_no_turn(make):
    asked, watched = WORLD.engine(STATE), WORLD.engine(STATE)
    path, other = make(asked), make(watched)
    for _ in range(13):
        for name in ("even", "www", "cdn"):
            for _ in range(3):
                tell(watched, name, ecs="9.1.2.0/24")
            got = ask(other, name, ecs="9.1.2.0/24").message.answer
            assert got == ask(path, name, ecs="9.1.2.0/24").message.answer
    assert +watched.plans.count_answers() == +asked.plans.count_answers()
    assert asked.plans.count_answers().total() == 39


@given(
    asked=st.lists(
        st.tuples(
            st.sampled_from(("www", "pin", "even", "cdn", "plain", "alias", "none", "a.sub")),
            st.sampled_from(("A", "AAAA", "HTTPS", "TXT")),
            st.sampled_from((None, "9.1.2.0/24", "8.8.8.0/24", "10.0.0.0/8", "2a00::/48")),
            st.sampled_from(("9.9.9.9", "8.8.4.4", "2a00::1")),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_an_explanation_is_what_the_next_query_gets(asked):
    engine = WORLD.engine(health(c=DOWN))
    for name, rtype, ecs, source in asked:
        told = tell(engine, name, rtype, ecs=ecs, source=source)
        got = ask(engine, name, rtype, ecs=ecs, source=source)
        lines = [line for rrset in got.message.answer for line in rrset.to_text().split("\n")]
        assert list(told.answer) == lines
        assert told.rcode == got.rcode
        assert told.scope == (got.scope or 0)


def test_a_key_of_the_explanation_is_a_decision_of_the_engine():
    """What is told on the client's own place is what was decided for its class."""
    engine = WORLD.engine(STATE)
    for ecs in ("9.1.2.0/24", "8.8.8.0/24"):
        for _ in range(5):
            told = tell(engine, ecs=ecs)
            sites = {"198.51.100.1": "a", "198.51.100.2": "b", "198.51.100.3": "c"}
            assert told.steps[-1].kept == (sites[ask(engine, "www", ecs=ecs).addresses[0]],)
