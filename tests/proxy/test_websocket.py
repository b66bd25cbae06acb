"""WebSockets with a library on both ends: messages, closes, refusals, reloads and drains."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Request, Response

from gslb.balance.pool_state import Mode
from gslb.model.endpoint import Endpoint
from gslb.model.proxy import Backend, Listener, RetrySettings
from tests.proxy.backends import WAIT_S, Talk, always, plain, raw
from tests.proxy.tcp_world import Authority
from tests.proxy.world import (
    World,
    before,
    get,
    make_proxy,
    on_both_loops,
    on_uvloop,
    proxying,
    until,
)

MIB = 1024 * 1024
UPGRADE = (
    b"Connection: Upgrade",
    b"Upgrade: websocket",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


async def echo(talk: ServerConnection) -> None:
    async for message in talk:
        await talk.send(message)


class Heard:
    """A server's end that tells how its connection closed."""

    def __init__(self) -> None:
        self.code: int | None = None
        self.reason = ""

    async def __call__(self, talk: ServerConnection) -> None:
        await talk.wait_closed()
        self.code, self.reason = talk.close_code, talk.close_reason or ""


@contextlib.asynccontextmanager
async def serving(
    handler: Callable[[ServerConnection], Awaitable[None]] = echo, **settings: Any
) -> AsyncIterator[Server]:
    async with serve(handler, "127.0.0.1", 0, max_size=None, **settings) as server:
        yield server


def backend_of(server: Server, name: str = "a") -> Backend:
    return Backend(name, Endpoint(*next(iter(server.sockets)).getsockname()[:2]))


@contextlib.asynccontextmanager
async def through(
    handler: Callable[[ServerConnection], Awaitable[None]] = echo, **settings: Any
) -> AsyncIterator[World]:
    """A data plane before one server of websockets."""
    async with (
        serving(handler, **settings) as server,
        proxying(make_proxy([backend_of(server)])) as world,
    ):
        yield world


def talking(world: World, path: str = "/", **settings: Any) -> connect:
    host, port = world.address
    settings = {"max_size": None, "open_timeout": WAIT_S, "proxy": None, **settings}
    scheme = "wss" if "ssl" in settings else "ws"
    return connect(f"{scheme}://{host}:{port}{path}", **settings)


async def says(talk: ClientConnection, message: str | bytes) -> None:
    """Sends a message and reads it back."""
    async with asyncio.timeout(WAIT_S):
        await talk.send(message)
        assert await talk.recv() == message


@pytest.mark.parametrize("compression", ["deflate", None])
@on_both_loops
async def test_messages_of_all_kinds_pass(compression: str | None) -> None:
    async with through() as world, talking(world, compression=compression) as talk:
        for message in ("hello", "", "é" * 1000, b"\0\xff" * 1000, b"", bytes(range(256)) * 20_000):
            await says(talk, message)
        async with asyncio.timeout(WAIT_S):
            await talk.send(iter(["in", " ", "pieces"]))
            assert await talk.recv() == "in pieces"


@on_both_loops
async def test_large_messages_pass_both_ways_at_once() -> None:
    message = bytes(range(256)) * (4 * MIB // 256)
    async with (
        through() as world,
        talking(world, compression=None) as talk,
        asyncio.timeout(3 * WAIT_S),
        asyncio.TaskGroup() as group,
    ):
        for _ in range(4):
            group.create_task(talk.send(message))
        for _ in range(4):
            assert await talk.recv() == message


@on_both_loops
async def test_pings_pass_both_ways() -> None:
    ponged = asyncio.Event()

    async def pings(talk: ServerConnection) -> None:
        await (await talk.ping(b"from the server"))
        ponged.set()
        await talk.wait_closed()

    async with through(pings) as world, talking(world) as talk:
        async with asyncio.timeout(WAIT_S):
            await (await talk.ping(b"from the client"))
            await ponged.wait()


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "leaving"), (4321, "é" * 20)])
@on_both_loops
async def test_close_of_the_client_reaches_the_server(code: int, reason: str) -> None:
    heard = Heard()
    async with through(heard) as world, talking(world) as talk:
        async with asyncio.timeout(WAIT_S):
            await talk.close(code, reason)
        assert talk.close_code == code
        await until(lambda: heard.code is not None)
        assert (heard.code, heard.reason) == (code, reason)
        record = await world.record()
        assert (record["status"], record["backend"]) == (101, "a")


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1011, "broken"), (4999, "x" * 100)])
@on_both_loops
async def test_close_of_the_server_reaches_the_client(code: int, reason: str) -> None:
    async def closes(talk: ServerConnection) -> None:
        await talk.recv()
        await talk.close(code, reason)

    async with through(closes) as world, talking(world) as talk:
        await talk.send("go")
        async with asyncio.timeout(WAIT_S):
            with pytest.raises(ConnectionClosed):
                await talk.recv()
        assert (talk.close_code, talk.close_reason) == (code, reason)


@on_both_loops
async def test_break_of_either_end_is_an_abnormal_end_of_the_other() -> None:
    heard = Heard()
    async with through(heard) as world, talking(world) as talk:
        talk.transport.abort()
        await until(lambda: heard.code == 1006)

    async def breaks(talk: ServerConnection) -> None:
        await talk.recv()
        talk.transport.abort()

    async with through(breaks) as world, talking(world) as talk:
        await talk.send("go")
        async with asyncio.timeout(WAIT_S):
            with pytest.raises(ConnectionClosed):
                await talk.recv()
        assert talk.close_code == 1006


@on_both_loops
async def test_subprotocol_and_headers_pass() -> None:
    seen: list[Request] = []

    def look(_: ServerConnection, request: Request) -> None:
        seen.append(request)

    async with through(subprotocols=["chat.v2", "chat.v1"], process_request=look) as world:
        headers = {"Authorization": "Bearer x", "X-Forwarded-For": "1.2.3.4"}
        async with talking(
            world,
            "/ws/room?id=7",
            subprotocols=["chat.v1", "chat.v9"],
            additional_headers=headers,
            origin="https://a.test",
        ) as talk:
            assert talk.subprotocol == "chat.v1"
            await says(talk, "hello")
    (request,) = seen
    assert request.path == "/ws/room?id=7"
    assert request.headers["Authorization"] == "Bearer x"
    assert request.headers["Origin"] == "https://a.test"
    assert request.headers["X-Forwarded-For"] == "127.0.0.1"
    assert len(request.headers["X-Request-ID"]) > 12


@on_both_loops
async def test_refusal_of_the_server_is_a_plain_answer() -> None:
    def refuse(talk: ServerConnection, _: Request) -> Response:
        return talk.respond(HTTPStatus.FORBIDDEN, "not you\n")

    async with through(process_request=refuse) as world:
        with pytest.raises(InvalidStatus) as refused:
            async with talking(world):
                pass
        assert refused.value.response.status_code == 403
        assert refused.value.response.body == b"not you\n"
        assert (await world.record())["status"] == 403


@on_uvloop
async def test_refusal_keeps_the_clients_connection() -> None:
    async with (
        raw("a", always(plain("no", status=b"426 Upgrade Required"))) as a,
        before(a) as world,
    ):
        caller = await world.ask(get(b"/", *UPGRADE) + get(b"/next"))
        assert (await caller.answer())[0] == 426
        assert (await caller.answer())[0] == 426
        assert a.count == 2


@pytest.mark.parametrize(
    "switch",
    [
        SWITCH.replace(b"websocket", b"h2c"),
        SWITCH.replace(b"Upgrade: websocket\r\n", b""),
        SWITCH.replace(b"Upgrade: websocket", b"Upgrade: websocket, foo"),
    ],
    ids=["another protocol", "none", "two"],
)
@on_uvloop
async def test_switch_to_anything_else_is_a_502(switch: bytes) -> None:
    async with raw("a", always(switch)) as a, before(a) as world:
        assert (await (await world.ask(get(b"/", *UPGRADE))).answer())[0] == 502


@on_both_loops
async def test_octets_before_the_answer_reach_the_backend_in_order() -> None:
    go = asyncio.Event()
    came = asyncio.Event()

    async def script(talk: Talk) -> None:
        await talk.head()
        await go.wait()
        talk.send(SWITCH + b"welcome")
        assert await talk.exactly(11) == b"early, late"
        came.set()
        await talk.gone()

    async with raw("a", script) as a, before(a) as world:
        caller = await world.ask(get(b"/", *UPGRADE) + b"early")
        await until(lambda: a.count == 1)
        go.set()
        assert (await caller.head()).startswith(b"HTTP/1.1 101 ")
        assert await caller.exactly(7) == b"welcome"
        caller.send(b", late")
        await came.wait()
        caller.reset()


@on_both_loops
async def test_client_that_ended_its_half_before_the_answer_has_it_ended_at_the_backend() -> None:
    go = asyncio.Event()

    async def script(talk: Talk) -> None:
        await talk.head()
        await go.wait()
        talk.send(SWITCH)
        await talk.gone()
        talk.send(b"bye")
        talk.close()

    async with raw("a", script) as a, before(a) as world:
        caller = await world.ask(get(b"/", *UPGRADE))
        caller.end()
        await until(lambda: any(client.has_ended for client in world.tier._clients))
        go.set()
        assert (await caller.head()).startswith(b"HTTP/1.1 101 ")
        await caller.ends(b"bye")


@on_both_loops
async def test_tunnel_to_a_reader_that_sleeps_is_bounded() -> None:
    go = asyncio.Event()

    async def script(talk: Talk) -> None:
        await talk.head()
        talk.send(SWITCH)
        await go.wait()
        assert await talk.exactly(16 * MIB) == b"x" * (16 * MIB)
        talk.close()

    async with raw("a", script) as a, before(a) as world:
        caller = await world.ask(get(b"/", *UPGRADE))
        await caller.head()
        caller.send(b"x" * (16 * MIB))
        await until(lambda: any(client.is_reading_paused for client in world.tier._clients))
        (connection,) = world.pool._connections
        assert connection.transport.get_write_buffer_size() < 2 * MIB
        go.set()
        await caller.ends()


@on_both_loops
async def test_reload_that_leaves_its_pool_leaves_the_connection() -> None:
    async with serving() as server, serving() as other:
        proxy = make_proxy([backend_of(server)])
        async with proxying(proxy) as world, talking(world) as talk:
            await says(talk, "before")
            members = [backend_of(server), backend_of(other, "b")]
            world.apply(make_proxy(members, timeouts={"total_s": 7.0}))
            await says(talk, "after")
            await until(lambda: world.pool.state.members["a"].count == 1)
            world.tier.take_mode("main", "a", Mode.DRAIN)
            await says(talk, "drained")
            world.apply(make_proxy([backend_of(other, "b")]))  # its backend is gone from the file
            await says(talk, "gone")
            assert world.pool.state.summary(0.0)["leaving"] == [("a", 1)]


@on_both_loops
async def test_drain_of_the_proxy_leaves_it_until_the_deadline() -> None:
    heard = Heard()
    async with through(heard) as world, talking(world) as talk:
        world.tier.begin_drain()
        assert not await world.tier.drained(0.2)
        pong = await talk.ping()
        async with asyncio.timeout(WAIT_S):
            await pong
        await world.tier.close()  # what the process does at the deadline
        async with asyncio.timeout(WAIT_S):
            await talk.wait_closed()
        assert talk.close_code == 1006
        await until(lambda: heard.code == 1006)


@on_both_loops
async def test_drain_of_the_proxy_is_over_when_the_last_one_has_left() -> None:
    async with through() as world:
        async with talking(world) as talk:
            world.tier.begin_drain()
            await says(talk, "still here")
        assert await world.tier.drained(WAIT_S)


@on_uvloop
async def test_silent_tunnel_ends_in_its_time() -> None:
    heard = Heard()
    async with serving(heard, ping_interval=None) as server:
        proxy = make_proxy([backend_of(server)], timeouts={"tunnel_idle_s": 0.3})
        async with proxying(proxy) as world, talking(world, ping_interval=None) as talk:
            async with asyncio.timeout(WAIT_S):
                await talk.wait_closed()
            record = await world.record()
            assert (record["ended_by"], record["reason"]) == ("timeout", "tunnel_idle")
            await until(lambda: heard.code == 1006)


@on_uvloop
async def test_backend_that_is_not_there_is_replaced() -> None:
    async with raw("a", always(plain("a"))) as a, serving() as server:
        a.stop_listening()
        members = [a.backend(), backend_of(server, "b")]
        pool = {"retry": RetrySettings(attempts=1)}
        async with proxying(make_proxy(members, pool=pool)) as world:
            for _ in range(4):
                async with talking(world) as talk:
                    await says(talk, "hello")


@on_both_loops
async def test_tls_in_front_ends_here(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with serving() as server:
        listener = Listener(Endpoint("127.0.0.1", 1), (authority.issue("a.test"),))
        proxy = make_proxy([backend_of(server)], listeners=(listener,))
        async with proxying(proxy) as world:
            async with talking(world, ssl=authority.client(), server_hostname="a.test") as talk:
                for message in ("hello", b"x" * MIB):
                    await says(talk, message)
                await talk.close(4001, "done")
            assert (await world.record())["status"] == 101
