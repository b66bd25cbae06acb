"""Compressed answers between sockets: in which coding, of what, and what their heads say."""

from __future__ import annotations

import asyncio
import gzip
import random
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard

from gslb.model.proxy import CacheSettings
from tests.proxy.backends import Talk, always, plain, raw
from tests.proxy.world import Caller, World, before, get, on_both_loops, on_uvloop, until

COMPRESSED = {"compress": True}
TEXT = b"the quick brown fox jumps over the lazy dog " * 100
KIND = b"Content-Type: text/plain"
PAGE = plain(TEXT, KIND, b'ETag: "1"', b"Accept-Ranges: bytes")
DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "br": brotli.decompress,
    "zstd": lambda octets: zstandard.ZstdDecompressor().decompressobj().decompress(octets),
}


async def chunked(caller: Caller) -> tuple[dict[bytes, bytes], bytes]:
    """The next answer in chunks: its fields by lower-case name, its content."""
    head = await caller.head()
    lines = [line.partition(b": ") for line in head[:-4].split(b"\r\n")[1:]]
    fields: dict[bytes, bytes] = {}
    for name, _, value in lines:
        known = fields.get(name.lower())
        fields[name.lower()] = value if known is None else known + b"," + value
    assert fields[b"transfer-encoding"] == b"chunked"
    content = b""
    while True:
        size = int((await caller.reader.readuntil(b"\r\n"))[:-2], 16)
        content += await caller.exactly(size)
        await caller.exactly(2)
        if not size:
            return fields, content


def taking(coding: str) -> bytes:
    return get(b"/", b"Accept-Encoding: " + coding.encode())


@pytest.mark.parametrize("coding", DECODERS)
@on_both_loops
async def test_text_is_compressed_as_the_client_takes_it(coding: str) -> None:
    async with raw("a", always(PAGE)) as a, before(a, route=COMPRESSED) as world:
        caller = await world.ask(taking(coding))
        for _ in range(2):
            fields, content = await chunked(caller)
            assert DECODERS[coding](content) == TEXT
            assert len(content) < len(TEXT) / 5
            assert fields[b"content-encoding"] == coding.encode()
            assert fields[b"vary"].lower() == b"accept-encoding"
            assert fields[b"etag"] == b'W/"1"'  # the octets are others
            assert b"content-length" not in fields
            assert b"accept-ranges" not in fields
            caller.send(taking(coding))  # and the connection goes on
        assert (await world.record(2))["octets_out"] == len(content)
        assert a.count >= 2


@pytest.mark.parametrize(
    ("field", "coding"),
    [
        ("gzip, br, zstd", "zstd"),
        ("gzip, br", "br"),
        ("gzip;q=1, br;q=0.5", "gzip"),
        ("*", "zstd"),
        ("zstd;q=0, *", "br"),
    ],
)
@on_uvloop
async def test_client_chooses(field: str, coding: str) -> None:
    async with raw("a", always(PAGE)) as a, before(a, route=COMPRESSED) as world:
        fields, _ = await chunked(await world.ask(taking(field)))
        assert fields[b"content-encoding"] == coding.encode()


PLAIN = [
    ("nothing is taken", PAGE, get()),
    ("identity is preferred", PAGE, taking("identity, gzip;q=0.5")),
    ("small", plain("small", KIND), taking("gzip")),
    ("image", plain(TEXT, b"Content-Type: image/png"), taking("gzip")),
    ("coded already", plain(TEXT, KIND, b"Content-Encoding: br"), taking("gzip")),
    ("no-transform", plain(TEXT, KIND, b"Cache-Control: no-transform"), taking("gzip")),
    ("part", plain(TEXT, KIND, b"Content-Range: bytes 0-9/10", status=b"206 P"), taking("gzip")),
]


@pytest.mark.parametrize(("octets", "asked"), [p[1:] for p in PLAIN], ids=[p[0] for p in PLAIN])
@on_uvloop
async def test_what_stays_plain(octets: bytes, asked: bytes) -> None:
    async with raw("a", always(octets)) as a, before(a, route=COMPRESSED) as world:
        _, fields, body = await (await world.ask(asked)).answer()
        assert body == octets.partition(b"\r\n\r\n")[2]
        expected = b"br" if b"Content-Encoding: br" in octets else None
        assert fields.get(b"content-encoding") == expected
        if octets is PAGE:  # caches behind us must know that there is another one
            assert fields[b"vary"].lower() == b"accept-encoding"
            assert fields[b"etag"] == b'"1"'


@on_uvloop
async def test_route_that_does_not_ask_for_it_leaves_all_alone() -> None:
    async with raw("a", always(PAGE)) as a, before(a) as world:
        await (await world.ask(taking("gzip"))).reads(PAGE)


@on_uvloop
async def test_vary_of_the_backend_stays() -> None:
    page = plain(TEXT, KIND, b"Vary: Accept-Language")
    async with raw("a", always(page)) as a, before(a, route=COMPRESSED) as world:
        fields, _ = await chunked(await world.ask(taking("gzip")))
        vary = [name.strip().lower() for name in fields[b"vary"].split(b",")]
        assert b"accept-encoding" in vary
        assert sorted(vary) == [b"accept-encoding", b"accept-language"]


@on_both_loops
async def test_head_has_no_content_in_any_coding() -> None:
    page = PAGE[: -len(TEXT)]
    async with raw("a", always(page, PAGE)) as a, before(a, route=COMPRESSED) as world:
        caller = await world.ask(taking("gzip").replace(b"GET", b"HEAD"))
        head = await caller.head()
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        caller.send(taking("gzip"))
        _, content = await chunked(caller)  # not an octet came in between
        assert gzip.decompress(content) == TEXT


@on_both_loops
async def test_304_names_the_tag_that_the_client_has() -> None:
    unchanged = b'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\n\r\n'
    async with raw("a", always(unchanged)) as a, before(a, route=COMPRESSED) as world:
        octets = get(b"/", b"Accept-Encoding: gzip", b'If-None-Match: W/"1"')
        status, fields, _ = await (await world.ask(octets)).answer()
        assert (status, fields[b"etag"]) == (304, b'W/"1"')
        assert b'\r\nIf-None-Match: W/"1"\r\n' in a.requests[0]


@on_both_loops
async def test_body_that_comes_slowly_is_not_held_back() -> None:
    more = asyncio.Event()

    async def script(talk: Talk) -> None:
        await talk.request()
        talk.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n")
        talk.send(b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await more.wait()
        talk.send(b"3\r\nyou\r\n0\r\n\r\n")
        await talk.gone()

    async with raw("a", script) as a, before(a, route=COMPRESSED) as world:
        caller = await world.ask(taking("gzip"))
        await caller.head()
        unzip = zlib.decompressobj(31)
        text = b""
        while text != b"hello":
            size = int((await caller.reader.readuntil(b"\r\n"))[:-2], 16)
            text += unzip.decompress(await caller.exactly(size))
            await caller.exactly(2)
        more.set()
        while b"you" not in text:
            size = int((await caller.reader.readuntil(b"\r\n"))[:-2], 16)
            text += unzip.decompress(await caller.exactly(size))
            await caller.exactly(2)


@on_both_loops
async def test_client_of_http_1_0_gets_it_until_the_end() -> None:
    async with raw("a", always(PAGE)) as a, before(a, route=COMPRESSED) as world:
        octets = b"GET / HTTP/1.0\r\nHost: a.test\r\nAccept-Encoding: gzip\r\n\r\n"
        head, _, content = (await (await world.ask(octets)).rest()).partition(b"\r\n\r\n")
        assert b"Content-Length" not in head
        assert b"Transfer-Encoding" not in head
        assert gzip.decompress(content) == TEXT


@on_uvloop
async def test_answer_cut_short_does_not_look_whole() -> None:
    async def cut(talk: Talk) -> None:
        await talk.request()
        talk.send(PAGE[:-1])
        talk.close()

    async with raw("a", cut) as a, before(a, route=COMPRESSED) as world:
        got = await (await world.ask(taking("gzip"))).rest()
        assert not got.endswith(b"0\r\n\r\n")


async def _slow_reader(world: World, octets: bytes) -> bytes:
    caller = await world.connect(receive_octets=4096)
    caller.send(octets)
    await until(lambda: any(client.is_congested for client in world.tier._clients))
    return (await chunked(caller))[1]


@on_uvloop
async def test_large_body_to_a_slow_reader_is_whole() -> None:
    noise = random.Random(7).randbytes(5_000_000).hex().encode()
    async with raw("a", always(plain(noise, KIND))) as a, before(a, route=COMPRESSED) as world:
        assert gzip.decompress(await _slow_reader(world, taking("gzip"))) == noise


@on_both_loops
async def test_cache_holds_one_plain_copy_for_all_codings() -> None:
    page = plain(TEXT, KIND, b'ETag: "1"', b"Cache-Control: max-age=60")
    route = {"compress": True, "cache": CacheSettings()}
    async with raw("a", always(page)) as a, before(a, route=route) as world:
        for coding in (*DECODERS, "gzip"):
            caller = await world.ask(taking(coding) + get(b"/", b"Connection: close"))
            head = await caller.head()
            assert b"\r\nContent-Encoding: " + coding.encode() in head
            rest = await caller.rest()
            assert rest.endswith(TEXT)
        assert a.count == 1
        octets = get(b"/", b"Accept-Encoding: gzip", b'If-None-Match: W/"1"')
        assert (await (await world.ask(octets)).answer())[0] == 304
        assert a.count == 1
