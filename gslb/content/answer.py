"""A stored response as the answer to one request: whole, its head, or 304 (RFC 9111 4.3.2, 5.1)."""

from __future__ import annotations

from typing import NamedTuple

from gslb.content.entry import Entry
from gslb.content.heads import Fields, make_response, maybe_date, tags, weakened
from gslb.http1.answer import Response
from gslb.http1.fields import name_of
from gslb.http1.head import Request

# A 304 says nothing of a body that it does not have (RFC 9110 15.4.5).
_ONLY_WITH_BODY = frozenset((b"content-type", b"content-encoding", b"content-language"))


class Answer(NamedTuple):
    """A head to compose and the body after it, empty for HEAD and 304."""

    response: Response
    body: bytes


def entry_response(entry: Entry, request: Request, *, at: float) -> Answer:
    """What a client gets of an entry: with Age, and 304 where it has the same already. 5 us."""
    age = b"Age: %d" % entry.age_s(at)
    if 200 <= entry.status < 300 and _has_it(entry, request.fields):
        kept = [line for line in entry.raw if name_of(line) not in _ONLY_WITH_BODY]
        return Answer(make_response(304, b"Not Modified", [*kept, age], body=0), b"")
    raw = [*entry.raw, age]
    if entry.status != 204:
        raw.append(b"Content-Length: %d" % len(entry.body))
    body = b"" if request.method == b"HEAD" else entry.body
    return Answer(make_response(entry.status, entry.reason, raw, body=len(body)), body)


def _has_it(entry: Entry, asked: Fields) -> bool:
    """Whether the conditions of a request say so; tags beat dates (RFC 9110 13.2.2)."""
    match = asked.get(b"if-none-match")
    if match is not None:
        if match == b"*":
            return True
        return entry.etag is not None and weakened(entry.etag)[2:] in tags(match)
    since = maybe_date(asked.get(b"if-modified-since"))
    if since is None:
        return False
    changed_at = maybe_date(entry.modified)
    return changed_at is not None and changed_at <= since
