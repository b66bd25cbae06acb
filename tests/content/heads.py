"""Heads for the tests of this room, read by the room that reads real ones."""

from gslb.content.heads import compose_date
from gslb.http1.answer import parse_response
from gslb.http1.head import parse_request
from gslb.model.proxy import HttpLimits

LIMITS = HttpLimits()
AT = 1_700_000_000.0
"""When everything here happens unless it says otherwise: Tue, 14 Nov 2023 22:13:20 GMT."""


def date(seconds=0.0):
    """The date so many seconds after AT."""
    return compose_date(AT + seconds).decode()


def ask(*lines, method="GET", target="/a", host="shop.example"):
    text = "\r\n".join((f"{method} {target} HTTP/1.1", f"Host: {host}", *lines, "", ""))
    return parse_request(text.encode("latin-1"), LIMITS)


def tell(*lines, status=200, method="GET", length=5, dated=True):
    """An answer. length: None is chunked, -2 ends with the connection."""
    framing = [] if length == -2 else [f"Content-Length: {length}"]
    framing = ["Transfer-Encoding: chunked"] if length is None else framing
    if status in (204, 304):
        framing = []
    head = (f"HTTP/1.1 {status} Fine", *([f"Date: {date()}"] if dated else []), *lines, *framing)
    text = "\r\n".join((*head, "", ""))
    return parse_response(text.encode("latin-1"), method=method.encode(), limits=LIMITS)


def store(cache, request, response, *, at=AT, body=b"hello", scheme=b"http"):
    """Have a cache see a whole exchange; why it refused, or True."""
    lookup = cache.lookup(request, at=at, scheme=scheme)
    recording = cache.begin(lookup, response, at=at)
    if recording is None:
        return None
    recording.feed(body)
    return recording.finish()
