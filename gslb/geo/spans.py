"""Ranges of addresses with a place, as text sources list them, made disjoint.

Law: where ranges overlap, the one with the fewest addresses wins; of two with as many, the one that
was listed last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from itertools import pairwise
from typing import NamedTuple

from gslb.model.place import NOWHERE, Location


class Span(NamedTuple):
    """The addresses first to last, both included, as integers of one family, and where they are."""

    first: int
    last: int
    place: Location


def flatten(spans: Iterable[Span]) -> list[Span]:
    """Sorted spans without overlap: neighbours of the same place joined, what is nowhere left
    out.
    """
    ordered = sorted(enumerate(spans), key=lambda item: item[1].first)
    has_overlap = any(left.last >= right.first for (_, left), (_, right) in pairwise(ordered))
    return list(_join(_resolve(ordered) if has_overlap else (span for _, span in ordered)))


def _resolve(ordered: list[tuple[int, Span]]) -> Iterator[Span]:
    """The winner of each stretch between two borders. ordered: (position in the source, span),
    sorted by first.
    """
    waiting: list[tuple[int, int, Span]] = []  # the narrowest span first, then the latest
    index, at = 0, 0
    while index < len(ordered) or waiting:
        if not waiting:
            at = ordered[index][1].first
        while index < len(ordered) and ordered[index][1].first <= at:
            position, span = ordered[index]
            heappush(waiting, (span.last - span.first, -position, span))
            index += 1
        while waiting and waiting[0][2].last < at:
            heappop(waiting)
        if waiting:
            winner = waiting[0][2]
            border = ordered[index][1].first - 1 if index < len(ordered) else winner.last
            last = min(winner.last, border)
            yield Span(at, last, winner.place)
            at = last + 1


def _join(spans: Iterable[Span]) -> Iterator[Span]:
    """The same addresses in as few spans as can be."""
    first, last, place = 0, -1, NOWHERE
    for span in spans:
        if span.first == last + 1 and span.place == place:
            last = span.last
            continue
        if place != NOWHERE:
            yield Span(first, last, place)
        first, last, place = span
    if place != NOWHERE:
        yield Span(first, last, place)
