"""The verdicts on octets that two parsers could read in two ways: one row each, with its reason.

An integer is the status of a refusal. Otherwise the request is taken: Taken says how it is read,
which lines the backend gets besides ours, and which words it must not see.
"""

from __future__ import annotations

from typing import NamedTuple

from gslb.http1.head import CHUNKED


class Taken(NamedTuple):
    """How a request is read, and what goes on. sent: its own lines, framing included."""

    target: bytes = b"/"
    host: bytes = b"a.test"
    body: int = 0
    sent: tuple[bytes, ...] = ()
    keep_alive: bool = True


class Row(NamedTuple):
    name: str
    octets: bytes
    verdict: int | Taken
    why: str
    reason: str = ""


def _get(*lines: bytes, start: bytes = b"GET / HTTP/1.1", host: bytes = b"Host: a.test") -> bytes:
    return b"\r\n".join([start, *([host] if host else []), *lines]) + b"\r\n\r\n"


def _post(*lines: bytes) -> bytes:
    return _get(*lines, start=b"POST / HTTP/1.1")


_SPACE = "a name with a space may be read as another name, or as the one without it"
_LENGTH = "a length is digits; what else some parsers take, others read as another number"
_TWICE = "which of two counts is each parser's own choice, so even equal ones are refused"
_CODING = "only `chunked` frames here; an unknown coding cannot be relayed without knowing its end"
_HOST = "a Host that is no host and port routes one way here and another at the backend"
_LINE = "lines end in CR LF; a parser that takes less sees other lines"
_CLIMBS = "a route judges its beginning, a backend where it leads"
_EXACT = "the backend must read what the route judged, octet for octet"

LENGTHS = [
    Row(
        "length", _post(b"Content-Length: 5"), Taken(body=5, sent=(b"Content-Length: 5",)), "usual"
    ),
    Row("length zero", _post(b"Content-Length: 0"), Taken(sent=(b"Content-Length: 0",)), "usual"),
    Row("no length", _post(), Taken(sent=(b"Content-Length: 0",)), "a POST without a body says so"),
    Row(
        "leading zeros",
        _post(b"Content-Length: 0005"),
        Taken(body=5, sent=(b"Content-Length: 5",)),
        "the grammar allows them, and what goes on is made anew",
    ),
    Row(
        "length and coding",
        _post(b"Content-Length: 5", b"Transfer-Encoding: chunked"),
        400,
        "the classic of smuggling: RFC 9112 6.3 lets a server refuse it, so do we",
        "length_and_coding",
    ),
    Row(
        "coding and length",
        _post(b"Transfer-Encoding: chunked", b"Content-Length: 5"),
        400,
        "the order changes nothing",
        "length_and_coding",
    ),
    Row(
        "two equal lengths",
        _post(b"Content-Length: 5", b"Content-Length: 5"),
        400,
        _TWICE,
        "two_lengths",
    ),
    Row(
        "two lengths",
        _post(b"Content-Length: 5", b"content-length: 6"),
        400,
        _TWICE,
        "two_lengths",
    ),
    Row("list of lengths", _post(b"Content-Length: 2, 2"), 400, _TWICE, "two_lengths"),
    Row("length +2", _post(b"Content-Length: +2"), 400, _LENGTH, "bad_length"),
    Row("length -2", _post(b"Content-Length: -2"), 400, _LENGTH, "bad_length"),
    Row("length 0x2", _post(b"Content-Length: 0x2"), 400, _LENGTH, "bad_length"),
    Row("length 1_0", _post(b"Content-Length: 1_0"), 400, _LENGTH, "bad_length"),
    Row("length 2 3", _post(b"Content-Length: 2 3"), 400, _LENGTH, "bad_length"),
    Row("length 2.0", _post(b"Content-Length: 2.0"), 400, _LENGTH, "bad_length"),
    Row("length empty", _post(b"Content-Length:"), 400, _LENGTH, "bad_length"),
    Row("length in Arabic", _post("Content-Length: ٢".encode()), 400, _LENGTH, "bad_length"),
    Row(
        "length of 2^64",
        _post(b"Content-Length: 18446744073709551616"),
        400,
        "it is 0 where counters have 64 bits",
        "bad_length",
    ),
    Row(
        "length after a tab",
        _post(b"Content-Length:\t5"),
        Taken(body=5, sent=(b"Content-Length: 5",)),
        "OWS may be a tab",
    ),
    Row("length after a form feed", _post(b"Content-Length: \x0c5"), 400, "no white space of HTTP"),
    Row("length over the limit", _post(b"Content-Length: 1001"), 413, "limits.body_octets is 1000"),
    Row("length : 5", _post(b"Content-Length : 5"), 400, _SPACE, "space_before_colon"),
    Row(
        "length of a GET",
        _get(b"Content-Length: 3"),
        Taken(body=3, sent=(b"Content-Length: 3",)),
        "a GET may have a body; who forgets it reads it as the next request",
    ),
]

CODINGS = [
    Row(
        "chunked",
        _post(b"Transfer-Encoding: chunked"),
        Taken(body=CHUNKED, sent=(b"Transfer-Encoding: chunked",)),
        "usual",
    ),
    Row(
        "Chunked",
        _post(b"transfer-encoding: Chunked"),
        Taken(body=CHUNKED, sent=(b"Transfer-Encoding: chunked",)),
        "codings have no case, and ours is sent instead",
    ),
    Row("xchunked", _post(b"Transfer-Encoding: xchunked"), 501, _CODING, "unknown_coding"),
    Row("identity", _post(b"Transfer-Encoding: identity"), 501, _CODING, "unknown_coding"),
    Row(
        "gzip, chunked", _post(b"Transfer-Encoding: gzip, chunked"), 501, _CODING, "unknown_coding"
    ),
    Row(
        "two lines of codings",
        _post(b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked"),
        501,
        _CODING,
        "unknown_coding",
    ),
    Row("chunked, identity", _post(b"Transfer-Encoding: chunked, identity"), 400, _CODING),
    Row("chunked twice", _post(b"Transfer-Encoding: chunked, chunked"), 400, _CODING),
    Row(
        "chunked in two lines",
        _post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
        400,
        _TWICE,
    ),
    Row("chunked and a comma", _post(b"Transfer-Encoding: chunked,"), 400, _CODING),
    Row("chunked with a parameter", _post(b"Transfer-Encoding: chunked;q=1"), 400, _CODING),
    Row("quoted chunked", _post(b'Transfer-Encoding: "chunked"'), 400, "a token has no quotes"),
    Row("chun ked", _post(b"Transfer-Encoding: chun ked"), 400, "a token has no spaces"),
    Row("coding empty", _post(b"Transfer-Encoding:"), 400, "it frames nothing, or everything"),
    Row(
        "vertical tab", _post(b"Transfer-Encoding: \x0bchunked"), 400, "some trim it, others do not"
    ),
    Row(
        "coding : chunked", _post(b"Transfer-Encoding : chunked"), 400, _SPACE, "space_before_colon"
    ),
    Row("x then coding", _post(b"X: y\nTransfer-Encoding: chunked"), 400, _LINE),
    Row(
        "coding in 1.0",
        _get(b"Transfer-Encoding: chunked", start=b"POST / HTTP/1.0"),
        400,
        "HTTP/1.0 has none; a backend that ignores it reads chunks as requests",
        "coding_in_1_0",
    ),
    Row(
        "underscore twin of coding",
        _post(b"Transfer_Encoding: chunked", b"Content-Length: 5"),
        Taken(body=5, sent=(b"Content-Length: 5",)),
        "CGI-like backends read it as the one with a hyphen: it does not go on",
    ),
]

LINES = [
    Row("bare LF", b"GET / HTTP/1.1\nHost: a.test\r\n\r\n", 400, _LINE),
    Row("LF after a line", b"GET / HTTP/1.1\r\nHost: a.test\nX: y\r\n\r\n", 400, _LINE),
    Row("CR in a value", _get(b"X: a\rb"), 400, _LINE, "bare_line_end"),
    Row("CR CR LF", _get(b"X: a\r"), 400, _LINE),
    Row("CR in the first line", b"GET / HTTP/1.1\rX: y\r\nHost: a.test\r\n\r\n", 400, _LINE),
    Row("folded line", _get(b"X: a", b" b"), 400, "RFC 9112 5.2: refuse it", "folded_line"),
    Row("line folded by a tab", _get(b"X: a", b"\tb"), 400, "the same", "folded_line"),
    Row(
        "folded first line",
        b"GET / HTTP/1.1\r\n Host: b.test\r\nHost: a.test\r\n\r\n",
        400,
        "some skip it, others take it for a Host (RFC 9112 2.2)",
    ),
    Row("NUL in a value", _get(b"X: a\0b"), 400, "where strings end at NUL, it is another value"),
    Row("control in a value", _get(b"X: a\x01b"), 400, "no text has it", "control_in_value"),
    Row("DEL in a value", _get(b"X: a\x7fb"), 400, "the same", "control_in_value"),
    Row(
        "obs-text in a value",
        _get(b"X: \xe9"),
        Taken(sent=(b"X: \xe9",)),
        "RFC 9110 5.5 lets it be",
    ),
    Row("NUL in a name", _get(b"X\0: a"), 400, "the same", "bad_name"),
    Row("non-ASCII in a name", _get(b"X\xe9: a"), 400, "a name is a token", "bad_name"),
    Row("space before colon", _get(b"X : a"), 400, _SPACE, "space_before_colon"),
    Row("tab before colon", _get(b"X\t: a"), 400, _SPACE, "space_before_colon"),
    Row("space in a name", _get(b"X Y: a"), 400, _SPACE, "bad_name"),
    Row("empty name", _get(b": a"), 400, "there is no such field", "empty_name"),
    Row("no colon", _get(b"Xa"), 400, "there is no such line", "no_colon"),
    Row("empty value", _get(b"X:"), Taken(sent=(b"X:",)), "a value may be empty"),
    Row(
        "underscores",
        _get(b"X_Forwarded_For: 1.2.3.4", b"Good-Name: a_b"),
        Taken(sent=(b"Good-Name: a_b",)),
        "CVE-2025-64484: some backends take it for X-Forwarded-For",
    ),
    Row("100 fields", _get(*[b"X: y"] * 99), Taken(sent=(b"X: y",) * 99), "limits.headers is 100"),
    Row("101 fields", _get(*[b"X: y"] * 100), 431, "limits.headers is 100", "head_too_large"),
    Row("large head", _get(b"X: " + b"y" * 70_000), 431, "limits.header_octets is 65536"),
    Row("long line", _get(start=b"GET /" + b"y" * 17_000 + b" HTTP/1.1"), 414, "16384 at most"),
]

STARTS = [
    Row("HTTP/2.0", _get(start=b"GET / HTTP/2.0"), 505, "it is not spoken here", "version"),
    Row("HTTP/1.2", _get(start=b"GET / HTTP/1.2"), 505, "nobody knows what it would mean"),
    Row("HTTP/0.9", _get(start=b"GET / HTTP/0.9"), 505, "it has no heads"),
    Row(
        "HTTP/1.10", _get(start=b"GET / HTTP/1.10"), 400, "a version has two digits", "bad_version"
    ),
    Row("http/1.1", _get(start=b"GET / http/1.1"), 400, "the name has case", "bad_version"),
    Row(
        "version of lower value",
        _get(start=b"GET / HTTP/1.\xd9\xa1"),
        400,
        "no digit",
        "bad_version",
    ),
    Row(
        "preface of HTTP/2",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        505,
        "RFC 9113 3.4 made it to be refused so",
        "version",
    ),
    Row("line of HTTP/0.9", b"GET /\r\n\r\n", 400, "no version, no framing", "http_0_9"),
    Row("two spaces", _get(start=b"GET  / HTTP/1.1"), 400, "words have one space between"),
    Row("tab", _get(start=b"GET\t/ HTTP/1.1"), 400, "a tab is no space"),
    Row("space in the target", _get(start=b"GET /a b HTTP/1.1"), 400, "which word is the target?"),
    Row("space after the version", _get(start=b"GET / HTTP/1.1 "), 400, "the same"),
    Row("empty line first", b"\r\n" + _get(), 400, "the caller takes one away, not two"),
    Row(
        "CONNECT",
        _get(start=b"CONNECT a.test:443 HTTP/1.1"),
        405,
        "this is no forward proxy",
        "method_refused",
    ),
    Row("TRACE", _get(start=b"TRACE / HTTP/1.1"), 405, "it would show what proxies added"),
    Row("get", _get(start=b"get / HTTP/1.1"), 400, "methods have case; some backends have not"),
    Row("Get", _get(start=b"Get / HTTP/1.1"), 400, "the same", "method"),
    Row("FOOBAR", _get(start=b"FOOBAR / HTTP/1.1"), 501, "unknown: nobody knows if it has a body"),
    Row("G@T", _get(start=b"G(T / HTTP/1.1"), 400, "it is no token", "method"),
    Row("PURGE", _get(start=b"PURGE / HTTP/1.1"), Taken(), "httptools knows it"),
    Row("empty method", _get(start=b" / HTTP/1.1"), 400, "it is no token", "method"),
    Row("NUL in the method", _get(start=b"GE\0T / HTTP/1.1"), 400, "it is no token", "method"),
]

TARGETS = [
    Row("query", _get(start=b"GET /a?b=c?d HTTP/1.1"), Taken(target=b"/a?b=c?d"), "usual"),
    Row("double slash", _get(start=b"GET //a//b HTTP/1.1"), Taken(target=b"//a//b"), _EXACT),
    Row("%2F", _get(start=b"GET /a%2Fb HTTP/1.1"), Taken(target=b"/a%2Fb"), _EXACT),
    *[
        Row(f"dots {path!r}", _get(start=b"GET %b HTTP/1.1" % path), 400, _CLIMBS, "dot_segment")
        for path in (
            *(b"/a/../b", b"/./a", b"/a/..", b"/a/.?b", b"/..", b"/a/%2e%2E/b", b"/a/.%2e"),
            *(b"/a%2F..%2Fb", b"/a\\..\\b", b"/a/..;/b", b"/a%5c..%5Cb", b"/a/..%3bx/b"),
        )
    ],
    *[
        Row(f"no dots {path!r}", _get(start=b"GET %b HTTP/1.1" % path), Taken(target=path), _EXACT)
        for path in (b"/.well-known/x", b"/a..b/.c", b"/a/...", b"/a?b=/../c", b"/a%2eb/")
    ],
    Row("case", _get(start=b"GET /ADMIN%7e HTTP/1.1"), Taken(target=b"/ADMIN%7e"), _EXACT),
    Row("backslash", _get(start=b"GET /a\\b HTTP/1.1"), Taken(target=b"/a\\b"), _EXACT),
    Row("lone percent", _get(start=b"GET /100% HTTP/1.1"), Taken(target=b"/100%"), _EXACT),
    Row(
        "fragment", _get(start=b"GET /a#b HTTP/1.1"), 400, "it never leaves a client", "bad_target"
    ),
    Row("non-ASCII", _get(start="GET /é HTTP/1.1".encode()), 400, "a URI has none", "bad_target"),
    Row("NUL", _get(start=b"GET /a\0b HTTP/1.1"), 400, "the path of a backend would end there"),
    Row("DEL", _get(start=b"GET /a\x7fb HTTP/1.1"), 400, "no URI has it"),
    Row("no slash", _get(start=b"GET a.test HTTP/1.1"), 400, "it is no target", "bad_target"),
    Row("authority", _get(start=b"GET a.test:80 HTTP/1.1"), 400, "that is CONNECT's", "bad_target"),
    Row("asterisk", _get(start=b"OPTIONS * HTTP/1.1"), Taken(target=b"*"), "RFC 9112 3.2.4"),
    Row("asterisk of GET", _get(start=b"GET * HTTP/1.1"), 400, "only OPTIONS has it"),
    Row(
        "absolute",
        _get(start=b"GET http://A.test/b?c HTTP/1.1"),
        Taken(target=b"/b?c"),
        "a server must take it (RFC 9112 3.2.2)",
    ),
    Row("absolute, no path", _get(start=b"GET HTTPS://a.test HTTP/1.1"), Taken(), "the root"),
    Row(
        "absolute, only a query",
        _get(start=b"GET http://a.test?b HTTP/1.1"),
        Taken(target=b"/?b"),
        "the root with a query",
    ),
    Row(
        "absolute OPTIONS",
        _get(start=b"OPTIONS http://a.test HTTP/1.1"),
        Taken(target=b"*"),
        "RFC 9112 3.2.4",
    ),
    Row(
        "absolute of another host",
        _get(start=b"GET http://b.test/ HTTP/1.1"),
        400,
        "routes would judge one, backends the other",
        "two_hosts",
    ),
    Row("absolute of another port", _get(start=b"GET http://a.test:81/ HTTP/1.1"), 400, "the same"),
    Row("absolute without Host", _get(start=b"GET http://a.test/ HTTP/1.1", host=b""), 400, "1.1"),
    Row(
        "absolute in 1.0",
        _get(start=b"GET http://a.test/ HTTP/1.0", host=b""),
        Taken(keep_alive=False),
        "its authority is the Host",
    ),
    Row("absolute with a user", _get(start=b"GET http://u@a.test/ HTTP/1.1"), 400, _HOST),
    Row(
        "absolute without authority",
        _get(start=b"GET http:///a HTTP/1.0", host=b""),
        400,
        "RFC 9110 4.2.1: refuse it",
    ),
    Row("other scheme", _get(start=b"GET ftp://a.test/ HTTP/1.1"), 400, "not ours", "bad_target"),
]

HOSTS = [
    Row("no Host", _get(host=b""), 400, "RFC 9112 3.2", "no_host"),
    Row(
        "no Host in 1.0",
        _get(start=b"GET / HTTP/1.0", host=b""),
        Taken(host=b"", keep_alive=False),
        "HTTP/1.0 knows none",
    ),
    Row("two Hosts", _get(b"Host: b.test"), 400, "CVE-2026-34525 was such a hole", "two_hosts"),
    Row("two equal Hosts", _get(b"host: a.test"), 400, _TWICE, "two_hosts"),
    Row("empty Host", _get(host=b"Host:"), 400, "it names no host", "bad_host"),
    Row("capitals", _get(host=b"Host: A.Test."), Taken(), "CVE-2026-27588: hosts have no case"),
    Row("port", _get(host=b"Host: a.test:8080"), Taken(), "routes judge the name"),
    Row("IPv6", _get(host=b"Host: [2001:DB8::1]:80"), Taken(host=b"[2001:db8::1]"), "a literal"),
    Row("bad IPv6", _get(host=b"Host: [1::2::3]"), 400, _HOST, "bad_host"),
    Row("bare IPv6", _get(host=b"Host: 2001:db8::1"), 400, _HOST, "bad_host"),
    Row("bad port", _get(host=b"Host: a.test:65536"), 400, _HOST, "bad_host"),
    Row("empty port", _get(host=b"Host: a.test:"), 400, _HOST, "bad_host"),
    Row("space", _get(host=b"Host: a.test b.test"), 400, _HOST, "bad_host"),
    Row("user", _get(host=b"Host: u@a.test"), 400, _HOST, "bad_host"),
    Row("path", _get(host=b"Host: a.test/b"), 400, _HOST, "bad_host"),
    Row("percent", _get(host=b"Host: a%2etest"), 400, _HOST, "bad_host"),
    Row("empty label", _get(host=b"Host: a..test"), 400, _HOST, "bad_host"),
    Row("long", _get(host=b"Host: " + b"a" * 300), 400, "no name is so long", "bad_host"),
    Row("bad Host in 1.0", _get(start=b"GET / HTTP/1.0", host=b"Host: a b"), 400, _HOST),
    Row(
        "underscore in a name", _get(host=b"Host: a_b.test"), Taken(host=b"a_b.test"), "they exist"
    ),
]

NEIGHBOURS = [
    Row(
        "hop-by-hop fields",
        _get(
            b"Keep-Alive: timeout=5",
            b"Proxy-Connection: keep-alive",
            b"Proxy-Authorization: Basic eA==",
            b"Trailer: X",
            b"X: y",
        ),
        Taken(sent=(b"X: y",)),
        "RFC 9110 7.6.1: they end here",
    ),
    Row(
        "named by Connection",
        _get(b"Connection: keep-alive, X-Hop", b"X-Hop: y", b"X-End: z"),
        Taken(sent=(b"X-End: z",)),
        "RFC 9110 7.6.1",
    ),
    Row(
        "Connection naming ours",
        _get(
            b"Connection: X-Forwarded-For, X-Real-IP, Host, Cookie, Authorization", b"Cookie: a=b"
        ),
        Taken(sent=(b"Cookie: a=b",)),
        "CVE-2021-32813: what we say must reach the backend",
    ),
    Row(
        "Connection naming the length",
        _post(b"Connection: Content-Length", b"Content-Length: 5"),
        Taken(body=5, sent=(b"Content-Length: 5",)),
        "a body without its length is the next request",
    ),
    Row(
        "forged forwarding",
        _get(
            b"X-Forwarded-For: 1.2.3.4",
            b"X-Forwarded-Host: b.test",
            b"X-Forwarded-Port: 1",
            b"X-Real-Ip: 1.2.3.4",
            b"Forwarded: for=1.2.3.4",
            b"X-Request-Id: mine",
        ),
        Taken(),
        "only trusted proxies may say so",
    ),
    Row("close", _get(b"Connection: Close"), Taken(keep_alive=False), "RFC 9112 9.3"),
    Row(
        "keep-alive in 1.0",
        _get(b"Connection: Keep-Alive", start=b"GET / HTTP/1.0"),
        Taken(),
        "clients of 1.0 ask for it",
    ),
    Row(
        "h2c",
        _get(
            b"Upgrade: h2c",
            b"HTTP2-Settings: AAMAAABkAAQAAP__",
            b"Connection: Upgrade, HTTP2-Settings",
        ),
        Taken(),
        "a tunnel past all routes (CVE-2026-88008): it is answered in HTTP/1.1",
    ),
    Row("Upgrade: foo", _get(b"Upgrade: foo", b"Connection: Upgrade"), Taken(), "the same"),
    Row(
        "websocket",
        _get(b"Upgrade: WebSocket", b"Connection: keep-alive, Upgrade"),
        Taken(sent=(b"Connection: Upgrade", b"Upgrade: websocket")),
        "RFC 6455 4.1: the one that is taken",
    ),
    Row(
        "websocket and h2c",
        _get(b"Upgrade: websocket, h2c", b"Connection: Upgrade"),
        Taken(),
        "the backend could choose the other",
    ),
    Row(
        "websocket not in Connection", _get(b"Upgrade: websocket"), Taken(), "it is for a neighbour"
    ),
    Row(
        "websocket in 1.0",
        _get(b"Upgrade: websocket", b"Connection: Upgrade", start=b"GET / HTTP/1.0"),
        Taken(keep_alive=False),
        "RFC 9110 7.8: not for 1.0",
    ),
    Row(
        "websocket with a body",
        _get(b"Upgrade: websocket", b"Connection: Upgrade", b"Content-Length: 3"),
        Taken(body=3, sent=(b"Content-Length: 3",)),
        "where would the tunnel begin?",
    ),
    Row(
        "TE",
        _get(b"TE: gzip, trailers", b"Connection: TE"),
        Taken(sent=(b"Connection: TE", b"TE: trailers")),
        "trailers pass, codings do not",
    ),
    Row("TE: gzip", _get(b"TE: gzip"), Taken(), "codings do not pass"),
    Row(
        "Expect",
        _post(b"Expect: 100-Continue", b"Content-Length: 5"),
        Taken(body=5, sent=(b"Content-Length: 5", b"Expect: 100-continue")),
        "the backend may say no before the body comes",
    ),
    Row("Expect: foo", _get(b"Expect: foo"), 417, "RFC 9110 10.1.1", "unknown_expectation"),
    Row(
        "Expect in 1.0",
        _get(b"Expect: 100-continue", start=b"GET / HTTP/1.0"),
        Taken(keep_alive=False),
        "RFC 9110 10.1.1: it is ignored",
    ),
    Row(
        "Expect without a body",
        _get(b"Expect: 100-continue"),
        Taken(),
        "there is nothing to wait for",
    ),
    Row(
        "two cookies",
        _get(b"Cookie: a=b", b"Cookie: c=d"),
        Taken(sent=(b"Cookie: a=b", b"Cookie: c=d")),
        "lines stay as sent",
    ),
]

ROWS = LENGTHS + CODINGS + LINES + STARTS + TARGETS + HOSTS + NEIGHBOURS
