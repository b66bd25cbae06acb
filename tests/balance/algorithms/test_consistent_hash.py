from __future__ import annotations

from hashlib import blake2b
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gslb.balance.algorithms.consistent_hash import MAX_POINTS, POINTS
from tests.balance.algorithms.hashing import HashingLaws
from tests.balance.algorithms.values import KEYS, crew, equals, homes, make, moved, pick, start


class TestLaws(HashingLaws):
    word = "consistent_hash"


def point(name, number):
    """The ring's definition, said again: eight points from the hash of each block of a name."""
    block = blake2b((number - number % 8).to_bytes(4, "big") + name.encode()).digest()
    return int.from_bytes(block[number % 8 * 8 :][:8], "big")


def test_a_key_belongs_to_the_next_point_around_the_ring():
    members = crew(a=1, b=2)
    ring = sorted((point(n, i), n) for n, of in (("a", 160), ("b", 320)) for i in range(of))
    algorithm = make("consistent_hash", members)
    for key in (*KEYS[:200], 0, ring[5][0], ring[5][0] + 1, ring[-1][0], (1 << 64) - 1):
        owner = next((name for at, name in ring if at >= key), ring[0][1])
        assert pick(algorithm, members, key=key) == owner


def test_a_removed_member_moves_its_own_keys_only():
    members = equals(10)
    before = homes(make("consistent_hash", members), members)
    fewer = members[:9]
    after = homes(make("consistent_hash", fewer), fewer)
    own = {key for key in KEYS if before[key] == "m9"}
    assert moved(before, after) == own
    assert len(own) / len(KEYS) == pytest.approx(0.1, abs=0.02)


def test_being_down_is_as_being_removed():
    members = equals(10)
    algorithm = make("consistent_hash", members)
    left = members[:2] + members[5:]
    algorithm.renew(left)
    assert homes(algorithm, left) == homes(make("consistent_hash", left), left)


def test_more_weight_only_draws_keys():
    light, heavy = crew(a=2, b=2, c=1), crew(a=2, b=2, c=3)
    before = homes(make("consistent_hash", light), light)
    after = homes(make("consistent_hash", heavy), heavy)
    assert {after[key] for key in moved(before, after)} == {"c"}


def test_a_ring_is_bounded():
    members = crew(a=100_000, b=100_000, c=1)
    algorithm = make("consistent_hash", members)
    assert MAX_POINTS - 3 <= len(algorithm._owners) <= MAX_POINTS + 1
    assert algorithm._owners.count(2) == 1
    assert len(make("consistent_hash", members[2:])._owners) == POINTS


@settings(deadline=None, max_examples=40)
@given(
    weights=st.lists(st.integers(1, 5), min_size=1, max_size=6),
    bound=st.sampled_from([1.0, 1.1, 1.25, 1.5, 2.0]),
    calls=st.lists(st.tuples(st.integers(0, 15), st.booleans()), max_size=60),
)
def test_nobody_ever_gets_a_request_above_its_bound(weights, bound, calls):
    members = crew(**{f"m{index}": weight for index, weight in enumerate(weights)})
    algorithm = make("consistent_hash", members, bound)
    on_the_way = []
    for key, ends_one in calls:
        if ends_one and on_the_way:
            on_the_way.pop(0).active -= 1.0
        found = start(algorithm, members, key=KEYS[key % 4])
        on_the_way.append(found)
        share = found.weight / sum(weights)
        assert found.active <= ceil(len(on_the_way) * bound * share + 1e-9)


@settings(deadline=None, max_examples=40)
@given(
    costs=st.lists(st.sampled_from([0.5, 1.0, 3.0]), max_size=60),
    weights=st.lists(st.integers(1, 5), min_size=1, max_size=6),
)
def test_with_costs_nobody_passes_its_bound_by_more_than_one_request(costs, weights):
    members = crew(**{f"m{index}": weight for index, weight in enumerate(weights)})
    algorithm = make("consistent_hash", members, 1.0)
    for number, cost in enumerate(costs, start=1):
        found = start(algorithm, members, key=KEYS[0], cost=cost)
        share = found.weight / sum(weights)
        assert found.active - cost <= sum(costs[:number]) * share + 1e-9
