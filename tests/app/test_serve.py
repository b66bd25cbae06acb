"""`gslb serve` as a process: real sockets, real backends, signals."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

import pytest
from typer.testing import CliRunner, Result

from gslb.cli.main import app
from tests.app.world import (
    AMERICA,
    EUROPE,
    HOSTS,
    ROOT,
    ZONE,
    Files,
    Regions,
    make_query,
    regions,
    serving_files,
    wait_for,
)
from tests.geo.samples import US

INTERVAL_S, TIMEOUT_S, FALL, RISE = 0.5, 0.2, 4, 2
SLACK_S = 1.5  # reports, merges and swaps take 0.25 s at most; the rest is for a busy machine


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def run_gslb(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gslb", *map(str, arguments)]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )


def test_a_site_that_fails_leaves_the_answers_and_returns_while_ttls_tell_the_doubt(files: Files):
    with regions(HOSTS, files.web) as backends, serving_files(files) as server:
        server.wait_until_all_are("up")
        calm = server.ask("www.w.test", client=EUROPE).answer[0]
        assert ([item.address for item in calm], calm.ttl) == (["127.0.1.1"], 2)  # 0.5 s x 4
        ttls = _lose_eu(server, backends)
        assert ttls == [2, 1]  # 2, then 1.5, 1.0 and 0.5 s, in whole seconds and not under min
        site = server.status()["sites"]["eu"]
        assert (site["state"], site["is_serving"]) == ("down", False)
        assert site["reason"]
        assert server.answers("both.w.test") == ["127.0.2.1"]

        backends.start("eu")
        since = time.monotonic()
        wait_for(lambda: server.answers("www.w.test", client=EUROPE) == ["127.0.1.1"])
        took = time.monotonic() - since
        assert 0.95 * INTERVAL_S * (RISE - 1) <= took <= INTERVAL_S * RISE + TIMEOUT_S + SLACK_S
        told = [(line["site"], line["state"]) for line in server.log("site changed")]
        assert told[-2:] == [("eu", "down"), ("eu", "up")]
        assert server.stop() == 0
        assert server.log()[-1]["event"] == "stopped"


def _lose_eu(server, backends: Regions) -> list[int]:
    """The TTLs of its answers, in order, until it is gone, which is in time."""
    backends.stop("eu")
    since = time.monotonic()
    ttls: list[int] = []
    while True:
        answer = server.ask("www.w.test", client=EUROPE).answer[0]
        if answer[0].address != "127.0.1.1":
            break
        if answer.ttl not in ttls:
            ttls.append(answer.ttl)
        assert time.monotonic() - since < 15
        time.sleep(0.01)
    took = time.monotonic() - since
    assert answer[0].address == "127.0.2.1"
    assert 0.95 * INTERVAL_S * (FALL - 1) <= took <= INTERVAL_S * FALL + TIMEOUT_S + SLACK_S
    return ttls


class Load(Thread):
    """A steady load over UDP, some 300 queries a second. lost: ids without a reply. worst_s: the
    longest wait for one.
    """

    def __init__(self, port: int) -> None:
        super().__init__(name="load")
        self.done = Event()
        self.sent = 0
        self.lost: dict[int, float] = {}
        self.worst_s = 0.0
        self._port = port

    def run(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect(("127.0.0.1", self._port))
            client.settimeout(0.003)
            while not self.done.is_set():
                # Every other name is asked for the first time.
                query = make_query(f"n{self.sent}.w.test" if self.sent % 2 else "www.w.test")
                query.id = self.sent = self.sent + 1
                client.send(query.to_wire())
                self.lost[query.id] = time.monotonic()
                self._receive(client)
            end = time.monotonic() + 5
            while self.lost and time.monotonic() < end:
                self._receive(client)

    def _receive(self, client: socket.socket) -> None:
        with suppress(TimeoutError):
            while True:
                reply = client.recv(4096)
                sent_at = self.lost.pop(int.from_bytes(reply[:2], "big"))
                self.worst_s = max(self.worst_s, time.monotonic() - sent_at)


def test_three_reloads_under_load_lose_no_query(files: Files):
    files.geo = "bundled"  # loads for long enough to be in the way
    files.write()
    with regions(HOSTS, files.web), serving_files(files) as server:
        load = Load(files.dns)
        load.start()
        try:
            for number in (1, 2, 3):
                so_far = load.sent
                files.zone.write_text(ZONE + f"  new{number}: {{answers: {{eu: {{}}}}}}\n")
                server.signal(signal.SIGHUP)
                wait_for(lambda: len(server.log("reloaded")) == number)  # noqa: B023
                assert server.answers(f"new{number}.w.test") == ["127.0.1.1"]
                wait_for(lambda: load.sent > so_far + 50)  # noqa: B023
        finally:
            load.done.set()
            load.join()
        assert load.lost == {}
        assert load.worst_s < 1.0  # a resolver asks again after that
        counters = server.status()["counters"]
        assert counters["udp_queries"] == load.sent + 3
        assert (counters["failed"], counters["udp_silent"]) == (0, 0)


def test_an_invalid_file_changes_nothing_and_is_reported(files: Files):
    with serving_files(files) as server:
        before = server.status()
        assert before["reload_error"] is None
        files.write("foo: 1\n")
        server.signal(signal.SIGHUP)
        (line,) = wait_for(lambda: server.log("reload refused, nothing changed"))
        wanted = run_gslb("check", files.main).stdout.splitlines()
        assert [line["problem"]] == wanted
        assert wanted[0].endswith(": foo: unknown key; allowed: " + wanted[0].split("allowed: ")[1])
        after = server.status()
        assert after["reload_error"] == wanted[0]
        assert after["configuration"] == before["configuration"]
        assert server.answers("split.w.test") == ["127.0.1.1"]
        files.write()
        server.signal(signal.SIGHUP)
        wait_for(lambda: server.status()["reload_error"] is None)


def test_changed_files_are_taken_up_by_themselves(files: Files):
    with serving_files(files) as server:
        assert server.answers("www.w.test", client=EUROPE) == ["127.0.1.1"]
        assert server.ask("new.test").rcode() == 5  # REFUSED
        other = files.zone.with_name("new.yaml")
        other.write_text(ZONE.replace("w.test", "new.test"))
        files.locate({EUROPE: US})  # was DE
        wait_for(lambda: server.answers("split.new.test") == ["127.0.1.1"])
        assert server.answers("www.w.test", client=EUROPE) == ["127.0.2.1"]


def test_what_needs_a_restart_is_said(files: Files):
    with serving_files(files) as server:
        port, files.dns, files.workers = files.dns, files.dns + 1, 2
        files.write()
        server.signal(signal.SIGHUP)
        wait_for(lambda: server.log("reloaded"))
        told = [line["key"] for line in server.log("needs a restart to take effect")]
        assert told == ["listen.dns", "workers"]
        assert (server.dns_port, server.answers("split.w.test")) == (port, ["127.0.1.1"])


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM], ids=["udp", "tcp"])
def test_a_port_in_use_is_one_clear_line(files: Files, workers: int, kind: socket.SocketKind):
    files.workers = workers
    files.write()
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # as another gslb would have
        taken.bind(("127.0.0.1", files.dns))
        if kind == socket.SOCK_STREAM:
            taken.listen()
        ended = run_gslb("serve", files.main)
    name = "UDP" if kind == socket.SOCK_DGRAM else "TCP"
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        f"gslb: cannot listen on 127.0.0.1:{files.dns} ({name}): address already in use: "
        "another process (perhaps a running gslb) has the port\n"
    )


@pytest.mark.parametrize("fault", ["shape", "zone", "database"])
def test_an_invalid_file_stops_the_start_with_the_words_of_check(files: Files, fault: str):
    if fault == "shape":
        files.write("foo: 1\nbar: 2\n")
    elif fault == "zone":
        files.zone.write_text(ZONE.replace("us: {serves", "uk: {serves"))
    else:
        files.database.write_bytes(b"no database")
    checked, served = run_gslb("check", files.main), run_gslb("serve", files.main)
    assert (checked.returncode, served.returncode) == (1, 1)
    assert served.stderr.splitlines() == [f"gslb: {line}" for line in checked.stdout.splitlines()]
    assert len(checked.stdout.splitlines()) == (2 if fault == "shape" else 1)


def test_a_decision_log_that_cannot_be_written_stops_the_start(files: Files):
    files.log = "{decisions: none/d.jsonl}"
    files.write()
    ended = run_gslb("serve", files.main)
    where = files.folder / "none" / "d.jsonl"
    assert ended.returncode == 1
    assert ended.stderr == (
        f"gslb: {files.main}: log.decisions: {where}: cannot be opened: No such file or directory\n"
    )


def test_the_decision_log_has_the_sampled_share_and_the_turn_that_the_client_got(files: Files):
    files.log = "{decisions: decisions.jsonl, decision_share: 0.25}"
    files.write()
    with serving_files(files) as server:
        got = []
        for index in range(24):
            reply = server.ask("split.w.test", client=AMERICA, tcp=index % 8 >= 6)
            got.append(reply.answer[0][0].address)
        assert server.stop() == 0
    lines = [json.loads(x) for x in (files.folder / "decisions.jsonl").read_text().splitlines()]
    # Of UDP and TCP queries alike, every fourth: the last of a sample's round is written.
    assert len(lines) == 6
    told = [line["answer"][0].split()[-1] for line in lines]
    assert told == got[3::4]
    for number, line in enumerate(lines):
        assert line["decision_id"].endswith(f"-t{(number * 4 + 3) % 3}")  # weights 2:1 repeat by 3
        assert (line["client"], line["rcode"]) == (AMERICA, "NOERROR")
        assert [step["name"] for step in line["steps"]] == ["weighted", "max_answers"]
    assert got.count("127.0.1.1") == 16


def explain(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["explain", *map(str, arguments)])


def test_explain_asks_the_running_server(files: Files):
    named = ("--config", files.main, "--server")
    with regions(HOSTS, files.web), serving_files(files) as server:
        server.wait_until_all_are("up")
        found = explain("www.w.test", "--client", EUROPE, "--json", *named)
        page = f"/api/v1/explain?name=www.w.test&type=A&client={EUROPE}"
        assert (found.exit_code, json.loads(found.stdout)) == (0, server.get(page)[1])
        admin = f"127.0.0.1:{files.admin}"
        found = explain("www.w.test", "--client", EUROPE, "--admin", admin)
        assert re.search(
            r"^  answer +www\.w\.test\. 2 IN A 127\.0\.1\.1$", found.stdout, re.MULTILINE
        )
        assert explain("x.example", "--client", EUROPE, *named).exit_code == 1
        found = explain("www.w.test", "BAD", "--client", EUROPE, *named)
        assert (found.exit_code, "no record type" in found.stderr) == (2, True)
    found = explain("www.w.test", "--client", EUROPE, *named)
    assert found.exit_code == 1
    assert found.stderr.startswith(f"gslb: no answer from {admin}: ")
