"""What the failover benchmark makes of its times; the processes are measured by `make
bench-failover`.
"""

import dns.message
import dns.rrset
import pytest

from tests.bench.failover import SITES, Kill, Log, Pace, find_faults, read_sites, summarise

PACE = Pace(interval_s=1.0, timeout_s=0.5, fall=2, rise=1)
TIMES_S = [1.0 + number / 10 for number in range(11)]  # 1.0 to 2.0


def kills(*leave_s, return_s=0.4):
    return [Kill("eu", each, return_s) for each in leave_s]


def reply_with(*sites):
    message = dns.message.make_response(dns.message.make_query("all.failover.test", "A"))
    texts = [str(SITES[site]) for site in sites]
    message.answer = [dns.rrset.from_text_list("all.failover.test.", 5, "IN", "A", texts)]
    return message.to_wire()


def test_bars_are_checks_and_a_timeout_and_three_tenths_of_a_second():
    assert PACE.leave_bar_s == pytest.approx(2 * 1.0 + 0.5 + 0.3)
    assert PACE.return_bar_s == pytest.approx(1 * 1.0 + 0.5 + 0.3)


def test_a_spread_is_of_all_kills():
    leave, back = summarise(kills(*TIMES_S), PACE)
    assert (leave.least_s, leave.median_s, leave.most_s) == (1.0, 1.5, 2.0)
    assert leave.p95_s == pytest.approx(1.95)
    assert (back.least_s, back.p95_s, back.most_s) == pytest.approx((0.4, 0.4, 0.4))


def test_one_kill_is_its_own_spread():
    leave, _ = summarise(kills(1.25), PACE)
    assert (leave.least_s, leave.median_s, leave.p95_s, leave.most_s) == (1.25,) * 4


@pytest.mark.parametrize(
    ("leave_s", "return_s", "missed"),
    [(2.8, 1.8, []), (2.801, 0.4, ["leave"]), (1.0, 1.801, ["return"])],
)
def test_the_latest_kill_decides_whether_a_bar_is_held(leave_s, return_s, missed):
    spreads = summarise(kills(1.0, leave_s, return_s=return_s), PACE)
    assert [one.what for one in spreads if not one.is_held] == missed
    assert len(find_faults(spreads, Log())) == len(missed)


def test_lost_queries_and_strays_are_faults():
    spreads = summarise(kills(1.0), PACE)
    log = Log(asked=100, lost=2, strays=["answered ['eu'] instead of ['ap', 'eu']"])
    assert find_faults(spreads, log) == [
        "2 of 100 queries were not answered",
        "answered ['eu'] instead of ['ap', 'eu']",
    ]


@pytest.mark.parametrize("sites", [("eu", "us", "ap"), ("us", "ap"), ("ap",)])
def test_the_sites_of_a_reply_are_those_whose_addresses_it_has(sites):
    assert read_sites(reply_with(*sites)) == frozenset(sites)
