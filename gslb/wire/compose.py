"""A reply as a value to octets (RFC 1035 4.1, 4.1.4; RFC 6891 6.1.2).

Laws:
1. The question is echoed octet by octet; owners equal to it become a pointer to it, so answers
   carry its case.
2. Names are compressed in owners and in rdata of RFC 1035 types only (RFC 3597 4), against what
   stands before them.
3. RRsets are whole or absent. What does not fit leaves from the end: additional data in silence;
   answer, authority and needed glue with TC set (RFC 2181 9), and then nothing follows.
4. OPT always fits: its room is taken off the limit first.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

from gslb.wire import codes
from gslb.wire.names import ROOT, Name, parent
from gslb.wire.query import HEADER_OCTETS

MAX_MESSAGE_OCTETS = 65535
MIN_UDP_OCTETS = 512
_MAX_POINTER = 0x3FFF
_HEADER = struct.Struct("!HHHHHH")
_RR_FIXED = struct.Struct("!HHIH")


@dataclass(frozen=True, slots=True)
class Owned:
    """An RRset at its owner. rdatas: each a tuple of pieces; those of type Name may be
    compressed.
    """

    owner: bytes
    rtype: int
    ttl: int
    rdatas: tuple[tuple[bytes, ...], ...]
    rclass: int = codes.IN


@dataclass(frozen=True, slots=True)
class Opt:
    """The OPT record of a reply. size: what this server takes over UDP. options: ready octets."""

    size: int
    dnssec_ok: bool
    options: bytes = b""


@dataclass(frozen=True, slots=True)
class Reply:
    """Everything a reply says. question: octets as sent, b"" when it could not be read.

    glue: additional records without which a referral is useless; extra: additional records that may
    be left out.
    """

    id: int
    flags: int
    rcode: int
    question: bytes = b""
    answer: tuple[Owned, ...] = ()
    authority: tuple[Owned, ...] = ()
    glue: tuple[Owned, ...] = ()
    extra: tuple[Owned, ...] = ()
    opt: Opt | None = None


def compose_reply(reply: Reply, limit: int = MAX_MESSAGE_OCTETS) -> bytes:
    """The reply in at most limit octets, with TC set where something needed was left out."""
    opt = compose_opt(reply.opt, reply.rcode) if reply.opt else b""
    message = _Message(reply.question, limit - len(opt))
    answers = message.add_all(reply.answer)
    authorities = message.add_all(reply.authority)
    additionals = message.add_all(reply.glue)
    truncated = message.is_full
    additionals += message.add_all(reply.extra)
    flags = reply.flags | (codes.FLAG_TC if truncated else 0) | reply.rcode & 15
    counts = (int(bool(reply.question)), answers, authorities, additionals + bool(opt))
    _HEADER.pack_into(message.octets, 0, reply.id, flags, *counts)
    return bytes(message.octets) + opt


def compose_opt(opt: Opt, rcode: int = codes.NOERROR) -> bytes:
    """The OPT record, version 0, with the upper bits of rcode."""
    ttl = rcode >> 4 << 24 | (codes.FLAG_DO if opt.dnssec_ok else 0)
    fixed = _RR_FIXED.pack(codes.OPT, opt.size, ttl, len(opt.options))
    return ROOT + fixed + opt.options


@dataclass(slots=True)
class _Message:
    """A message that grows. is_full: something needed did not fit."""

    question: bytes
    limit: int
    octets: bytearray = field(init=False)
    is_full: bool = False
    _offsets: dict[bytes, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.octets = bytearray(HEADER_OCTETS) + self.question
        if self.question:
            self._remember(self.question[:-4].lower(), HEADER_OCTETS)

    def _remember(self, name: bytes, at: int) -> None:
        while name != ROOT and at <= _MAX_POINTER:
            self._offsets.setdefault(name, at)
            at += name[0] + 1
            name = parent(name)

    def add_all(self, rrsets: Iterable[Owned]) -> int:
        """Adds RRsets until one does not fit; returns how many records went in."""
        count = 0
        for rrset in rrsets:
            if self.is_full:
                break
            mark = len(self.octets)
            for rdata in rrset.rdatas:
                self._add_record(rrset, rdata)
            if len(self.octets) > self.limit:
                del self.octets[mark:]
                self.is_full = True  # nothing follows, so nothing can point into what is gone
            else:
                count += len(rrset.rdatas)
        return count

    def _add_record(self, rrset: Owned, rdata: tuple[bytes, ...]) -> None:
        self._add_name(rrset.owner)
        at = len(self.octets)
        self.octets += _RR_FIXED.pack(rrset.rtype, rrset.rclass, rrset.ttl, 0)
        for piece in rdata:
            if isinstance(piece, Name):
                self._add_name(piece)
            else:
                self.octets += piece
        length = len(self.octets) - at - _RR_FIXED.size
        struct.pack_into("!H", self.octets, at + _RR_FIXED.size - 2, length)

    def _add_name(self, name: bytes) -> None:
        """Writes the labels up to the longest suffix that stands already, then a pointer to
        that.
        """
        key = name.lower()
        start = len(self.octets)
        rest = 0
        while (suffix := key[rest:]) != ROOT and suffix not in self._offsets:
            rest += suffix[0] + 1
        self.octets += name[:rest]
        if suffix == ROOT:
            self.octets += ROOT
        else:
            self.octets += (0xC000 | self._offsets[suffix]).to_bytes(2, "big")
        self._remember_new(key, rest, start)

    def _remember_new(self, key: bytes, end: int, start: int) -> None:
        at = 0
        while at < end and start + at <= _MAX_POINTER:
            self._offsets.setdefault(key[at:], start + at)
            at += key[at] + 1
