from __future__ import annotations

import pytest

from gslb.balance.algorithms.base import hash_key
from tests.balance.algorithms.values import (
    KEYS,
    busy,
    crew,
    equals,
    homes,
    make,
    moved,
    pick,
    shares,
)


@pytest.mark.parametrize("weights", [{"a": 1, "b": 1, "c": 1, "d": 1}, {"a": 5, "b": 3, "c": 2}])
def test_each_has_its_share_of_the_clients(weights):
    members = crew(**weights)
    found = shares(homes(make("ip_hash", members), members))
    whole = sum(weights.values())
    assert found == pytest.approx({name: one / whole for name, one in weights.items()}, abs=0.02)


def test_a_lost_member_moves_its_own_clients_to_all_others():
    members = equals(10)
    algorithm = make("ip_hash", members)
    before = homes(algorithm, members)
    without = members[:3] + members[4:]
    algorithm.renew(without)
    after = homes(algorithm, without)
    own = {key for key in KEYS if before[key] == "m3"}
    assert moved(before, after) == own
    assert {after[key] for key in own} == {one.name for one in without}
    algorithm.renew(members)
    assert homes(algorithm, members) == before


def test_equal_weights_decide_as_unequal_ones_do():
    """Without the logarithm the order is the same: a weight of 0 beside them changes nothing."""
    members = equals(4)
    heavier = crew(m0=7, m1=7, m2=7, m3=7)
    assert homes(make("ip_hash", members), members) == homes(make("ip_hash", heavier), heavier)
    algorithm = make("ip_hash", members)
    assert homes(algorithm, members) == homes(algorithm, list(members))


def test_order_and_address_do_not_matter():
    members = crew(a=3, b=1, c=2)
    turned = members[::-1]
    assert homes(make("ip_hash", members), members) == homes(make("ip_hash", turned), turned)


def test_clients_only_move_to_a_member_that_warms_up():
    members = crew(a=1, b=1, c=2)
    algorithm = make("ip_hash", members)
    owned = set()
    for scale in (0.05, 0.2, 0.5, 0.9, 1.0):
        members[2].scale = scale
        algorithm.renew(members)
        found = homes(algorithm, members)
        now = {key for key in KEYS if found[key] == "c"}
        assert now > owned
        assert len(now) / len(KEYS) == pytest.approx(2 * scale / (2 + 2 * scale), abs=0.03)
        owned = now


def test_keys_and_choices_are_the_same_for_ever():
    assert hash_key(b"\xc0\x00\x02\x01") == 0x8AF164C27F03EA7A
    members = equals(5)
    algorithm = make("ip_hash", members)
    assert [pick(algorithm, members, key=key)[1] for key in KEYS[:16]] == [*"3303120311323142"]


def test_nobody_is_picked_where_nobody_has_a_weight():
    for members in ([], crew(a=0)):
        assert pick(make("ip_hash", members), members, key=1) is None


def test_the_score_is_what_is_on_the_way_by_weight():
    members = crew(a=4)
    busy(members, 6)
    assert make("ip_hash", members).score(members[0], 0.0) == 1.5
