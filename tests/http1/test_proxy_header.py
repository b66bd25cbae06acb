"""PROXY protocol headers: read back what is written, and believe nothing else."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslb.http1.proxy_header import (
    SIGNATURE,
    ProxyHeader,
    ProxyHeaderError,
    checksum,
    compose_proxy_header,
    parse_proxy_header,
)

_FOUR = ("203.0.113.7", 4711), ("192.0.2.1", 443)
_SIX = ("2001:db8::7", 4711), ("2001:db8::1", 443)
_LINE = b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n"


def _binary(command: int, family: int, content: bytes) -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, family, len(content)) + content


def test_headers_are_written_as_specified() -> None:
    assert compose_proxy_header(1, *_FOUR) == _LINE
    assert compose_proxy_header(1, *_SIX) == b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n"
    content = bytes([203, 0, 113, 7, 192, 0, 2, 1]) + struct.pack("!HH", 4711, 443)
    assert compose_proxy_header(2, *_FOUR) == _binary(0x21, 0x11, content)
    assert compose_proxy_header(1, None, None) == b"PROXY UNKNOWN\r\n"
    assert compose_proxy_header(2, None, None) == _binary(0x20, 0, b"")


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("pair", [_FOUR, _SIX], ids=["IPv4", "IPv6"])
def test_header_is_read_once_it_is_whole(
    version: int, pair: tuple[tuple[str, int], tuple[str, int]]
) -> None:
    header = compose_proxy_header(version, *pair)
    for size in range(len(header)):
        assert parse_proxy_header(header[:size]) is None
    assert parse_proxy_header(header + b"GET /") == ProxyHeader(*pair, len(header))


def test_mixed_families_are_told_as_ipv6() -> None:
    header = compose_proxy_header(1, _FOUR[0], _SIX[1])
    assert header == b"PROXY TCP6 ::ffff:cb00:7107 2001:db8::1 4711 443\r\n"
    parsed = parse_proxy_header(compose_proxy_header(2, _FOUR[0], _SIX[1]))
    assert parsed is not None
    assert parsed.source == _FOUR[0]
    assert parsed.destination == _SIX[1]


@pytest.mark.parametrize(
    "octets",
    [
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN anything at all\r\n",
        _binary(0x20, 0x11, bytes(12)),
        _binary(0x20, 0, b""),
        _binary(0x21, 0, b""),
        _binary(0x21, 0x31, bytes(216)),
        _binary(0x21, 0x12, bytes(12)),
    ],
)
def test_header_may_name_nobody(octets: bytes) -> None:
    assert parse_proxy_header(octets + b"x") == ProxyHeader(None, None, len(octets))


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"GET / HTTP/1.1\r\n", "no_proxy_header"),
        (b"PROXZ", "no_proxy_header"),
        (b"\r\n\r\n\0\r\nQUIX", "no_proxy_header"),
        (_LINE.replace(b"\r\n", b"\n"), "line_end"),
        (b"PROXY TCP4 " + b"1" * 100, "line_end"),
        (b"PROXY TCP4 203.0.113.7 192.0.2.1 4711\r\n", "bad_line"),
        (b"PROXY TCP5 203.0.113.7 192.0.2.1 4711 443\r\n", "bad_line"),
        (b"PROXY \r\n", "bad_line"),
        (b"PROXY TCP6 203.0.113.7 192.0.2.1 4711 443\r\n", "bad_address"),
        (b"PROXY TCP4 203.0.113.07 192.0.2.1 4711 443\r\n", "bad_address"),
        (b"PROXY TCP4 203.0.113.7 192.0.2.1 65536 443\r\n", "bad_port"),
        (b"PROXY TCP4 203.0.113.7 192.0.2.1 +1 443\r\n", "bad_port"),
        (_binary(0x31, 0x11, bytes(12)), "bad_command"),
        (_binary(0x22, 0x11, bytes(12)), "bad_command"),
        (_binary(0x21, 0x11, bytes(11)), "too_short"),
        (_binary(0x21, 0x11, bytes(4097)), "too_long"),
        (_binary(0x21, 0x11, bytes(12) + b"\x04\x00\x05a"), "extra_too_long"),
        (_binary(0x21, 0x11, bytes(12) + b"\x03\x00\x04abcd"), "checksum"),
        (_binary(0x21, 0x11, bytes(12) + b"\x03\x00\x03abc"), "checksum"),
    ],
)
def test_garbage_is_refused(octets: bytes, reason: str) -> None:
    with pytest.raises(ProxyHeaderError) as refusal:
        parse_proxy_header(octets)
    assert refusal.value.reason == reason


def test_checksum_is_that_of_the_rfc() -> None:
    assert checksum(b"123456789") == 0xE3069283
    assert checksum(bytes(32)) == 0x8A9136AA


def test_header_with_its_checksum_is_taken() -> None:
    content = bytes([203, 0, 113, 7, 192, 0, 2, 1]) + struct.pack("!HH", 4711, 443)
    extras = b"\x04\x00\x02no" + b"\x03\x00\x04"
    blank = _binary(0x21, 0x11, content + extras + bytes(4))
    octets = blank[:-4] + struct.pack("!I", checksum(blank))
    assert parse_proxy_header(octets) == ProxyHeader(*_FOUR, len(octets))


@given(
    st.one_of(
        st.binary(max_size=60),
        st.binary(max_size=60).map(lambda data: SIGNATURE + data),
        st.text("PROXY TCP46.:0129af\r\n", max_size=60).map(lambda text: b"PROXY " + text.encode()),
    )
)
def test_any_octets_are_a_header_or_refused_or_too_few(octets: bytes) -> None:
    try:
        header = parse_proxy_header(octets)
    except ProxyHeaderError:
        return
    assert header is None or 0 < header.size <= len(octets)
