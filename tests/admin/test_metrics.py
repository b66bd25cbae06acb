"""The page that Prometheus reads, judged by its own parser and its naming rules."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gslb.admin.metrics import compose_page, describe_name_server
from tests.admin.known import (
    NOW_AT,
    make_agent,
    make_order,
    make_site,
    make_status,
    make_view,
    three_by_three,
)

# Prometheus: base units, spelled out; a total is a counter and a counter is a total.
FOREIGN_UNITS = re.compile(
    "(^|_)(ms|milliseconds|minutes|hours|days|octets|kb|mb|kilobytes|percent)(_|$)"
)


def families(told, refused=()):
    page = compose_page(told, Counter(refused), describe_name_server).decode()
    return {family.name: family for family in text_string_to_metric_families(page)}


def samples(told, refused=()):
    """Values by name and label values, these in the order of their labels' names."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in families(told, refused).values()
        for sample in family.samples
    }


def test_every_name_follows_the_rules_of_prometheus():
    found = families(three_by_three(), {"token": 1})
    ours = {name: family for name, family in found.items() if name.startswith("gslb_")}
    assert len(ours) > 30
    for name, family in ours.items():
        assert re.fullmatch("[a-z][a-z0-9_]*", name)
        assert not FOREIGN_UNITS.search(name), name
        assert family.type in {"gauge", "counter"}, name
        assert len(family.documentation) > 15, name
        assert family.documentation.endswith("."), name
        for sample in family.samples:
            assert (family.type == "counter") is sample.name.endswith("_total"), sample.name
    assert {name for name in found if not name.startswith(("gslb_", "process_"))} == set()
    assert "process_resident_memory_bytes" in found


def test_what_a_status_says_is_measured():
    told = samples(three_by_three(), {"token": 2})
    expected = {
        ("gslb_build_info", "ns1", "0.3.0"): 1,
        ("gslb_start_time_seconds",): NOW_AT - 3 * 86400,
        ("gslb_reload_failed",): 0,
        ("gslb_reload_timestamp_seconds",): NOW_AT - 3600,
        ("gslb_health_generation",): 412,
        ("gslb_health_restored",): 0,
        ("gslb_alerts",): 1,
        ("gslb_queries_total", "udp"): 90,
        ("gslb_queries_total", "tcp"): 10,
        ("gslb_queries_lost_total", "silent"): 2,
        ("gslb_tcp_connections",): 1,
        ("gslb_answers_total", "www.shop.example.", "eu-west"): 60,
        ("gslb_site_up", "eu-west"): 1,
        ("gslb_site_up", "us-east"): 0,
        ("gslb_site_serving", "ap-south"): 0,
        ("gslb_site_drained", "ap-south"): 1,
        ("gslb_site_held", "us-east"): 0,
        ("gslb_site_since_timestamp_seconds", "us-east"): NOW_AT - 130,
        ("gslb_site_capacity", "us-east"): 1,
        ("gslb_site_flaps", "us-east"): 0,
        ("gslb_site_order", "drain", "ap-south"): 1,
        ("gslb_agent_vote", "sin"): 0,
        ("gslb_agent_vote", "fra"): 1,
        ("gslb_agent_age_seconds", "sin"): 47,
        ("gslb_agent_rtt_seconds", "nyc", "eu-west"): 0.088,
        ("gslb_agent_first_byte_seconds", "nyc", "eu-west"): 0.02,
        ("gslb_certificate_expiry_timestamp_seconds", "eu-west"): NOW_AT + 432000,
        ("gslb_store_connected", "redis"): 1,
        ("gslb_store_since_timestamp_seconds",): NOW_AT - 7200,
        ("gslb_own_probes_active",): 0,
        ("gslb_nodes",): 3,
        ("gslb_admin_refused_total", "token"): 2,
    }
    assert {key: told.get(key) for key in expected} == expected


def test_every_counter_of_a_node_has_its_metric():
    keys = (
        *("udp_queries", "udp_silent", "udp_unsent", "udp_general", "udp_trailing", "failed"),
        *("tcp_queries", "tcp_accepted", "tcp_refused", "tcp_evicted", "tcp_timed_out"),
        *("tcp_malformed", "tcp_aborted", "tcp_connections", "decisions_written"),
        *("decisions_lost", "events_written", "events_dropped", "webhook_failed"),
    )
    counters = {key: 1000 + number for number, key in enumerate(keys)}
    told = samples(make_status({}, {}, counters=counters, answers=[]))
    assert set(counters.values()) <= set(told.values())


def test_law_2_names_that_strangers_gave_are_no_labels():
    told = samples(three_by_three())
    drops = {key: value for key, value in told.items() if key[0] == "gslb_reports_dropped_total"}
    assert drops == {
        ("gslb_reports_dropped_total", "sin", "replayed"): 3,
        ("gslb_reports_dropped_total", "undeclared", "undeclared"): 11,
    }


def test_law_3_what_is_not_known_has_no_sample():
    status = make_status(
        {"eu": make_site("unknown", since_at=0.0, agents={"a": make_view(rtt_ms=None)})},
        {"a": make_agent("d", age_s=None)},
        counters={},
        answers=[],
    )
    names = {key[0] for key in samples(status)}
    unknown = {"up", "since_timestamp_seconds", "order"}
    assert not names & {f"gslb_site_{name}" for name in unknown}
    assert not names & {"gslb_agent_age_seconds", "gslb_agent_rtt_seconds", "gslb_queries_total"}
    assert {"gslb_site_serving", "gslb_agent_vote"} <= names


@pytest.mark.parametrize("kind", ["drain", "up", "down"])
def test_an_order_is_a_sample_with_its_kind(kind):
    status = make_status({"eu": make_site(order=make_order(kind))}, {})
    found = families(status)["gslb_site_order"].samples
    assert [(sample.labels, sample.value) for sample in found] == [
        ({"site": "eu", "kind": kind}, 1)
    ]


def test_a_name_with_quotes_stays_one_label():
    name = 'e"u\\\n'
    found = families(make_status({name: make_site()}, {}))["gslb_site_up"].samples
    assert [sample.labels for sample in found] == [{"site": name}]
