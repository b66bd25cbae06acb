"""The admin port over real HTTP, with what it shows made up."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from hashlib import sha256
from typing import Any, NamedTuple

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gslb.admin import http
from gslb.admin.http import AdminServer
from gslb.admin.requests import MAX_BODY_OCTETS, OrderRequest
from gslb.errors import ListenError, OrderError, StoreError
from gslb.model.endpoint import Endpoint
from gslb.model.order import OrderKind
from gslb.model.system import AdminSettings
from gslb.server.sockets import open_tcp
from tests.admin.known import Known, make_order

TOKEN = "a-token"
OPEN = AdminSettings()
GUARDED = AdminSettings((sha256(TOKEN.encode()).hexdigest(),))
ORDER = {"site": "eu", "do": "drain", "reason": "upgrade", "owner": "anna", "until_at": None}


class Got(NamedTuple):
    status: int
    body: Any
    headers: Any


class Port:
    """A running server and a client of it."""

    def __init__(self, server: AdminServer, session: aiohttp.ClientSession, address: Any) -> None:
        self.server = server
        self.address = address
        self._session = session

    async def ask(self, path: str, method: str = "GET", **options: Any) -> Got:
        url = f"http://127.0.0.1:{self.address[1]}{path}"
        async with self._session.request(method, url, **options) as response:
            is_json = response.content_type == "application/json"
            body = await (response.json() if is_json else response.text())
            return Got(response.status, body, response.headers)

    async def raw(self, octets: bytes) -> bytes:
        """The whole answer to octets, until the server closes."""
        reader, writer = await asyncio.open_connection(*self.address)
        try:
            writer.write(octets)
            return await asyncio.wait_for(reader.read(), 5)
        finally:
            writer.close()


def serve(
    script: Callable[[Port], Awaitable[None]],
    known: Known | None = None,
    access: AdminSettings = OPEN,
) -> None:
    async def run() -> None:
        listener = open_tcp(Endpoint("127.0.0.1", 0), share=False)
        server = AdminServer(known or Known(), listener, access)
        await server.start()
        try:
            async with aiohttp.ClientSession() as session:
                await script(Port(server, session, listener.getsockname()))
        finally:
            await server.close()

    asyncio.run(run())


# ---------------------------------------------------------------- pages


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
@pytest.mark.parametrize("access", [AdminSettings(), GUARDED])
def test_r13_it_is_ready_whatever_sites_and_store_do_and_whoever_asks(path, access):
    async def script(port: Port) -> None:
        got = await port.ask(path, headers={"Host": "anything.example"})
        assert (got.status, got.body) == (200, "ok\n")
        assert (await port.ask(path, "HEAD")).status == 200

    known = Known(error=StoreError("away"))
    known.told["store"]["is_connected"] = False
    for site in known.told["sites"].values():
        site["state"] = "down"
    serve(script, known, access)
    assert known.status_calls == 0


def test_status_is_json_that_nobody_keeps():
    async def script(port: Port) -> None:
        got = await port.ask("/api/v1/status")
        assert got.status == 200
        assert got.body["node"] == "ü"
        assert got.headers["Cache-Control"] == "no-store"

    known = Known()
    known.told["node"] = "ü"
    serve(script, known)


def test_metrics_are_what_prometheus_reads():
    async def script(port: Port) -> None:
        await port.ask("/none")
        got = await port.ask("/metrics")
        assert known.status_calls == 1
        assert got.headers["Content-Type"].startswith("text/plain; version=")
        found = {each.name: each for each in text_string_to_metric_families(got.body)}
        assert found["gslb_site_up"].samples[0].value == 1
        refused = found["gslb_admin_refused"].samples
        assert [(each.labels, each.value) for each in refused] == [({"reason": "path"}, 1)]

    known = Known()
    serve(script, known)


def test_an_explanation_is_asked_with_name_type_and_client():
    async def script(port: Port) -> None:
        path = "/api/v1/explain"
        query = {"name": "a.example", "type": "AAAA", "client": "::1/128"}
        got = await port.ask(path, params=query)
        assert (got.status, got.body) == (200, query)
        got = await port.ask(path, params={"name": "a.example", "client": "192.0.2.1"})
        assert (got.status, got.body["type"]) == (200, "A")
        got = await port.ask(path, params={"name": "a.example"})
        assert (got.status, got.body) == (400, {"error": "'' is no client"})

    serve(script)


def test_events_are_counted_from_the_end():
    async def script(port: Port) -> None:
        assert (await port.ask("/api/v1/events")).body == {"events": happened[-100:]}
        assert (await port.ask("/api/v1/events?count=1")).body == {"events": happened[-1:]}
        for bad in ("0", "1001", "-1", "x", "", "1e3", "٣", "99999999999999999999"):
            got = await port.ask("/api/v1/events", params={"count": bad})
            assert (got.status, got.body["error"]) == (
                400,
                "count must be a whole number from 1 to 1000",
            )

    happened = [{"at": number} for number in range(150)]
    serve(script, Known(happened=happened))


def test_events_of_a_store_that_is_away_are_503():
    async def script(port: Port) -> None:
        got = await port.ask("/api/v1/events")
        assert (got.status, got.body) == (503, {"error": "the store is away: timeout"})

    serve(script, Known(error=StoreError("timeout")))


def test_orders_are_those_of_the_sites():
    async def script(port: Port) -> None:
        got = await port.ask("/api/v1/orders")
        assert (got.status, got.body) == (200, {"orders": {"ap-south": make_order()}})

    serve(script)


def test_an_order_is_placed_as_it_was_sent():
    async def script(port: Port) -> None:
        got = await port.ask("/api/v1/orders", "POST", json=ORDER)
        assert (got.status, got.body["order"]["site"]) == (200, "eu")
        assert got.body["store_error"] == "no route"

    known = Known(store_error="no route")
    serve(script, known)
    assert known.placed == [OrderRequest("eu", OrderKind.DRAIN, "upgrade", "anna")]


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (OrderError("too little would be left"), 409, "too little would be left"),
        (ValueError("there is no site 'eu'"), 400, "there is no site 'eu'"),
        (StoreError("away"), 503, "the store is away: away"),
    ],
)
def test_an_order_that_is_not_taken_says_why(error, status, words):
    async def script(port: Port) -> None:
        got = await port.ask("/api/v1/orders", "POST", json=ORDER)
        assert (got.status, got.body) == (status, {"error": words})

    serve(script, Known(error=error))


# ---------------------------------------------------------------- who may


def test_a_port_that_others_can_reach_needs_a_token():
    async def run() -> None:
        with open_tcp(Endpoint("0.0.0.0", 0), share=False) as listener:
            with pytest.raises(ListenError, match="is not on loopback: it needs a token"):
                AdminServer(Known(), listener, AdminSettings())
            server = AdminServer(Known(), listener, GUARDED)
            with pytest.raises(ListenError):
                server.reconfigure(AdminSettings())

    asyncio.run(run())


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/metrics"),
        ("GET", "/api/v1/status"),
        ("GET", "/api/v1/explain"),
        ("GET", "/api/v1/orders"),
        ("POST", "/api/v1/orders"),
        ("GET", "/api/v1/events"),
        ("GET", "/none"),
        ("DELETE", "/api/v1/orders"),
    ],
)
def test_every_page_needs_the_token_and_says_so_before_anything_else(method, path):
    async def script(port: Port) -> None:
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            got = await port.ask(path, method, headers=headers)
            assert got.status == 401
            assert got.headers["WWW-Authenticate"] == "Bearer"
        got = await port.ask(path, method, headers={"Authorization": f"Bearer {TOKEN}"})
        assert got.status != 401

    serve(script, access=GUARDED)


def test_wrong_tokens_end_in_429_and_other_tokens_can_be_taken():
    async def script(port: Port) -> None:
        wrong = {"Authorization": "Bearer wrong"}
        right = {"Authorization": f"Bearer {TOKEN}"}
        told = [(await port.ask("/metrics", headers=wrong)).status for _ in range(11)]
        assert told == [401] * 10 + [429]
        got = await port.ask("/metrics", headers=right)
        assert (got.status, got.headers["Retry-After"]) == (429, "60")
        assert (await port.ask("/livez")).status == 200
        assert port.server.refused == {"token": 10, "rate": 2}
        port.server.reconfigure(AdminSettings((sha256(b"wrong").hexdigest(),)))
        assert (await port.ask("/metrics", headers=wrong)).status == 200
        assert (await port.ask("/metrics", headers=right)).status == 401

    serve(script, access=GUARDED)


def test_a_name_that_was_made_to_point_here_is_refused():
    async def script(port: Port) -> None:
        got = await port.ask("/api/v1/status", headers={"Host": "evil.example"})
        assert (got.status, "Host" in got.body["error"]) == (403, True)
        got = await port.ask("/api/v1/status", headers={"Host": "localhost:8053"})
        assert got.status == 200

    serve(script)


def test_a_web_page_cannot_order():
    async def script(port: Port) -> None:
        page = "/api/v1/orders"
        got = await port.ask(page, "POST", json=ORDER, headers={"Origin": "http://evil.example"})
        assert got.status == 403
        got = await port.ask(page, "POST", data=json.dumps(ORDER))
        assert got.status == 415
        got = await port.ask(page, "OPTIONS", headers={"Origin": "http://evil.example"})
        assert got.status == 405
        assert not [name for name in got.headers if name.lower().startswith("access-control")]

    known = Known()
    serve(script, known)
    assert known.placed == []


# ---------------------------------------------------------------- what comes from anybody


@pytest.mark.parametrize("path", ["/livez", "/none", "/api/v1/orders?x"])
def test_every_answer_is_closed_to_browsers(path):
    async def script(port: Port) -> None:
        got = await port.ask(path)
        assert got.headers["X-Content-Type-Options"] == "nosniff"
        assert got.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert got.headers["Referrer-Policy"] == "no-referrer"
        assert got.headers["Cache-Control"] == "no-store"
        assert got.headers["Server"] == "gslb"

    serve(script)


@pytest.mark.parametrize(
    "target",
    [
        b"/",
        b"/..%2f",
        b"/livez/..%2f..%2fetc/passwd",
        b"/livez%2f",
        b"/%6civez",
        b"//livez",
        b"/./livez",
        b"/livez/",
        b"/livez;x",
        b"/api/v1/status%00",
        b"/api/v1/../v1/status",
        b"/<img src=x onerror=alert(1)>".replace(b" ", b"%20"),
    ],
)
def test_a_path_is_what_was_sent_or_404(target):
    async def script(port: Port) -> None:
        answer = await port.raw(b"GET " + target + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 404 ")
        assert b"<img" not in answer

    serve(script)


def test_a_method_that_a_page_does_not_have_is_405():
    async def script(port: Port) -> None:
        got = await port.ask("/api/v1/orders", "PUT")
        assert (got.status, got.headers["Allow"]) == (405, "GET, POST")
        got = await port.ask("/livez", "POST", json={})
        assert (got.status, got.headers["Allow"]) == (405, "GET")

    serve(script)


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (b"GET /livez HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", b"400"),
        (b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", b"400"),
        (b"GET /livez HTTP/1.1\r\n" + b"X: x\r\n" * 5000 + b"\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),
        (b"\x00" * 1000 + b"\r\n\r\n", b"400"),
    ],
    ids=["long header", "long target", "many headers", "TLS", "zeros"],
)
def test_what_is_no_http_is_refused_counted_and_not_logged(octets, status, caplog):
    async def script(port: Port) -> None:
        answer = await port.raw(octets)
        assert answer[8:12] == b" " + status
        assert port.server.refused["malformed"] == 1
        assert (await port.ask("/livez")).status == 200

    serve(script)
    assert caplog.records == []


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"[" * 60_000, 400, "the body is nested deeper than 8"),
        (b"[" * 100_000, 413, "the body is larger than 65536 octets"),
        (b" " * (MAX_BODY_OCTETS + 1), 413, "the body is larger than 65536 octets"),
        (b"x", 400, "the body is not JSON: Expecting value: line 1 column 1 (char 0)"),
    ],
)
@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_bad_body_is_refused(body, status, words, is_chunked):
    async def chunks():
        yield body

    async def script(port: Port) -> None:
        headers = {"Content-Type": "application/json"}
        data = chunks() if is_chunked else body
        got = await port.ask("/api/v1/orders", "POST", data=data, headers=headers)
        assert (got.status, got.body) == (status, {"error": words})

    serve(script)


def test_a_body_that_would_unpack_to_more_is_not_unpacked():
    async def script(port: Port) -> None:
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        got = await port.ask("/api/v1/orders", "POST", data=b"\x1f\x8b\x08", headers=headers)
        assert (got.status, got.body["error"]) == (400, "the body is not UTF-8")

    serve(script)


def test_a_body_that_never_comes_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(http, "BODY_S", 0.05)

    async def script(port: Port) -> None:
        head = b"POST /api/v1/orders HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        head += b"Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
        answer = await port.raw(head)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"the body did not come within" in answer

    serve(script)


def test_law_4_who_sends_nothing_is_let_go(monkeypatch):
    monkeypatch.setattr(http, "LIFE_S", 0.05)

    async def script(port: Port) -> None:
        with suppress(ConnectionResetError):  # the end may come with a reset or without
            assert await port.raw(b"GET /livez HT") == b""

    serve(script)


def test_law_4_the_oldest_connection_makes_room(monkeypatch):
    monkeypatch.setattr(http, "MAX_CONNECTIONS", 3)

    async def script(port: Port) -> None:
        opened = [await asyncio.open_connection(*port.address) for _ in range(3)]
        assert (await port.ask("/livez")).status == 200
        reader, _ = opened[0]
        with suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
        _, newest = opened[2]
        newest.write(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await opened[2][0].readline()).startswith(b"HTTP/1.1 200 ")
        for _, writer in opened:
            writer.close()

    serve(script)


def test_law_4_a_connection_carries_one_request():
    async def script(port: Port) -> None:
        request = b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"
        answer = await port.raw(request * 3)
        assert answer.count(b"HTTP/1.1 200 ") == 1
        assert b"Connection: close" in answer

    serve(script)


def test_law_5_a_fault_of_ours_is_500_logged_counted_and_over(caplog):
    async def script(port: Port) -> None:
        got = await port.ask("/api/v1/status")
        assert (got.status, got.body) == (
            500,
            {"error": "a fault of the server; its log says more"},
        )
        assert (await port.ask("/livez")).status == 200
        assert port.server.refused == {"failed": 1}

    known = Known()
    known.status = lambda: {}["secret"]
    with caplog.at_level("ERROR", logger="gslb"):
        serve(script, known)
    (record,) = caplog.records
    assert record.getMessage() == "admin page failed"
    assert record.gslb_fields == {"cause": "KeyError('secret')"}


def test_what_takes_too_long_is_503(monkeypatch):
    monkeypatch.setattr(http, "HANDLE_S", 0.05)

    async def never(_request: object) -> None:
        await asyncio.Event().wait()

    async def script(port: Port) -> None:
        got = await port.ask("/api/v1/orders", "POST", json=ORDER)
        assert (got.status, got.body) == (503, {"error": "it took longer than 0.05 s"})

    known = Known()
    known.place_order = never
    serve(script, known)


# ---------------------------------------------------------------- the end


def test_a_client_that_hangs_does_not_hold_the_end_up():
    async def run() -> None:
        listener = open_tcp(Endpoint("127.0.0.1", 0), share=False)
        address = listener.getsockname()
        server = AdminServer(Known(), listener, AdminSettings())
        await server.start()
        with socket.create_connection(address) as client:
            client.sendall(b"GET /livez HTTP/1.1\r\nHost")  # and no more
            await asyncio.sleep(0)
            async with asyncio.timeout(3.0):
                await server.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=1)

    asyncio.run(run())


def test_a_server_that_never_started_closes():
    async def run() -> None:
        listener = open_tcp(Endpoint("127.0.0.1", 0), share=False)
        await AdminServer(Known(), listener, AdminSettings()).close()
        listener.close()

    asyncio.run(run())
