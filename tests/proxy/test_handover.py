"""Handing sockets over, between a loop and a thread of one process."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from uuid import uuid4

import pytest

from gslb.app.build import IS_COMPILED
from gslb.errors import ListenError
from gslb.proxy import handover
from gslb.proxy.handover import (
    CONTROL,
    HandoverServer,
    Offer,
    control_address,
    find_predecessor,
    open_control,
    receive_sockets,
    send_sockets,
)
from tests.app.world import until


def make_address() -> str:
    return control_address(str(uuid4()), ["eu"])


def listening() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


class Served:
    """A server that offers some sockets, and whether it was released."""

    def __init__(self, address: str, count: int = 1) -> None:
        self.sockets = [listening() for _ in range(count)]
        self.ports = [one.getsockname()[1] for one in self.sockets]
        self.releases = 0
        self.control = open_control(address)
        self.server = HandoverServer(self.control, self.offer, self.release)
        self.task = asyncio.create_task(self.server.run())

    def offer(self) -> Offer:
        return Offer({"eu": {"a:1": self.sockets}}, {"states": {"eu": {"web/a": True}}})

    def release(self) -> None:
        self.releases += 1

    async def close(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        for one in (self.control, *self.sockets):
            one.close()


def test_the_address_tells_users_nodes_and_sets_of_proxies_apart():
    assert control_address("n", ["a", "b"]) == control_address("n", ["b", "a"])
    others = {control_address(*told) for told in [("n", ["a"]), ("n", []), ("m", ["a", "b"])]}
    assert len({*others, control_address("n", ["a", "b"])}) == 4
    assert f"-{os.geteuid()}-" in control_address("n", [])


def test_nobody_there_is_none():
    assert find_predecessor(make_address()) is None


@pytest.mark.parametrize("count", [1, handover.MAX_RIGHTS + 1], ids=["one", "two messages"])
def test_sockets_and_knowledge_are_taken_and_the_other_side_hears_when_it_may_go(count):
    async def check() -> None:
        address = make_address()
        served = Served(address, count)
        found = await asyncio.to_thread(find_predecessor, address)
        assert found is not None
        assert found.pid == os.getpid()
        taken = await asyncio.to_thread(found.take)
        mine = taken.sockets["eu"]["a:1"]
        assert [one.getsockname()[1] for one in mine] == served.ports
        assert taken.known == {"states": {"eu": {"web/a": True}}}
        assert all(not one.get_inheritable() and not one.getblocking() for one in mine)
        assert served.releases == 0
        await asyncio.to_thread(found.release)
        assert served.releases == 1
        await served.task
        for one in (*mine, *taken.sockets[CONTROL][CONTROL]):
            one.close()
        await served.close()

    asyncio.run(check())


def test_law_4_who_asks_while_it_changes_hands_is_served_by_the_next():
    async def check() -> None:
        address = make_address()
        served = Served(address)
        first = await asyncio.to_thread(find_predecessor, address)
        taken = await asyncio.to_thread(first.take)
        await asyncio.to_thread(first.release)
        await served.close()  # it is gone, and the next one does not accept yet
        asking = asyncio.create_task(asyncio.to_thread(find_predecessor, address))
        (control,) = taken.sockets[CONTROL][CONTROL]
        offer = Offer({"eu": {"a:1": taken.sockets["eu"]["a:1"]}}, {})
        following = HandoverServer(control, lambda: offer, lambda: None)
        task = asyncio.create_task(following.run())
        found = await asking
        again = await asyncio.to_thread(found.take)
        await asyncio.to_thread(found.release)
        await task
        for sockets in (taken.sockets, again.sockets):
            for one in (*sockets["eu"]["a:1"], *sockets[CONTROL][CONTROL]):
                one.close()

    asyncio.run(check())


def test_who_goes_away_before_ready_changes_nothing_and_makes_room_for_the_next():
    async def check() -> None:
        address = make_address()
        served = Served(address)
        first = await asyncio.to_thread(find_predecessor, address)
        taken = await asyncio.to_thread(first.take)
        first.close()
        for one in (*taken.sockets["eu"]["a:1"], *taken.sockets[CONTROL][CONTROL]):
            one.close()
        await until(lambda: served.server._taker is None)
        second = await asyncio.to_thread(find_predecessor, address)
        taken = await asyncio.to_thread(second.take)
        assert served.releases == 0
        for one in (*taken.sockets["eu"]["a:1"], *taken.sockets[CONTROL][CONTROL]):
            one.close()
        second.close()
        await served.close()

    asyncio.run(check())


def test_what_is_no_request_ends_the_line_and_nothing_else():
    async def check() -> None:
        address = make_address()
        served = Served(address)
        for octets in (b"\xff\xff\xff\xff", b"\0\0\0\2[]", b'\0\0\0\x0e{"do": "dance"}', b"\0\0"):
            with socket.socket(socket.AF_UNIX) as line:
                line.connect(address)
                line.sendall(octets)
                line.shutdown(socket.SHUT_WR)
                line.setblocking(False)
                with suppress(ConnectionResetError):  # of what it has not read
                    assert await asyncio.get_running_loop().sock_recv(line, 1) == b""
        found = await asyncio.to_thread(find_predecessor, address)
        assert found is not None
        found.close()
        await served.close()

    asyncio.run(check())


def test_ready_without_take_is_no_release():
    async def check() -> None:
        address = make_address()
        served = Served(address)
        found = await asyncio.to_thread(find_predecessor, address)
        with pytest.raises(ListenError, match="does not answer"):
            await asyncio.to_thread(found.release)
        assert served.releases == 0
        found.close()
        await served.close()

    asyncio.run(check())


@pytest.mark.skipif(IS_COMPILED, reason="a compiled module's function cannot be replaced")
def test_a_stranger_is_refused_on_both_ends(monkeypatch):
    async def check() -> None:
        address = make_address()
        served = Served(address)
        monkeypatch.setattr(handover, "is_trusted", lambda uid: False)
        assert await asyncio.to_thread(find_predecessor, address) is None
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(address)
            line.setblocking(False)
            assert await asyncio.get_running_loop().sock_recv(line, 1) == b""
        await served.close()

    asyncio.run(check())


@pytest.mark.parametrize(
    ("uid", "expected"), [(0, True), (os.geteuid(), True), (os.geteuid() + 1, False)]
)
def test_root_and_the_same_user_are_trusted(uid, expected):
    assert handover.is_trusted(uid) is expected


def test_an_address_that_is_taken_is_an_error_in_one_line():
    async def check() -> None:
        address = make_address()
        served = Served(address)
        with pytest.raises(ListenError, match="another process has it"):
            open_control(address)
        await served.close()

    asyncio.run(check())


def test_sockets_that_do_not_come_leave_none_open():
    ours, theirs = socket.socketpair()
    with ours, theirs, listening() as one:
        send_sockets(ours, [one])
        ours.close()
        before = len(os.listdir("/proc/self/fd"))
        with pytest.raises(ConnectionResetError):
            receive_sockets(theirs, 2)
        assert len(os.listdir("/proc/self/fd")) == before
