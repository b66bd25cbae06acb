import asyncio

import aiohttp
import pytest

from gslb.app.backends import start_backend


async def get(session, backend, path):
    async with session.get(f"http://{backend.host}:{backend.port}{path}") as response:
        return response.status, await response.text()


def test_a_backend_answers_and_names_its_site():
    async def run():
        backend = await start_backend("127.0.1.1", 0, site="eu-west")
        async with aiohttp.ClientSession() as session:
            assert await get(session, backend, "/healthz") == (200, "ok\n")
            assert await get(session, backend, "/") == (200, "This is eu-west.\n")
            assert (await get(session, backend, "/other"))[0] == 404
        await backend.stop()

    asyncio.run(run())


def test_a_backend_that_is_stopped_drops_its_connections_and_returns_on_the_same_port():
    async def run():
        backend = await start_backend("127.0.0.1", 0, site="a")
        port = backend.port
        reader, writer = await asyncio.open_connection(backend.host, port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
        await backend.stop()
        async with asyncio.timeout(5.0):
            await reader.read()  # the connection ends although it was kept alive
        writer.close()
        assert not backend.is_running
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(backend.host, port)
        await backend.start()
        assert (backend.port, backend.is_running) == (port, True)
        async with aiohttp.ClientSession() as session:
            assert await get(session, backend, "/healthz") == (200, "ok\n")
        await backend.stop()

    asyncio.run(run())


def test_start_and_stop_twice_do_nothing_more():
    async def run():
        backend = await start_backend("127.0.0.1", 0, site="a")
        await backend.start()
        await backend.stop()
        await backend.stop()
        assert not backend.is_running

    asyncio.run(run())


def test_a_port_in_use_is_an_os_error_and_leaves_nothing_behind():
    async def run():
        first = await start_backend("127.0.0.1", 0, site="a")
        with pytest.raises(OSError, match="address already in use"):
            await start_backend("127.0.0.1", first.port, site="b")
        await first.stop()

    asyncio.run(run())
