"""One request, one answer: what each side reads, octet for octet."""

from __future__ import annotations

import asyncio

import pytest

from tests.proxy.backends import Script, Talk, always, plain, raw
from tests.proxy.world import before, get, on_both_loops, on_uvloop, ours, post, until

VIA = (
    b"X-Forwarded-For: 127.0.0.1\r\nX-Real-IP: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n"
    b"X-Request-ID: *\r\nX-Forwarded-Host: a.test\r\n"
)


def seen(start: bytes, *lines: bytes, body: bytes = b"") -> bytes:
    """A request as the backend reads it."""
    own = b"".join(line + b"\r\n" for line in lines)
    return start + b" HTTP/1.1\r\nHost: a.test\r\n" + own + VIA + b"\r\n" + body


HELLO = plain("hello")
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
GET_10 = b"GET / HTTP/1.0\r\nHost: a.test\r\n\r\n"
STAY_10 = b"GET / HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\n\r\n"


def until_close(*octets: bytes) -> Script:
    async def script(talk: Talk) -> None:
        await talk.request()
        for each in octets:
            talk.send(each)
        talk.close()

    return script


# name, request, what the backend does, what the client reads, whether its connection ends
ANSWERS = [
    ("length", get(), always(HELLO), HELLO, False),
    ("length zero", get(), always(plain("")), plain(""), False),
    ("head", get().replace(b"GET", b"HEAD"), always(HELLO[:-5]), HELLO[:-5], False),
    (
        "head of chunked",
        get().replace(b"GET", b"HEAD"),
        always(CHUNKED),
        b"HTTP/1.1 200 OK\r\n\r\n",
        False,
    ),
    (
        "204",
        get(),
        always(b"HTTP/1.1 204 No Content\r\nA: b\r\n\r\n"),
        b"HTTP/1.1 204 No Content\r\nA: b\r\n\r\n",
        False,
    ),
    (
        "304 keeps the length it tells",
        get(),
        always(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"),
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
        False,
    ),
    (
        "chunked is framed anew",
        get(),
        always(CHUNKED + b"5;a=b\r\nhello\r\n0\r\n\r\n"),
        CHUNKED + b"5\r\nhello\r\n0\r\n\r\n",
        False,
    ),
    (
        "trailers",
        get(),
        always(CHUNKED + b"5\r\nhello\r\n0\r\nSum: 1\r\nContent-Length: 7\r\n\r\n"),
        CHUNKED + b"5\r\nhello\r\n0\r\nSum: 1\r\n\r\n",
        False,
    ),
    (
        "until close becomes chunked",
        get(),
        until_close(b"HTTP/1.1 200 OK\r\n\r\nhello"),
        CHUNKED + b"5\r\nhello\r\n0\r\n\r\n",
        False,
    ),
    (
        "1.0 backend",
        get(),
        until_close(b"HTTP/1.0 200 OK\r\n\r\nhello"),
        CHUNKED + b"5\r\nhello\r\n0\r\n\r\n",
        False,
    ),
    (
        "hop by hop stays here",
        get(),
        always(
            b"HTTP/1.1 200 OK\r\nConnection: keep-alive, X-A\r\nKeep-Alive: timeout=5\r\nX-A: 1\r\n"
            b"X-B: 2\r\nContent-Length: 0\r\n\r\n"
        ),
        b"HTTP/1.1 200 OK\r\nX-B: 2\r\nContent-Length: 0\r\n\r\n",
        False,
    ),
    (
        "1.0 client, length",
        GET_10,
        always(HELLO),
        HELLO.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
        True,
    ),
    (
        "1.0 client, chunked",
        GET_10,
        always(CHUNKED + b"2\r\nhe\r\n3\r\nllo\r\n0\r\nSum: 1\r\n\r\n"),
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello",
        True,
    ),
    (
        "1.0 client, until close",
        GET_10,
        until_close(b"HTTP/1.1 200 OK\r\n\r\n", b"hello"),
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello",
        True,
    ),
    (
        "1.0 client that stays",
        STAY_10,
        always(HELLO),
        HELLO.replace(b"\r\n\r\n", b"\r\nConnection: keep-alive\r\n\r\n"),
        False,
    ),
    (
        "1.0 client that would stay, chunked",
        STAY_10,
        always(CHUNKED + b"5\r\nhello\r\n0\r\n\r\n"),
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello",
        True,
    ),
    (
        "client says close",
        get(b"/", b"Connection: close"),
        always(HELLO),
        HELLO.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
        True,
    ),
    (
        "103 is passed on",
        get(),
        always(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + HELLO),
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + HELLO,
        False,
    ),
    (
        "103 is not for 1.0",
        STAY_10,
        always(b"HTTP/1.1 103 Early Hints\r\n\r\n" + HELLO),
        HELLO.replace(b"\r\n\r\n", b"\r\nConnection: keep-alive\r\n\r\n"),
        False,
    ),
]


@pytest.mark.parametrize(
    ("octets", "script", "answer", "ends"),
    [row[1:] for row in ANSWERS],
    ids=[r[0] for r in ANSWERS],
)
@on_both_loops
async def test_answer_reads(octets: bytes, script: Script, answer: bytes, ends: bool) -> None:
    async with raw("a", script) as a, before(a) as world:
        caller = await world.ask(octets)
        await caller.reads(answer)
        if ends:
            await caller.ends()
        else:  # it is used again, and framed alike
            caller.send(octets)
            await caller.reads(answer)


@on_both_loops
async def test_answer_in_single_octets_is_the_same() -> None:
    octets = CHUNKED + b"5;a=b\r\nhello\r\n3\r\nyou\r\n0\r\nSum: 1\r\n\r\n"

    async def dribbling(talk: Talk) -> None:
        await talk.request()
        for index in range(len(octets)):
            talk.send(octets[index : index + 1])
            await asyncio.sleep(0)

    async with raw("a", dribbling) as a, before(a) as world:
        caller = await world.ask(get(b"/", b"Connection: close"))
        got = await caller.rest()
    head, _, body = got.partition(b"\r\n\r\n")
    assert head == CHUNKED[:-4] + b"\r\nConnection: close"
    content = b"".join(body.split(b"\r\n")[1:-4:2])
    assert content == b"helloyou"
    assert body.endswith(b"0\r\nSum: 1\r\n\r\n")


@on_both_loops
async def test_request_goes_on_without_what_is_between_neighbours() -> None:
    octets = get(
        b"/a%2Fb?c=%20",
        b"Connection: keep-alive, X-Mine, X-Forwarded-For",
        b"X-Mine: 1",
        b"Accept: */*",
        b"Keep-Alive: 5",
        b"Upgrade: h2c",
        b"HTTP2-Settings: AAAA",
        b"TE: trailers, gzip",
        b"X-Forwarded-For: 9.9.9.9",
        b"Under_Score: 1",
    )
    async with raw("a", always(HELLO)) as a, before(a) as world:
        await (await world.ask(octets)).reads(HELLO)
        assert a.requests == [
            b"GET /a%2Fb?c=%20 HTTP/1.1\r\nHost: a.test\r\nAccept: */*\r\n"
            + VIA
            + b"Connection: TE\r\nTE: trailers\r\n\r\n"
        ]


@pytest.mark.parametrize("method", [b"GET", b"POST"])
@on_uvloop
async def test_request_split_at_every_octet(method: bytes) -> None:
    octets = post(b"hello", b"A: b", method=method)
    async with raw("a", always(HELLO)) as a, before(a) as world:
        caller = await world.connect()
        for index in range(1, len(octets)):
            caller.send(octets[:index])
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            caller.send(octets[index:])
            await caller.reads(HELLO)
        assert a.requests == [
            seen(method + b" /", b"A: b", b"Content-Length: 5", body=b"hello") * (len(octets) - 1)
        ]


@on_both_loops
async def test_half_closed_client_gets_its_answer() -> None:
    answer = HELLO.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    ended = asyncio.Event()

    async def slow(talk: Talk) -> None:
        await talk.request()
        await ended.wait()
        talk.send(HELLO)
        await talk.gone()

    async with raw("a", slow) as a, before(a) as world:
        caller = await world.ask(get())
        caller.end()
        await until(lambda: any(client.has_ended for client in world.tier._clients))
        ended.set()
        await caller.ends(answer)


@on_both_loops
async def test_half_close_within_a_body_ends_it() -> None:
    async with raw("a", always(HELLO)) as a, before(a) as world:
        caller = await world.ask(post(b"hello")[:-1])
        caller.end()
        await caller.ends()
        assert (await world.record())["ended_by"] == "client"


@on_both_loops
async def test_backend_connection_is_used_again() -> None:
    async with raw("a", always(HELLO)) as a, before(a) as world:
        for _ in range(3):
            await (await world.ask(get())).reads(HELLO)
        assert len(a.talks) == 1
        assert a.count == 3


@pytest.mark.parametrize(
    "answer",
    [
        HELLO + b"!",
        HELLO.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
        b"HTTP/1.1 103 Early Hints\r\n\r\n" + HELLO,
        b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        CHUNKED + b"5\r\nhello\r\n0\r\n\r\n!",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello",
    ],
    ids=["stray octet", "close", "interim before", "1.0", "stray after chunks", "body of a 204"],
)
@on_uvloop
async def test_backend_connection_is_not_used_again_after(answer: bytes) -> None:
    async with raw("a", always(answer)) as a, before(a) as world:
        for turn in range(2):
            caller = await world.ask(get())
            head = await caller.head()
            assert head.split()[1] in (b"103", b"200", b"204")
            await until(lambda turn=turn: len(world.records) == turn + 1)
        assert len(a.talks) == 2


@on_uvloop
async def test_octets_that_nobody_asked_for_close_an_idle_connection() -> None:
    async def talkative(talk: Talk) -> None:
        await talk.request()
        talk.send(HELLO)
        await asked.wait()
        talk.send(HELLO)
        await talk.gone()
        gone.set()

    asked, gone = asyncio.Event(), asyncio.Event()
    async with raw("a", talkative, always(plain("other"))) as a, before(a) as world:
        await (await world.ask(get())).reads(HELLO)
        asked.set()
        await gone.wait()
        await (await world.ask(get())).reads(plain("other"))


BAD = [
    ("garbage", b"hello\r\n\r\n"),
    ("bad status", b"HTTP/1.1 2x0 OK\r\n\r\n"),
    ("another version", b"HTTP/2.0 200 OK\r\n\r\n"),
    ("length and coding", CHUNKED[:-2] + b"Content-Length: 5\r\n\r\n"),
    ("two lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
    ("split", b"HTTP/1.1 200 OK\r\nLocation: /\nSet-Cookie: a\r\nContent-Length: 0\r\n\r\n"),
    ("bare CR", b"HTTP/1.1 200 OK\r\nA: b\rSet-Cookie: c\r\nContent-Length: 0\r\n\r\n"),
    ("NUL", b"HTTP/1.1 200 OK\r\nA: b\x00\r\nContent-Length: 0\r\n\r\n"),
    ("folded", b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n"),
    ("unknown coding", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"),
    ("101 unasked", b"HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
    ("interim without end", b"HTTP/1.1 100 Continue\r\n\r\n" * 11),
    ("head without end", b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20_000),
]


@pytest.mark.parametrize("octets", [row[1] for row in BAD], ids=[row[0] for row in BAD])
@on_uvloop
async def test_bad_answer_is_a_502(octets: bytes) -> None:
    async with raw("a", always(octets)) as a, before(a) as world:
        caller = await world.ask(post(b"x"))
        status = 100
        while status == 100:
            status, _, body = await caller.answer()
        assert (status, body) == (502, b"no backend gave an answer")
        record = await world.record()
        assert record["tried"][0]["result"] == "bad_answer"
        assert record["ended_by"] == "proxy"
        assert len(a.talks) == 1


@on_both_loops
async def test_answer_cut_short_is_cut_short_for_the_client() -> None:
    async def cut(talk: Talk) -> None:
        await talk.request()
        talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        await more.wait()
        talk.close()

    more = asyncio.Event()
    async with raw("a", cut) as a, before(a) as world:
        caller = await world.ask(get())
        await caller.reads(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        more.set()
        await caller.ends()
        record = await world.record()
        assert (record["ended_by"], record["reason"]) == (
            "backend",
            "backend closed the connection",
        )


@on_both_loops
async def test_bad_chunk_cuts_the_answer_off() -> None:
    async def bad(talk: Talk) -> None:
        await talk.request()
        talk.send(CHUNKED + b"5\r\nhello\r\n")
        await more.wait()
        talk.send(b"zz\r\n")
        await talk.gone()

    more = asyncio.Event()
    async with raw("a", bad) as a, before(a) as world:
        caller = await world.ask(get())
        await caller.reads(CHUNKED + b"5\r\nhello\r\n")
        more.set()
        await caller.ends()


REFUSED = [
    ("h2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"505 HTTP Version Not Supported", b""),
    (
        "CONNECT",
        b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n",
        b"405 Method Not Allowed",
        b"Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
    ),
    (
        "TRACE",
        get().replace(b"GET", b"TRACE"),
        b"405 Method Not Allowed",
        b"Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
    ),
    ("unknown expectation", get(b"/", b"Expect: a-miracle"), b"417 Expectation Failed", b""),
    ("no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01", b"400 Bad Request", b""),
]


@pytest.mark.parametrize(
    ("octets", "status", "line"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
@on_both_loops
async def test_refused_and_closed(octets: bytes, status: bytes, line: bytes) -> None:
    async with raw("a", always(HELLO)) as a, before(a) as world:
        got = await (await world.ask(octets + get())).rest()
        head, _, text = got.partition(b"\r\n\r\n")
        lines = [line] if line else []
        assert got == ours(status, text, *lines, close=True)
        assert len(head) > 0
        assert a.talks == []
        assert (await world.record())["ended_by"] == "client"
