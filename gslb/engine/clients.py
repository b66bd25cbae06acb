"""Which clients a chain of filters can tell apart, as runs of the address space (DESIGN law 6).

Laws:
1. Two locations are of one class if every filter says so, whatever the health is.
2. Client subnets are decided by their first address, cut to the configured longest prefix, so
   nothing finer than that prefix makes a difference between them.
3. Neighbouring ranges of one class are one run. The scope of an answer is the largest aligned block
   inside the run that holds the client: the shortest prefix inside which everybody is of the same
   class.
4. Private addresses that no map names are of a class of their own, also where the client makes no
   difference otherwise: the resolver's address decides for them. So nothing that is told to one of
   them holds for anybody else.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, compress
from operator import ne

from gslb.model.geotable import GeoTable, Ranges
from gslb.model.place import Location
from gslb.model.service import Candidate
from gslb.policy.base import Filter, Measurements
from gslb.wire import ecs

IPV6_BITS = 64  # of the 128, as the table holds them
SLICE = 8192  # prefixes that are divided at a time


@dataclass(frozen=True, slots=True)
class Runs:
    """Sorted runs of client prefixes. starts: prefixes as integers of `bits` bits; classes: index
    by index.
    """

    starts: array[int]
    classes: array[int]
    bits: int

    def find(self, prefix: int) -> tuple[int, int]:
        """The class of a prefix, and the length of the largest block around it that has that
        class.
        """
        at = bisect_right(self.starts, prefix)
        # A block of 2^k prefixes holds no neighbour of the run if each differs above bit k.
        below = prefix ^ (self.starts[at - 1] - 1) if at > 1 else 1 << self.bits
        beyond = prefix ^ self.starts[at] if at < len(self.starts) else 1 << self.bits
        free = min(below.bit_length(), beyond.bit_length()) - 1
        return self.classes[at - 1], self.bits - free

    def put(self, first: int, last: int, kind: int) -> None:
        """Gives the prefixes from first to last a class of their own."""
        after = self.classes[bisect_right(self.starts, last + 1) - 1]
        low, high = bisect_left(self.starts, first), bisect_left(self.starts, last + 1)
        new = [(first, kind)]
        is_end = last + 1 == 1 << self.bits
        if not is_end and (high == len(self.starts) or self.starts[high] != last + 1):
            new.append((last + 1, after))
        self.starts[low:high] = array("Q", [start for start, _ in new])
        self.classes[low:high] = array("I", [number for _, number in new])


@dataclass(frozen=True, slots=True)
class ClientClasses:
    """One way to divide all clients. by_location: class of each location id. signatures: what tells
    classes apart; representatives: a place of each class.
    """

    table: GeoTable
    by_location: array[int]
    signatures: tuple[Hashable, ...]
    representatives: tuple[Location, ...]
    ipv4: Runs
    ipv6: Runs

    @property
    def is_uniform(self) -> bool:
        """Whether the client makes no difference."""
        return len(self.signatures) == 1

    @property
    def private(self) -> int:
        """The class of those for whom the resolver's address decides (law 4)."""
        return len(self.signatures)

    def of_ipv4(self, number: int) -> int:
        """The class of one IPv4 address."""
        return self.by_location[self.table.ipv4.find(number)]

    def of_ipv6(self, upper: int) -> int:
        """The class of one IPv6 address, given by its upper 64 bits."""
        return self.by_location[self.table.ipv6.find(upper)]


@dataclass(frozen=True, slots=True)
class Space:
    """The address space as fine as clients are told apart. longest: the longest client prefixes
    that may matter, IPv4 and IPv6 (at most 64); ipv4, ipv6: whose places they are.
    """

    table: GeoTable
    longest: tuple[int, int]
    ipv4: Ranges
    ipv6: Ranges


def make_space(table: GeoTable, longest: tuple[int, int]) -> Space:
    """The space of a table, made once: dividing it is a third of the work then."""
    ipv4 = cut_ranges(table.ipv4, ecs.IPV4_BITS, longest[0])
    ipv6 = cut_ranges(table.ipv6, IPV6_BITS, longest[1])
    return Space(table, longest, ipv4, ipv6)


class Classifier:
    """Makes `ClientClasses`, each distinct division once: services with the same policy share
    it.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        self._table = space.table
        self._made: dict[bytes, ClientClasses] = {}
        self._asked: dict[Hashable, ClientClasses] = {}

    def classes(
        self,
        filters: Sequence[Filter],
        candidates: tuple[Candidate, ...],
        measurements: Measurements,
        *,
        key: Hashable,
    ) -> ClientClasses:
        """The classes that filters make of all clients. key: equal for equal filters."""
        asked = (key, candidates)
        if asked not in self._asked:
            numbers: dict[Hashable, int] = {}
            by_location = array("I")
            for location in self._table.locations:
                signature = _signature(filters, candidates, location, measurements)
                by_location.append(numbers.setdefault(signature, len(numbers)))
            self._asked[asked] = self._divide(by_location, numbers)
        return self._asked[asked]

    def _divide(self, by_location: array[int], numbers: Mapping[Hashable, int]) -> ClientClasses:
        known = self._made.get(by_location.tobytes())
        if known is None or known.signatures != tuple(numbers):
            ipv4 = self._runs(self._space.ipv4, by_location, ecs.IPV4_BITS, len(numbers))
            ipv6 = self._runs(self._space.ipv6, by_location, ecs.IPV6_BITS, len(numbers))
            first = [by_location.index(number) for number in range(len(numbers))]
            places = tuple(self._table.locations[at] for at in first)
            known = ClientClasses(self._table, by_location, tuple(numbers), places, ipv4, ipv6)
            self._made[by_location.tobytes()] = known
        return known

    def _runs(self, prefixes: Ranges, by_location: array[int], bits: int, private: int) -> Runs:
        """The runs of a family, with the class `private` for what no subnet may name (law 4)."""
        longest = self._space.longest[0 if bits == ecs.IPV4_BITS else 1]
        runs = merge_runs(prefixes, by_location, longest)
        spare = bits - longest
        for first, last in ecs.private_spans(bits):
            low, high = -(-first >> spare), last >> spare  # prefixes with a private first address
            for begin, end in self._unmapped(prefixes, low, high):
                runs.put(begin, end, private)
        return runs

    def _unmapped(self, prefixes: Ranges, low: int, high: int) -> Iterator[tuple[int, int]]:
        """What no map names of the prefixes from low to high, as first and last ones."""
        begin = low
        for at in range(bisect_right(prefixes.starts, low) - 1, len(prefixes.starts)):
            start = max(low, prefixes.starts[at])
            if start > high:
                break
            if self._table.locations[prefixes.ids[at]].map is None:
                continue
            if begin < start:
                yield begin, start - 1
            is_last = at + 1 == len(prefixes.starts)
            begin = high + 1 if is_last else prefixes.starts[at + 1]
        if begin <= high:
            yield begin, high


def _signature(
    filters: Sequence[Filter],
    candidates: tuple[Candidate, ...],
    location: Location,
    measurements: Measurements,
) -> Hashable:
    return tuple(each.client_class(candidates, location, measurements) for each in filters)


def merge_runs(prefixes: Ranges, by_location: array[int], longest: int) -> Runs:
    """Prefixes of places (`cut_ranges`) to runs of classes.

    Slice by slice, each at the speed of C: a slice takes about a millisecond, so another thread
    that answers meanwhile gets its turn.
    """
    starts, classes = array("Q"), array("I")
    last = -1
    for at in range(0, len(prefixes.starts), SLICE):
        kinds = [by_location[place] for place in prefixes.ids[at : at + SLICE]]
        changes = list(map(ne, kinds, chain((last,), kinds)))
        starts.extend(compress(prefixes.starts[at : at + SLICE], changes))
        classes.extend(compress(kinds, changes))
        last = kinds[-1]
    return Runs(starts, classes, longest)


def cut_ranges(ranges: Ranges, width: int, longest: int) -> Ranges:
    """Ranges of places at the resolution of the longest prefix, each prefix once.

    width: bits of the numbers in ranges. A prefix has the place of its first address, so a range
    that begins inside a prefix begins, for us, at the next one.
    """
    shift = width - longest
    round_up = (1 << shift) - 1
    starts, ids = array(ranges.starts.typecode), array("I")
    for start, place in zip(ranges.starts, ranges.ids, strict=True):
        prefix = (start + round_up) >> shift
        if starts and starts[-1] == prefix:  # the range before held no first address
            ids[-1] = place
        elif prefix < 1 << longest:
            starts.append(prefix)
            ids.append(place)
    return Ranges(starts, ids)


def one_class(table: GeoTable) -> ClientClasses:
    """The division that tells no client from another."""
    trivial = array("Q", [0]), array("I", [0])
    return ClientClasses(
        table,
        array("I", [0]) * len(table.locations),
        (None,),
        table.locations[:1],
        Runs(*trivial, ecs.IPV4_BITS),
        Runs(*trivial, IPV6_BITS),
    )
