"""Which clients a chain of filters can tell apart, as runs of the address space (DESIGN law 6).

Laws:
1. Two locations are of one class if every filter says so, whatever the health is.
2. Client subnets are decided by their first address, cut to the configured longest prefix, so
   nothing finer than that prefix makes a difference between them.
3. Neighbouring ranges of one class are one run. The scope of an answer is the largest aligned block
   inside the run that holds the client: the shortest prefix inside which everybody is of the same
   class. Private addresses are of a class of their own: their source address decides for them.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from gslb.model.geotable import GeoTable, Ranges
from gslb.model.place import Location
from gslb.model.service import Candidate
from gslb.policy.base import Filter, Measurements
from gslb.wire import ecs

IPV6_BITS = 64  # of the 128, as the table holds them


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

    def of_ipv4(self, number: int) -> int:
        """The class of one IPv4 address."""
        return self.by_location[self.table.ipv4.find(number)]

    def of_ipv6(self, upper: int) -> int:
        """The class of one IPv6 address, given by its upper 64 bits."""
        return self.by_location[self.table.ipv6.find(upper)]


class Classifier:
    """Makes `ClientClasses`, each distinct division once: services with the same policy share
    it.
    """

    def __init__(self, table: GeoTable, longest: tuple[int, int]) -> None:
        """longest: the longest client prefixes that may matter, IPv4 and IPv6 (at most 64)."""
        self._table = table
        self._longest = longest
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
            ipv4 = self._runs(self._table.ipv4, by_location, ecs.IPV4_BITS, len(numbers))
            ipv6 = self._runs(self._table.ipv6, by_location, ecs.IPV6_BITS, len(numbers))
            first = [by_location.index(number) for number in range(len(numbers))]
            places = tuple(self._table.locations[at] for at in first)
            known = ClientClasses(self._table, by_location, tuple(numbers), places, ipv4, ipv6)
            self._made[by_location.tobytes()] = known
        return known

    def _runs(self, ranges: Ranges, by_location: array[int], bits: int, private: int) -> Runs:
        """The runs of a family, with the class `private` for what no subnet may name (law 3)."""
        width = min(bits, IPV6_BITS)
        longest = self._longest[0 if bits == ecs.IPV4_BITS else 1]
        runs = merge_runs(ranges, by_location, width, longest)
        if private == 1:  # one class: the client makes no difference
            return runs
        spare = bits - longest
        for first, last in ecs.private_spans(bits):
            low, high = -(-first >> spare), last >> spare  # prefixes with a private first address
            if low <= high:
                runs.put(low, high, private)
        return runs


def _signature(
    filters: Sequence[Filter],
    candidates: tuple[Candidate, ...],
    location: Location,
    measurements: Measurements,
) -> Hashable:
    return tuple(each.client_class(candidates, location, measurements) for each in filters)


def merge_runs(ranges: Ranges, by_location: array[int], width: int, longest: int) -> Runs:
    """Ranges of places to runs of classes, at the resolution of the longest prefix.

    width: bits of the numbers in ranges. A prefix has the class of its first address, so a range
    that begins inside a prefix begins, for us, at the next one.
    """
    shift = width - longest
    round_up = (1 << shift) - 1
    starts, classes = array("Q"), array("I")
    for start, place in zip(ranges.starts, ranges.ids, strict=True):
        prefix, kind = (start + round_up) >> shift, by_location[place]
        if starts and starts[-1] == prefix:  # the range before held no first address
            starts.pop()
            classes.pop()
        if (not classes or classes[-1] != kind) and prefix < 1 << longest:
            starts.append(prefix)
            classes.append(kind)
    return Runs(starts, classes, longest)


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
