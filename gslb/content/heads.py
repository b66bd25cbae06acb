"""How values of fields are read here: lists, quoted strings, tags, dates; heads with other lines.

1. Every reader is linear in the length of the value, whatever a client or a backend sends.
2. Two lines of one name are one value, joined by a comma (RFC 9110 5.3). A date or a number that
   came twice is thereby none, which is the careful reading.
"""

from __future__ import annotations

import re
from calendar import timegm
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from gslb.http1.answer import NEVER_COMPOSED, Response
from gslb.http1.fields import join_lines, name_of
from gslb.http1.head import Request

Fields = Mapping[bytes, bytes]

# A quoted string that never ends takes the rest, so that no octet is looked at twice (law 1).
_PIECE = re.compile(rb'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|[^",]+|,', re.DOTALL)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_TAG = re.compile(rb'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')


def members(value: bytes) -> list[bytes]:
    """The members of a comma-separated list, quoted strings left whole, empty ones left out."""
    if b'"' not in value:
        return [member for piece in value.split(b",") if (member := piece.strip(b" \t"))]
    found: list[list[bytes]] = [[]]
    for piece in _PIECE.findall(value):
        if piece == b",":
            found.append([])
        else:
            found[-1].append(piece)
    return [member for pieces in found if (member := b"".join(pieces).strip(b" \t"))]


def unquoted(value: bytes) -> bytes:
    """A token as it is, a quoted string without its quotes (RFC 9110 5.6.4)."""
    if len(value) >= 2 and value[:1] == b'"' == value[-1:]:
        return _ESCAPED.sub(rb"\1", value[1:-1])
    return value


def tags(value: bytes) -> list[bytes]:
    """The opaque part of each entity tag, weak or not, quotes included (RFC 9110 8.8.3)."""
    return [b'"' + found[1] + b'"' for found in _TAG.findall(value)]


def is_tag(value: bytes) -> bool:
    """Whether a value is one entity tag."""
    return _TAG.fullmatch(value) is not None


def weakened(tag: bytes) -> bytes:
    """An entity tag that promises no more than the same meaning."""
    return tag if tag.startswith(b"W/") else b"W/" + tag


# ---------------------------------------------------------------- heads


def make_response(status: int, reason: bytes, raw: Sequence[bytes], *, body: int) -> Response:
    """A head of these lines. body: see gslb.http1.answer.Response."""
    response = Response()
    response.status, response.reason, response.version = status, reason, 11
    response.body, response.keep_alive = body, True
    response.composed = NEVER_COMPOSED
    response.raw = list(raw)
    response.keys = [name_of(line) for line in raw]
    response.fields = join_lines(response.raw, {})
    return response


def with_lines(request: Request, raw: Sequence[bytes]) -> Request:
    """The same request with other lines, which say the same about its host and its body."""
    changed = Request()
    changed.method, changed.target = request.method, request.target
    changed.path, changed.query = request.path, request.query
    changed.host, changed.authority = request.host, request.authority
    changed.version, changed.body, changed.size = request.version, request.body, request.size
    changed.keep_alive, changed.upgrade = request.keep_alive, request.upgrade
    changed.expects_continue, changed.told = request.expects_continue, request.told
    changed.raw = list(raw)
    changed.keys = [name_of(line) for line in raw]
    changed.fields = join_lines(changed.raw, {b"cookie": b"; "})
    return changed


# ---------------------------------------------------------------- dates (RFC 9110 5.6.7)

_MONTHS = b"jan feb mar apr may jun jul aug sep oct nov dec".split()
_DAYS = (b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun")
_TIME = rb"(\d\d):(\d\d):(\d\d)"
_IMF = re.compile(rb"[A-Za-z]{3}, (\d\d) ([A-Za-z]{3}) (\d{4}) " + _TIME + rb" GMT")
_RFC_850 = re.compile(rb"[A-Za-z]{6,9}, (\d\d)-([A-Za-z]{3})-(\d\d) " + _TIME + rb" GMT")
_ASCTIME = re.compile(rb"[A-Za-z]{3} ([A-Za-z]{3}) ([ \d]\d) " + _TIME + rb" (\d{4})")


def maybe_date(value: bytes | None) -> float | None:
    """Unix seconds of a date in any of the three forms, None for anything else."""
    if value is None:
        return None
    if found := _IMF.fullmatch(value):
        day, month, year, *clock = found.groups()
        return _seconds(int(year), month, day, clock)
    if found := _RFC_850.fullmatch(value):
        day, month, short, *clock = found.groups()
        # Two digits: nobody sends dates of decades to come, so 70 to 99 are of the last century.
        return _seconds(int(short) + (1900 if int(short) >= 70 else 2000), month, day, clock)
    if found := _ASCTIME.fullmatch(value):
        month, day, *clock, year = found.groups()
        return _seconds(int(year), month, day, clock)
    return None


def compose_date(at: float) -> bytes:
    """Unix seconds as a date: `Sun, 06 Nov 1994 08:49:37 GMT`."""
    moment = datetime.fromtimestamp(int(at), UTC)
    return b"%s, %02d %s %04d %02d:%02d:%02d GMT" % (
        *(_DAYS[moment.weekday()], moment.day, _MONTHS[moment.month - 1].capitalize()),
        *(moment.year, moment.hour, moment.minute, moment.second),
    )


def _seconds(year: int, month: bytes, day: bytes, clock: Sequence[bytes]) -> float | None:
    hour, minute, second = map(int, clock)
    name = month.lower()
    if name not in _MONTHS or not 1 <= int(day) <= 31 or year < 1:
        return None
    if hour > 23 or minute > 59 or second > 60:  # 60: a leap second
        return None
    return float(timegm((year, _MONTHS.index(name) + 1, int(day), hour, minute, second)))
