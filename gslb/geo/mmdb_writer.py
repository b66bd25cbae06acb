"""Composes MMDB files (format 2.0): an IPv6 search tree with IPv4 at ::/96, a data section,
metadata.

Laws:
1. The same input gives the same octets: nothing is read from a clock, and the order is the input's.
2. ::ffff:0:0/96, 2001::/32 and 2002::/16 are the IPv4 tree again, as readers of GeoLite2 expect;
   what the input says about these networks is left out.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gslb.geo.mmdb_data import (
    ARRAY,
    MAP,
    UINT16,
    UINT32,
    UINT64,
    DataSection,
    Record,
    compose_control,
    compose_scalar,
    compose_uint,
)

RecordRange = tuple[int, int, Record]
"""First and last address, both included, and what is known of them."""

METADATA_MARKER = b"\xab\xcd\xefMaxMind.com"
SEPARATOR = bytes(16)

_ALIASES = ((0xFFFF << 32, 96), (0x2001_0000 << 96, 32), (0x2002 << 112, 16))
# A record of the tree while it grows: >= 0 a node, -1 nothing, <= -2 data at offset -(record + 2).
_EMPTY = -1


@dataclass(frozen=True, slots=True)
class Heading:
    """What the metadata says. epoch: Unix seconds of the build. database_type: readers check it,
    `...-Country`.
    """

    database_type: str
    epoch: int
    description: str


def compose_mmdb(
    ipv4: Iterable[RecordRange], ipv6: Iterable[RecordRange], heading: Heading
) -> bytes:
    """The octets of a database. ipv4, ipv6: sorted ranges that do not overlap.

    Raises ValueError if they are not sorted, or if the data passes what 32-bit records can address.
    """
    data = DataSection()
    tree = _Tree()
    for first, last, record in ipv4:
        tree.add_range(first, last, -2 - data.add(record))
    tree.close_ipv4()
    for first, last, record in _cut_aliases(ipv6):
        tree.add_range(first, last, -2 - data.add(record))
    tree.add_aliases()
    octets = bytes(data.octets)
    record_size = _pick_record_size(tree.size + len(SEPARATOR) + len(octets))
    search_tree = _pack(tree.resolve(), record_size)
    metadata = _compose_metadata(heading, tree.size, record_size)
    return b"".join((search_tree, SEPARATOR, octets, METADATA_MARKER, metadata))


def _cut_aliases(ranges: Iterable[RecordRange]) -> Iterator[RecordRange]:
    """The ranges without the networks that lead to IPv4."""
    closed = [(0, (1 << 32) - 1)]
    closed += [(value, value + (1 << (128 - length)) - 1) for value, length in sorted(_ALIASES)]
    for first, last, record in ranges:
        at = first
        for low, high in closed:
            if at > last or low > last:
                break
            if high < at:
                continue
            if at < low:
                yield at, low - 1, record
            at = high + 1
        if at <= last:
            yield at, last, record


class _Tree:
    """The search tree while it grows: two records a node, and the path to the last prefix, to start
    the next from.
    """

    def __init__(self) -> None:
        self._records: list[int] = [_EMPTY, _EMPTY]
        self._path = [0] * 129  # the node at each depth on the way to the last prefix
        self._last = (0, 0)
        self._end = 0
        self._ipv4 = _EMPTY

    @property
    def size(self) -> int:
        """How many nodes there are."""
        return len(self._records) // 2

    def add_range(self, first: int, last: int, record: int) -> None:
        """Put a record at the fewest prefixes that make up first to last."""
        if first < self._end or last < first:
            raise ValueError("ranges are not sorted, or overlap")
        self._end = at = last + 1
        at = first
        while at <= last:
            free = (at & -at).bit_length() - 1 if at else 128
            bits = min(free, (last - at + 1).bit_length() - 1)
            self._add_prefix(at, 128 - bits, record)
            at += 1 << bits

    def close_ipv4(self) -> None:
        """Remember where IPv4 hangs: what the aliases lead to."""
        node = 0
        for _ in range(96):
            node = self._records[node * 2]
            if node < 0:
                break
        self._ipv4 = node
        self._end = 1 << 32

    def add_aliases(self) -> None:
        """Lead the networks that carry IPv4 addresses to the IPv4 tree."""
        if self._ipv4 != _EMPTY:
            for value, length in _ALIASES:
                self._add_prefix(value, length, self._ipv4)

    def _add_prefix(self, value: int, length: int, record: int) -> None:
        """Grow the tree down to a prefix, from the deepest node that the last one shares with
        it.
        """
        records, path = self._records, self._path
        last, depth = self._last
        depth = min(depth, 128 - (value ^ last).bit_length(), length - 1)
        node = path[depth]
        while depth < length - 1:
            at = node * 2 + (value >> (127 - depth) & 1)
            child = records[at]
            if child < 0:
                child = records[at] = len(records) // 2
                records += (_EMPTY, _EMPTY)
            node = child
            depth += 1
            path[depth] = node
        records[node * 2 + (value >> (127 - depth) & 1)] = record
        self._last = (value, depth)

    def resolve(self) -> array[int]:
        """The records as the format numbers them: node, node count for nothing, then data."""
        size = self.size
        data = size + len(SEPARATOR)
        return array("I", (_number(record, size, data) for record in self._records))


def _number(record: int, size: int, data: int) -> int:
    if record >= 0:
        return record
    return size if record == _EMPTY else data - record - 2


def _pick_record_size(highest: int) -> int:
    """The fewest bits, of those that the format knows, that hold every record."""
    for bits in (24, 28, 32):
        if highest < 1 << bits:
            return bits
    raise ValueError("the database is too large for the format")


def _pack(records: array[int], record_size: int) -> bytes:
    """The search tree in octets, by slices: the format is big-endian, two records a node."""
    if sys.byteorder == "little":
        records.byteswap()
    octets = records.tobytes()
    if record_size == 32:
        return octets
    packed = bytearray(len(octets) // 8 * (record_size // 4))
    if record_size == 24:
        for at in range(3):
            packed[at::3] = octets[at + 1 :: 4]
        return bytes(packed)
    for at in range(3):
        packed[at::7] = octets[at + 1 :: 8]
        packed[at + 4 :: 7] = octets[at + 5 :: 8]
    packed[3::7] = bytes(
        left << 4 | right for left, right in zip(octets[0::8], octets[4::8], strict=True)
    )
    return bytes(packed)


def _compose_metadata(heading: Heading, node_count: int, record_size: int) -> bytes:
    """The metadata map; readers check the width of each number."""
    fields = {
        "node_count": compose_uint(UINT32, node_count),
        "record_size": compose_uint(UINT16, record_size),
        "ip_version": compose_uint(UINT16, 6),
        "database_type": compose_scalar(heading.database_type),
        "languages": compose_control(ARRAY, 1) + compose_scalar("en"),
        "binary_format_major_version": compose_uint(UINT16, 2),
        "binary_format_minor_version": compose_uint(UINT16, 0),
        "build_epoch": compose_uint(UINT64, heading.epoch),
        "description": compose_control(MAP, 1)
        + compose_scalar("en")
        + compose_scalar(heading.description),
    }
    pairs = (compose_scalar(name) + octets for name, octets in fields.items())
    return compose_control(MAP, len(fields)) + b"".join(pairs)
