"""What the health benchmark makes up, and what it makes of its times."""

import socket
import threading

import pytest

from gslb.config.load import load
from tests.bench.fleet import SITES_OF_ONE, service_names, write_fleet
from tests.bench.health import MergeCost, QueryTimes, judge, make_evidence, make_report
from tests.bench.latency import Times, ask_steadily, rank, summarise


def merge_cost(calm_ms, disputed_ms, sites=1000, agents=10):
    return MergeCost(sites, agents, calm_ms, disputed_ms, slice_ms=0.3)


def query_times(p99_ms, *, is_reporting):
    return QueryTimes(is_reporting, 0.1, Times(100, 0, 0.1, 0.1, p99_ms, 9.0, 9.0))


@pytest.mark.parametrize(
    ("cost", "is_held"),
    [(merge_cost(20.0, 19.0), True), (merge_cost(20.1, 1.0), False), (merge_cost(1.0, 21), False)],
)
def test_the_dearer_merge_of_the_largest_fleet_has_the_bar(cost, is_held):
    small = merge_cost(99.0, 99.0, sites=100)
    assert [held for _, held in judge({"merge": [small, cost]})] == [is_held]


@pytest.mark.parametrize(
    ("quiet_ms", "busy_ms", "is_held"),
    [(1.0, 1.5, True), (1.0, 1.6, False), (0.05, 0.15, True), (0.05, 0.16, False)],
)
def test_the_p99_may_move_by_half_or_by_a_tenth_of_a_millisecond(quiet_ms, busy_ms, is_held):
    rounds = [
        query_times(p99_ms, is_reporting=is_reporting)
        for is_reporting, p99_ms in ((False, quiet_ms), (True, busy_ms))
        for p99_ms in (p99_ms, 0.0, 99.0)  # the median is the one in the middle
    ]
    assert [held for _, held in judge({"queries": rounds})] == [is_held]


def test_ranks_are_the_least_values_that_enough_are_not_over():
    ranked = list(range(1, 1001))
    assert [rank(ranked, share) for share in (0.5, 0.99, 0.999, 1.0)] == [500, 990, 999, 1000]
    assert rank([7.0], 0.5) == 7.0


def test_lost_is_what_was_sent_and_did_not_come_back():
    times = summarise([3.0, 1.0, 2.0], sent=5)
    assert (times.sent, times.lost, times.p50_ms, times.most_ms) == (5, 2, 2.0, 3.0)


def test_queries_leave_by_the_clock_while_none_is_answered():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(10)
        got = []

        def answer_when_all_are_there():
            got.extend(server.recvfrom(512) for _ in range(20))
            for octets, address in got[5:]:
                server.sendto(octets, address)

        thread = threading.Thread(target=answer_when_all_are_there)
        thread.start()
        port = server.getsockname()[1]
        times = ask_steadily(["s0.fleet.test"], port=port, per_s=200.0, seconds=0.0975)
        thread.join()
    assert (times.sent, times.lost) == (20, 5)
    assert len({octets[:2] for octets, _ in got}) == 20


def test_disputed_evidence_has_every_third_site_down_for_half_of_the_agents():
    heard = make_evidence(9, 4, is_disputed=True).heard
    downs = [[name for name, view in one.report.sites.items() if not view.up] for one in heard]
    third = ["site-0", "site-3", "site-6"]
    assert downs == [[], third, [], third]


def test_calm_reports_differ_from_one_to_the_next_in_times_alone():
    first, second = make_report("a", 3, 1), make_report("a", 3, 2)
    assert second.at > first.at
    assert [view.rtt_ms for view in first.sites.values()] != [
        view.rtt_ms for view in second.sites.values()
    ]
    assert {view.up for report in (first, second) for view in report.sites.values()} == {True}


def test_a_fleet_loads_and_its_agents_find_their_keys(tmp_path):
    listen = {"dns": 15353, "admin": 15380, "store": "redis://127.0.0.1:1"}
    here, elsewhere = write_fleet(tmp_path, sites=12, agents=2, **listen)
    systems = [load(path).system for path in (here, elsewhere)]
    assert [system.redis.prefix for system in systems] == ["gslb", "elsewhere"]
    for system in systems:
        assert (len(system.sites), list(system.agents)) == (12, ["agent-0", "agent-1"])
        assert all((tmp_path / f"{name}.key").exists() for name in system.agents)
    assert len(service_names(12)) == 12
    assert SITES_OF_ONE <= 12
