"""PROXY protocol headers, versions 1 and 2, to values and back (HAProxy's proxy-protocol.txt).

Laws:
1. A header is at most 107 octets (version 1) or 16 + 4096 (version 2); none is ever guessed at.
2. LOCAL and UNKNOWN name nobody: the connection speaks for itself.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from gslb.errors import GslbError

Address = tuple[str, int]
"""Text of an IP address, and a port."""

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_LONGEST_1 = 107
_LONGEST_2 = 4096
_START_1 = b"PROXY "
_PORT = re.compile(r"0|[1-9][0-9]{0,4}")
_Kind = type[IPv4Address] | type[IPv6Address]
_FORMATS: dict[int, tuple[str, _Kind]] = {
    1: ("!4s4sHH", IPv4Address),
    2: ("!16s16sHH", IPv6Address),
}
_CRC32C = 0x03


class ProxyHeaderError(GslbError):
    """A trusted peer's header cannot be read; its connection must be closed. reason: short code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """Who connected to whom; None for LOCAL and UNKNOWN. size: octets of the header."""

    source: Address | None
    destination: Address | None
    size: int


def parse_proxy_header(buffer: bytes | bytearray) -> ProxyHeader | None:
    """The header that a connection begins with; None if more octets are needed.

    Raises: ProxyHeaderError, the peer's.
    """
    start = bytes(buffer[:16])
    if start[:12] == SIGNATURE[: len(start)]:
        return _parse_2(buffer) if len(start) == 16 else None
    if start[:6] == _START_1[: len(start)]:
        return _parse_1(bytes(buffer[:_LONGEST_1]))
    raise ProxyHeaderError("no_proxy_header")


def _parse_1(start: bytes) -> ProxyHeader | None:
    line, end, _ = start.partition(b"\r\n")
    if not end:
        if len(start) == _LONGEST_1 or b"\n" in start:
            raise ProxyHeaderError("line_end")
        return None
    size = len(line) + 2
    words = line.decode("latin-1").split(" ")
    if words[1] == "UNKNOWN":
        return ProxyHeader(None, None, size)
    if len(words) != 6 or words[1] not in ("TCP4", "TCP6"):
        raise ProxyHeaderError("bad_line")
    kind: _Kind = IPv4Address if words[1] == "TCP4" else IPv6Address
    try:
        source, destination = kind(words[2]), kind(words[3])
    except ValueError:
        raise ProxyHeaderError("bad_address") from None
    ports = words[4:]
    if not all(_PORT.fullmatch(port) and int(port) < 65536 for port in ports):
        raise ProxyHeaderError("bad_port")
    return ProxyHeader((_text(source), int(ports[0])), (_text(destination), int(ports[1])), size)


def _parse_2(buffer: bytes | bytearray) -> ProxyHeader | None:
    command, family, length = struct.unpack_from("!BBH", buffer, 12)
    if command not in (0x20, 0x21):
        raise ProxyHeaderError("bad_command")
    if length > _LONGEST_2:
        raise ProxyHeaderError("too_long")
    size = 16 + length
    if len(buffer) < size:
        return None
    header = bytes(buffer[:size])
    layout, kind = _FORMATS.get(family >> 4, ("", None))
    _check_extras(header, 16 + struct.calcsize(layout))
    if command == 0x20 or kind is None or family & 0xF != 1:
        return ProxyHeader(None, None, size)
    if length < struct.calcsize(layout):
        raise ProxyHeaderError("too_short")
    source, destination, source_port, destination_port = struct.unpack_from(layout, header, 16)
    return ProxyHeader(
        (_text(kind(source)), source_port), (_text(kind(destination)), destination_port), size
    )


def _text(address: IPv4Address | IPv6Address) -> str:
    """IPv4 in IPv6 as IPv4, as which it is on the lists of networks."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def _check_extras(header: bytes, at: int) -> None:
    """Judge the checksum among the extras (TLVs), if it is there."""
    while at + 3 <= len(header):
        kind, length = struct.unpack_from("!BH", header, at)
        if at + 3 + length > len(header):
            raise ProxyHeaderError("extra_too_long")
        if kind == _CRC32C:
            blank = header[: at + 3] + bytes(length) + header[at + 3 + length :]
            if length != 4 or header[at + 3 : at + 7] != struct.pack("!I", checksum(blank)):
                raise ProxyHeaderError("checksum")
        at += 3 + length


def checksum(data: bytes) -> int:
    """CRC32C (RFC 3720 B.4); some 60 µs for 100 octets, once for a connection that asks for it."""
    crc = 0xFFFFFFFF
    for octet in data:
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def compose_proxy_header(
    version: int, source: Address | None, destination: Address | None
) -> bytes:
    """The header for a connection to a backend. version: 1 or 2. Without addresses, or with two
    of different families, it names nobody (a check of ours).
    """
    assert version in (1, 2)
    pair = _pair(source, destination)
    if pair is None:
        return b"PROXY UNKNOWN\r\n" if version == 1 else SIGNATURE + b"\x20\x00\x00\x00"
    assert source is not None
    assert destination is not None
    first, second = pair
    if version == 1:
        text = f"PROXY TCP{first.version} {first} {second} {source[1]} {destination[1]}\r\n"
        return text.encode("ascii")
    family, size = (0x11, 12) if first.version == 4 else (0x21, 36)
    ports = struct.pack("!HH", source[1], destination[1])
    start = SIGNATURE + struct.pack("!BBH", 0x21, family, size)
    return start + first.packed + second.packed + ports


_Pair = tuple[IPv4Address, IPv4Address] | tuple[IPv6Address, IPv6Address]


def _pair(source: Address | None, destination: Address | None) -> _Pair | None:
    """Two addresses of one family: IPv4 beside IPv6 is told as IPv4 in IPv6."""
    if source is None or destination is None:
        return None
    first, second = ip_address(source[0]), ip_address(destination[0])
    if isinstance(first, IPv4Address) and isinstance(second, IPv4Address):
        return first, second
    return _widen(first), _widen(second)


def _widen(address: IPv4Address | IPv6Address) -> IPv6Address:
    return address if isinstance(address, IPv6Address) else IPv6Address(f"::ffff:{address}")
