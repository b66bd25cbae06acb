"""What a node says of itself."""

from __future__ import annotations

import time
from collections import Counter
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from gslb import __version__
from gslb.app.assemble import assemble
from gslb.app.insight import NodeInsight, count_node, describe_health, explain_text, read_client
from gslb.app.node import Node
from gslb.app.reload import Reloader, ReloadState
from gslb.health.snapshot import HealthSnapshot, SiteHealth
from gslb.model.report import Report, SiteReport
from gslb.store.memory import MemoryStore
from tests.app.world import Files, make_query

SOURCE = ip_address("192.0.2.9").packed


@pytest.fixture
def node(tmp_path: Path) -> Node:
    made = Node(assemble(Files(tmp_path).main), MemoryStore())
    up = SiteReport(up=True)
    made.reports = (Report("a", "b", 1, time.time(), {"eu": up, "us": up}),)
    made.update_health()
    return made


def ask(node: Node, name: str, times: int = 1) -> None:
    """Queries over UDP from SOURCE."""
    for _ in range(times):
        assert node.fast.answer(make_query(name).to_wire(), SOURCE) is not None


class Others:
    """Workers that have told their counts."""

    def count(self) -> Counter[str]:
        return Counter(udp_queries=7)

    def count_answers(self) -> Counter[tuple[str, str]]:
        return Counter({("www.w.test.", "us"): 7})


def test_status_is_all_that_the_node_knows(node):
    reloader = Reloader(node.assembled, node.apply)
    reloader.state = ReloadState(5.0, 6.0, "refused")
    ask(node, "split.w.test", 5)
    status = NodeInsight(node, reloader).status()
    assert {key: status[key] for key in status if key not in ("sites", "counters")} == {
        "node": "ns-test",
        "version": __version__,
        "started_at": status["started_at"],
        "configuration": node.assembled.system.digest,
        "geography": node.assembled.watched.table.build,
        "applied_at": 5.0,
        "reload_error": "refused",
        "reload_failed_at": 6.0,
        "health_generation": node.health.generation,
        "alerts": [],
        "answers": [
            {"service": "split.w.test.", "site": "eu", "count": 3},
            {"service": "split.w.test.", "site": "us", "count": 2},
        ],
    }
    assert abs(status["started_at"] - time.time()) < 60
    assert status["counters"] == dict(count_node(node))
    assert status["sites"]["eu"]["addresses"] == ["127.0.1.1"]


def test_counts_are_those_of_the_workers_where_there_are_some(node):
    ask(node, "split.w.test")
    insight = NodeInsight(node, Reloader(node.assembled, node.apply), Others())
    status = insight.status()
    assert status["counters"] == {"udp_queries": 7}
    assert status["answers"] == [{"service": "www.w.test.", "site": "us", "count": 7}]


def test_health_is_told_in_words(node):
    sites = node.assembled.system.sites
    snapshot = HealthSnapshot(
        3,
        {
            "eu": SiteHealth(up=False, flip_s=1.0, since_at=9.0, held=True, reason="HTTP 503"),
            "us": SiteHealth(up=None, flip_s=0.5, reason="no result yet"),
        },
    )
    assert describe_health(sites, snapshot) == {
        "eu": {
            "state": "down",
            "held": True,
            "is_serving": True,
            "since_at": 9.0,
            "flip_s": 1.0,
            "reason": "HTTP 503",
            "addresses": ["127.0.1.1"],
        },
        "us": {
            "state": "unknown",
            "held": False,
            "is_serving": True,
            "since_at": 0.0,
            "flip_s": 0.5,
            "reason": "no result yet",
            "addresses": ["127.0.2.1"],
        },
    }


def test_an_explanation_is_that_of_the_next_answer_and_takes_no_turn(node):
    insight = NodeInsight(node, Reloader(node.assembled, node.apply))
    told = [insight.explain("split.w.test", "A", "192.0.2.9") for _ in range(2)]
    assert told[0] == told[1]
    assert told[0]["decision_id"].endswith("-t0")
    ask(node, "split.w.test")
    assert insight.explain("split.w.test", "A", "192.0.2.9")["decision_id"].endswith("-t1")


@pytest.mark.parametrize(
    ("text", "network", "useful"),
    [
        ("192.0.2.1", "192.0.2.1/32", None),
        ("2001:db8::1", "2001:db8::1/128", None),
        ("192.0.2.0/24", "192.0.2.0/24", True),
        ("192.0.2.128/25", "192.0.2.128/25", True),
        ("10.0.0.0/8", "10.0.0.0/8", False),
        ("2001:db8::/33", "2001:db8::/33", True),
        ("0.0.0.0/0", "0.0.0.0/0", False),
    ],
)
def test_a_client_is_an_address_or_a_subnet(text, network, useful):
    found, subnet = read_client(text)
    assert found == ip_network(network)
    assert (None if subnet is None else subnet.is_useful) is useful
    if subnet is not None:
        assert (subnet.address, subnet.source) == (found.network_address, found.prefixlen)


@pytest.mark.parametrize(
    ("name", "rtype", "client", "why"),
    [
        ("www.w.test", "A", "", "'' is no client"),
        ("www.w.test", "A", "192.0.2.1/24", "'192.0.2.1/24' is no client"),
        ("www.w.test", "A", "fe80::1%lo", "'fe80::1%lo' is no client"),
        ("www.w.test", "A", "192.0.2.0/33", "'192.0.2.0/33' is no client"),
        ("www.w.test", "B", "192.0.2.1", "'B' is no record type"),
        ("www.w.test", "", "192.0.2.1", "'' is no record type"),
        ("www.w.test", "TYPE65536", "192.0.2.1", "'TYPE65536' is no record type"),
        ("a..b", "A", "192.0.2.1", "'a..b' is not a domain name"),
        ("x" * 64, "A", "192.0.2.1", "is not a domain name"),
        ("\ud800", "A", "192.0.2.1", "is not a domain name"),
    ],
)
def test_what_is_no_question_is_refused_in_words(node, name, rtype, client, why):
    with pytest.raises(ValueError) as caught:
        explain_text(node.fast.engine, name, rtype, client)
    assert why in str(caught.value)


@pytest.mark.parametrize("rtype", ["A", "a", "TYPE1", "TYPE65280", "ANY", "AXFR", "OPT", "TYPE0"])
def test_every_type_can_be_explained(node, rtype):
    told = explain_text(node.fast.engine, "www.w.test", rtype, "192.0.2.1")
    assert told.name == "www.w.test."
