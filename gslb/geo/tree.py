"""Turns the search tree of an MMDB file into sorted ranges, without looking up a single address.

Costs: a million nodes take about half a second; unpacking is done by slices, the walk by one loop.

Laws:
1. A walk gives ranges from 0 on, in order, neighbours never with the same id.
2. A subtree below the last bit of a walk counts as its first address.
3. The IPv4 tree of an IPv6 file is no part of its IPv6 ranges, wherever it hangs.
4. A tree that leads in circles ends in GeoError after a bounded number of steps.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import repeat

from gslb.errors import GeoError
from gslb.model.geotable import Ranges

_HIGH_NIBBLE = bytes(octet >> 4 for octet in range(256))
_LOW_NIBBLE = bytes(octet & 15 for octet in range(256))

_IPV4_DEPTH = 96


@dataclass(frozen=True, slots=True)
class SearchTree:
    """The records of a tree, two a node (left, right). A record under count is a node, count itself
    nothing.
    """

    records: array[int]
    count: int


def read_tree(octets: bytes, count: int, record_size: int) -> SearchTree:
    """The tree of a file that starts with it. record_size: 24, 28 or 32 bits; the format is
    big-endian.
    """
    size = count * record_size // 4
    wide = octets[:size] if record_size == 32 else _widen(octets[:size], record_size)
    records = array("I")
    records.frombytes(wide)
    if sys.byteorder == "little":
        records.byteswap()
    return SearchTree(records, count)


def _widen(octets: bytes, record_size: int) -> bytearray:
    """Records of 24 or 28 bits as records of 32."""
    if record_size == 24:
        wide = bytearray(len(octets) // 3 * 4)
        for at in range(3):
            wide[at + 1 :: 4] = octets[at::3]
        return wide
    wide = bytearray(len(octets) // 7 * 8)
    for at in range(3):
        wide[at + 1 :: 8] = octets[at::7]
        wide[at + 5 :: 8] = octets[at + 4 :: 7]
    shared = octets[3::7]  # the high four bits of both records
    wide[0::8] = shared.translate(_HIGH_NIBBLE)
    wide[4::8] = shared.translate(_LOW_NIBBLE)
    return wide


def walk_ipv4(tree: SearchTree, ids: Mapping[int, int], *, is_ipv6: bool) -> Ranges:
    """The ranges of IPv4. ids: record to id of a place, for `count` too. is_ipv6: IPv4 hangs at
    ::/96.
    """
    root = _find_zero_node(tree, _IPV4_DEPTH) if is_ipv6 else 0
    return _walk(tree, root, ids, Ranges(array("I"), array("I")))


def walk_ipv6(tree: SearchTree, ids: Mapping[int, int]) -> Ranges:
    """The ranges of IPv6, by the upper 64 bits. What leads to the IPv4 tree is cut from the
    records.
    """
    for depth in (_IPV4_DEPTH, 64):
        node = _find_zero_node(tree, depth)
        if node < tree.count:
            _cut(tree, node)
    return _walk(tree, 0, ids, Ranges(array("Q"), array("I")))


def _find_zero_node(tree: SearchTree, depth: int) -> int:
    """The record that as many left turns from the root lead to, or the leaf on the way."""
    node = 0
    for _ in range(depth):
        if node >= tree.count:
            break
        node = tree.records[node * 2]
    return node


def _cut(tree: SearchTree, node: int) -> None:
    """Let every record that leads to a node lead nowhere."""
    at = 0
    while True:
        try:
            at = tree.records.index(node, at)
        except ValueError:
            return
        tree.records[at] = tree.count


def _walk(tree: SearchTree, root: int, ids: Mapping[int, int], ranges: Ranges) -> Ranges:
    """Fill empty ranges, depth first, from the left. One flat loop: it is run for every node of a
    file.
    """
    records, count = tree.records, tree.count
    starts, places = ranges.starts, ranges.ids
    add_start, add_place = starts.append, places.append
    right_turns: list[tuple[int, int, int]] = []  # record, its first address, half of its size
    push, pop = right_turns.append, right_turns.pop
    node, first, half, last_place = root, 0, 1 << (starts.itemsize * 8 - 1), -1
    for _ in repeat(None, 4 * count + 4):
        while node < count and half:
            push((records[node * 2 + 1], first + half, half >> 1))
            node = records[node * 2]
            half >>= 1
        place = ids[node if node >= count else _first_leaf(tree, node)]
        if place != last_place:
            add_start(first)
            add_place(place)
            last_place = place
        if not right_turns:
            return ranges
        node, first, half = pop()
    raise GeoError("the search tree leads in circles")


def _first_leaf(tree: SearchTree, node: int) -> int:
    """The record that left turns lead to below the last bit of a walk."""
    for _ in range(128):
        if node >= tree.count:
            return node
        node = tree.records[node * 2]
    raise GeoError("the search tree is deeper than an address is long")
