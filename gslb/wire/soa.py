"""One SOA query and what is wrong with its answer: how a name server is asked whether it serves a
zone.
"""

from __future__ import annotations

import struct

from gslb.wire import codes

_HEADER = struct.Struct("!HHHHHH")
_TYPE_CLASS = struct.pack("!HH", codes.SOA, codes.IN)
_OPCODE = 0x7800
_RCODES = ("NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED")  # RFC 1035 4.1.1


def compose_soa_query(id_: int, zone: str) -> bytes:
    """The octets of a query for a zone's SOA. zone: a checked ASCII name without a final dot."""
    return _HEADER.pack(id_, 0, 1, 0, 0, 0) + _question(zone)


def judge_soa_reply(octets: bytes, id_: int, zone: str) -> str | None:
    """What is wrong with an answer, "" when it is as it must be; None when it is none to this
    query, so that another one may still come.

    Right is NOERROR, authoritative, with a record in the answer section (RFC 1034 4.3.2).
    """
    if len(octets) < _HEADER.size:
        return None
    got, flags, questions, answers, *_ = _HEADER.unpack_from(octets)
    if got != id_ or not flags & codes.FLAG_QR or flags & _OPCODE:
        return None
    rcode = flags & 15
    if rcode != codes.NOERROR:
        return f"answered {_RCODES[rcode] if rcode < len(_RCODES) else f'RCODE {rcode}'}"
    if questions != 1 or octets[_HEADER.size :][: len(_question(zone))].lower() != _question(zone):
        return None
    if not flags & codes.FLAG_AA:
        return "answered without authority"
    return "" if answers else "answered without an SOA"


def _question(zone: str) -> bytes:
    labels = (label.encode("ascii") for label in zone.split("."))
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0" + _TYPE_CLASS
