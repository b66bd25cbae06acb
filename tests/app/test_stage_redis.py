import asyncio
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from gslb.app import stage_redis
from gslb.app.stage_redis import MISSING, StageRedis, open_redis_server
from gslb.errors import StoreError
from tests.app.example import ROOT
from tests.app.world import wait_for
from tests.redis_servers import program

FIND = stage_redis.find_program


@pytest.fixture(autouse=True)
def _found(monkeypatch):
    """The server that the other tests run, also where PATH has none."""
    monkeypatch.setattr(stage_redis, "find_program", program)


def with_server(act):
    async def run():
        async with open_redis_server() as server:
            return await act(server)

    return asyncio.run(run())


def client(server, **options):
    return redis.Redis.from_url(server.url, socket_timeout=2, protocol=2, **options)


def test_law_1_only_who_knows_the_password_is_served_and_only_on_loopback():
    async def act(server):
        with client(server) as known:
            assert known.ping()
            assert known.config_get("bind") == {"bind": "127.0.0.1"}
        with (
            redis.Redis("127.0.0.1", server.port, protocol=2) as stranger,
            pytest.raises(redis.AuthenticationError),
        ):
            stranger.ping()
        require_secret(server)

    with_server(act)


def require_secret(server):
    """The password stands in no list of processes, and in a file that is this user's alone."""
    arguments = Path(f"/proc/{server._process.pid}/cmdline").read_bytes()
    assert server._password.encode() not in arguments
    file = server._folder / "redis.conf"
    assert server._password in file.read_text()
    assert file.stat().st_mode & 0o077 == 0


def test_law_1_after_a_death_it_is_empty_and_on_the_same_port():
    async def act(server):
        url = server.url
        with client(server) as known:
            known.set("a", "b")
        server.kill()
        server.kill()  # once is enough
        assert not server.is_running
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.port), 1)
        await server.start()
        await server.start()
        assert (server.is_running, server.url) == (True, url)
        with client(server) as known:
            assert known.dbsize() == 0

    with_server(act)


def test_law_2_nothing_is_left_of_it():
    async def act(server):
        return server._process, server._folder

    process, folder = with_server(act)
    assert process.returncode == -signal.SIGKILL
    assert not folder.exists()


def test_law_2_it_ends_with_a_demo_that_is_killed():
    code = (
        "import asyncio, time\n"
        "from gslb.app import stage_redis\n"
        f"stage_redis.find_program = lambda: {program()!r}\n"
        "async def run():\n"
        "    async with stage_redis.open_redis_server() as server:\n"
        "        print(server._process.pid, server._folder, flush=True)\n"
        "        time.sleep(60)\n"
        "asyncio.run(run())\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=ROOT, text=True
    ) as demo:
        pid, folder = demo.stdout.readline().split()
        demo.kill()
        demo.wait()
    wait_for(lambda: not is_alive(int(pid)))
    for file in Path(folder).iterdir():
        file.unlink()
    Path(folder).rmdir()


def is_alive(pid):
    """Whether a process does anything still: where nobody reaps it, it stays as a zombie."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_without_the_program_one_line_says_so(monkeypatch):
    monkeypatch.setattr(stage_redis, "find_program", FIND)
    monkeypatch.setattr(stage_redis.shutil, "which", lambda _: None)
    with pytest.raises(StoreError) as caught:
        with_server(None)
    assert str(caught.value) == MISSING
    assert "apt install redis-server" in MISSING


def test_one_that_ends_at_once_says_why(tmp_path):
    server = StageRedis(tmp_path, program())
    (tmp_path / "redis.conf").write_text("no such directive\n")
    with pytest.raises(StoreError, match=r"has ended at once: .*Bad directive"):
        asyncio.run(server.start())
    assert not server.is_running


def test_one_that_does_not_answer_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(stage_redis, "START_S", 0.2)
    mute = tmp_path / "mute"
    mute.write_text("#!/bin/sh\nexec sleep 60\n")
    mute.chmod(0o700)
    spawned, spawn = [], stage_redis._spawn

    def note(*arguments):
        spawned.append(spawn(*arguments))
        return spawned[-1]

    monkeypatch.setattr(stage_redis, "_spawn", note)
    server = StageRedis(tmp_path, str(mute))
    with pytest.raises(StoreError, match=r"does not answer within 0\.2 s"):
        asyncio.run(server.start())
    assert not server.is_running
    assert [process.returncode for process in spawned] == [-signal.SIGKILL]
