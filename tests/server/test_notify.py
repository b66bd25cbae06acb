from __future__ import annotations

import asyncio
import re
import socket

import pytest

from gslb.server.notify import Manager


@pytest.fixture(params=["path", "abstract"])
def listener(request, tmp_path):
    """A manager's socket, and its address as the environment has it."""
    path = str(tmp_path / "notify") if request.param == "path" else f"\0gslb-test-{tmp_path.name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as opened:
        opened.bind(path)
        opened.settimeout(5)
        yield opened, path.replace("\0", "@")


def test_manager_is_told_each_state(listener):
    opened, address = listener
    manager = Manager({"NOTIFY_SOCKET": address}, 7)
    manager.tell_ready()
    manager.tell_reloading()
    manager.tell_stopping()
    told = [opened.recv(100).decode() for _ in range(3)]
    assert told[0] == "READY=1"
    assert re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=\d+", told[1])
    assert told[2] == "STOPPING=1"


def test_nobody_is_told_without_a_manager():
    Manager({}, 7).tell_ready()


def test_a_manager_that_does_not_listen_disturbs_nobody(tmp_path, caplog):
    Manager({"NOTIFY_SOCKET": str(tmp_path / "none")}, 7).tell_ready()
    assert "service manager not told" in caplog.text


@pytest.mark.parametrize(
    ("environ", "beats"),
    [
        ({"WATCHDOG_USEC": "30000"}, True),
        ({"WATCHDOG_USEC": "30000", "WATCHDOG_PID": "7"}, True),
        ({"WATCHDOG_USEC": "30000", "WATCHDOG_PID": "8"}, False),
        ({"WATCHDOG_USEC": "0"}, False),
        ({"WATCHDOG_USEC": "soon"}, False),
        ({}, False),
    ],
)
def test_the_loop_beats_where_somebody_waits_for_it(listener, environ, beats):
    opened, address = listener
    manager = Manager({"NOTIFY_SOCKET": address, **environ}, 7)

    async def beat() -> list[bytes]:
        opened.setblocking(False)
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(manager.beat(), name="beat")
        try:
            async with asyncio.timeout(5 if beats else 0.1):
                return [await loop.sock_recv(opened, 100) for _ in range(3)]
        except TimeoutError:
            return []
        finally:
            task.cancel()

    assert asyncio.run(beat()) == ([b"WATCHDOG=1"] * 3 if beats else [])
