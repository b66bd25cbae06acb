"""The admin port over real HTTP, with what it shows made up."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from gslb.admin.http import AdminServer
from gslb.model.system import Endpoint
from gslb.server.sockets import open_tcp


class Known:
    """An insight that repeats what it is asked."""

    def status(self) -> dict[str, Any]:
        return {"node": "ns1", "sites": {"ü": 1}}

    def explain(self, name: str, rtype: str, client: str) -> dict[str, Any]:
        if not client:
            raise ValueError("'' is no client")
        return {"name": name, "type": rtype, "client": client}


Get = Callable[..., Awaitable[tuple[int, Any, Any]]]


def serve(script: Callable[[Get], Awaitable[None]]) -> None:
    """Runs a script with a function that gets a path: its status, body and headers."""

    async def run() -> None:
        listener = open_tcp(Endpoint("127.0.0.1", 0), share=False)
        base = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = AdminServer(Known(), listener)
        await server.start()
        async with aiohttp.ClientSession() as session:

            async def get(path: str, **query: str) -> tuple[int, Any, Any]:
                async with session.get(base + path, params=query) as response:
                    is_json = response.content_type == "application/json"
                    body = await (response.json() if is_json else response.text())
                    return response.status, body, response.headers

            await script(get)
        await server.close()

    asyncio.run(run())


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_it_says_that_it_is_there(path):
    async def script(get: Get) -> None:
        status, body, _ = await get(path)
        assert (status, body) == (200, "ok\n")

    serve(script)


def test_status_is_json_that_nobody_keeps():
    async def script(get: Get) -> None:
        status, body, headers = await get("/api/v1/status")
        assert (status, body) == (200, {"node": "ns1", "sites": {"ü": 1}})
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"

    serve(script)


def test_an_explanation_is_asked_with_name_type_and_client():
    async def script(get: Get) -> None:
        status, body, _ = await get(
            "/api/v1/explain", name="a.example", type="AAAA", client="::1/128"
        )
        assert (status, body) == (200, {"name": "a.example", "type": "AAAA", "client": "::1/128"})
        status, body, _ = await get("/api/v1/explain", name="a.example", client="192.0.2.1")
        assert (status, body["type"]) == (200, "A")

    serve(script)


def test_bad_input_is_400_with_the_reason():
    async def script(get: Get) -> None:
        status, body, _ = await get("/api/v1/explain", name="a.example")
        assert (status, body) == (400, {"error": "'' is no client"})

    serve(script)


@pytest.mark.parametrize("path", ["/", "/api/v1/none"])
def test_anything_else_is_404(path):
    async def script(get: Get) -> None:
        assert (await get(path))[0] == 404

    serve(script)


def test_a_client_that_hangs_does_not_hold_the_end_up():
    async def run() -> None:
        listener = open_tcp(Endpoint("127.0.0.1", 0), share=False)
        address = listener.getsockname()
        server = AdminServer(Known(), listener)
        await server.start()
        with socket.socket() as client:
            client.connect(address)
            client.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
            client.setblocking(False)
            reply = await asyncio.get_running_loop().sock_recv(client, 4096)
            assert reply.startswith(b"HTTP/1.1 200 ")
            client.sendall(b"GET /livez HTTP/1.1\r\nHost")  # and no more
            async with asyncio.timeout(3.0):
                await server.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=1)

    asyncio.run(run())


def test_a_server_that_never_started_closes():
    async def run() -> None:
        listener = open_tcp(Endpoint("127.0.0.1", 0), share=False)
        await AdminServer(Known(), listener).close()
        listener.close()

    asyncio.run(run())
