"""Load reports: what is written, and who else is heard."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from gslb.app.proxy_load import (
    FRESH_S,
    MAX_NAME,
    Neighbours,
    describe_load,
    dump_load,
    judge_utilisation,
    name_reporter,
)
from gslb.app.proxy_sum import add_counters, add_plain
from gslb.config.fields import parse_label
from gslb.model.endpoint import Endpoint
from gslb.model.proxy import Backend, Pool, Proxy


def backend(name: str, ceiling: int | None = None, **changes) -> Backend:
    return Backend(name, Endpoint("127.0.0.1", 80), max_connections=ceiling, **changes)


LIMITED = Pool("limited", (backend("a", 30), backend("b", 10), backend("c", 99, backup=True)))
OPEN = Pool("open", (backend("a", 30), backend("b")))
PROXY = Proxy("eu", "eu-west", (), (), {"limited": LIMITED, "open": OPEN}, workers=2)
LOAD = {
    "in_flight": 25,
    "p50_ms": None,
    "pools": {"limited": {"in_flight": 10, "healthy": 3}, "open": {"in_flight": 15, "healthy": 1}},
}


@pytest.mark.parametrize(
    ("proxy", "share"),
    [
        (PROXY, 0.25),
        (replace(PROXY, capacity=100.0), 0.25),
        (replace(PROXY, capacity=20.0), 1.25),
        (replace(PROXY, pools={"open": OPEN}), None),
    ],
    ids=["ceilings", "capacity", "over it", "no limit"],
)
def test_utilisation_is_of_the_capacity_else_of_the_ceilings(proxy, share):
    assert judge_utilisation(proxy, LOAD) == share


def test_a_report_says_who_when_and_how_busy():
    told = json.loads(dump_load(describe_load(PROXY, "n1", LOAD, 1_790_000_000.1234)))
    assert told == {
        "site": "eu-west",
        "proxy": "eu",
        "node": "n1",
        "at": 1_790_000_000.123,
        "workers": 2,
        "capacity": None,
        "utilisation": 0.25,
        "backends": {"healthy": 4, "total": 5},
        **LOAD,
    }


@pytest.mark.parametrize("length", [1, 40, 63])
def test_a_reporter_has_a_name_that_a_store_takes(length):
    names = {name_reporter("n" * length, "p" * length), name_reporter("n" * length, "q" * length)}
    assert len(names) == 2
    assert all(parse_label(name) and len(name) <= MAX_NAME for name in names)


def test_others_count_while_their_words_change():
    now = 0.0
    heard = Neighbours(["n.a", "n.b"], lambda: now)
    assert heard.count() == 2
    heard.take({"n.a": b"0", "old": b"0", "m.a": b"0"})
    assert heard.count() == 2  # nobody knows when that was
    heard.take({"n.a": b"1", "old": b"0", "m.a": b"1", "k.a": b"0"})
    assert heard.count() == 4
    now = FRESH_S
    heard.take({"old": b"0", "m.a": b"1", "k.a": b"1"})
    assert heard.count() == 4
    now = FRESH_S + 0.1
    assert heard.count() == 3  # m.a has said nothing new
    heard.own(["k.a"])
    assert heard.count() == 1


def test_workers_add_up():
    one = {
        "in_flight": 1, "requests_per_s": 3.0, "p99_ms": 5.0, "error_share": 0.0, "state": "up",
        "pools": {"web": {"in_flight": 1, "healthy": 2, "list": [1]}}, "none": None, "on": False,
    }  # fmt: skip
    other = {
        "in_flight": 2, "requests_per_s": 1.0, "p99_ms": 9.0, "error_share": 0.4, "state": "down",
        "pools": {"web": {"in_flight": 4, "healthy": 2, "list": [2]}}, "none": None, "on": True,
    }  # fmt: skip
    assert add_plain([one, {}, other]) == {
        "in_flight": 3, "requests_per_s": 4.0, "p99_ms": 9.0, "error_share": 0.1, "state": "up",
        "pools": {"web": {"in_flight": 5, "healthy": 2, "list": [1, 2]}}, "none": None, "on": False,
    }  # fmt: skip
    idle = [{"error_share": 0.0, "requests_per_s": 0.0}] * 2
    assert add_plain(idle) == idle[0]


def test_counters_add_up_by_what_they_count():
    told = [{"a": 1, "by": {"x": 1}}, {}, {"a": 2, "by": {"x": 2, "y": 1}, "c": 3}]
    assert add_counters(told) == {"a": 3, "by": {"x": 3, "y": 1}, "c": 3}
