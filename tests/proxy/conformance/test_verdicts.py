"""Requests that two parsers could read differently: the verdict of each engine, and why where they
differ.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest

from tests.proxy.conformance.engines import GSLB, HAPROXY, Engine


class Verdict(NamedTuple):
    """The status that each engine answers, 0 for a connection that is closed. why: they differ."""

    head: bytes
    gslb: int
    haproxy: int
    why: str = ""


HOST = b"Host: h\r\n"
VERDICTS = {
    "plain": Verdict(b"GET /p/ HTTP/1.1\r\n" + HOST, 200, 200),
    "no-host": Verdict(b"GET /p/ HTTP/1.1\r\n", 400, 400),
    "no-host-of-http-1.0": Verdict(b"GET /p/ HTTP/1.0\r\n", 200, 200),
    "two-hosts": Verdict(b"GET /p/ HTTP/1.1\r\n" + HOST + b"Host: i\r\n", 400, 400),
    "dot-segment": Verdict(b"GET /p/../x HTTP/1.1\r\n" + HOST, 400, 400),
    "escaped-dot-segment": Verdict(b"GET /p/%2e%2E/x HTTP/1.1\r\n" + HOST, 400, 400),
    "connect": Verdict(b"CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n", 405, 405),
    "trace": Verdict(b"TRACE /p/ HTTP/1.1\r\n" + HOST, 405, 405),
    "unknown-expectation": Verdict(b"GET /p/ HTTP/1.1\r\nExpect: wine\r\n" + HOST, 417, 417),
    "http-2-in-the-line": Verdict(b"GET /p/ HTTP/2.0\r\n" + HOST, 505, 505),
    "bad-length": Verdict(b"POST /p/ HTTP/1.1\r\nContent-Length: +2\r\n" + HOST, 400, 400),
    "space-before-colon": Verdict(b"GET /p/ HTTP/1.1\r\nX-A : b\r\n" + HOST, 400, 400),
    "length-and-chunks": Verdict(
        b"GET /p/ HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n" + HOST,
        400,
        200,
        "HAProxy drops the length and closes after the answer (RFC 9112 6.1 lets a server choose); "
        "gslb takes no message that has two readings",
    ),
    "two-equal-lengths": Verdict(
        b"POST /p/ HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n" + HOST,
        400,
        200,
        "HAProxy makes one of them (RFC 9110 8.6 lets it); gslb refuses",
    ),
    "chunked-twice": Verdict(
        b"GET /p/ HTTP/1.1\r\nTransfer-Encoding: chunked, chunked\r\n" + HOST, 400, 400
    ),
    "folded-line": Verdict(
        b"GET /p/ HTTP/1.1\r\nX-A: b\r\n c\r\n" + HOST,
        400,
        200,
        "HAProxy unfolds it, as RFC 9112 5.2 lets a proxy do; gslb refuses",
    ),
    "bare-line-feeds": Verdict(
        b"GET /p/ HTTP/1.1\nHost: h\r\n",
        400,
        200,
        "HAProxy 2.6 takes a bare LF for a line's end (RFC 9112 2.2 lets it); gslb refuses",
    ),
    "http-1.2": Verdict(b"GET /p/ HTTP/1.2\r\n" + HOST, 505, 505),
    "absolute-target-of-another-host": Verdict(b"GET http://i/p/ HTTP/1.1\r\n" + HOST, 400, 400),
}
BODY = b"5\r\nhello\r\n0\r\n\r\n"


@pytest.mark.parametrize("verdict", [pytest.param(v, id=k) for k, v in VERDICTS.items()])
def test_the_verdict_is_that_of_the_table(engine: Engine, verdict: Verdict):
    assert bool(verdict.why) == (verdict.gslb != verdict.haproxy)
    body = b""
    if b"chunked" in verdict.head:
        body = BODY
    elif b"Content-Length: 5" in verdict.head:
        body = b"hello"
    got = engine.ask_octets(verdict.head + b"Connection: close\r\n\r\n" + body)
    status = int(got.split(b" ", 2)[1]) if got else 0
    assert status == {GSLB: verdict.gslb, HAPROXY: verdict.haproxy}[engine.kind]
