from __future__ import annotations

from collections import Counter
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslb.route.keys import client_hash, mix
from gslb.route.split import compile_split

HASHES = [client_hash(ip_address(0x0A000000 + n)) for n in range(20_000)]
"""Neighbours: a hash that shows their order would split them badly."""


@pytest.mark.parametrize(
    "pools",
    [
        {"web": 95, "web-v2": 5},
        {"web": 1, "web-v2": 1},
        {"a": 5, "b": 3, "c": 2},
        {"web": 999, "web-v2": 1},
        {"p0": 1, "p1": 1, "p2": 1, "p3": 1, "p4": 1, "p5": 1, "p6": 1, "p7": 3},
    ],
    ids=str,
)
def test_law_1_shares_follow_the_weights(pools):
    """Within 4 standard deviations of drawing lots: sqrt(n p (1 - p))."""
    counts = Counter(map(compile_split(pools), HASHES))
    total = sum(pools.values())
    for name, weight in pools.items():
        share = weight / total
        deviation = (len(HASHES) * share * (1 - share)) ** 0.5
        assert abs(counts[name] - len(HASHES) * share) < 4 * deviation


def test_law_2_clients_move_to_the_pool_that_grows_and_to_no_other():
    before, after = compile_split({"a": 5, "b": 3, "c": 2}), compile_split({"a": 5, "b": 3, "c": 4})
    moved = [(before(one), after(one)) for one in HASHES if before(one) != after(one)]
    assert {to for _, to in moved} == {"c"}
    assert {of for of, _ in moved} == {"a", "b"}
    # c had 2 of 10 and has 4 of 12: the difference moves, and nothing else.
    assert abs(len(moved) - len(HASHES) * (4 / 12 - 2 / 10)) < 4 * (len(HASHES) * 0.2) ** 0.5


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 100), min_size=1),
    st.integers(0, 2**64 - 1),
    st.data(),
)
def test_law_2_a_pool_that_goes_moves_its_own_clients_only(pools, number, data):
    taken = compile_split(pools)(number)
    gone = data.draw(st.sampled_from(sorted(pools)))
    left = compile_split({name: weight for name, weight in pools.items() if name != gone})(number)
    assert taken in (left, gone)
    assert taken is None or pools[taken] > 0
    assert (taken is None) is (not any(pools.values()))


def test_law_3_known_answers_outlive_restarts_and_versions():
    """These never change: a new order would move clients of every split at once."""
    pick = compile_split({"web": 95, "web-v2": 5})
    assert [n for n in range(256) if pick(client_hash(ip_address(f"192.0.2.{n}"))) != "web"] == [
        53,
        59,
        70,
        98,
        113,
        128,
        171,
        181,
        246,
    ]
    assert mix(0) == 0xE220A8397B1DCDAF  # the first number of SplitMix64 with seed 0, as published


def test_law_3_the_order_of_pools_does_not_matter():
    one, other = compile_split({"a": 1, "b": 2}), compile_split({"b": 2, "a": 1})
    assert [one(number) for number in HASHES[:500]] == [other(number) for number in HASHES[:500]]


@pytest.mark.parametrize(
    ("pools", "taken"),
    [({}, None), ({"a": 0}, None), ({"a": 0, "b": 1}, "b"), ({"a": 7}, "a")],
)
@pytest.mark.parametrize("number", [0, 1, 2**64 - 1])
def test_law_4_weight_0_gets_nobody(pools, taken, number):
    assert compile_split(pools)(number) == taken


@pytest.mark.parametrize("number", [0, 1, 2**63, 2**64 - 1])
def test_every_number_gets_a_pool(number):
    assert compile_split({"a": 1, "b": 1})(number) in ("a", "b")
