"""Which coding, for which answers, and what becomes of the head."""

import pytest

from gslb.content import coding as module
from gslb.content.coding import (
    CODINGS,
    Coding,
    compressed_head,
    is_text,
    may_compress,
    pick_among,
    pick_coding,
    unchanged_head,
)
from gslb.http1.framing import CHUNKED
from tests.content.heads import ask, tell

ALL = (Coding.ZSTD, Coding.BROTLI, Coding.GZIP)
ZSTD, BR, GZIP = ALL


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(b"gzip, deflate, br, zstd", ZSTD, id="a tie is ours to break"),
        pytest.param(b"gzip, deflate, br", BR, id="no zstd"),
        pytest.param(b"gzip", GZIP, id="gzip"),
        pytest.param(b"x-gzip", GZIP, id="x-gzip is gzip"),
        pytest.param(b"GZip", GZIP, id="case"),
        pytest.param(b"gzip;q=1.0, br;q=0.9, zstd;q=0.8", GZIP, id="q beats our order"),
        pytest.param(b"gzip;q=0.5, br;q=0.501", BR, id="three digits"),
        pytest.param(b"br;q=0, zstd;q=0, gzip", GZIP, id="q=0 is refused"),
        pytest.param(b"gzip;q=0", None, id="nothing left"),
        pytest.param(b"*", ZSTD, id="anything"),
        pytest.param(b"*;q=0", None, id="nothing"),
        pytest.param(b"gzip, *;q=0", GZIP, id="only gzip"),
        pytest.param(b"zstd;q=0, *", BR, id="anything but zstd"),
        pytest.param(b"identity", None, id="identity"),
        pytest.param(b"identity;q=1, gzip;q=0.5", None, id="identity is liked better"),
        pytest.param(b"identity;q=0.5, gzip;q=1", GZIP, id="gzip is liked better"),
        pytest.param(b"identity, gzip", GZIP, id="as good as identity"),
        pytest.param(b"identity;q=0", None, id="identity refused and nothing else named"),
        pytest.param(b"identity;q=0, gzip;q=0.1", GZIP, id="identity refused"),
        pytest.param(b"deflate, compress", None, id="what we do not do"),
        pytest.param(b"gzip;q=2", None, id="q out of range"),
        pytest.param(b"gzip;q=0.1234", None, id="q too long"),
        pytest.param(b"gzip;foo=1", None, id="no q"),
        pytest.param(b"gzip ; q=1", GZIP, id="blanks"),
        pytest.param(b"gzip;Q=1", GZIP, id="capital q"),
        pytest.param(b",,;,gzip,", GZIP, id="empty members"),
        pytest.param(b'"gzip', None, id="a quote"),
    ],
)
def test_law_1_coding(value, expected):
    assert pick_among(value, ALL) == expected


def test_law_1_only_what_is_installed_is_picked():
    assert pick_among(b"zstd, br", (Coding.GZIP,)) is None
    assert CODINGS[-1] is Coding.GZIP


def test_pick_coding_for_none_short_and_long_values():
    long = b"gzip" + b", x" * 1000
    assert (pick_coding(None), pick_coding(b"")) == (None, None)
    assert (pick_coding(b"gzip"), pick_coding(long)) == (GZIP, GZIP)
    assert module._pick_remembered.cache_info().currsize <= 256


JSON = "Content-Type: application/json"


@pytest.mark.parametrize(
    ("method", "response", "expected"),
    [
        pytest.param("GET", tell(JSON, length=1024), True, id="json"),
        pytest.param("POST", tell(JSON, length=1024), True, id="the answer to a POST"),
        pytest.param("HEAD", tell(JSON, length=2000, method="HEAD"), False, id="HEAD"),
        pytest.param("GET", tell(JSON, length=1023), False, id="small"),
        pytest.param("GET", tell(JSON, length=None), True, id="chunked"),
        pytest.param("GET", tell(JSON, length=-2), True, id="until close"),
        pytest.param("GET", tell(length=2000), False, id="no type"),
        pytest.param("GET", tell("Content-Type: image/png", length=2000), False, id="picture"),
        pytest.param("GET", tell(JSON, status=404, length=2000), True, id="404"),
        pytest.param("GET", tell(JSON, status=500, length=2000), False, id="500"),
        pytest.param("GET", tell(JSON, status=304), False, id="304"),
        pytest.param("GET", tell(JSON, status=206, length=2000), False, id="206"),
        pytest.param(
            "GET", tell(JSON, "Content-Encoding: br", length=2000), False, id="coded already"
        ),
        pytest.param(
            "GET", tell(JSON, "Content-Range: bytes 0-1/2", length=2000), False, id="a range"
        ),
        pytest.param(
            "GET",
            tell(JSON, "Cache-Control: public, No-Transform", length=2000),
            False,
            id="no-transform",
        ),
    ],
)
def test_law_2_what_is_compressed(method, response, expected):
    assert may_compress(ask(method=method), response) is expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (b"text/html; charset=utf-8", True),
        (b"TEXT/CSS", True),
        (b"application/vnd.api+json", True),
        (b"image/svg+xml", True),
        (b"text/event-stream", False),
        (b"text/event-stream;charset=utf-8", False),
        (b"application/octet-stream", False),
        (b"application/zip", False),
        (b"", False),
    ],
    ids=repr,
)
def test_law_2_types(kind, expected):
    assert is_text(kind) is expected


def test_laws_3_and_4_a_compressed_head():
    response = tell(
        *('ETag: "x"', "Accept-Ranges: bytes", "Content-MD5: y", "Digest: z", "Vary: Origin"),
        *("Content-Digest: d", "Repr-Digest: e", JSON),
        length=2000,
    )
    head = compressed_head(response, Coding.GZIP)
    assert head.raw[1:] == [
        b"Vary: Origin",
        JSON.encode(),
        b"Vary: Accept-Encoding",
        b"Content-Encoding: gzip",
        b'ETag: W/"x"',
    ]
    assert (head.status, head.reason, head.body) == (200, b"Fine", CHUNKED)
    assert head.fields[b"vary"] == b"Origin, Accept-Encoding"
    assert response.fields[b"etag"] == b'"x"'  # the backend's head is as it was


def test_law_3_a_plain_head_varies_too():
    head = compressed_head(tell('ETag: "x"', JSON, length=2000), None)
    assert head.fields[b"vary"] == b"Accept-Encoding"
    assert (head.fields[b"etag"], head.fields[b"content-length"]) == (b'"x"', b"2000")
    assert head.body == 2000


@pytest.mark.parametrize("vary", ["*", "accept-encoding", "Origin, Accept-Encoding"])
def test_law_3_vary_is_not_said_twice(vary):
    head = compressed_head(tell(f"Vary: {vary}", JSON, length=2000), Coding.GZIP)
    assert head.fields[b"vary"] == vary.encode()


def test_law_4_a_weak_tag_stays_as_it_is():
    head = compressed_head(tell('ETag: W/"x"', JSON, length=2000), Coding.GZIP)
    assert head.fields[b"etag"] == b'W/"x"'


@pytest.mark.parametrize(("coding", "tag"), [(None, b'"x"'), (Coding.GZIP, b'W/"x"')])
def test_law_4_a_304_names_the_tag_that_the_client_has(coding, tag):
    head = unchanged_head(tell('ETag: "x"', status=304), coding)
    assert (head.fields[b"etag"], head.fields[b"vary"]) == (tag, b"Accept-Encoding")
    assert (head.status, head.body) == (304, 0)
