"""Runs of the address space against enumeration of all prefixes."""

from __future__ import annotations

from array import array
from bisect import bisect_right

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslb.engine.clients import (
    Classifier,
    Runs,
    cut_ranges,
    make_space,
    merge_runs,
    one_class,
)
from gslb.model.geotable import EMPTY_TABLE, Ranges
from gslb.model.service import FilterSpec
from gslb.policy.base import NO_MEASUREMENTS
from gslb.policy.registry import make_filter
from tests.engine.builders import candidate, make_table, place

WIDTH, LONGEST = 10, 6
"""A small universe: addresses of ten bits, told apart by six at most."""


@st.composite
def ranges_(draw):
    inner = draw(st.sets(st.integers(1, 2**WIDTH - 1), max_size=20))
    starts = [0, *sorted(inner)]
    ids = [draw(st.integers(0, 4)) for _ in starts]
    return Ranges(array("I", starts), array("I", ids))


class_of_place_ = st.lists(st.integers(0, 2), min_size=5, max_size=5).map(lambda c: array("I", c))


@given(ranges=ranges_(), classes=class_of_place_)
def test_a_prefix_has_the_class_of_its_first_address(ranges, classes):
    runs = merge_runs(cut_ranges(ranges, WIDTH, LONGEST), classes, LONGEST)
    for prefix in range(2**LONGEST):
        first = prefix << WIDTH - LONGEST
        assert runs.find(prefix)[0] == classes[ranges.find(first)]


@given(ranges=ranges_(), classes=class_of_place_, size=st.integers(1, 7))
def test_runs_are_the_same_however_the_ranges_are_sliced(ranges, classes, size):
    prefixes = cut_ranges(ranges, WIDTH, LONGEST)
    whole = merge_runs(prefixes, classes, LONGEST)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gslb.engine.clients.SLICE", size)
        assert merge_runs(prefixes, classes, LONGEST) == whole


@given(ranges=ranges_(), classes=class_of_place_)
def test_law_3_neighbouring_runs_differ_and_cover_everything(ranges, classes):
    runs = merge_runs(cut_ranges(ranges, WIDTH, LONGEST), classes, LONGEST)
    assert runs.starts[0] == 0
    assert list(runs.starts) == sorted(set(runs.starts))
    assert all(one != other for one, other in zip(runs.classes, runs.classes[1:], strict=False))
    assert runs.bits == LONGEST


@given(ranges=ranges_(), classes=class_of_place_)
def test_law_3_the_block_is_the_largest_aligned_one_of_one_class(ranges, classes):
    runs = merge_runs(cut_ranges(ranges, WIDTH, LONGEST), classes, LONGEST)
    kinds = [runs.classes[bisect_right(runs.starts, n) - 1] for n in range(2**LONGEST)]
    for prefix in range(2**LONGEST):
        largest = next(
            length
            for length in range(LONGEST + 1)
            if len({k for n, k in enumerate(kinds) if (n ^ prefix) >> LONGEST - length == 0}) == 1
        )
        assert runs.find(prefix) == (kinds[prefix], largest)


@pytest.mark.parametrize(
    ("prefix", "found"),
    [(0, (0, 1)), (127, (0, 1)), (128, (1, 8)), (129, (0, 8)), (130, (0, 7)), (255, (0, 2))],
)
def test_a_block_ends_where_another_class_begins(prefix, found):
    runs = Runs(array("Q", [0, 128, 129]), array("I", [0, 1, 0]), 8)
    assert runs.find(prefix) == found


def test_one_run_is_the_whole_space():
    assert Runs(array("Q", [0]), array("I", [5]), 24).find(77) == (5, 0)


def test_a_range_that_holds_no_first_address_is_not_seen():
    """11.0.0.128/25 lies inside a /24, 11.0.2.0/23 does not."""
    table = make_table({"11.0.0.128/25": place("DE"), "11.0.2.0/23": place("FR")})
    runs = merge_runs(cut_ranges(table.ipv4, 32, 24), array("I", [0, 1, 2]), 24)
    assert list(runs.starts) == [0, 0x0B0002, 0x0B0004]
    assert list(runs.classes) == [0, 2, 0]


def test_a_range_at_the_very_end_that_holds_no_first_address_is_not_seen():
    table = make_table({"255.255.255.128/25": place("DE")})
    runs = merge_runs(cut_ranges(table.ipv4, 32, 24), array("I", [0, 1]), 24)
    assert (list(runs.starts), list(runs.classes)) == ([0], [0])


# --- classes -------------------------------------------------------------------------------------

DE, FR, CH = (place(country, "EU") for country in ("DE", "FR", "CH"))
TABLE = make_table(
    {"9.0.0.0/8": DE, "11.0.0.0/8": FR, "12.0.0.0/8": CH, "2a00::/16": DE, "2a01::/16": CH}
)
PAIR = (candidate(1, "a", serves="country:DE"), candidate(2, "b", serves="default"))


def classify(classifier, *names, candidates=PAIR):
    filters = [make_filter(FilterSpec(name)) for name in names]
    return classifier.classes(filters, candidates, NO_MEASUREMENTS, key=names)


def test_law_1_places_that_every_filter_treats_alike_are_one_class():
    classes = classify(Classifier(make_space(TABLE, (24, 56))), "health", "geo")
    nowhere, germany, france, switzerland = classes.by_location
    assert nowhere == france == switzerland != germany
    assert len(classes.signatures) == len(classes.representatives) == 2
    assert classes.representatives[germany] == DE
    assert not classes.is_uniform


def test_the_class_of_an_address_is_that_of_its_place():
    classes = classify(Classifier(make_space(TABLE, (24, 56))), "geo")
    germany = classes.by_location[TABLE.locations.index(DE)]
    assert classes.of_ipv4(0x09010203) == germany != classes.of_ipv4(0x0B010203)
    assert classes.of_ipv6(0x2A00 << 48) == germany != classes.of_ipv6(0x2A01 << 48)


def test_filters_that_read_no_client_make_one_class():
    classes = classify(Classifier(make_space(TABLE, (24, 56))), "health", "failover", "weighted")
    assert classes.is_uniform
    assert classes.ipv4.find(0x090102)[0] == classes.of_ipv4(0)
    assert classes.ipv6.find(0x2A00 << 40)[0] == 0


LAB = place("DE", "EU", map="lab")
LAN = make_table({"9.0.0.0/8": DE, "10.16.0.0/12": LAB, "11.0.0.0/8": LAB, "192.168.0.0/16": DE})


@pytest.mark.parametrize(
    ("prefix", "is_private", "length"),
    [
        (0x0A0102, True, 12),  # 10.0.0.0/12: the next twelve bits are in the map
        (0x0A1001, False, 12),
        (0x0A2001, True, 11),
        (0x0AFFFF, True, 9),
        (0x0B0001, False, 8),  # the map goes on outside of 10.0.0.0/8
        (0x090001, False, 8),
        (0x7F0001, True, 8),
        (0xC0A801, True, 16),  # a database is no map
        (0xE00001, True, 3),
    ],
)
def test_law_4_private_networks_are_a_class_of_their_own_unless_a_map_names_them(
    prefix, is_private, length
):
    classes = classify(Classifier(make_space(LAN, (24, 56))), "geo")
    kind, found = classes.ipv4.find(prefix)
    assert (kind == classes.private, found) == (is_private, length)


def test_law_4_holds_where_the_client_makes_no_difference_otherwise():
    classes = classify(Classifier(make_space(LAN, (24, 56))), "health")
    assert classes.is_uniform
    assert classes.ipv4.find(0x0A0102) == (classes.private, 12)
    assert classes.ipv6.find(0xFD00 << 40) == (classes.private, 7)


def test_the_same_division_is_made_once():
    classifier = Classifier(make_space(TABLE, (24, 56)))
    alone = classify(classifier, "geo")
    assert classify(classifier, "geo") is alone
    others = (candidate(5, "a", serves="country:DE"), candidate(6, "b", serves="default"))
    assert classify(classifier, "geo", candidates=others) is alone


def test_another_division_of_the_same_places_is_another():
    """The places are parted alike, but what the classes mean is not the same."""
    classifier = Classifier(make_space(TABLE, (24, 56)))
    swapped = (candidate(2, "b", serves="country:DE"), candidate(1, "a", serves="default"))
    first, second = classify(classifier, "geo"), classify(classifier, "geo", candidates=swapped)
    assert list(first.by_location) == list(second.by_location)
    assert first.signatures != second.signatures


def test_one_class_holds_everybody():
    for table in (TABLE, EMPTY_TABLE):
        classes = one_class(table)
        assert classes.is_uniform
        assert {classes.of_ipv4(0), classes.of_ipv4(2**32 - 1), classes.of_ipv6(2**64 - 1)} == {0}
        assert classes.ipv4.find(0x090102) == (0, 0)
