"""Heads of answers that a client could read otherwise than we do, the splitting of one answer into
two among them: all are 502, each for its reason.
"""

from __future__ import annotations

from typing import NamedTuple


def compose_answer(*lines: bytes, start: bytes = b"HTTP/1.1 200 OK") -> bytes:
    """A head of these lines."""
    return b"\r\n".join([start, *lines]) + b"\r\n\r\n"


class Bad(NamedTuple):
    name: str
    octets: bytes
    reason: str
    why: str


BAD_ANSWERS = [
    Bad(
        "length and coding",
        compose_answer(b"Content-Length: 5", b"Transfer-Encoding: chunked"),
        "length_and_coding",
        "whoever reads the other ends elsewhere",
    ),
    Bad(
        "two lengths",
        compose_answer(b"Content-Length: 5", b"Content-Length: 6"),
        "two_lengths",
        "the client may take the other",
    ),
    Bad("list of lengths", compose_answer(b"Content-Length: 5, 5"), "two_lengths", "the same"),
    Bad("length -1", compose_answer(b"Content-Length: -1"), "bad_length", "it is no length"),
    Bad(
        "unknown coding",
        compose_answer(b"Transfer-Encoding: gzip"),
        "unknown_coding",
        "not known here",
    ),
    Bad(
        "chunked first",
        compose_answer(b"Transfer-Encoding: chunked, x"),
        "chunked_misplaced",
        "no end",
    ),
    Bad(
        "coding in 1.0",
        compose_answer(b"Transfer-Encoding: chunked", start=b"HTTP/1.0 200 OK"),
        "coding_in_1_0",
        "it may be meant as content",
    ),
    Bad(
        "CR in a value",
        compose_answer(b"X: a\rSet-Cookie: b"),
        "bare_line_end",
        "splits the answer",
    ),
    Bad(
        "LF in a value",
        compose_answer(b"X: a\nSet-Cookie: b"),
        "bare_line_end",
        "splits the answer",
    ),
    Bad("NUL in a value", compose_answer(b"X: a\0b"), "control_in_value", "CVE-2026-34520"),
    Bad("folded line", compose_answer(b"X: a", b" b"), "folded_line", "RFC 9112 5.2"),
    Bad("space before colon", compose_answer(b"X : a"), "space_before_colon", "RFC 9112 5.1"),
    Bad("no colon", compose_answer(b"X"), "no_colon", "no field"),
    Bad(
        "CR in the reason", compose_answer(start=b"HTTP/1.1 200 O\rK"), "bad_status_line", "splits"
    ),
    Bad(
        "DEL in the reason",
        compose_answer(start=b"HTTP/1.1 200 O\x7f"),
        "bad_status_line",
        "no text",
    ),
    Bad(
        "LF in the status",
        compose_answer(start=b"HTTP/1.1 200 OK\nX: y"),
        "bad_status_line",
        "splits",
    ),
    Bad("HTTP/2", compose_answer(start=b"HTTP/2 200 OK"), "bad_status_line", "not asked for"),
    Bad("status 99", compose_answer(start=b"HTTP/1.1 099 X"), "bad_status_line", "below 100"),
    Bad("status 2000", compose_answer(start=b"HTTP/1.1 2000 X"), "bad_status_line", "three digits"),
    Bad("no HTTP", compose_answer(start=b"SSH-2.0-OpenSSH"), "bad_status_line", "another protocol"),
    Bad("many fields", compose_answer(*[b"X: y"] * 101), "head_too_large", "limits.headers is 100"),
    Bad(
        "large head",
        compose_answer(b"X: " + b"y" * 70_000),
        "head_too_large",
        "limits.header_octets",
    ),
    Bad(
        "switch to h2c",
        compose_answer(b"Upgrade: h2c", b"Connection: upgrade", start=b"HTTP/1.1 101 X"),
        "bad_switch",
        "only websockets are tunnels",
    ),
    Bad("switch to nothing", compose_answer(start=b"HTTP/1.1 101 X"), "bad_switch", "the same"),
]
