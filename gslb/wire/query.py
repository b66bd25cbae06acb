"""Octets of a query to a value, strictly, in one pass.

Laws:
1. Under 12 octets, or with QR set, nothing is answered: two servers must never talk to each other.
2. Only opcode QUERY is read further; anything else is NOTIMP with the header alone.
3. The question must be one and uncompressed; what breaks later in the message still finds its
   question echoed.
4. OPT is usable when it is well formed, owned by the root, in the additional section; a second one
   is a format error, and so is one elsewhere. A version above 0 is BADVERS before its options are
   read (RFC 6891 6.1.3).
5. Other records of a query are skipped, but must be there. Octets behind the message are counted,
   not punished.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from gslb.errors import WireError
from gslb.wire import codes
from gslb.wire.ecs import ClientSubnet, parse_ecs
from gslb.wire.names import MAX_LABEL_OCTETS, MAX_NAME_OCTETS

HEADER_OCTETS = 12
_HEADER = struct.Struct("!HHHHHH")
_RR_FIXED = struct.Struct("!HHIH")
_OPTION = struct.Struct("!HH")


@dataclass(frozen=True, slots=True)
class Edns:
    """The usable OPT of a query. size: octets that the client takes over UDP, as sent."""

    size: int
    version: int
    dnssec_ok: bool
    subnet: ClientSubnet | None = None
    wants_nsid: bool = False
    wants_keepalive: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """octets: as sent, case and all, with type and class. qname: lower case octets."""

    octets: bytes
    qname: bytes
    qtype: int
    qclass: int


@dataclass(frozen=True, slots=True)
class Query:
    """What was read. rcode: NOERROR, or the error that reading ended with; question and edns hold
    what came before.

    trailing: octets behind the message.
    """

    id: int
    flags: int
    rcode: int = codes.NOERROR
    question: Question | None = None
    edns: Edns | None = None
    trailing: int = 0

    @property
    def opcode(self) -> int:
        """The kind of query (RFC 1035 4.1.1)."""
        return self.flags >> 11 & 15


def parse_query(octets: bytes, *, reads_ecs: bool = True) -> Query | None:
    """The query in these octets, or None when silence is the answer. reads_ecs: False treats the
    client subnet as an option that this server does not know, so that it may hold anything.
    """
    if len(octets) < HEADER_OCTETS or octets[2] & 0x80:
        return None
    id_, flags, *counts = _HEADER.unpack_from(octets)
    if flags >> 11 & 15 != codes.QUERY:
        return Query(id_, flags, codes.NOTIMP)
    reader = _Reader(octets, reads_ecs=reads_ecs)
    rcode = codes.NOERROR
    try:
        reader.read(counts)
    except WireError as error:
        rcode = error.rcode
    except (struct.error, IndexError):  # the message ends before its counts do
        rcode = codes.FORMERR
    trailing = len(octets) - reader.at if rcode == codes.NOERROR else 0
    return Query(id_, flags, rcode, reader.question, reader.edns, trailing)


class _Reader:
    """A position in one message, and what was found up to it."""

    def __init__(self, octets: bytes, *, reads_ecs: bool) -> None:
        self.octets = octets
        self.reads_ecs = reads_ecs
        self.at = HEADER_OCTETS
        self.question: Question | None = None
        self.edns: Edns | None = None

    def read(self, counts: list[int]) -> None:
        """Reads everything. counts: of questions, answers, authority and additional records."""
        questions, answers, authorities, additionals = counts
        if questions > 1:
            raise self._malformed("more than one question")
        if questions:
            self._read_question()
        for _ in range(answers + authorities):
            self._read_record(may_be_opt=False)
        for _ in range(additionals):
            self._read_record(may_be_opt=True)
        if not questions:
            raise self._malformed("no question")

    def _malformed(self, message: str) -> WireError:
        return WireError(message, rcode=codes.FORMERR, offset=self.at)

    def _read_question(self) -> None:
        start = self.at
        name = self._read_plain_name()
        qtype, qclass = _OPTION.unpack_from(self.octets, self.at)
        self.at += _OPTION.size
        self.question = Question(self.octets[start : self.at], name.lower(), qtype, qclass)

    def _read_plain_name(self) -> bytes:
        """An uncompressed name; a pointer in a question serves no honest purpose."""
        start = self.at
        while length := self.octets[self.at]:
            if length > MAX_LABEL_OCTETS:
                raise self._malformed("compressed or unknown label in the question")
            self.at += length + 1
        self.at += 1
        if self.at - start > MAX_NAME_OCTETS:
            raise self._malformed("name too long")
        return self.octets[start : self.at]

    def _skip_name(self) -> None:
        start = self.at
        while length := self.octets[self.at]:
            if length >= 0xC0:
                target = (length & 0x3F) << 8 | self.octets[self.at + 1]
                if not HEADER_OCTETS <= target < self.at:
                    raise self._malformed("name pointer does not point backwards")
                self.at += 2
                return
            if length > MAX_LABEL_OCTETS or self.at - start > MAX_NAME_OCTETS:
                raise self._malformed("unknown label type or name too long")
            self.at += length + 1
        self.at += 1

    def _read_record(self, *, may_be_opt: bool) -> None:
        start = self.at
        self._skip_name()
        rtype, rclass, ttl, length = _RR_FIXED.unpack_from(self.octets, self.at)
        self.at += _RR_FIXED.size
        end = self.at + length
        if rtype == codes.OPT:
            if not may_be_opt or self.octets[start] != 0:
                raise self._malformed("OPT in the wrong place")
            self._read_opt(rclass, ttl, end)
        if end > len(self.octets):
            raise self._malformed("record longer than the message")
        self.at = end

    def _read_opt(self, size: int, ttl: int, end: int) -> None:
        """Law 4. Whatever is wrong from here on is answered with an OPT, so edns is set first."""
        if self.edns is not None:
            raise self._malformed("two OPT records")
        version = ttl >> 16 & 0xFF
        self.edns = Edns(size, version, bool(ttl & codes.FLAG_DO))
        if end > len(self.octets):
            raise self._malformed("OPT longer than the message")
        if version:
            raise WireError("EDNS version", rcode=codes.BADVERS, offset=self.at)
        self.edns = self._read_options(end)

    def _read_options(self, end: int) -> Edns:
        assert self.edns is not None
        subnet: ClientSubnet | None = None
        seen: set[int] = set()
        while self.at < end:
            code, payload = self._read_option(end)
            if code == codes.OPTION_ECS and self.reads_ecs and code not in seen:  # the first counts
                subnet = parse_ecs(payload)
                if subnet is None:
                    raise self._malformed("malformed client subnet")
            seen.add(code)
        edns = self.edns
        asked = (codes.OPTION_NSID in seen, codes.OPTION_KEEPALIVE in seen)
        return Edns(edns.size, edns.version, edns.dnssec_ok, subnet, *asked)

    def _read_option(self, end: int) -> tuple[int, bytes]:
        if self.at + _OPTION.size > end:
            raise self._malformed("option cut short")
        code, length = _OPTION.unpack_from(self.octets, self.at)
        self.at += _OPTION.size
        if self.at + length > end:
            raise self._malformed("option longer than OPT")
        payload = self.octets[self.at : self.at + length]
        self.at += length
        return code, payload
