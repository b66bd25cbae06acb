"""Heads to octets: requests for backends, answers for clients, and our own answers.

Laws:
1. What is between two neighbours goes first, with all that Connection names; then come our own
   lines, so that no client can take them away; the operator's changes come last.
2. A body is framed by what is handed in, never by what was received.
3. Nothing that names a backend is added.

Costs, five fields: `compose_request` 1.4 µs, `compose_response` 1.4 µs; 0.7 and 0.2 µs for what has
come before (gslb.http1.head, gslb.http1.answer).
"""

from __future__ import annotations

from gslb.http1.answer import Response
from gslb.http1.changes import Changes, compile_changes
from gslb.http1.fields import FORWARDED, HOP_BY_HOP, list_named, list_tokens
from gslb.http1.forwarding import Forwarding, client_address
from gslb.http1.framing import CHUNKED, UNTIL_CLOSE
from gslb.http1.head import Request
from gslb.http1.plain import CONTINUE, compose_plain

__all__ = [
    "CONTINUE",
    "Changes",
    "Forwarding",
    "client_address",
    "compile_changes",
    "compose_interim",
    "compose_plain",
    "compose_request",
    "compose_response",
]

_REFRAMED = HOP_BY_HOP | {b"content-length", b"expect", b"host", b"http2-settings"}
_REQUEST_DROPPED = _REFRAMED | FORWARDED
_TRUSTED_DROPPED = _REFRAMED | {
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-proto",
    b"x-real-ip",
    b"x-request-id",
}
_RESPONSE_REFRAMED = HOP_BY_HOP | {b"content-length"}
_NAMES_NOTHING = frozenset({b"keep-alive", b"Keep-Alive", b"close", b"upgrade", b"Upgrade"})
"""Values of Connection that need no reading."""
_TELLS_LENGTH = frozenset({b"POST", b"PUT", b"PATCH"})
"""Methods whose empty body is told (RFC 9110 8.6)."""


def compose_request(  # noqa: PLR0913 - one for each party that has a say
    request: Request,
    *,
    target: bytes,
    host: bytes | None,
    via: Forwarding,
    changes: Changes | None,
    body: int,
    keep_expect: bool,
) -> bytes:
    """A request to its head for a backend, in HTTP/1.1.

    host: replaces the Host; None keeps it. body: how it is framed, a length or CHUNKED.
    """
    told, method = request.told, request.method
    if (
        told.is_bare
        and request.raw is told.raw
        and changes is None
        and not via.is_trusted
        and method not in _TELLS_LENGTH
    ):
        passed = told.passed
        if passed is None:
            passed = told.passed = b"\r\n".join([*_pick(request, via), b""])
        start = method + b" " + target + b" HTTP/1.1\r\nHost: " + (host or request.authority)
        return start + b"\r\n" + passed + via.compose_lines(request) + b"\r\n\r\n"
    fields = request.fields
    lines = [
        b"%b %b HTTP/1.1\r\nHost: %b" % (method, target, host or request.authority),
        *_pick(request, via),
    ]
    if body:
        lines.append(
            b"Transfer-Encoding: chunked" if body == CHUNKED else b"Content-Length: %d" % body
        )
    elif b"content-length" in fields or method in _TELLS_LENGTH:
        lines.append(b"Content-Length: 0")
    lines.append(via.compose_lines(request))
    if request.upgrade:
        lines.append(b"Connection: Upgrade\r\nUpgrade: websocket")
    elif b"te" in fields and b"trailers" in list_tokens(fields[b"te"]):
        lines.append(b"Connection: TE\r\nTE: trailers")
    if keep_expect:
        lines.append(b"Expect: 100-continue")
    if changes is not None:
        lines = changes.apply(lines)
    lines.append(b"\r\n")
    return b"\r\n".join(lines)


def _pick(request: Request, via: Forwarding) -> list[bytes]:
    """The lines of a request that go on."""
    fields = request.fields
    dropped = _TRUSTED_DROPPED if via.is_trusted else _REQUEST_DROPPED
    if b"connection" in fields and fields[b"connection"] not in _NAMES_NOTHING:
        dropped |= list_named(fields[b"connection"])
    return [line for line, key in zip(request.raw, request.keys, strict=True) if key not in dropped]


def compose_response(  # noqa: PLR0913 - one for each party that has a say
    response: Response,
    *,
    version: int,
    body: int,
    keep_alive: bool,
    changes: Changes | None,
    extra: bytes = b"",
) -> bytes:
    """An answer to its head for a client.

    version: of the client, which for 10 gets no chunks: body must not be CHUNKED then. body: how it
    is framed; UNTIL_CLOSE closes whatever keep_alive says. extra: whole lines of ours, with their
    ends.
    """
    if version == 11 and keep_alive and body == response.body != UNTIL_CLOSE:
        made_with, octets = response.composed
        if made_with is not changes:
            octets = _compose(response, version, body, keep_alive, changes)
            response.composed = (changes, octets)
        return octets + extra + b"\r\n"
    return _compose(response, version, body, keep_alive, changes) + extra + b"\r\n"


def _compose(
    response: Response,
    version: int,
    body: int,
    keep_alive: bool,  # noqa: FBT001 - as above
    changes: Changes | None,
) -> bytes:
    """The lines of an answer's head, each with its end."""
    assert body != CHUNKED or version == 11
    fields = response.fields
    is_reframed = body != response.body or body < 0
    dropped = _RESPONSE_REFRAMED if is_reframed else HOP_BY_HOP
    if b"connection" in fields and fields[b"connection"] not in _NAMES_NOTHING:
        dropped |= list_named(fields[b"connection"])
    lines = [
        b"HTTP/1.1 %d %b" % (response.status, response.reason),
        *[
            line
            for line, key in zip(response.raw, response.keys, strict=True)
            if key not in dropped
        ],
    ]
    if is_reframed and body != UNTIL_CLOSE:
        lines.append(
            b"Transfer-Encoding: chunked" if body == CHUNKED else b"Content-Length: %d" % body
        )
    if response.status == 101:
        lines.append(b"Connection: Upgrade\r\nUpgrade: websocket")
    elif not keep_alive or body == UNTIL_CLOSE:
        lines.append(b"Connection: close")
    elif version == 10:
        lines.append(b"Connection: keep-alive")
    if changes is not None:
        lines = changes.apply(lines)
    lines.append(b"")
    return b"\r\n".join(lines)


def compose_interim(response: Response) -> bytes:
    """A 1xx of a backend, not 101, to the octets that pass it on; HTTP/1.0 clients get none."""
    return compose_response(response, version=11, body=0, keep_alive=True, changes=None)
