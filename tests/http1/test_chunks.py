"""Chunked bodies: each way to split the same octets gives the same content, end and verdict."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslb.http1.chunks import (
    LAST_CHUNK,
    LINE_OCTETS,
    TRAILERS,
    ChunkDecoder,
    compose_chunk,
    compose_trailers,
)
from gslb.http1.errors import HttpError
from tests.http1.chunk_cases import TRICKS

Outcome = tuple[bytes, bool, bytes, list[tuple[bytes, bytes]]] | int


def _decode(parts: list[bytes]) -> Outcome:
    decoder = ChunkDecoder()
    pieces: list[bytes] = []
    rest = b""
    try:
        for part in parts:
            if decoder.done:
                rest += part
            else:
                pieces += decoder.feed(part)
                assert len(decoder._held) <= LINE_OCTETS
    except HttpError as error:
        return error.status
    content = b"".join(pieces)
    assert decoder.total == len(content)
    return content, decoder.done, decoder.rest + rest, decoder.trailers


def _split(octets: bytes) -> list[bytes]:
    return [octets[at : at + 1] for at in range(len(octets))]


@pytest.mark.parametrize(
    ("octets", "content", "rest", "trailers"),
    [
        (b"0\r\n\r\n", b"", b"", []),
        (b"5\r\nhello\r\n0\r\n\r\nGET", b"hello", b"GET", []),
        (b"a\r\n0123456789\r\nA\r\n0123456789\r\n000\r\n\r\n", b"0123456789" * 2, b"", []),
        (b'2;a=b;c="d"\r\nhi\r\n0;e\r\n\r\n', b"hi", b"", []),
        (b"2\r\n\r\n\r\n0\r\n\r\n", b"\r\n", b"", []),
        (b"0\r\nA: b\r\nC:d \r\n\r\n", b"", b"", [(b"A", b"b"), (b"C", b"d")]),
        (b"0\r\nHost: b\r\nX-Forwarded-For: 1\r\nCookie: a\r\nA_B: c\r\n\r\n", b"", b"", []),
        (b"0\r\nContent-Length: 3\r\nTransfer-Encoding: x\r\n\r\n", b"", b"", []),
    ],
)
def test_body_is_decoded_whole_and_octet_by_octet(
    octets: bytes, content: bytes, rest: bytes, trailers: list[tuple[bytes, bytes]]
) -> None:
    expected = (content, True, rest, trailers)
    assert _decode([octets]) == expected
    assert _decode(_split(octets)) == expected


@pytest.mark.parametrize(("octets", "why"), TRICKS)
def test_trick_is_refused_whole_and_octet_by_octet(octets: bytes, why: str) -> None:
    assert _decode([octets]) == 400, why
    assert _decode(_split(octets)) == 400, why


_CHUNKY = st.lists(
    st.one_of(
        st.sampled_from([b"\r\n", b"\n", b"\r", b"0", b"5", b";", b"a=b", b"A: b", b"hello", b":"]),
        st.binary(max_size=4),
    ),
    max_size=20,
).map(b"".join)


@given(st.one_of(_CHUNKY, st.just(b"5;x\r\nhello\r\n0\r\nA: b\r\n\r\nrest")), st.data())
def test_no_way_to_split_changes_the_outcome(octets: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(octets)), max_size=6)))
    bounds = [0, *cuts, len(octets)]
    parts = [octets[a:b] for a, b in pairwise(bounds)]
    whole, split = _decode([octets]), _decode(parts)
    assert whole == split
    assert _decode(_split(octets)) == whole


@given(
    st.lists(st.binary(max_size=300), max_size=8),
    st.lists(st.sampled_from([(b"A", b"b"), (b"X-Sum", b""), (b"Grpc-Status", b"0")])),
    st.integers(1, 50),
)
def test_what_is_composed_is_decoded(
    pieces: list[bytes], trailers: list[tuple[bytes, bytes]], step: int
) -> None:
    end = compose_trailers(trailers) if trailers else LAST_CHUNK
    octets = b"".join(map(compose_chunk, pieces)) + end + b"next"
    parts = [octets[at : at + step] for at in range(0, len(octets), step)]
    expected = (b"".join(pieces), True, b"next", trailers[:TRAILERS])
    if len(trailers) <= TRAILERS:
        assert _decode(parts) == expected
    else:
        assert _decode(parts) == 400
