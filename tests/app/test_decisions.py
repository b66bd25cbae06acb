"""The sampled decision log: what is written of which queries."""

from __future__ import annotations

import asyncio
import json
from ipaddress import ip_address
from pathlib import Path

import dns.message
import pytest

from gslb.app.assemble import assemble
from gslb.app.decisions import log_decisions, tell_decision
from gslb.app.node import Node
from gslb.health.snapshot import HealthSnapshot
from gslb.telemetry.decisions import DecisionLog
from tests.app.world import EUROPE, Files, make_query, records, wait_for

SOURCE = ip_address("198.51.100.7").packed
MAPPED = ip_address("::ffff:198.51.100.7").packed


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(assemble(Files(tmp_path).main), HealthSnapshot())


def logged(node: Node, queries: list[bytes], path: Path, share: float) -> list[dict]:
    """What is written about these queries; their answers are checked against it."""
    log = DecisionLog(str(path), share)
    answer = log_decisions(node.fast.engine, node.fast.answer, log)
    replies = [answer(query, SOURCE) for query in queries]
    log.close()
    assert None not in replies
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    got = [records(dns.message.from_wire(reply)) for reply in replies]
    told = [[record.split()[-1] for record in line["answer"]] for line in lines]
    assert [one for one in told if one not in got] == []
    return lines


def test_every_decision_of_a_share_of_one_is_the_turn_that_the_client_gets(node, tmp_path):
    queries = [make_query("split.w.test", client=EUROPE).to_wire() for _ in range(6)]
    lines = logged(node, queries, tmp_path / "d", 1.0)
    assert [line["decision_id"].rpartition("-")[2] for line in lines] == [
        *("t0", "t1", "t2", "t0", "t1", "t2")
    ]
    answered = [line["answer"][0].split()[-1] for line in lines]
    assert sorted(answered[:3]) == ["127.0.1.1", "127.0.1.1", "127.0.2.1"]
    assert {line["client"] for line in lines} == {EUROPE}


def test_a_share_is_counted_not_drawn(node, tmp_path):
    queries = [make_query(f"n{number}.w.test").to_wire() for number in range(20)]
    lines = logged(node, queries, tmp_path / "d", 0.25)
    assert [line["name"] for line in lines] == [f"n{n}.w.test." for n in (3, 7, 11, 15, 19)]
    assert {line["rcode"] for line in lines} == {"NXDOMAIN"}


def test_a_line_has_the_chain_the_place_and_the_reasons(node):
    told = tell_decision(
        node.fast.engine, make_query("www.w.test", client=EUROPE).to_wire(), SOURCE
    )
    assert told["location"]["country"] == "DE"
    assert None not in told["location"].values()
    assert [step["name"] for step in told["steps"]] == ["health", "geo", "max_answers"]
    assert told["steps"][1] == {
        "name": "geo",
        "kept": ("eu",),
        "why": "geo: continent:EU -> eu (nobody left serves country:DE)",
    }
    assert told["scope"] == 24
    assert told["at"] > 1_700_000_000


def test_a_log_that_was_moved_away_is_begun_anew_at_a_reload(tmp_path):
    files = Files(tmp_path, log="{decisions: d.jsonl, decision_share: 1}")
    node = Node(assemble(files.main), HealthSnapshot())
    path = tmp_path / "d.jsonl"
    query = make_query("split.w.test").to_wire()
    answer = log_decisions(node.fast.engine, node.fast.answer, node.decisions)
    answer(query, SOURCE)
    wait_for(path.read_text)
    path.rename(tmp_path / "d.jsonl.1")
    node.apply(node.assembled, node.health)
    answer(query, SOURCE)
    asyncio.run(node.close())
    lines = [len(one.read_text().splitlines()) for one in sorted(tmp_path.glob("d.jsonl*"))]
    assert lines == [1, 1]


@pytest.mark.parametrize("source", [SOURCE, MAPPED])
def test_the_client_without_a_subnet_is_the_source(node, source):
    told = tell_decision(node.fast.engine, make_query("www.w.test").to_wire(), source)
    assert (told["client"], told["location"]["country"]) == ("198.51.100.7", "US")


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\0" * 11,
        make_query("www.w.test").to_wire()[:-3],
        dns.message.make_query("version.bind", "TXT", "CH").to_wire(),
    ],
    ids=["nothing", "half a header", "cut", "another class"],
)
def test_what_asks_for_no_decision_is_not_told(node, octets):
    assert tell_decision(node.fast.engine, octets, SOURCE) is None
