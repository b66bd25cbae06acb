"""The numbers of the protocol that the code names (IANA DNS parameters)."""

from __future__ import annotations

from typing import Final

NOERROR: Final = 0
FORMERR: Final = 1
NXDOMAIN: Final = 3
NOTIMP: Final = 4
REFUSED: Final = 5
BADVERS: Final = 16  # needs the OPT record's upper eight bits (RFC 6891 6.1.3)

QUERY: Final = 0  # opcode

IN: Final = 1
CH: Final = 3
ANY_CLASS: Final = 255

A: Final = 1
NS: Final = 2
CNAME: Final = 5
SOA: Final = 6
PTR: Final = 12
HINFO: Final = 13
MX: Final = 15
TXT: Final = 16
AAAA: Final = 28
SRV: Final = 33
DNAME: Final = 39
OPT: Final = 41
DS: Final = 43
HTTPS: Final = 65
NXNAME: Final = 128
TKEY: Final = 249
TSIG: Final = 250
IXFR: Final = 251
AXFR: Final = 252
MAILB: Final = 253
MAILA: Final = 254
ANY: Final = 255
CAA: Final = 257

# EDNS options
OPTION_NSID: Final = 3
OPTION_ECS: Final = 8
OPTION_KEEPALIVE: Final = 11
OPTION_EDE: Final = 15

# Extended errors (RFC 8914)
EDE_NOT_AUTHORITATIVE: Final = 20
EDE_INVALID_QUERY_TYPE: Final = 30

FLAG_QR: Final = 0x8000
FLAG_AA: Final = 0x0400
FLAG_TC: Final = 0x0200
FLAG_RD: Final = 0x0100
FLAG_DO: Final = 0x8000  # in the OPT record's TTL

MAX_TTL: Final = 2**31 - 1  # RFC 2181 8
