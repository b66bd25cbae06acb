"""Composes values of the MMDB data section (format 2.0): a control octet of type and size, then the
octets.

Law: values that are equal are written once; later ones point at the first, unless a copy is as
short.
"""

from __future__ import annotations

import struct
from collections.abc import Hashable, Mapping, Sequence

Value = str | int | float | bool | Mapping[str, "Value"] | Sequence["Value"]
Record = Mapping[str, Value]

POINTER, STRING, DOUBLE, UINT16, UINT32, MAP, INT32, UINT64, ARRAY, BOOL = (
    1, 2, 3, 5, 6, 7, 8, 9, 11, 14,
)  # fmt: skip


class DataSection:
    """The values, each distinct one written once."""

    def __init__(self) -> None:
        self.octets = bytearray()
        self._offsets: dict[Hashable, int] = {}
        # A record is usually handed in many times. It is kept, so that its id stays its own.
        self._added: dict[int, tuple[Record, int]] = {}

    def add(self, record: Record) -> int:
        """The offset of a record; it is written if it is new."""
        added = self._added.get(id(record))
        if added is not None:
            return added[1]
        key = _freeze(record)
        if key not in self._offsets:
            self._write(record, key)
        self._added[id(record)] = (record, self._offsets[key])
        return self._offsets[key]

    def _write(self, value: Value, key: Hashable) -> None:
        """Write a value, or a pointer to an equal one where that is shorter than a second copy."""
        known = self._offsets.get(key)
        if known is not None and not _is_short(value):
            self.octets += _compose_pointer(known)
            return
        self._offsets.setdefault(key, len(self.octets))
        if isinstance(value, Mapping):
            self.octets += compose_control(MAP, len(value))
            for name, item in value.items():
                self._write(name, _freeze(name))
                self._write(item, _freeze(item))
        elif isinstance(value, Sequence) and not isinstance(value, str):
            self.octets += compose_control(ARRAY, len(value))
            for item in value:
                self._write(item, _freeze(item))
        else:
            self.octets += compose_scalar(value)


def _is_short(value: Value) -> bool:
    """Whether a copy takes no more octets than a pointer, which takes 2 to 5."""
    return isinstance(value, int) or (isinstance(value, str) and len(value) < 4)


def _freeze(value: Value) -> Hashable:
    """A value that is equal for equal values of the same type only."""
    if isinstance(value, Mapping):
        return tuple((name, _freeze(item)) for name, item in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ("array", *map(_freeze, value))
    return type(value), value


def compose_control(kind: int, size: int) -> bytes:
    """The octets that start a value: its type, and how many octets or entries follow."""
    head, extended = (kind << 5, b"") if kind < 8 else (0, bytes((kind - 7,)))
    code, rest = _code_size(size)
    return bytes((head | code,)) + extended + rest


def _code_size(size: int) -> tuple[int, bytes]:
    """The five bits of a size in the control octet, and the octets that carry the rest."""
    if size < 29:
        return size, b""
    if size < 285:
        return 29, bytes((size - 29,))
    if size < 65821:
        return 30, (size - 285).to_bytes(2, "big")
    return 31, (size - 65821).to_bytes(3, "big")


def _compose_pointer(offset: int) -> bytes:
    """The shortest pointer to an offset of the data section."""
    for width, base, bits in ((1, 0, 11), (2, 2048, 19), (3, 526336, 27)):
        if offset - base < 1 << bits:
            number = ((POINTER << 5 | (width - 1) << 3) << width * 8) + offset - base
            return number.to_bytes(width + 1, "big")
    return bytes((POINTER << 5 | 3 << 3,)) + offset.to_bytes(4, "big")


def compose_scalar(value: str | int | float) -> bytes:
    """A text, truth, double, or the integer type that fits. Raises struct.error below -2**31."""
    if isinstance(value, str):
        text = value.encode()
        return compose_control(STRING, len(text)) + text
    if isinstance(value, bool):
        return compose_control(BOOL, int(value))
    if isinstance(value, int):
        if value < 0:
            return compose_control(INT32, 4) + struct.pack("!i", value)
        return compose_uint(UINT32 if value < 1 << 32 else UINT64, value)
    return compose_control(DOUBLE, 8) + struct.pack("!d", value)


def compose_uint(kind: int, value: int) -> bytes:
    """An unsigned integer in as few octets as it needs. kind: UINT16, UINT32 or UINT64."""
    octets = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return compose_control(kind, len(octets)) + octets
