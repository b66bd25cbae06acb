"""What the names of fields mean to a proxy, and how lists of tokens are read.

Names are lower case.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""What is between two neighbours (RFC 9110 7.6.1), besides what Connection names."""

FORWARDED = frozenset(
    {
        b"forwarded",
        b"x-forwarded-by",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-prefix",
        b"x-forwarded-proto",
        b"x-forwarded-scheme",
        b"x-forwarded-server",
        b"x-forwarded-ssl",
        b"x-real-ip",
        b"x-request-id",
    }
)
"""What only a trusted proxy may say of a request."""

UNNAMEABLE = FORWARDED | {
    b"authorization",
    b"cache-control",
    b"content-encoding",
    b"content-length",
    b"content-type",
    b"cookie",
    b"date",
    b"host",
    b"set-cookie",
    b"vary",
}
"""What Connection cannot take away: other parties rely on it (CVE-2021-32813 was such a hole)."""

TRAILER_REFUSED = (
    HOP_BY_HOP
    | UNNAMEABLE
    | {b"age", b"content-range", b"expect", b"expires", b"location", b"max-forwards", b"range"}
    | {b"pragma", b"retry-after", b"warning", b"www-authenticate", b"http2-settings"}
)
"""What a trailer may not say: it frames, routes or authorises, and came too late to be judged
(RFC 9110 6.5.1).
"""

TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
CONTROLS = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
"""What no value of a field may hold; a tab may be there (RFC 9110 5.5)."""


class _Keys(dict[bytes, bytes]):
    """Names as sent to names in lower case: a look-up where a name is one of those that most
    clients send (0.02 µs less than to make it each time, and its hash is known). One with an
    underscore becomes the empty name.
    """

    def __missing__(self, name: bytes) -> bytes:
        return b"" if b"_" in name else name.lower()


_USUAL = (
    b"Accept Accept-Encoding Accept-Language Accept-Ranges Access-Control-Allow-Origin Age "
    b"Authorization Cache-Control Connection Content-Encoding Content-Length Content-Type Cookie "
    b"Date ETag Expires Forwarded Host If-Modified-Since If-None-Match Keep-Alive Last-Modified "
    b"Location Origin Pragma Priority Range Referer Sec-Fetch-Dest Sec-Fetch-Mode Sec-Fetch-Site "
    b"Sec-Fetch-User Server Set-Cookie Strict-Transport-Security TE Transfer-Encoding Upgrade "
    b"Upgrade-Insecure-Requests User-Agent Vary Via X-Forwarded-For X-Forwarded-Host "
    b"X-Forwarded-Proto X-Real-IP X-Request-ID"
).split()
KEYS = _Keys()
KEYS.update((spelling, name.lower()) for name in _USUAL for spelling in (name, name.lower()))


def list_tokens(value: bytes) -> list[bytes]:
    """The members of a comma-separated list, in lower case; empty ones are left out."""
    return [token for part in value.lower().split(b",") if (token := part.strip(b" \t"))]


def list_named(connection: bytes) -> frozenset[bytes]:
    """The fields that a Connection value takes away, as far as it may."""
    return frozenset(list_tokens(connection)) - UNNAMEABLE


def does_keep_alive(version: int, fields: Mapping[bytes, bytes]) -> bool:
    """Whether the sender's connection outlives the message (RFC 9112 9.3)."""
    connection = fields.get(b"connection")
    if connection is None:
        return version == 11
    if connection == b"keep-alive":
        return True
    tokens = list_tokens(connection)
    return b"close" not in tokens and (version == 11 or b"keep-alive" in tokens)


def join_lines(raw: list[bytes], separator: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Lines to values by name, where names come more than once. separator: what joins the values of
    a name; a comma and a space for the others (RFC 9110 5.3).
    """
    fields: dict[bytes, bytes] = {}
    for line in raw:
        name, _, value = line.partition(b":")
        key, value = name.lower(), value.strip()
        seen = fields.get(key)
        fields[key] = value if seen is None else seen + separator.get(key, b", ") + value
    return fields


def split_line(line: bytes) -> tuple[bytes, bytes]:
    """A line to its name as sent and its value."""
    name, _, value = line.partition(b":")
    return name, value.strip()


def name_of(line: bytes) -> bytes:
    """The name of a line, in lower case."""
    return line.partition(b":")[0].lower()


def tell_fault(raw: list[bytes]) -> str:
    """Why lines are no fields, as a short code."""
    for line in raw:
        name, colon, value = line.partition(b":")
        if line[:1] in (b" ", b"\t"):
            return "folded_line"
        if b"\n" in line or b"\r" in line:
            return "bare_line_end"
        if not colon:
            return "no_colon"
        if not TOKEN.fullmatch(name):
            return _tell_name(name)
        if CONTROLS.search(value):
            return "control_in_value"
    return "grammar"


def _tell_name(name: bytes) -> str:
    if not name:
        return "empty_name"
    return "space_before_colon" if name[-1:] in (b" ", b"\t") else "bad_name"
