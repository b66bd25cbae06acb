"""What the ring and Maglev both keep: the laws of hashed.py, as tests that both run."""

from __future__ import annotations

import pytest

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
    start,
)


class HashingLaws:
    """To be inherited from. word: the algorithm's."""

    word = ""

    @pytest.mark.parametrize(
        "weights", [{"a": 1, "b": 1, "c": 1, "d": 1}, {"a": 5, "b": 3, "c": 2}, {"a": 1, "b": 0}]
    )
    def test_each_has_its_share_of_the_keys(self, weights):
        members = crew(**weights)
        found = shares(homes(make(self.word, members), members))
        whole = sum(weights.values())
        expected = {name: one / whole for name, one in weights.items() if one}
        assert found == pytest.approx(expected, abs=0.05)

    def test_who_is_down_moves_its_own_keys_only_and_has_them_back(self):
        members = equals(10)
        algorithm = make(self.word, members)
        before = homes(algorithm, members)
        without = members[:3] + members[4:]
        algorithm.renew(without)
        after = homes(algorithm, without)
        own = {key for key in KEYS if before[key] == "m3"}
        assert moved(before, after) == own
        assert {after[key] for key in own} == {one.name for one in without}
        algorithm.renew(members)
        assert homes(algorithm, members) == before

    def test_a_retry_goes_elsewhere_and_leaves_no_trace(self):
        members = equals(5)
        algorithm = make(self.word, members)
        before = homes(algorithm, members)
        for key in KEYS[:50]:
            others = [one for one in members if one.name != before[key]]
            assert pick(algorithm, others, key=key) not in {before[key], None}
        assert homes(algorithm, members) == before

    def test_order_and_address_do_not_matter(self):
        members = crew(a=3, b=1, c=2, d=2)
        turned = members[::-1]
        assert homes(make(self.word, members), members) == homes(make(self.word, turned), turned)

    def test_the_last_of_many_that_is_up_takes_all(self):
        members = equals(300)
        algorithm = make(self.word, members)
        algorithm.renew(members[150:151])
        assert shares(homes(algorithm, members[150:151])) == {"m150": 1.0}

    def test_the_last_two_of_many_share_all(self):
        members = equals(300)
        left = [members[7], members[208]]
        algorithm = make(self.word, members)
        algorithm.renew(left)
        assert shares(homes(algorithm, left)) == pytest.approx({"m7": 0.5, "m208": 0.5}, abs=0.1)

    def test_keys_only_move_to_a_member_that_warms_up(self):
        members = equals(4)
        algorithm = make(self.word, members)
        whole = homes(algorithm, members)
        own = {key for key in KEYS if whole[key] == "m2"}
        owned: set[int] = set()
        for scale in (0.05, 0.2, 0.5, 0.9, 1.0):
            members[2].scale = scale
            algorithm.renew(members)
            found = homes(algorithm, members)
            now = {key for key in KEYS if found[key] == "m2"}
            assert moved(whole, found) == own - now
            assert now > owned
            assert len(now) / len(own) == pytest.approx(scale, abs=0.04)
            owned = now
        assert owned == own

    def test_all_being_cold_is_as_all_being_warm(self):
        members = equals(4)
        algorithm = make(self.word, members)
        before = homes(algorithm, members)
        for member in members:
            member.scale = 0.1
        algorithm.renew(members)
        assert homes(algorithm, members) == before

    def test_nobody_is_picked_where_nobody_has_a_weight(self):
        for members in ([], crew(a=0)):
            assert pick(make(self.word, members), members, key=1) is None
        members = equals(2)
        members[0].scale = 0.0
        assert pick(make(self.word, members), members[:1], key=1) is None

    def test_another_configuration_is_another_table(self):
        members = equals(3)
        algorithm = make(self.word, members)
        grown = equals(4)
        algorithm.rebuild(grown)
        algorithm.renew(grown)
        assert homes(algorithm, grown) == homes(make(self.word, grown), grown)

    def test_the_same_configuration_keeps_its_table(self):
        members = equals(3)
        algorithm = make(self.word, members)
        table, again = algorithm._owners, equals(3)
        algorithm.rebuild(again)
        assert algorithm._owners is table
        algorithm.renew(again)
        found = algorithm.pick(again, now=0.0, draw=0.0, key=KEYS[0], cost=1.0)
        assert found in again  # the new members, not those of the same names before
        again[0].weight = 2.0
        algorithm.rebuild(again)
        assert algorithm._owners is not table

    def test_the_score_is_what_is_on_the_way_by_weight(self):
        members = crew(a=4)
        busy(members, 6)
        assert make(self.word, members).score(members[0], 0.0) == 1.5

    # ------------------------------------------------------------ the bound

    @pytest.mark.parametrize("bound", [1.0, 1.25, 2.0])
    def test_no_load_no_bound(self, bound):
        members = equals(5)
        free, bounded = make(self.word, members), make(self.word, members, bound)
        assert homes(bounded, members) == homes(free, members)

    @pytest.mark.parametrize(("bound", "most"), [(1.0, 25), (1.25, 32), (2.0, 50)])
    def test_one_key_alone_fills_each_up_to_the_bound(self, bound, most):
        """100 requests of one key stay on the way: ceil(100 x bound / 4) of them at its own."""
        members = equals(4)
        algorithm = make(self.word, members, bound)
        own = start(algorithm, members, key=KEYS[0])
        for _ in range(99):
            start(algorithm, members, key=KEYS[0])
        assert own.active == most == max(one.active for one in members)

    def test_what_overflows_is_spread_over_the_others(self):
        """Of the keys of one full member each other gets some: no neighbour takes them all."""
        members = equals(8)
        algorithm = make(self.word, members, 1.25)
        before = homes(algorithm, members)
        busy(members, 40, 1, 1, 1, 1, 1, 1, 1)
        after = homes(algorithm, members)
        own = {key for key in KEYS if before[key] == "m0"}
        assert moved(before, after) == own
        for other in members[1:]:
            got = sum(after[key] == other.name for key in own)
            assert got / len(own) == pytest.approx(1 / 7, abs=0.06)

    def test_the_one_place_that_is_left_is_found(self):
        members = equals(100)
        algorithm = make(self.word, members, 1.0)
        busy(members, *(float(index != 41) for index in range(100)))
        assert shares(homes(algorithm, members)) == {"m41": 1.0}

    def test_a_cold_member_has_a_smaller_bound(self):
        members = equals(2)
        members[0].scale = 0.25
        algorithm = make(self.word, members, 1.0)
        mine = next(key for key in KEYS if pick(algorithm, members, key=key) == "m0")
        busy(members, 2, 7)
        assert pick(algorithm, members, key=mine) == "m1"  # 2 is a fifth of 10
        busy(members, 1, 8)
        assert pick(algorithm, members, key=mine) == "m0"
