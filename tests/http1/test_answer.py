"""What a backend may say, what of it a client gets, and what becomes 502."""

from __future__ import annotations

import pytest

from gslb.http1.answer import Response, parse_response
from gslb.http1.changes import compile_changes
from gslb.http1.compose import compose_interim, compose_response
from gslb.http1.errors import BadAnswer
from gslb.http1.framing import CHUNKED, UNTIL_CLOSE
from gslb.model.proxy import HeaderChanges, HttpLimits
from tests.http1.answer_cases import BAD_ANSWERS, Bad, compose_answer

_LIMITS = HttpLimits()


@pytest.mark.parametrize("bad", BAD_ANSWERS, ids=lambda bad: bad.name)
def test_answer_is_refused_with_its_reason(bad: Bad) -> None:
    with pytest.raises(BadAnswer) as refusal:
        parse_response(bad.octets, method=b"GET", limits=_LIMITS)
    assert refusal.value.reason == bad.reason, bad.why


_FRAMED = [
    ("length", b"GET", compose_answer(b"Content-Length: 5"), 5, True),
    ("chunked", b"GET", compose_answer(b"Transfer-Encoding: Chunked"), CHUNKED, True),
    ("neither", b"GET", compose_answer(), UNTIL_CLOSE, False),
    ("close", b"GET", compose_answer(b"Content-Length: 5", b"Connection: close"), 5, False),
    ("1.0", b"GET", compose_answer(b"Content-Length: 5", start=b"HTTP/1.0 200 OK"), 5, False),
    (
        "1.0 that stays",
        b"GET",
        compose_answer(b"Content-Length: 5", b"Connection: Keep-Alive", start=b"HTTP/1.0 200 OK"),
        5,
        True,
    ),
    ("HEAD", b"HEAD", compose_answer(b"Content-Length: 5"), 0, True),
    ("HEAD of chunks", b"HEAD", compose_answer(b"Transfer-Encoding: chunked"), 0, True),
    ("HEAD of neither", b"HEAD", compose_answer(), 0, True),
    ("304", b"GET", compose_answer(b"Content-Length: 5", start=b"HTTP/1.1 304 X"), 0, True),
    ("204", b"GET", compose_answer(start=b"HTTP/1.1 204 No Content"), 0, True),
    (
        "204 of length 0",
        b"GET",
        compose_answer(b"Content-Length: 0", start=b"HTTP/1.1 204 X"),
        0,
        True,
    ),
    (
        "204 of length 5",
        b"GET",
        compose_answer(b"Content-Length: 5", start=b"HTTP/1.1 204 X"),
        0,
        False,
    ),
    ("103", b"GET", compose_answer(b"Link: </a>", start=b"HTTP/1.1 103 Early Hints"), 0, True),
    ("no reason", b"GET", compose_answer(b"Content-Length: 5", start=b"HTTP/1.1 200"), 5, True),
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


def _passed_on(
    octets: bytes, *, method: bytes = b"GET", before: Response | None = None, **how: object
) -> bytes:
    response = parse_response(octets, method=method, limits=_LIMITS, before=before)
    settings = {"version": 11, "body": response.body, "keep_alive": True, "changes": None} | how
    return compose_response(response, **settings)  # type: ignore[arg-type]


def test_answer_goes_on_without_what_was_between_neighbours() -> None:
    octets = compose_answer(
        b"Server: nginx",
        b"Connection: keep-alive, X-Hop",
        b"Keep-Alive: timeout=5",
        b"X-Hop: y",
        b"Content-Length: 5",
        b"Set-Cookie: a=b",
        b"Set-Cookie: c=d",
    )
    assert _passed_on(octets) == compose_answer(
        b"Server: nginx", b"Content-Length: 5", b"Set-Cookie: a=b", b"Set-Cookie: c=d"
    )


@pytest.mark.parametrize(
    ("octets", "how", "expected"),
    [
        (
            compose_answer(b"Transfer-Encoding: chunked"),
            {"body": CHUNKED},
            [b"Transfer-Encoding: chunked"],
        ),
        (
            compose_answer(b"Transfer-Encoding: chunked"),
            {"body": UNTIL_CLOSE, "version": 10},
            [b"Connection: close"],
        ),
        (compose_answer(), {"body": CHUNKED}, [b"Transfer-Encoding: chunked"]),
        (compose_answer(b"Content-Length: 5"), {"body": CHUNKED}, [b"Transfer-Encoding: chunked"]),
        (compose_answer(b"Content-Length: 5"), {"body": 3}, [b"Content-Length: 3"]),
        (compose_answer(), {"body": 0}, [b"Content-Length: 0"]),
        (
            compose_answer(b"Content-Length: 5"),
            {"keep_alive": False},
            [b"Content-Length: 5", b"Connection: close"],
        ),
        (
            compose_answer(b"Content-Length: 5"),
            {"version": 10},
            [b"Content-Length: 5", b"Connection: keep-alive"],
        ),
        (
            compose_answer(b"Content-Length: 5"),
            {"extra": b"A: b\r\n"},
            [b"Content-Length: 5", b"A: b"],
        ),
        (compose_answer(b"Content-Length: 5"), {"method": b"HEAD"}, [b"Content-Length: 5"]),
        (compose_answer(b"Transfer-Encoding: chunked"), {"method": b"HEAD"}, []),
    ],
)
def test_answer_is_framed_by_what_is_handed_in(
    octets: bytes, how: dict[str, object], expected: list[bytes]
) -> None:
    assert _passed_on(octets, **how) == compose_answer(*expected)  # type: ignore[arg-type]


def test_204_and_1xx_announce_no_length() -> None:
    for start in (b"HTTP/1.1 204 No Content", b"HTTP/1.1 103 Early Hints"):
        assert _passed_on(
            compose_answer(b"Content-Length: 0", b"X: y", start=start)
        ) == compose_answer(b"X: y", start=start)


def test_switch_to_websocket_goes_on() -> None:
    octets = compose_answer(
        b"Upgrade: websocket",
        b"Connection: upgrade",
        b"Sec-WebSocket-Accept: x",
        start=b"HTTP/1.1 101 Switching Protocols",
    )
    assert _passed_on(octets, keep_alive=False) == compose_answer(
        b"Sec-WebSocket-Accept: x",
        b"Connection: Upgrade",
        b"Upgrade: websocket",
        start=b"HTTP/1.1 101 Switching Protocols",
    )


def test_interim_answer_goes_on() -> None:
    octets = compose_answer(
        b"Link: </a>", b"Connection: keep-alive", start=b"HTTP/1.1 103 Early Hints"
    )
    response = parse_response(octets, method=b"GET", limits=_LIMITS)
    assert compose_interim(response) == compose_answer(
        b"Link: </a>", start=b"HTTP/1.1 103 Early Hints"
    )


def test_lines_keep_what_cannot_be_joined() -> None:
    octets = compose_answer(b"Set-Cookie: a=b, c", b"set-cookie:d=e", b"Content-Length: 0")
    response = parse_response(octets, method=b"GET", limits=_LIMITS)
    assert response.lines == [
        (b"Set-Cookie", b"a=b, c"),
        (b"set-cookie", b"d=e"),
        (b"Content-Length", b"0"),
    ]


def test_added_fields_stand_beside_those_that_are_there() -> None:
    octets = compose_answer(b"Vary: B", b"Content-Length: 5")
    added = compile_changes(HeaderChanges(add={"Vary": " A "}))
    assert _passed_on(octets, changes=added) == compose_answer(
        b"Vary: B", b"Content-Length: 5", b"Vary: A"
    )


def test_changes_come_last() -> None:
    changes = compile_changes(HeaderChanges(set={"Server": "x"}, add={"Vary": "A"}, remove=("X",)))
    octets = compose_answer(b"Server: nginx", b"x: y", b"Vary: B", b"Content-Length: 5")
    assert _passed_on(octets, changes=changes) == compose_answer(
        b"Vary: B", b"Content-Length: 5", b"Server: x", b"Vary: A"
    )


# ---------------------------------------------------------------- heads that come again


def test_head_that_comes_again_is_not_read_again() -> None:
    octets = compose_answer(b"Content-Length: 5")
    first = parse_response(octets, method=b"GET", limits=_LIMITS)
    again = {"method": b"POST", "limits": _LIMITS, "before": first}
    assert parse_response(bytes(bytearray(octets)), **again) is first
    assert parse_response(compose_answer(b"Content-Length: 6"), **again).body == 6


def test_head_that_comes_again_has_no_body_for_head_only() -> None:
    octets = compose_answer(b"Content-Length: 5", b"X: again")
    before, bodies = None, []
    for method in (b"GET", b"HEAD", b"HEAD", b"GET", b"HEAD"):
        before = parse_response(octets, method=method, limits=_LIMITS, before=before)
        bodies.append(before.body)
    assert bodies == [5, 0, 0, 5, 0]


def test_head_that_comes_again_is_judged_by_the_limits_of_now() -> None:
    octets = compose_answer(b"A: 1", b"B: 2", b"Content-Length: 5")
    before = parse_response(octets, method=b"GET", limits=_LIMITS)
    for limits in (HttpLimits(headers=2), HttpLimits(header_octets=len(octets) - 1)):
        with pytest.raises(BadAnswer, match="head_too_large"):
            parse_response(octets, method=b"GET", limits=limits, before=before)


def test_each_client_gets_its_own_of_a_head_that_comes_again() -> None:
    octets = compose_answer(b"Vary: B", b"Content-Length: 5")
    added = compile_changes(HeaderChanges(add={"Vary": "A"}))
    others = compile_changes(HeaderChanges(remove=("Vary",)))
    plain, length = (b"Vary: B",), b"Content-Length: 5"
    before = parse_response(octets, method=b"GET", limits=_LIMITS)
    for _ in range(2):
        assert _passed_on(octets, before=before, changes=added) == compose_answer(
            *plain, length, b"Vary: A"
        )
        assert _passed_on(octets, before=before) == compose_answer(*plain, length)
        assert _passed_on(octets, before=before, changes=others) == compose_answer(length)
        assert _passed_on(octets, before=before, keep_alive=False) == compose_answer(
            *plain, length, b"Connection: close"
        )
        assert _passed_on(octets, before=before, extra=b"X: y\r\n") == compose_answer(
            *plain, length, b"X: y"
        )
        assert _passed_on(octets, before=before, version=10) == compose_answer(
            *plain, length, b"Connection: keep-alive"
        )
