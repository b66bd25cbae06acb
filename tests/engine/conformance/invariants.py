"""What holds for every reply whatever was asked: I1 to I14, with dnspython as second opinion."""

from __future__ import annotations

import struct

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from tests.engine.conformance.octets import DO, RA, RD, MalformedError, Raw, Walked, walk

OPT, SOA, NS, CNAME = 41, 6, 2, 5
NOERROR, NXDOMAIN = 0, 3
ECS = 8
# Types whose names may be compressed: RFC 1035's (RFC 3597 4).
COMPRESSIBLE = {2, 3, 4, 5, 6, 7, 8, 9, 12, 14, 15}
MAX_UDP = 1232


def is_silence(query: bytes) -> bool:
    """I1: what no reply may answer."""
    return len(query) < 12 or bool(query[2] & 0x80)


def check_reply(
    query: bytes, reply: bytes | None, *, is_tcp: bool = False, max_udp: int = MAX_UDP
) -> dns.message.Message | None:
    """The reply as dnspython reads it, once every invariant held; None for silence in its place."""
    assert (reply is None) is is_silence(query)
    if reply is None:
        return None
    walked = walk(reply)
    assert walked.end == len(reply)
    parsed = _parse(reply, walked)
    _check_header(query, reply)
    _check_question(query, reply, walked)
    _check_opt(query, reply, walked, parsed)
    if is_tcp:
        assert not reply[2] & 2  # I6
        assert len(reply) <= 65535
    else:
        _check_size(query, reply, rcode=parsed.rcode(), max_udp=max_udp)
    _check_records(reply, walked)
    _check_sections(reply, walked, parsed)
    return parsed


def maybe_walk(query: bytes) -> Walked | None:
    try:
        return walk(query)
    except MalformedError:
        return None


def _parse(reply: bytes, walked: Walked) -> dns.message.Message:
    """I13: strictly, without octets behind; dnspython knows no client subnet of family 0."""
    octets = bytearray(reply)
    for record in walked.records:
        if record.rtype == OPT:
            at = record.start
            while at < record.end:
                code, length = struct.unpack_from("!HH", octets, at)
                if code == ECS and octets[at + 4 : at + 6] == b"\0\0":
                    octets[at : at + 2] = (65001).to_bytes(2, "big")
                at += 4 + length
    return dns.message.from_wire(bytes(octets))


def _check_header(query: bytes, reply: bytes) -> None:
    asked, flags = struct.unpack_from("!H", query, 2)[0], struct.unpack_from("!H", reply, 2)[0]
    assert reply[:2] == query[:2]  # I2
    assert flags & 0x8000
    assert flags & 0x7800 == asked & 0x7800
    assert flags & RD == (asked & RD if asked & 0x7800 == 0 else 0)  # I3
    assert not flags & (RA | 0x70)  # I4: RA, Z, AD, CD


def _check_question(query: bytes, reply: bytes, walked: Walked) -> None:
    """I7."""
    sent = maybe_walk(query)
    opcode = query[2] >> 3 & 15
    if opcode:
        assert len(reply) == 12
    elif walked.questions:
        (echoed,) = walked.questions
        assert query[12 : 12 + len(echoed)] == echoed
    else:
        assert reply[3] & 15 == 1
        assert sent is None or len(sent.questions) != 1
        assert len(reply) == 12 or [one.rtype for one in walked.records] == [OPT]


def _check_opt(query: bytes, reply: bytes, walked: Walked, parsed: dns.message.Message) -> None:
    """I8, and I6 for OPT."""
    found = [one for one in walked.records if one.rtype == OPT]
    assert len(found) <= 1
    for record in found:
        assert record.section == 3
        assert reply[record.owner] == 0
        assert not record.ttl & 0x00FF0000  # version
        assert not record.ttl & ~DO & 0xFFFF  # flags
    sent = maybe_walk(query)
    if sent is not None and query[2] >> 3 & 15 == 0 and len(sent.questions) == 1:
        usable = _usable_opt(query, sent)
        assert bool(found) is (usable is not None)
        if usable is not None:
            assert found[0].ttl & DO == usable.ttl & DO
    elif found:
        assert b"\0\0\x29" in query


def _usable_opt(query: bytes, sent: Walked) -> Raw | None:
    """The OPT that a well formed query must be answered with an OPT for."""
    for record in sent.records:
        if record.rtype == OPT:
            return record if record.section == 3 and query[record.owner] == 0 else None
    return None


def _check_size(query: bytes, reply: bytes, *, rcode: int, max_udp: int) -> None:
    """I9, I14."""
    sent = maybe_walk(query)
    usable = None if sent is None else _usable_opt(query, sent)
    if usable is not None:
        assert len(reply) <= min(max(512, usable.rclass), max_udp)
    elif sent is not None:
        assert len(reply) <= 512
    assert len(reply) <= max_udp
    if rcode not in (NOERROR, NXDOMAIN):
        assert len(reply) <= 1.5 * len(query)


def _check_records(reply: bytes, walked: Walked) -> None:
    """I10, and I13's compression."""
    raws = [one for one in walked.records if one.rtype != OPT]
    singles = dns.message.from_wire(_without_opt(reply, walked), one_rr_per_rrset=True)
    parsed = [rrset for section in singles.sections[1:] for rrset in section]
    assert len(parsed) == len(raws)
    ttls: dict[tuple[object, ...], int] = {}
    seen = set()
    for raw, rrset in zip(raws, parsed, strict=True):
        (rdata,) = rrset
        if raw.rtype not in COMPRESSIBLE:
            assert reply[raw.start : raw.end] == rdata.to_wire()
        assert raw.ttl < 2**31
        key = (rrset.name, raw.rtype, raw.rclass)
        assert ttls.setdefault(key, raw.ttl) == raw.ttl
        assert (*key, rdata) not in seen
        seen.add((*key, rdata))


def _without_opt(reply: bytes, walked: Walked) -> bytes:
    """The reply without its OPT, which is the last record."""
    if not walked.records or walked.records[-1].rtype != OPT:
        return reply
    count = struct.unpack_from("!H", reply, 10)[0] - 1
    return reply[:10] + count.to_bytes(2, "big") + reply[12 : walked.records[-1].owner]


def _check_sections(reply: bytes, walked: Walked, parsed: dns.message.Message) -> None:
    """I5, I11."""
    is_authoritative = bool(reply[2] & 4)
    rcode = parsed.rcode()
    if rcode not in (NOERROR, NXDOMAIN):
        assert not is_authoritative
        assert not parsed.answer
        assert not parsed.authority
        return
    if not parsed.question or parsed.question[0].rdclass != 1:
        assert not is_authoritative
        return
    soas = [one for one in parsed.authority if one.rdtype == SOA]
    is_truncated = bool(reply[2] & 2)
    if soas:
        (soa,) = soas
        assert len(soa) == 1
        assert soa.ttl <= soa[0].minimum
        assert parsed.authority == [soa]
        assert is_authoritative
    elif parsed.answer:
        assert is_authoritative
    else:
        assert is_truncated or any(one.rdtype == NS for one in parsed.authority)
        assert is_truncated or not is_authoritative
    if rcode == NXDOMAIN:
        assert soas or is_truncated
