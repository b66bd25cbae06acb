"""Several processes on one port: they share it, hear of health, and live and end together."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gslb.app.workers import MAX_LINE, dump_times, load_times, read_lines, require_free
from gslb.errors import ListenError
from gslb.model.endpoint import Endpoint
from gslb.model.place import Location
from gslb.model.report import Report, SiteReport
from gslb.policy.measured import AgentRow, AgentTimes
from gslb.store.envelope import seal
from gslb.store.signing import compose_public_key
from tests.app.world import (
    EUROPE,
    HOSTS,
    ROOT,
    ZONE,
    Files,
    make_query,
    records,
    regions,
    serving_files,
    wait_for,
)
from tests.ports import free_port
from tests.redis_servers import running

# Each from a port of its own, by which the kernel chooses a worker: that all of them miss the same
# one has a chance of 2 ** -23.
QUERIES = 24


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path, workers=2, interval_s=0.2)


def workers_of(process: subprocess.Popen[bytes]) -> set[int]:
    """The process ids of a leader's children."""
    path = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return {int(text) for text in path.read_text().split()}


def is_there(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def listeners(pid: int, port: int) -> int:
    """How many UDP sockets of a process are bound to a port."""
    bound = {
        fields[9]
        for line in Path("/proc/net/udp").read_text().splitlines()[1:]
        if int((fields := line.split())[1].partition(":")[2], 16) == port
    }
    held: list[str] = []
    with suppress(OSError):  # it begins or ends just now
        held = [str(one.readlink()) for one in Path(f"/proc/{pid}/fd").iterdir()]
    return sum(link.removeprefix("socket:[").removesuffix("]") in bound for link in held)


def wait_for_workers(server, files: Files) -> set[int]:
    """The process ids, once both answer."""

    def both() -> set[int]:
        found = workers_of(server.process)
        return found if sum(listeners(pid, files.dns) for pid in found) == 2 else set()

    return wait_for(both)


def test_workers_share_the_port_hear_reports_and_reloads_and_come_back(files: Files):
    with regions(HOSTS, files.web) as backends, serving_files(files) as server:
        first = wait_for_workers(server, files)
        for pid in first:
            assert_answers_without(files.dns, pid)
        assert records(server.ask("www.w.test", client=EUROPE, tcp=True)) == ["127.0.1.1"]
        wait_for(lambda: server.status()["counters"].get("udp_queries") == 2 * QUERIES)
        assert server.status()["counters"]["tcp_queries"] == 1
        assert sum(one["count"] for one in server.status()["answers"]) == 2 * QUERIES + 1

        backends.stop("eu")
        wait_for(lambda: server.states() == {"eu": "down", "us": "up"})
        wait_for(lambda: all_answer(server, "www.w.test", "127.0.2.1"))

        files.zone.write_text(ZONE + "  new: {answers: {us: {}}}\n")
        server.signal(signal.SIGHUP)
        wait_for(lambda: all_answer(server, "new.w.test", "127.0.2.1"))

        killed = min(first)
        os.kill(killed, signal.SIGKILL)
        (line,) = wait_for(lambda: server.log("worker ended, starting it again"))
        assert line["status"] == -signal.SIGKILL
        second = wait_for_workers(server, files)
        assert len(second & first) == 1
        assert killed not in second
        wait_for(lambda: all_answer(server, "www.w.test", "127.0.2.1"))  # it was told of eu
        assert server.status()["counters"]["udp_queries"] >= 2 * QUERIES  # none are forgotten

        assert server.stop(5.0) == 0
        assert not any(map(is_there, second))


def assert_answers_without(port: int, stopped: int) -> None:
    """That somebody answers while this worker is stopped, and all are answered when it goes on."""
    query = make_query("split.w.test").to_wire()
    with ExitStack() as stack:
        clients = [
            stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            for _ in range(QUERIES)
        ]
        os.kill(stopped, signal.SIGSTOP)
        try:
            for client in clients:
                client.sendto(query, ("127.0.0.1", port))
            assert select.select(clients, [], [], 5.0)[0]
        finally:
            os.kill(stopped, signal.SIGCONT)
        for client in clients:
            client.settimeout(5.0)
            assert client.recv(4096)[:2] == query[:2]


def all_answer(server, name: str, address: str) -> bool:
    """Whether all queries from different ports get this one address."""
    replies = [server.ask(name, client=EUROPE) for _ in range(QUERIES)]
    return all(records(reply) == [address] for reply in replies)


def test_workers_end_with_their_leader_which_outlives_one_that_dies_unread(files: Files):
    with regions(HOSTS, files.web) as backends, serving_files(files) as server:
        first = wait_for_workers(server, files)
        server.wait_until_all_are("up")
        stopped = min(first)
        os.kill(stopped, signal.SIGSTOP)
        backends.stop("eu")
        wait_for(lambda: server.states()["eu"] == "down")  # these reports wait for it
        os.kill(stopped, signal.SIGKILL)  # of which the leader hears by a reset
        wait_for(lambda: server.log("worker ended, starting it again"))
        second = wait_for_workers(server, files)
        server.process.kill()
        server.process.wait(5)
        wait_for(lambda: not any(map(is_there, second)), within_s=8.0)
        assert "Traceback" not in (files.folder / "serve.log").read_text()


def test_a_worker_that_cannot_start_says_why(files: Files):
    files.write("foo: 1\n")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        command = [sys.executable, "-m", "gslb.app.worker", str(files.main), str(theirs.fileno())]
        ended = subprocess.run(
            command, cwd=ROOT, pass_fds=[theirs.fileno()], capture_output=True, timeout=30,
            text=True, check=False,
        )  # fmt: skip
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"gslb: {files.main}:")
    assert ": foo: unknown key" in ended.stderr


def test_workers_answer_by_what_agents_measure(files: Files, tmp_path: Path):
    """Far away but quick: only who was told of the times sends Europe to America."""
    key = Ed25519PrivateKey.generate()
    with running(tmp_path / "redis") as server_of_reports:
        agent = {"public_key": compose_public_key(key), "location": {"country": "DE"}}
        files.zone.write_text(ZONE + "  near: {answers: {eu: {}, us: {}}, policy: [latency]}\n")
        more = {"store": server_of_reports.url, "agents": {"fra": agent}}
        files.write("".join(f"{name}: {json.dumps(told)}\n" for name, told in more.items()))
        views = {
            "eu": SiteReport(up=True, rtt_ms=100.0, samples=9),
            "us": SiteReport(up=True, rtt_ms=5.0, samples=9),
        }
        report = Report("fra", "b" * 32, 1, time.time(), views)
        with server_of_reports.client() as store, serving_files(files) as server:
            wait_for_workers(server, files)
            wait_for(lambda: all_answer(server, "near.w.test", "127.0.1.1"))  # by distance
            store.set("{gslb}:report:fra", seal(report, key))
            wait_for(lambda: all_answer(server, "near.w.test", "127.0.2.1"))
            server.signal(signal.SIGHUP)  # a reload begins without them
            wait_for(lambda: server.log("reloaded"))
            wait_for(lambda: all_answer(server, "near.w.test", "127.0.2.1"))


def test_measured_times_survive_the_pipe():
    place = Location(country="DE", latitude=51.0, longitude=10.0)
    times = AgentTimes(7, (AgentRow("fra", place, {"eu": 1.5, "us": 90.25}),))
    assert load_times(json.loads(json.dumps(dump_times(times)))) == times


def test_lines_end_with_the_other_side_even_in_the_middle_of_one():
    async def run() -> list[object]:
        ours, theirs = socket.socketpair()
        theirs.send(b'{"a": 1}\n{"b": 2}\n{"c"')
        theirs.close()
        reader, writer = await asyncio.open_connection(sock=ours, limit=MAX_LINE)
        found = [line async for line in read_lines(reader)]
        writer.close()
        return found

    assert asyncio.run(run()) == [{"a": 1}, {"b": 2}]


def test_lines_end_when_the_other_side_dies_before_it_has_read():
    async def run() -> list[object]:
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=ours, limit=MAX_LINE)
        writer.write(b"unread")
        await writer.drain()
        theirs.close()
        found = [line async for line in read_lines(reader)]
        writer.close()
        return found

    assert asyncio.run(run()) == []


def test_require_free_leaves_the_port_free_and_refuses_a_stranger_who_would_share():
    endpoint = Endpoint("127.0.0.1", free_port("127.0.0.1"))
    require_free([endpoint])
    require_free([endpoint])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        stranger.bind((endpoint.host, endpoint.port))
        with pytest.raises(ListenError, match="address already in use"):
            require_free([endpoint])
