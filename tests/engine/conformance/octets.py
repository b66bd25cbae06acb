"""Messages octet by octet, made and taken apart without a line of the code under test."""

from __future__ import annotations

import struct
from typing import NamedTuple

import dns.name
import dns.rdatatype

ID = 0x1234
RD, RA, AD, CD, AA, TC = 0x0100, 0x0080, 0x0020, 0x0010, 0x0400, 0x0200
DO = 0x8000
_PLAIN_LABEL = 63


class MalformedError(Exception):
    """The octets are no message."""


class Raw(NamedTuple):
    """A record where it stands. section: 1 answer, 2 authority, 3 additional; start, end: its
    rdata.
    """

    section: int
    owner: int
    rtype: int
    rclass: int
    ttl: int
    start: int
    end: int


class Walked(NamedTuple):
    questions: list[bytes]
    records: list[Raw]
    end: int


def name(text: str) -> bytes:
    octets = dns.name.from_text(text).to_wire()
    assert octets is not None
    return octets


def question(qname: str | bytes, rtype: str | int = "A", rclass: int = 1) -> bytes:
    number = dns.rdatatype.RdataType.make(rtype)
    return (qname if isinstance(qname, bytes) else name(qname)) + struct.pack("!HH", number, rclass)


def option(code: int, payload: bytes = b"") -> bytes:
    return struct.pack("!HH", code, len(payload)) + payload


def ecs(family: int, source: int, address: bytes = b"", scope: int = 0) -> bytes:
    return option(8, struct.pack("!HBB", family, source, scope) + address)


def opt(
    *options: bytes,
    size: int = 1232,
    version: int = 0,
    flags: int = 0,
    extended: int = 0,
    owner: bytes = b"\0",
    length: int | None = None,
) -> bytes:
    payload = b"".join(options)
    ttl = extended << 24 | version << 16 | flags
    length = len(payload) if length is None else length
    return owner + struct.pack("!HHIH", 41, size, ttl, length) + payload


def record(owner: bytes, rtype: int = 1, rdata: bytes = b"\x7f\0\0\1") -> bytes:
    return owner + struct.pack("!HHIH", rtype, 1, 0, len(rdata)) + rdata


def message(
    *questions: bytes,
    flags: int = 0,
    answer: tuple[bytes, ...] = (),
    authority: tuple[bytes, ...] = (),
    additional: tuple[bytes, ...] = (),
    counts: tuple[int, int, int, int] | None = None,
) -> bytes:
    """A message of those parts; counts: what the header says instead of the truth."""
    sections = (questions, answer, authority, additional)
    told = counts or tuple(map(len, sections))
    return struct.pack("!6H", ID, flags, *told) + b"".join(b"".join(parts) for parts in sections)


def walk(octets: bytes) -> Walked:
    """The parts of a message with uncompressed questions; raises MalformedError."""
    try:
        return _walk(octets)
    except (struct.error, IndexError):
        raise MalformedError("cut short") from None


def _walk(octets: bytes) -> Walked:
    counts = struct.unpack_from("!4H", octets, 4)
    at, questions, records = 12, [], []
    for _ in range(counts[0]):
        end = _name_end(octets, at, plain=True) + 4
        questions.append(octets[at:end])
        at = end
    for section in (1, 2, 3):
        for _ in range(counts[section]):
            owner, at = at, _name_end(octets, at)
            rtype, rclass, ttl, length = struct.unpack_from("!HHIH", octets, at)
            at += 10
            records.append(Raw(section, owner, rtype, rclass, ttl, at, at + length))
            at += length
            if at > len(octets):
                raise MalformedError("record longer than the message")
    if at > len(octets):
        raise MalformedError("question longer than the message")
    return Walked(questions, records, at)


def _name_end(octets: bytes, at: int, *, plain: bool = False) -> int:
    start = at
    while length := octets[at]:
        if length >= 0xC0 and not plain:
            if not 12 <= int.from_bytes(octets[at : at + 2], "big") & 0x3FFF < at:
                raise MalformedError("pointer forwards")
            return at + 2
        if length > _PLAIN_LABEL:
            raise MalformedError("label type")
        at += length + 1
    if at + 1 - start > 255:
        raise MalformedError("name too long")
    return at + 1
