"""Chunked bodies that two parsers could end in two places: all are refused, each for its reason."""

from __future__ import annotations

from gslb.http1.chunks import EXTENSION_OCTETS, LINE_OCTETS, TRAILERS

TRICKS = [
    (b"0x2\r\nhi\r\n", "int() would take it"),
    (b"+2\r\nhi\r\n", "int() would take it"),
    (b"-2\r\nhi\r\n", "int() would take it"),
    (b"1_0\r\nhi\r\n", "int() would take it"),
    (b" 2\r\nhi\r\n", "int() would take it"),
    (b"2 \r\nhi\r\n", "int() would take it"),
    (b"2 ;a\r\nhi\r\n", "some trim it, others do not"),
    (b"\r\nhi\r\n", "no size"),
    (b";a\r\nhi\r\n", "no size"),
    (b"g\r\nhi\r\n", "no digit"),
    (b"00000000000000002\r\nhi\r\n", "17 digits overflow somewhere"),
    (b"2\nhi\r\n", "a bare LF"),
    (b"2\r\rhi\r\n", "bare CRs"),
    (b"2;a\nhi\r\n", "an extension that ends in a bare LF"),
    (b"2;a\rb\r\nhi\r\n", "a CR in an extension"),
    (b"2;a\0\r\nhi\r\n", "NUL in an extension"),
    (b"2\r\nhi0\r\n\r\n", "content longer than its size"),
    (b"2\r\nhi\n0\r\n\r\n", "a bare LF after content"),
    (b"2\r\nhi\r0\r\n\r\n", "a bare CR after content"),
    (b"2;" + b"a" * EXTENSION_OCTETS + b"\r\nhi\r\n", "extensions over their limit"),
    (b"1;" + b"a" * 9 + b"\r\nh\r\n" + (b"1;" + b"a" * 999 + b"\r\nh\r\n") * 5, "the same"),
    (b"0\r\n" + b"A: b\r\n" * (TRAILERS + 1) + b"\r\n", "trailers over their limit"),
    (b"0\r\nA: " + b"b" * LINE_OCTETS + b"\r\n\r\n", "a line over its limit"),
    ((b"0\r\n" + (b"A: " + b"b" * 3000 + b"\r\n") * 3) + b"\r\n", "the same for all lines"),
    (b"0\r\nA : b\r\n\r\n", "a space before the colon"),
    (b"0\r\nA: b\r\n c\r\n\r\n", "a folded trailer"),
    (b"0\r\nA\r\n\r\n", "no colon"),
    (b"0\r\nA: b\rc\r\n\r\n", "a CR in a trailer"),
    (b"0\r\n\n", "a bare LF at the end"),
    (b"0" * 9000, "a size that never ends"),
]
