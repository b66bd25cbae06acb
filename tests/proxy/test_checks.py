"""Checks of backends against real ports."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import ip_address

import pytest

from gslb.model.check import Check, TcpCheck
from gslb.model.endpoint import Endpoint
from gslb.model.proxy import Backend, Pool
from gslb.proxy.checks import CheckChanged, Checks, backend_key, list_sites
from tests.app.world import until

HOST = "127.0.9.21"


def make_backend(name: str, port: int, **changes) -> Backend:
    kind = TcpCheck(port=port, address=ip_address(HOST))
    check = Check((kind,), interval_s=0.2, timeout_s=0.1, fall=1, rise=1)
    return replace(Backend(name, Endpoint(HOST, port), check=check), **changes)


async def listen(port: int = 0) -> asyncio.Server:
    def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    return await asyncio.start_server(greet, HOST, port)


def port_of(server: asyncio.Server) -> int:
    return server.sockets[0].getsockname()[1]


def test_backends_are_sites_by_pool_and_name_with_their_weight_as_capacity():
    unchecked = Backend("b", Endpoint("db.internal", 5432), weight=3)
    found = list_sites([Pool("web", (make_backend("a", 80),)), Pool("db", (unchecked,))])
    assert list(found) == ["web/a", "db/b"]
    assert found["web/a"].addresses == (ip_address(HOST),)
    assert (found["db/b"].addresses, found["db/b"].capacity) == ((), 3.0)


@pytest.mark.parametrize(("pool", "name"), [("web", "a"), ("w.2", "b_1")])
def test_a_key_is_pool_and_backend(pool, name):
    assert backend_key(pool, name).split("/") == [pool, name]


def test_each_change_is_told_once():
    async def check() -> None:
        told: list[CheckChanged] = []
        server = await listen()
        port = port_of(server)
        pools = [Pool("web", (make_backend("a", port),))]
        checks = Checks(pools, told.append, name="test")
        task = asyncio.create_task(checks.run())
        await until(lambda: told)
        assert told == [CheckChanged("web", "a", up=True)]
        server.close()
        await server.wait_closed()
        await until(lambda: len(told) == 2)
        assert (told[1].up, told[1].reason != "") == (False, True)
        assert checks.states == {"web/a": False}
        server = await listen(port)
        await until(lambda: len(told) == 3)
        assert [one.up for one in told] == [True, False, True]
        task.cancel()
        server.close()
        await server.wait_closed()

    asyncio.run(check())


def test_what_was_known_before_is_told_at_once_and_only_of_what_is_checked_here():
    told: list[CheckChanged] = []
    pools = [Pool("web", (make_backend("a", 1), make_backend("b", 1)))]
    checks = Checks(pools, told.append, name="test")
    checks.begin_with({"web/a": True, "web/b": False, "gone/c": True})
    assert told == [
        CheckChanged("web", "a", up=True),
        CheckChanged("web", "b", up=False, reason="down before the restart"),
    ]
    checks.begin_with({"web/a": False})  # we know better by now
    assert checks.states == {"web/a": True, "web/b": False}


def test_a_reload_keeps_what_is_as_before_and_forgets_the_rest():
    pools = [Pool("web", (make_backend("a", 1), make_backend("b", 1), make_backend("c", 1)))]
    checks = Checks(pools, lambda _: None, name="test")
    checks.begin_with({"web/a": True, "web/b": True, "web/c": True})
    moved = make_backend("b", 1, address=Endpoint("127.0.9.22", 1))
    checks.reconfigure([Pool("web", (make_backend("a", 1), moved))])
    assert checks.states == {"web/a": True}


def test_what_is_left_out_is_not_checked_until_it_is_back():
    async def check() -> None:
        told: list[CheckChanged] = []
        server = await listen()
        pools = [
            Pool("web", (make_backend("a", port_of(server)), make_backend("b", port_of(server))))
        ]
        checks = Checks(pools, told.append, name="test")
        checks.leave_out({"web/a"})
        task = asyncio.create_task(checks.run())
        await until(lambda: told)
        assert [one.backend for one in told] == ["b"]
        assert "web/a" not in checks.reports
        checks.leave_out(frozenset())
        await until(lambda: len(told) == 2)
        assert told[1].backend == "a"
        task.cancel()
        server.close()
        await server.wait_closed()

    asyncio.run(check())
