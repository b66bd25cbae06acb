"""Overlaps, settled by the law and checked against asking address by address."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gslb.geo.spans import Span, flatten
from gslb.model.place import NOWHERE, Location

DE, FR, US = (Location(country=code) for code in ("DE", "FR", "US"))


def test_the_narrower_range_wins_whatever_the_order() -> None:
    wide, narrow = Span(0, 99, DE), Span(10, 19, FR)
    expected = [Span(0, 9, DE), Span(10, 19, FR), Span(20, 99, DE)]
    assert flatten([wide, narrow]) == expected
    assert flatten([narrow, wide]) == expected


def test_of_two_equal_ranges_the_later_wins() -> None:
    assert flatten([Span(5, 9, DE), Span(5, 9, FR)]) == [Span(5, 9, FR)]


def test_neighbours_of_one_place_are_joined() -> None:
    assert flatten([Span(10, 19, DE), Span(0, 9, DE), Span(21, 30, DE)]) == [
        Span(0, 19, DE),
        Span(21, 30, DE),
    ]


def test_a_narrow_nowhere_is_a_hole() -> None:
    assert flatten([Span(0, 9, DE), Span(4, 5, NOWHERE)]) == [Span(0, 3, DE), Span(6, 9, DE)]


def test_nothing_gives_nothing() -> None:
    assert flatten([]) == []


SPANS = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 15), st.sampled_from([DE, FR, US, NOWHERE])).map(
        lambda item: Span(item[0], item[0] + item[1], item[2])
    ),
    max_size=12,
)


@given(SPANS)
def test_each_address_has_the_place_of_its_narrowest_and_latest_range(spans: list[Span]) -> None:
    flat = flatten(spans)
    for address in range(60):
        holders = [
            (span.last - span.first, -index, span.place)
            for index, span in enumerate(spans)
            if span.first <= address <= span.last
        ]
        expected = min(holders, key=lambda item: item[:2])[2] if holders else NOWHERE
        found = [span.place for span in flat if span.first <= address <= span.last]
        assert found == ([] if expected == NOWHERE else [expected])
