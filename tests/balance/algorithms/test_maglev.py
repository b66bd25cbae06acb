from __future__ import annotations

from collections import Counter

import pytest

from gslb.balance.algorithms.maglev import PLACES
from tests.balance.algorithms.hashing import HashingLaws
from tests.balance.algorithms.values import KEYS, crew, equals, homes, make, moved, pick


class TestLaws(HashingLaws):
    word = "maglev"


def test_the_number_of_places_is_prime():
    assert all(PLACES % divisor for divisor in range(2, int(PLACES**0.5) + 1))


@pytest.mark.parametrize(
    "weights", [{"a": 1, "b": 1, "c": 1}, {"a": 5, "b": 3, "c": 2}, {"a": 7, "b": 0, "c": 4}]
)
def test_shares_are_exact_to_a_place(weights):
    members = crew(**weights)
    places = Counter(make("maglev", members)._owners)
    whole = sum(weights.values())
    assert sum(places.values()) == PLACES
    for index, weight in enumerate(weights.values()):
        assert abs(places[index] - PLACES * weight / whole) <= 1


def test_a_key_goes_by_its_remainder():
    members = equals(7)
    algorithm = make("maglev", members)
    for key in KEYS[:100]:
        assert pick(algorithm, members, key=key) == pick(algorithm, members, key=key % PLACES)
        assert pick(algorithm, members, key=key) == members[algorithm._owners[key % PLACES]].name


def test_choices_are_the_same_for_ever():
    members = equals(5)
    algorithm = make("maglev", members)
    assert [pick(algorithm, members, key=key)[1] for key in KEYS[:16]] == [*"3221004440242312"]


def test_a_removed_member_moves_little_more_than_its_own_keys():
    members = equals(10)
    before = homes(make("maglev", members), members)
    fewer = members[:9]
    after = homes(make("maglev", fewer), fewer)
    own = {key for key in KEYS if before[key] == "m9"}
    assert own < moved(before, after)
    assert len(moved(before, after)) / len(KEYS) < 0.1 + 0.05
