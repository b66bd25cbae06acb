from __future__ import annotations

from gslb.policy.base import Context
from tests.policy.values import candidate, cname, make, names

TIERS = (candidate("c", order=2), candidate("a"), cname("last", order=9), candidate("b", order=2))


def kept(candidates):
    return names(make("failover").apply(candidates, Context()))


def test_the_lowest_tier_that_is_left_stays():
    assert kept(TIERS) == ["a"]
    assert kept((TIERS[0], *TIERS[2:])) == ["c", "b"]
    assert kept(TIERS[2:3]) == ["last"]


def test_tiers_need_no_neighbours_and_may_be_negative():
    assert kept((candidate("a", order=7), candidate("b", order=-3))) == ["b"]


def test_why_names_the_tier():
    assert make("failover").apply(TIERS[2:], Context()).why == "failover: tier 2 -> b"
