"""Our own answers: short texts for people, with nothing in them that a client sent."""

from __future__ import annotations

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
"""What a client that waits with its body gets when we answer for the backend."""

REASONS = {
    200: b"OK",
    204: b"No Content",
    301: b"Moved Permanently",
    302: b"Found",
    303: b"See Other",
    307: b"Temporary Redirect",
    308: b"Permanent Redirect",
    400: b"Bad Request",
    401: b"Unauthorized",
    403: b"Forbidden",
    404: b"Not Found",
    405: b"Method Not Allowed",
    408: b"Request Timeout",
    411: b"Length Required",
    413: b"Content Too Large",
    414: b"URI Too Long",
    417: b"Expectation Failed",
    421: b"Misdirected Request",
    429: b"Too Many Requests",
    431: b"Request Header Fields Too Large",
    500: b"Internal Server Error",
    501: b"Not Implemented",
    502: b"Bad Gateway",
    503: b"Service Unavailable",
    504: b"Gateway Timeout",
    505: b"HTTP Version Not Supported",
}
"""RFC 9110 15; a status that is not here goes without words."""


def compose_plain(
    status: int,
    text: bytes | str,
    *,
    keep_alive: bool,
    extra: bytes = b"",
    head_only: bool = False,
) -> bytes:
    """A whole answer of ours. extra: whole field lines with their ends. head_only: for HEAD."""
    content = text.encode() if isinstance(text, str) else text
    has_body = status not in (204, 304)
    framing = b"Content-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n" % len(content)
    return b"HTTP/1.1 %d %b\r\n%bCache-Control: no-store\r\n%b%b\r\n%b" % (
        status,
        REASONS.get(status, b""),
        framing if has_body else b"",
        b"" if keep_alive else b"Connection: close\r\n",
        extra,
        content if has_body and not head_only else b"",
    )
