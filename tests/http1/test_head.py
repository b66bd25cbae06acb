"""Heads of requests: where they end, when to stop waiting, and that any octets have a verdict."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslb.http1.answer import Response, parse_response
from gslb.http1.compose import Forwarding, compose_request, compose_response
from gslb.http1.errors import BadAnswer, HttpError
from gslb.http1.framing import UNTIL_CLOSE
from gslb.http1.head import Lines, Request, check_partial, find_head_end, parse_request
from gslb.model.proxy import HttpLimits

_LIMITS = HttpLimits()
_HEAD = b"GET /a?b=c HTTP/1.1\r\nHost: a.test\r\nX: \t y \r\nCookie: a=b\r\ncookie: c=d\r\n\r\n"


def test_head_is_read_to_its_parts() -> None:
    request = parse_request(_HEAD, _LIMITS)
    assert (request.method, request.path, request.query) == (b"GET", b"/a", b"b=c")
    assert request.fields == {b"host": b"a.test", b"x": b"y", b"cookie": b"a=b; c=d"}
    assert request.lines == [
        (b"Host", b"a.test"),
        (b"X", b"y"),
        (b"Cookie", b"a=b"),
        (b"cookie", b"c=d"),
    ]
    assert (request.size, request.version, request.upgrade) == (len(_HEAD), 11, False)


def test_values_of_equal_names_are_joined() -> None:
    head = b"GET / HTTP/1.1\r\nHost: a\r\nAccept: b\r\naccept: c\r\n\r\n"
    assert parse_request(head, _LIMITS).fields[b"accept"] == b"b, c"


@pytest.mark.parametrize(
    ("method", "is_idempotent"),
    [(b"GET", True), (b"PUT", True), (b"DELETE", True), (b"POST", False), (b"PATCH", False)],
)
def test_method_tells_whether_to_ask_twice(method: bytes, is_idempotent: bool) -> None:
    head = method + b" / HTTP/1.1\r\nHost: a\r\n\r\n"
    assert parse_request(head, _LIMITS).is_idempotent is is_idempotent


def test_refusal_of_a_method_says_which_are_allowed() -> None:
    with pytest.raises(HttpError) as refusal:
        parse_request(b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", _LIMITS)
    assert refusal.value.extra == b"Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"


def test_end_of_head_is_found_wherever_octets_were_split() -> None:
    octets = _HEAD + b"body"
    for start in range(len(octets)):
        expected = len(_HEAD) if start <= len(_HEAD) - 1 else -1
        assert find_head_end(octets, start) == expected
        assert find_head_end(octets[: min(start, len(_HEAD) - 1)]) == -1


@pytest.mark.parametrize(
    ("octets", "status", "reason"),
    [
        (b"GET / HTTP/1.1\nHost: a\n\n", 400, "bare_line_end"),
        (b"GET /\r\n", 400, "http_0_9"),
        (b"\x16\x03\x01\x02\x00", 400, "not_http"),
        (b"GET / HTTP/2.0\r\n", 505, "version"),
        (b"TRACE / HTTP/1.1\r\nHo", 405, "method_refused"),
        (b"GET /" + b"a" * 16_384, 414, "line_too_long"),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 65_536, 431, "head_too_large"),
    ],
)
def test_octets_that_can_be_no_head_are_not_waited_for(
    octets: bytes, status: int, reason: str
) -> None:
    with pytest.raises(HttpError) as refusal:
        check_partial(octets, _LIMITS)
    assert (refusal.value.status, refusal.value.reason) == (status, reason)


@pytest.mark.parametrize("start", [0, 15, 16, 22, 23])
def test_bare_line_end_is_found_among_new_octets(start: int) -> None:
    octets = b"GET / HTTP/1.1\r\nHost: a\nX"
    with pytest.raises(HttpError, match="bare_line_end"):
        check_partial(octets, _LIMITS, start)


def test_every_beginning_of_a_head_is_waited_for() -> None:
    octets = b"\r\n" + _HEAD
    for size in range(len(octets)):
        check_partial(octets[:size], _LIMITS)
        check_partial(bytearray(octets[2 : 2 + size]), _LIMITS, max(size - 3, 0))


_WORDS = [
    *[b"GET", b"POST", b"get", b" ", b"  ", b"/", b"*", b"http://a", b"/a?b", b" HTTP/1.1", b"#"],
    *[b" HTTP/1.0", b" HTTP/2.0", b"HTTP/1.1 200 OK", b"HTTP/1.1 204 ", b"\r\n", b"\n", b"\r"],
    *[b"Host: a", b"Host: b.test:80", b"Content-Length: 5", b"Transfer-Encoding: chunked", b"_"],
    *[b"Connection: close, x", b"Upgrade: websocket", b"Connection: upgrade", b":", b"X: y"],
    *[b"\0", b"\xff", b"\t", b"Expect: 100-continue", b"x: z", b"TE: trailers", b"A_B: c"],
]
_HEADS = st.lists(st.one_of(st.sampled_from(_WORDS), st.binary(max_size=3)), max_size=14).map(
    lambda words: b"".join(words).replace(b"\r\n\r\n", b"\r\n") + b"\r\n\r\n"
)
_LIKELY = st.lists(st.sampled_from(_WORDS), max_size=5).map(
    lambda lines: b"\r\n".join([b"GET / HTTP/1.1", b"Host: a", *lines]) + b"\r\n\r\n"
)


def _maybe_request(head: bytes) -> Request | None:
    try:
        return parse_request(head, _LIMITS)
    except HttpError:
        return None


def _maybe_response(head: bytes, method: bytes) -> Response | None:
    try:
        return parse_response(head, method=method, limits=_LIMITS)
    except BadAnswer:
        return None


@given(st.one_of(_HEADS, _LIKELY, st.binary(max_size=200).map(lambda data: data + b"\r\n\r\n")))
def test_any_head_is_refused_or_goes_on_with_one_meaning(head: bytes) -> None:
    request = _maybe_request(head[: find_head_end(head)])
    if request is None or not request.authority:
        return
    via = Forwarding(b"192.0.2.1", is_trusted=True, scheme=b"http", request_id=b"id")
    sent = compose_request(
        request,
        target=request.target,
        host=None,
        via=via,
        changes=None,
        body=request.body,
        keep_expect=request.expects_continue,
    )
    assert find_head_end(sent) == len(sent)
    again = parse_request(sent, _LIMITS)
    assert (again.method, again.target, again.host, again.body, again.upgrade) == (
        request.method,
        request.target,
        request.host,
        request.body,
        request.upgrade,
    )


@given(
    st.one_of(_HEADS, _LIKELY.map(lambda head: head.replace(b"GET /", b"HTTP/1.1 200", 1))),
    st.sampled_from([b"GET", b"HEAD"]),
)
def test_any_answer_is_refused_or_goes_on_with_one_meaning(head: bytes, method: bytes) -> None:
    head = head.replace(b"HTTP/1.1 200 HTTP/1.1", b"HTTP/1.1 200 OK")[:]
    response = _maybe_response(head[: find_head_end(head)], method)
    if response is None:
        return
    body, keep_alive = response.body, response.keep_alive
    sent = compose_response(response, version=11, body=body, keep_alive=keep_alive, changes=None)
    assert find_head_end(sent) == len(sent)
    again = parse_response(sent, method=method, limits=_LIMITS)
    assert (again.status, again.body) == (response.status, response.body)
    assert again.keep_alive is (keep_alive and body != UNTIL_CLOSE)


# ---------------------------------------------------------------- lines that come again

_VIA = Forwarding(b"192.0.2.1", is_trusted=False, scheme=b"http", request_id=b"1")


def _forward(
    octets: bytes, via: Forwarding = _VIA, before: Lines | None = None, **how: object
) -> bytes:
    request = parse_request(octets, _LIMITS, before)
    assert before is None or request.told is before
    settings = {
        "target": request.target,
        "host": None,
        "via": via,
        "changes": None,
        "body": request.body,
        "keep_expect": request.expects_continue,
    } | how
    return compose_request(request, **settings)  # type: ignore[arg-type]


def test_lines_that_come_again_go_with_another_target_and_method() -> None:
    lines = b"Host: again.test\r\nA_B: c\r\nX: y\r\nX-Real-IP: me\r\n\r\n"
    request = parse_request(b"GET / HTTP/1.1\r\n" + lines, _LIMITS)
    before, own = request.told, b"X: y\r\n" + _VIA.compose_lines(request)
    for start in (b"GET /a HTTP/1.1\r\n", b"DELETE /b?c HTTP/1.1\r\n", b"GET /a HTTP/1.1\r\n"):
        told = _forward(start + lines, before=before)
        assert told == start + b"Host: again.test\r\n" + own + b"\r\n\r\n"
    told = _forward(b"POST /a HTTP/1.1\r\n" + lines, before=before)
    assert b"\r\nContent-Length: 0\r\n" in told


def test_lines_that_come_again_are_judged_by_each_version_and_limit() -> None:
    lines = b"Host: once.test\r\nX: y\r\n\r\n"
    starts = (b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.0\r\n", b"GET / HTTP/1.1\r\n")
    before = parse_request(starts[0] + lines, _LIMITS).told
    stays = [parse_request(start + lines, _LIMITS, before).keep_alive for start in starts]
    assert stays == [True, False, True]
    with pytest.raises(HttpError, match="head_too_large"):
        parse_request(starts[0] + lines, HttpLimits(headers=1), before)
    with pytest.raises(HttpError, match="http_0_9"):
        parse_request(b"GET /\r\n" + lines, _LIMITS, before)


def test_lines_that_come_again_go_otherwise_for_a_trusted_peer() -> None:
    octets = b"GET / HTTP/1.1\r\nHost: peer.test\r\nX-Request-ID: 7\r\nForwarded: for=x\r\n\r\n"
    trusted = Forwarding(b"192.0.2.1", is_trusted=True, scheme=b"http", request_id=b"1")
    before = parse_request(octets, _LIMITS).told
    for _ in range(2):
        assert b"Forwarded: for=x" not in _forward(octets, before=before)
        assert b"X-Request-ID: 1\r\n" in _forward(octets, before=before)
        assert b"Forwarded: for=x" in _forward(octets, trusted, before)
        assert b"X-Request-ID: 7\r\n" in _forward(octets, trusted, before)


def test_lines_put_in_place_of_those_that_came_are_what_goes_on() -> None:
    octets = b"GET / HTTP/1.1\r\nHost: a.test\r\nX: before\r\n\r\n"
    before = parse_request(octets, _LIMITS).told
    assert b"X: before" in _forward(octets, before=before)
    request = parse_request(octets, _LIMITS, before)
    request.raw, request.keys = [b"X: after"], [b"x"]
    head = compose_request(
        request, target=b"/", host=None, via=_VIA, changes=None, body=0, keep_expect=False
    )
    assert b"X: after" in head
    assert b"before" not in head
    assert b"X: before" in _forward(octets, before=before)
