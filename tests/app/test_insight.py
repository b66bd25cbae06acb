"""What a node says of itself."""

from __future__ import annotations

import time
from collections import Counter
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from gslb.app.build import VERSION
from gslb.app.count import count_node
from gslb.app.health_status import describe_health
from gslb.app.insight import NodeInsight, explain_text, read_client
from gslb.app.node import Node
from gslb.app.reload import Reloader, ReloadState
from gslb.health.snapshot import HealthSnapshot, SiteHealth
from gslb.model.order import Order, OrderKind
from gslb.model.report import SiteReport
from tests.app.observed import Running, run
from tests.app.world import Files, make_query, until

SOURCE = ip_address("192.0.2.9").packed


HEALTH = HealthSnapshot(
    3,
    {
        "eu": SiteHealth(up=True, flip_s=2.0, since_at=9.0, reason="checks pass"),
        "us": SiteHealth(up=True, flip_s=2.0, since_at=9.0, reason="checks pass"),
    },
)


@pytest.fixture
def running(tmp_path: Path) -> Running:
    made = Running(Files(tmp_path), is_listening=False)
    made.follower.health = HEALTH
    made.node.take_health(HEALTH)
    return made


@pytest.fixture
def node(running: Running) -> Node:
    return running.node


def look(running: Running, workers: object = None) -> NodeInsight:
    """What the node says of itself."""
    return NodeInsight(
        running.node, running.follower, Reloader(running.node.assembled, print), workers
    )


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


def test_status_is_all_that_the_node_knows(running, node):
    insight = look(running)
    insight._reloader.state = ReloadState(5.0, 6.0, "refused")
    ask(node, "split.w.test", 5)
    status = insight.status()
    of_health = describe_health(running.follower)
    assert of_health.items() <= status.items()
    apart = {*of_health, "counters"}
    assert {key: status[key] for key in status if key not in apart} == {
        "node": "ns-test",
        "version": VERSION,
        "started_at": status["started_at"],
        "configuration": node.assembled.system.digest,
        "geography": node.assembled.watched.table.build,
        "applied_at": 5.0,
        "reload_error": "refused",
        "reload_failed_at": 6.0,
        "answers": [
            {"service": "split.w.test.", "site": "eu", "count": 3},
            {"service": "split.w.test.", "site": "us", "count": 2},
        ],
    }
    assert abs(status["started_at"] - time.time()) < 60
    assert status["counters"] == dict(count_node(node)) | dict(running.follower.count())
    assert status["counters"]["failed"] == status["counters"]["webhook_failed"] == 0


def test_counts_are_those_of_the_workers_where_there_are_some(running, node):
    ask(node, "split.w.test")
    status = look(running, Others()).status()
    assert status["counters"]["udp_queries"] == 7
    assert status["answers"] == [{"service": "www.w.test.", "site": "us", "count": 7}]


def test_health_is_told_in_words(running):
    order = Order("us", OrderKind.DRAIN, 7, "alice", "kernel", created_at=5.0, until_at=99.0)
    running.follower.health = HealthSnapshot(
        3,
        {
            "eu": SiteHealth(up=False, flip_s=1.0, since_at=9.0, held=True, reason="HTTP 503"),
            "us": SiteHealth(up=None, flip_s=0.5, reason="no result yet", order=order),
        },
        ("panic",),
    )
    told = describe_health(running.follower)
    assert told["alerts"] == ["panic"]
    assert told["sites"] == {
        "eu": {
            "state": "down",
            "held": True,
            "is_serving": True,
            "is_drained": False,
            "since_at": 9.0,
            "flip_s": 1.0,
            "reason": "HTTP 503",
            "addresses": ["127.0.1.1"],
            "capacity": 1.0,
            "flaps": 0,
            "order": None,
            "agents": {},
        },
        "us": {
            "state": "unknown",
            "held": False,
            "is_serving": False,
            "is_drained": True,
            "since_at": 0.0,
            "flip_s": 0.5,
            "reason": "no result yet",
            "addresses": ["127.0.2.1"],
            "capacity": 1.0,
            "flaps": 0,
            "order": {
                "kind": "drain",
                "owner": "alice",
                "reason": "kernel",
                "created_at": 5.0,
                "until_at": 99.0,
                "version": 7,
                "applied_at": None,
            },
            "agents": {},
        },
    }


def test_an_agent_that_was_never_heard_and_one_that_was_are_told(tmp_path):
    async def script(running: Running) -> None:
        assert describe_health(running.follower)["agents"]["observer"] == {
            "failure_domain": "home",
            "is_declared": True,
            "has_vote": False,
            "why": "it has not been heard yet",
            "age_s": None,
            "boot": None,
            "sequence": None,
            "canaries": [0, 0],
        }
        view = SiteReport(up=True, rtt_ms=12.5, first_byte_ms=20.0, samples=9, reason="")
        await running.report(eu=view)
        await until(lambda: running.follower.health.of("eu").up)
        told = describe_health(running.follower)
        agent = told["agents"]["observer"]
        assert (agent["has_vote"], agent["why"], agent["sequence"]) == (True, "", 1)
        seen = told["sites"]["eu"]["agents"]["observer"]
        assert 0 <= seen.pop("age_s") < 15
        assert seen == {
            "state": "up",
            "streak": 0,
            "rtt_ms": 12.5,
            "first_byte_ms": 20.0,
            "counts": True,
            "reason": "",
            "certificate_until_at": None,
        }
        assert told["sites"]["us"]["agents"] == {}
        assert (told["own_probes"], told["restored_at"]) == ("off", None)
        assert told["store"]["kind"] == "memory"
        assert told["store"]["is_connected"]

    run(Files(tmp_path), script)


def test_an_explanation_is_that_of_the_next_answer_and_takes_no_turn(running, node):
    insight = look(running)
    told = [insight.explain("split.w.test", "A", "192.0.2.9") for _ in range(2)]
    assert told[0] == told[1]
    assert told[0]["decision_id"].endswith("-t0")
    ask(node, "split.w.test")
    assert insight.explain("split.w.test", "A", "192.0.2.9")["decision_id"].endswith("-t1")


@pytest.mark.parametrize(
    ("text", "network", "is_subnet"),
    [
        ("192.0.2.1", "192.0.2.1/32", False),
        ("2001:db8::1", "2001:db8::1/128", False),
        ("192.0.2.0/24", "192.0.2.0/24", True),
        ("192.0.2.128/25", "192.0.2.128/25", True),
        ("10.0.0.0/8", "10.0.0.0/8", True),
        ("2001:db8::/33", "2001:db8::/33", True),
        ("0.0.0.0/0", "0.0.0.0/0", True),
    ],
)
def test_a_client_is_an_address_or_a_subnet(text, network, is_subnet):
    found, subnet = read_client(text)
    assert found == ip_network(network)
    assert (subnet is not None) is is_subnet
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
