"""Budgets and the order of eviction, without sockets."""

from __future__ import annotations

import pytest

from gslb.model.system import DnsLimits
from gslb.server.tcp_limits import (
    Overdue,
    Roster,
    TcpBudgets,
    Watch,
    choose_idle_s,
    choose_sweep_s,
    client_group,
    find_overdue,
)

LIMITS = DnsLimits()
BUDGETS = TcpBudgets()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.255", True),
        ("192.0.2.1", "192.0.3.1", False),
        ("2001:db8:0:100::1", "2001:db8:0:1ff::9", True),
        ("2001:db8:0:100::1", "2001:db8:0:200::1", False),
        ("fe80::1%lo", "fe80::2", True),
    ],
)
def test_client_group_is_shared_within_24_and_56_bits(one, other, same):
    assert (client_group(one) == client_group(other)) is same


@pytest.mark.parametrize(
    ("watch", "now", "found"),
    [
        pytest.param(Watch(0, 0), 9.9, None, id="silent, in time"),
        pytest.param(Watch(0, 0), 10.0, Overdue.IDLE, id="silent too long"),
        pytest.param(Watch(0, 8, message=8), 9.9, None, id="slow, in time"),
        pytest.param(Watch(0, 8, message=8), 10.0, Overdue.MESSAGE, id="too slow"),
        pytest.param(Watch(0, 0, message=9), 10.0, Overdue.IDLE, id="octets are no sign of life"),
        pytest.param(Watch(0, 299), 300.0, Overdue.LIFETIME, id="too old"),
        pytest.param(Watch(0, 0, stalled=8), 12.9, None, id="replies wait, not read from: no idle"),
        pytest.param(Watch(0, 0, stalled=8), 13.0, Overdue.STALL, id="replies wait too long"),
        pytest.param(Watch(0, 299, stalled=299), 300.0, Overdue.LIFETIME, id="old and stalled"),
        pytest.param(Watch(0, 0, ending=400), 400.9, None, id="ending, in time, whatever else"),
        pytest.param(Watch(0, 0, ending=400), 401.0, Overdue.LINGER, id="does not close"),
        pytest.param(Watch(0, 0, ending=400, sent=False), 404.9, None, id="last replies wait"),
        pytest.param(Watch(0, 0, ending=400, sent=False), 405.0, Overdue.LINGER, id="do not leave"),
    ],
)
def test_find_overdue_names_the_budget_that_is_used_up(watch, now, found):
    assert find_overdue(watch, now, idle_s=10.0, limits=LIMITS, budgets=BUDGETS) is found


@pytest.mark.parametrize(("taken", "idle_s"), [(0, 10.0), (750, 10.0), (751, 3.0), (1000, 3.0)])
def test_idle_shrinks_above_three_quarters_of_the_connections(taken, idle_s):
    assert choose_idle_s(taken, limits=LIMITS, budgets=BUDGETS) == idle_s


def test_idle_never_grows_under_pressure_when_it_is_short_already():
    limits = DnsLimits(tcp_connections=4, tcp_idle_s=1.0)
    assert choose_idle_s(4, limits=limits, budgets=BUDGETS) == 1.0


@pytest.mark.parametrize(("message_s", "sweep_s"), [(2.0, 0.25), (0.2, 0.05)])
def test_sweep_comes_four_times_in_the_shortest_budget(message_s, sweep_s):
    assert choose_sweep_s(DnsLimits(tcp_message_s=message_s), BUDGETS) == sweep_s


def roster_of(*members: str) -> Roster[str]:
    roster: Roster[str] = Roster()
    for member in members:
        roster.enter(member, member[:1].encode())
    return roster


def test_oldest_is_the_idle_one_that_was_silent_longest():
    roster = roster_of("a1", "a2", "b1")
    roster.heard("a1")
    assert roster.oldest() == "a2"
    roster.mark("a2", busy=True)
    assert roster.oldest() == "b1"
    roster.mark("a2", busy=False)
    assert [*roster] == ["b1", "a1", "a2"]


def test_oldest_is_a_busy_one_when_all_are_busy_and_none_when_nobody_is_here():
    roster = roster_of("a1", "a2")
    for member in ("a1", "a2"):
        roster.mark(member, busy=True)
    roster.heard("a1")
    assert roster.oldest() == "a2"
    roster.leave("a1")
    roster.leave("a2")
    assert roster.oldest() is None


def test_count_follows_who_enters_and_leaves_even_twice():
    roster = roster_of("a1", "a2", "b1")
    roster.mark("a2", busy=True)
    assert [roster.count(b"a"), roster.count(b"b"), len(roster)] == [2, 1, 3]
    roster.leave("a2")
    roster.leave("a2")
    assert [roster.count(b"a"), roster.count(b"b"), len(roster)] == [1, 1, 2]
