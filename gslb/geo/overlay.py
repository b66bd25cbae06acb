"""Puts tables of places over each other.

Laws:
1. Of each field the upper table's value wins; what it does not know comes from the lower one.
2. Where both know the country and differ, only the map and the AS number come from the lower one: a
   city of one country with the coordinates of another would be wrong twice.
3. The result obeys the laws of `GeoTable`, and holds no location that no range has.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import chain, compress
from operator import ne

from gslb.model.geotable import GeoTable, Ranges
from gslb.model.place import NOWHERE, Location


def overlay(upper: GeoTable, lower: GeoTable) -> GeoTable:
    """All that either table knows. Costs a microsecond for each range of the table that has
    fewer.
    """
    if _size(upper) <= _size(lower):
        pairs = _Pairs(upper.locations, lower.locations, combine)
        few, many = upper, lower
    else:
        pairs = _Pairs(lower.locations, upper.locations, lambda few, many: combine(many, few))
        few, many = lower, upper
    combined = GeoTable(
        ipv4=_splice(few.ipv4, many.ipv4, pairs),
        ipv6=_splice(few.ipv6, many.ipv6, pairs),
        locations=tuple(pairs.locations),
        build=f"{upper.build}+{lower.build}",
    )
    return relabel(combined, lambda location: location)


def _size(table: GeoTable) -> int:
    return len(table.ipv4.starts) + len(table.ipv6.starts)


@lru_cache(maxsize=65536)
def combine(upper: Location, lower: Location) -> Location:
    """One location of two, by laws 1 and 2."""
    if upper == NOWHERE:
        return lower
    merged = replace(
        upper,
        map=upper.map or lower.map,
        asn=lower.asn if upper.asn is None else upper.asn,
    )
    if upper.country and lower.country and upper.country != lower.country:
        return merged
    point = upper.point or lower.point or (None, None)
    return replace(
        merged,
        city=upper.city or lower.city,
        subdivision=upper.subdivision or lower.subdivision,
        country=upper.country or lower.country,
        continent=upper.continent or lower.continent,
        latitude=point[0],
        longitude=point[1],
    )


def relabel(table: GeoTable, change: Callable[[Location], Location]) -> GeoTable:
    """The table with every location changed, equal ones made one, unused ones left out."""
    used = sorted({0, *table.ipv4.ids, *table.ipv6.ids})
    locations: dict[Location, int] = {NOWHERE: 0}
    new_ids = array("I", bytes(4 * len(table.locations)))
    for place in used:
        location = change(table.locations[place])
        new_ids[place] = locations.setdefault(location, len(locations))
    merges = len(locations) < len(used)
    return replace(
        table,
        ipv4=_renumber(table.ipv4, new_ids, merges=merges),
        ipv6=_renumber(table.ipv6, new_ids, merges=merges),
        locations=tuple(locations),
    )


class _Pairs:
    """The ids of combined locations. Those of many stay, so that a run which few does not know is
    copied as it is.
    """

    def __init__(
        self,
        few: Sequence[Location],
        many: Sequence[Location],
        join: Callable[[Location, Location], Location],
    ) -> None:
        self.locations = list(many)
        self._ids = {location: place for place, location in enumerate(many)}
        self._few = few
        self._join = join
        self._known: dict[tuple[int, int], int] = {}

    def find(self, few: int, many: int) -> int:
        """The id of what two ids mean together."""
        found = self._known.get((few, many))
        if found is None:
            location = self._join(self._few[few], self.locations[many])
            found = self._ids.setdefault(location, len(self.locations))
            if found == len(self.locations):
                self.locations.append(location)
            self._known[few, many] = found
        return found


def _splice(few: Ranges, many: Ranges, pairs: _Pairs) -> Ranges:
    """The ranges of many, cut and combined where few knows something."""
    starts, ids = array(many.starts.typecode), array("I")
    for index, (first, place) in enumerate(zip(few.starts, few.ids, strict=True)):
        low = bisect_right(many.starts, first) - 1
        is_last = index + 1 == len(few.starts)
        high = len(many.starts) if is_last else bisect_left(many.starts, few.starts[index + 1])
        starts.append(first)
        starts.extend(many.starts[low + 1 : high])
        run = many.ids[low:high]
        ids.extend((pairs.find(place, old) for old in run) if place else run)
    return _join(starts, ids)


def _renumber(ranges: Ranges, new_ids: array[int], *, merges: bool) -> Ranges:
    """Ranges with new ids. merges: different old ids may have become equal ones."""
    ids = array("I", map(new_ids.__getitem__, ranges.ids))
    return _join(ranges.starts, ids) if merges else Ranges(ranges.starts, ids)


def _join(starts: array[int], ids: array[int]) -> Ranges:
    """Ranges without neighbours of the same id."""
    keep = bytes(map(ne, ids, chain((-1,), ids)))
    return Ranges(array(starts.typecode, compress(starts, keep)), array("I", compress(ids, keep)))
