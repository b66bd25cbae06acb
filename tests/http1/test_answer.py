"""What a backend may say, what of it a client gets, and what becomes 502."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from gslb.http1.answer import parse_response
from gslb.http1.changes import compile_changes
from gslb.http1.compose import compose_interim, compose_response
from gslb.http1.errors import BadAnswer
from gslb.http1.framing import CHUNKED, UNTIL_CLOSE
from gslb.model.proxy import HeaderChanges, HttpLimits

_LIMITS = HttpLimits()


def _answer(*lines: bytes, start: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return b"\r\n".join([start, *lines]) + b"\r\n\r\n"


class Bad(NamedTuple):
    name: str
    octets: bytes
    reason: str
    why: str


_BAD = [
    Bad(
        "length and coding",
        _answer(b"Content-Length: 5", b"Transfer-Encoding: chunked"),
        "length_and_coding",
        "whoever reads the other ends elsewhere",
    ),
    Bad(
        "two lengths",
        _answer(b"Content-Length: 5", b"Content-Length: 6"),
        "two_lengths",
        "the client may take the other",
    ),
    Bad("list of lengths", _answer(b"Content-Length: 5, 5"), "two_lengths", "the same"),
    Bad("length -1", _answer(b"Content-Length: -1"), "bad_length", "it is no length"),
    Bad("unknown coding", _answer(b"Transfer-Encoding: gzip"), "unknown_coding", "not known here"),
    Bad("chunked first", _answer(b"Transfer-Encoding: chunked, x"), "chunked_misplaced", "no end"),
    Bad(
        "coding in 1.0",
        _answer(b"Transfer-Encoding: chunked", start=b"HTTP/1.0 200 OK"),
        "coding_in_1_0",
        "it may be meant as content",
    ),
    Bad("CR in a value", _answer(b"X: a\rSet-Cookie: b"), "bare_line_end", "splits the answer"),
    Bad("LF in a value", _answer(b"X: a\nSet-Cookie: b"), "bare_line_end", "splits the answer"),
    Bad("NUL in a value", _answer(b"X: a\0b"), "control_in_value", "CVE-2026-34520"),
    Bad("folded line", _answer(b"X: a", b" b"), "folded_line", "RFC 9112 5.2"),
    Bad("space before colon", _answer(b"X : a"), "space_before_colon", "RFC 9112 5.1"),
    Bad("no colon", _answer(b"X"), "no_colon", "no field"),
    Bad("CR in the reason", _answer(start=b"HTTP/1.1 200 O\rK"), "bad_status_line", "splits"),
    Bad("DEL in the reason", _answer(start=b"HTTP/1.1 200 O\x7f"), "bad_status_line", "no text"),
    Bad("LF in the status", _answer(start=b"HTTP/1.1 200 OK\nX: y"), "bad_status_line", "splits"),
    Bad("HTTP/2", _answer(start=b"HTTP/2 200 OK"), "bad_status_line", "not asked for"),
    Bad("status 99", _answer(start=b"HTTP/1.1 099 X"), "bad_status_line", "below 100"),
    Bad("status 2000", _answer(start=b"HTTP/1.1 2000 X"), "bad_status_line", "three digits"),
    Bad("no HTTP", _answer(start=b"SSH-2.0-OpenSSH"), "bad_status_line", "another protocol"),
    Bad("many fields", _answer(*[b"X: y"] * 101), "head_too_large", "limits.headers is 100"),
    Bad("large head", _answer(b"X: " + b"y" * 70_000), "head_too_large", "limits.header_octets"),
    Bad(
        "switch to h2c",
        _answer(b"Upgrade: h2c", b"Connection: upgrade", start=b"HTTP/1.1 101 X"),
        "bad_switch",
        "only websockets are tunnels",
    ),
    Bad("switch to nothing", _answer(start=b"HTTP/1.1 101 X"), "bad_switch", "the same"),
]


@pytest.mark.parametrize("bad", _BAD, ids=lambda bad: bad.name)
def test_answer_is_refused_with_its_reason(bad: Bad) -> None:
    with pytest.raises(BadAnswer) as refusal:
        parse_response(bad.octets, method=b"GET", limits=_LIMITS)
    assert refusal.value.reason == bad.reason, bad.why


_FRAMED = [
    ("length", b"GET", _answer(b"Content-Length: 5"), 5, True),
    ("chunked", b"GET", _answer(b"Transfer-Encoding: Chunked"), CHUNKED, True),
    ("neither", b"GET", _answer(), UNTIL_CLOSE, False),
    ("close", b"GET", _answer(b"Content-Length: 5", b"Connection: close"), 5, False),
    ("1.0", b"GET", _answer(b"Content-Length: 5", start=b"HTTP/1.0 200 OK"), 5, False),
    (
        "1.0 that stays",
        b"GET",
        _answer(b"Content-Length: 5", b"Connection: Keep-Alive", start=b"HTTP/1.0 200 OK"),
        5,
        True,
    ),
    ("HEAD", b"HEAD", _answer(b"Content-Length: 5"), 0, True),
    ("HEAD of chunks", b"HEAD", _answer(b"Transfer-Encoding: chunked"), 0, True),
    ("HEAD of neither", b"HEAD", _answer(), 0, True),
    ("304", b"GET", _answer(b"Content-Length: 5", start=b"HTTP/1.1 304 X"), 0, True),
    ("204", b"GET", _answer(start=b"HTTP/1.1 204 No Content"), 0, True),
    ("204 of length 0", b"GET", _answer(b"Content-Length: 0", start=b"HTTP/1.1 204 X"), 0, True),
    ("204 of length 5", b"GET", _answer(b"Content-Length: 5", start=b"HTTP/1.1 204 X"), 0, False),
    ("103", b"GET", _answer(b"Link: </a>", start=b"HTTP/1.1 103 Early Hints"), 0, True),
    ("no reason", b"GET", _answer(b"Content-Length: 5", start=b"HTTP/1.1 200"), 5, True),
]


@pytest.mark.parametrize(
    ("method", "octets", "body", "keep_alive"),
    [row[1:] for row in _FRAMED],
    ids=[row[0] for row in _FRAMED],
)
def test_answer_has_the_body_that_its_status_and_lines_say(
    method: bytes, octets: bytes, body: int, keep_alive: bool
) -> None:
    response = parse_response(octets, method=method, limits=_LIMITS)
    assert (response.body, response.keep_alive) == (body, keep_alive)


def _passed_on(octets: bytes, *, method: bytes = b"GET", **how: object) -> bytes:
    response = parse_response(octets, method=method, limits=_LIMITS)
    settings = {"version": 11, "body": response.body, "keep_alive": True, "changes": None} | how
    return compose_response(response, **settings)  # type: ignore[arg-type]


def test_answer_goes_on_without_what_was_between_neighbours() -> None:
    octets = _answer(
        b"Server: nginx",
        b"Connection: keep-alive, X-Hop",
        b"Keep-Alive: timeout=5",
        b"X-Hop: y",
        b"Content-Length: 5",
        b"Set-Cookie: a=b",
        b"Set-Cookie: c=d",
    )
    assert _passed_on(octets) == _answer(
        b"Server: nginx", b"Content-Length: 5", b"Set-Cookie: a=b", b"Set-Cookie: c=d"
    )


@pytest.mark.parametrize(
    ("octets", "how", "expected"),
    [
        (
            _answer(b"Transfer-Encoding: chunked"),
            {"body": CHUNKED},
            [b"Transfer-Encoding: chunked"],
        ),
        (
            _answer(b"Transfer-Encoding: chunked"),
            {"body": UNTIL_CLOSE, "version": 10},
            [b"Connection: close"],
        ),
        (_answer(), {"body": CHUNKED}, [b"Transfer-Encoding: chunked"]),
        (_answer(b"Content-Length: 5"), {"body": CHUNKED}, [b"Transfer-Encoding: chunked"]),
        (_answer(b"Content-Length: 5"), {"body": 3}, [b"Content-Length: 3"]),
        (_answer(), {"body": 0}, [b"Content-Length: 0"]),
        (
            _answer(b"Content-Length: 5"),
            {"keep_alive": False},
            [b"Content-Length: 5", b"Connection: close"],
        ),
        (
            _answer(b"Content-Length: 5"),
            {"version": 10},
            [b"Content-Length: 5", b"Connection: keep-alive"],
        ),
        (_answer(b"Content-Length: 5"), {"extra": b"A: b\r\n"}, [b"Content-Length: 5", b"A: b"]),
        (_answer(b"Content-Length: 5"), {"method": b"HEAD"}, [b"Content-Length: 5"]),
        (_answer(b"Transfer-Encoding: chunked"), {"method": b"HEAD"}, []),
    ],
)
def test_answer_is_framed_by_what_is_handed_in(
    octets: bytes, how: dict[str, object], expected: list[bytes]
) -> None:
    assert _passed_on(octets, **how) == _answer(*expected)  # type: ignore[arg-type]


def test_204_and_1xx_announce_no_length() -> None:
    for start in (b"HTTP/1.1 204 No Content", b"HTTP/1.1 103 Early Hints"):
        assert _passed_on(_answer(b"Content-Length: 0", b"X: y", start=start)) == _answer(
            b"X: y", start=start
        )


def test_switch_to_websocket_goes_on() -> None:
    octets = _answer(
        b"Upgrade: websocket",
        b"Connection: upgrade",
        b"Sec-WebSocket-Accept: x",
        start=b"HTTP/1.1 101 Switching Protocols",
    )
    assert _passed_on(octets, keep_alive=False) == _answer(
        b"Sec-WebSocket-Accept: x",
        b"Connection: Upgrade",
        b"Upgrade: websocket",
        start=b"HTTP/1.1 101 Switching Protocols",
    )


def test_interim_answer_goes_on() -> None:
    octets = _answer(b"Link: </a>", b"Connection: keep-alive", start=b"HTTP/1.1 103 Early Hints")
    response = parse_response(octets, method=b"GET", limits=_LIMITS)
    assert compose_interim(response) == _answer(b"Link: </a>", start=b"HTTP/1.1 103 Early Hints")


def test_lines_keep_what_cannot_be_joined() -> None:
    octets = _answer(b"Set-Cookie: a=b, c", b"set-cookie:d=e", b"Content-Length: 0")
    response = parse_response(octets, method=b"GET", limits=_LIMITS)
    assert response.lines == [
        (b"Set-Cookie", b"a=b, c"),
        (b"set-cookie", b"d=e"),
        (b"Content-Length", b"0"),
    ]


def test_added_fields_stand_beside_those_that_are_there() -> None:
    octets = _answer(b"Vary: B", b"Content-Length: 5")
    added = compile_changes(HeaderChanges(add={"Vary": " A "}))
    assert _passed_on(octets, changes=added) == _answer(
        b"Vary: B", b"Content-Length: 5", b"Vary: A"
    )


def test_changes_come_last() -> None:
    changes = compile_changes(HeaderChanges(set={"Server": "x"}, add={"Vary": "A"}, remove=("X",)))
    octets = _answer(b"Server: nginx", b"x: y", b"Vary: B", b"Content-Length: 5")
    assert _passed_on(octets, changes=changes) == _answer(
        b"Vary: B", b"Content-Length: 5", b"Server: x", b"Vary: A"
    )


# ---------------------------------------------------------------- heads that come again


def test_head_that_comes_again_is_not_read_again() -> None:
    octets = _answer(b"Content-Length: 5")
    first = parse_response(octets, method=b"GET", limits=_LIMITS)
    assert parse_response(bytes(bytearray(octets)), method=b"POST", limits=_LIMITS) is first


def test_head_that_comes_again_has_no_body_for_head_only() -> None:
    octets = _answer(b"Content-Length: 5", b"X: again")
    bodies = [
        parse_response(octets, method=method, limits=_LIMITS).body
        for method in (b"GET", b"HEAD", b"GET", b"HEAD")
    ]
    assert bodies == [5, 0, 5, 0]


def test_head_that_comes_again_is_judged_by_the_limits_of_now() -> None:
    octets = _answer(b"A: 1", b"B: 2", b"Content-Length: 5")
    parse_response(octets, method=b"GET", limits=_LIMITS)
    for limits in (HttpLimits(headers=2), HttpLimits(header_octets=len(octets) - 1)):
        with pytest.raises(BadAnswer, match="head_too_large"):
            parse_response(octets, method=b"GET", limits=limits)


def test_bad_head_that_comes_again_is_refused_again() -> None:
    for _ in range(2):
        with pytest.raises(BadAnswer, match="no_colon"):
            parse_response(_answer(b"X again"), method=b"GET", limits=_LIMITS)


def test_each_client_gets_its_own_of_a_head_that_comes_again() -> None:
    octets = _answer(b"Vary: B", b"Content-Length: 5")
    added = compile_changes(HeaderChanges(add={"Vary": "A"}))
    others = compile_changes(HeaderChanges(remove=("Vary",)))
    plain, length = (b"Vary: B",), b"Content-Length: 5"
    for _ in range(2):
        assert _passed_on(octets, changes=added) == _answer(*plain, length, b"Vary: A")
        assert _passed_on(octets) == _answer(*plain, length)
        assert _passed_on(octets, changes=others) == _answer(length)
        assert _passed_on(octets, keep_alive=False) == _answer(*plain, length, b"Connection: close")
        assert _passed_on(octets, extra=b"X: y\r\n") == _answer(*plain, length, b"X: y")
        assert _passed_on(octets, version=10) == _answer(*plain, length, b"Connection: keep-alive")
