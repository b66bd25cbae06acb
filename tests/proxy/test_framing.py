"""The golden tables between sockets: what is refused reaches no backend, what is taken is one
request there and nothing more, what a backend must not say reaches no client.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest

from gslb.http1.framing import CHUNKED
from tests.http1.answer_cases import BAD_ANSWERS, Bad
from tests.http1.chunk_cases import TRICKS
from tests.http1.framing_cases import ROWS, Row, Taken
from tests.proxy.backends import Script, Talk, always, plain, raw
from tests.proxy.world import World, before, get, on_uvloop, post, until

HELLO = plain("hello")
UPLOAD = b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n"
CANARY = get(b"/canary")
LIMITS = {"limits": {"body_octets": 1000}}
REFUSED = [row for row in ROWS if isinstance(row.verdict, int) and row.name != "empty line first"]
TAKEN = [(row, row.verdict) for row in ROWS if isinstance(row.verdict, Taken)]


@pytest.mark.parametrize("row", REFUSED, ids=lambda row: row.name)
@on_uvloop
async def test_what_is_refused_reaches_no_backend_nor_does_what_follows(row: Row) -> None:
    async with raw("a", always(HELLO)) as a, before(a, **LIMITS) as world:
        got = await (await world.ask(row.octets + CANARY)).rest()
        assert got.startswith(b"HTTP/1.1 %d " % row.verdict), row.why
        assert got.count(b"HTTP/1.1 ") == 1, row.why
        assert b"\r\nConnection: close\r\n" in got, row.why
        assert a.talks == []


@pytest.mark.parametrize(("row", "taken"), TAKEN, ids=[row.name for row, _ in TAKEN])
@on_uvloop
async def test_what_is_taken_is_one_request_and_what_follows_another(
    row: Row, taken: Taken
) -> None:
    body = b"5\r\nhello\r\n0\r\n\r\n" if taken.body == CHUNKED else b"x" * taken.body
    async with raw("a", always(HELLO)) as a, before(a, **LIMITS) as world:
        caller = await world.ask(row.octets + body + CANARY)
        assert (await caller.answer())[0] == 200
        if taken.keep_alive:
            assert (await caller.answer())[0] == 200
        else:
            await caller.ends()
        seen = b"".join(a.requests)
        assert a.count == 1 + taken.keep_alive, row.why
        assert seen.count(b"/canary") == taken.keep_alive, row.why
        method = row.octets.split(b" ")[0].lstrip()
        assert seen.startswith(b"%b %b HTTP/1.1\r\n" % (method, taken.target)), row.why


@pytest.mark.parametrize(("octets", "why"), TRICKS, ids=[why for _, why in TRICKS])
@on_uvloop
async def test_trick_in_a_chunked_body_is_no_end_of_it(octets: bytes, why: str) -> None:
    async with raw("a", always(HELLO)) as a, before(a) as world:
        got = await (await world.ask(UPLOAD + octets + CANARY)).rest()
        assert got.startswith(b"HTTP/1.1 400 "), why
        assert got.count(b"HTTP/1.1 ") == 1, why
        assert a.count <= 1
        assert b"canary" not in b"".join(a.requests)


@pytest.mark.parametrize("bad", BAD_ANSWERS, ids=lambda bad: bad.name)
@on_uvloop
async def test_bad_answer_is_a_502_of_ours(bad: Bad) -> None:
    octets = get(b"/", b"Connection: Upgrade", b"Upgrade: websocket")
    async with raw("a", always(bad.octets + b"hello")) as a, before(a) as world:
        status, fields, body = await (await world.ask(octets)).answer()
        assert (status, body) == (502, b"no backend gave an answer"), bad.why
        assert b"set-cookie" not in fields
        assert b"x" not in fields
        record = await world.record()
        assert record["tried"][0]["result"] == "bad_answer"
        assert record["tried"][0]["reason"] == bad.reason


# ---------------------------------------------------------------- answers that do not fit


class Case(NamedTuple):
    """octets: of the client, before CANARY. script: of the backend's first connection; the others
    answer HELLO. status: what the client reads first. goes_on: whether CANARY is answered after it.
    """

    name: str
    octets: bytes
    script: Script
    status: int
    goes_on: bool
    why: str


def early(answer: bytes) -> Script:
    """Answers a head, and reads what comes."""

    async def script(talk: Talk) -> None:
        await talk.head()
        talk.send(answer)
        await talk.gone()

    return script


SMUGGLED = get(b"/smuggled")
NEXT = "what came of the body would be read as the next request"
EXTRA = "the octets too many would be the answer to somebody else's request"

CASES = [
    Case(
        "answer before the body has come",
        post(b"x" * 50)[:-40],
        early(plain("no", status=b"413 Too Large")),
        413,
        False,
        NEXT,
    ),
    Case(
        "answer before a body that looks like a request",
        post(SMUGGLED + b"x" * 500)[:-500],
        early(plain("no", status=b"401 Who")),
        401,
        False,
        NEXT,
    ),
    Case(
        "answer before the end of chunks",
        UPLOAD + b"5\r\nhello\r\n",
        early(plain("no", status=b"413 Too Large")),
        413,
        False,
        NEXT,
    ),
    Case(
        "unread body of a request that we refuse ourselves",
        post(SMUGGLED, target=b"/nowhere/../x"),
        early(HELLO),
        400,
        False,
        NEXT,
    ),
    Case(
        "body over the limit",
        post(SMUGGLED * 40),
        early(HELLO),
        413,
        False,
        NEXT,
    ),
    Case("two answers", get(), early(HELLO + plain("stolen")), 200, True, EXTRA),
    Case("longer than its length", get(), early(HELLO + b"HTTP/1.1 200"), 200, True, EXTRA),
    Case(
        "body of a HEAD",
        get().replace(b"GET", b"HEAD"),
        early(plain(plain("stolen"))),
        200,
        True,
        EXTRA,
    ),
    Case(
        "body of a 204",
        get(),
        early(plain(plain("stolen"), status=b"204 No Content")),
        204,
        True,
        EXTRA,
    ),
    Case(
        "body of a 304",
        get(),
        early(plain(plain("stolen"), status=b"304 Not Modified")),
        304,
        True,
        EXTRA,
    ),
    Case(
        "octets behind the last chunk",
        get(),
        early(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + plain("stolen")),
        200,
        True,
        EXTRA,
    ),
]


async def _first_status(world: World, case: Case) -> bytes:
    caller = await world.ask(case.octets + (CANARY if case.goes_on else b""))
    got = await caller.head()
    if not case.goes_on:
        caller.send(CANARY)
        return got + await caller.rest()
    await until(lambda: len(world.records) == 2)
    caller.end()
    return got + await caller.rest()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@on_uvloop
async def test_answer_that_does_not_fit_its_request_desynchronises_nobody(case: Case) -> None:
    async with raw("a", case.script, always(HELLO)) as a, before(a, **LIMITS) as world:
        got = await _first_status(world, case)
        assert got.startswith(b"HTTP/1.1 %d " % case.status), case.why
        assert b"stolen" not in got, case.why
        assert b"smuggled" not in b"".join(a.requests).replace(SMUGGLED, b""), case.why
        assert sum(b"GET /smuggled" in talk.seen[:40] for talk in a.talks) == 0
        if case.goes_on:
            assert got.endswith(b"hello")
            assert len(a.talks) == 2, case.why  # the connection that is out of step is not used
        else:
            assert b"\r\nConnection: close\r\n" in got
            assert not any(b"/canary" in talk.seen for talk in a.talks), case.why
        await until(lambda: not world.tier.in_flight)
