"""The small programs of the demo, run as its containers run them."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import pytest

from tests.compose.place import COMPOSE, ROOT

PROGRAMS = COMPOSE / "programs"
SCRIPTS = sorted([*COMPOSE.glob("*.sh"), PROGRAMS / "ask"])
DEADLINE_S = 20.0


# ---------------------------------------------------------------- scripts


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_well_formed_and_can_be_run(path):
    done = subprocess.run(["bash", "-n", path], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert path.stat().st_mode & 0o111 or path.name == "engine.sh"


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_finds_nothing(path):
    try:
        done = subprocess.run(
            ["shellcheck", "-x", path], capture_output=True, text=True, check=False, cwd=COMPOSE
        )
    except FileNotFoundError:
        pytest.skip("shellcheck is not installed")

    assert done.stdout == ""


# ---------------------------------------------------------------- backend.py


@contextmanager
def backend() -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """One that runs, and where."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, PROGRAMS / "backend.py", "eu-west", "web1", str(port)]
    )
    try:
        wait_for_port(port)
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def wait_for_port(port: int) -> None:
    for _ in range(int(DEADLINE_S / 0.05)):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            _pause()
        else:
            return
    raise AssertionError("it does not listen")


def _pause() -> None:
    subprocess.run(["sleep", "0.05"], check=True)


def fetch(url: str, **headers: str) -> str:
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=DEADLINE_S) as response:
        return response.read().decode()


def test_a_backend_says_who_it_is_and_whom_it_serves():
    with backend() as (_, url):
        assert fetch(url + "/") == "eu-west web1 127.0.0.1\n"
        told = {"X-Forwarded-For": "198.18.1.100"}
        assert fetch(url + "/", **told) == "eu-west web1 198.18.1.100\n"
        assert fetch(url + "/health") == "ok\n"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            fetch(url + "/lie")


def test_a_backend_ends_at_sigterm_while_clients_hold_connections():
    with backend() as (process, url):
        port = int(url.rsplit(":", 1)[1])
        with socket.create_connection(("127.0.0.1", port)):
            fetch(url + "/health")
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=DEADLINE_S) == 0


# ---------------------------------------------------------------- keeper.py

CHILD = """
import os, signal, sys
fate = sys.argv[1:]
def say(*words):  # in one piece: the other process writes to the same pipe
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())
def tell(number, _):
    say(signal.Signals(number).name, os.getpid())
    if number == signal.SIGTERM:
        sys.exit(5)
    if number == signal.SIGUSR1:
        sys.exit(0)
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
    signal.signal(number, tell)
say("begins", os.getpid(), *fate)
if "--replace" in fate and "unfit" in fate:
    sys.exit(9)
while True:
    signal.pause()
"""


class Kept:
    """A keeper over CHILD, and what both of them print, line by line."""

    running: ClassVar[list[Kept]] = []

    def __init__(self, *fate: str) -> None:
        self.keeper = subprocess.Popen(
            [sys.executable, PROGRAMS / "keeper.py", sys.executable, "-c", CHILD, *fate],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.running.append(self)
        self.first = int(self.line()[1])

    def line(self) -> list[str]:
        assert self.keeper.stdout is not None
        return self.keeper.stdout.readline().split()

    def send(self, number: int, process: int | None = None) -> None:
        subprocess.run(["kill", f"-{number:d}", str(process or self.keeper.pid)], check=True)

    def end(self) -> int:
        assert self.keeper.stdout is not None
        self.keeper.stdout.close()
        self.running.remove(self)
        return self.keeper.wait(timeout=DEADLINE_S)

    def kill(self) -> None:
        """Ends what a test that failed has left."""
        self.keeper.terminate()  # which its children hear of
        self.end()


@pytest.fixture(autouse=True)
def _no_test_hangs() -> Iterator[None]:
    """Reading a line waits without a limit, so the whole test has one."""

    def fail(*_: object) -> None:
        raise AssertionError(f"nothing came within {DEADLINE_S:g} s")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(int(DEADLINE_S) * 2)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
    for kept in list(Kept.running):
        kept.kill()


def test_a_keeper_outlives_the_process_that_was_replaced():
    kept = Kept()
    kept.send(signal.SIGUSR2)
    word, second, *fate = kept.line()
    assert (word, fate) == ("begins", ["--replace"])

    kept.send(signal.SIGUSR1, kept.first)
    assert kept.line() == ["SIGUSR1", str(kept.first)]
    wait_until_gone(kept.keeper.pid, but=int(second))
    kept.send(signal.SIGHUP)
    assert kept.line() == ["SIGHUP", second]
    kept.send(signal.SIGTERM)
    assert kept.line() == ["SIGTERM", second]

    assert kept.end() == 5


def test_a_keeper_goes_on_with_the_old_process_when_the_new_one_fails():
    kept = Kept("unfit")
    kept.send(signal.SIGUSR2)
    assert kept.line()[2:] == ["unfit", "--replace"]
    wait_until_gone(kept.keeper.pid, but=kept.first)

    kept.send(signal.SIGHUP)

    assert kept.line() == ["SIGHUP", str(kept.first)]
    kept.send(signal.SIGTERM)
    assert kept.line() == ["SIGTERM", str(kept.first)]
    assert kept.end() == 5


def wait_until_gone(parent: int, *, but: int) -> None:
    """Until a process has one child and no other."""
    path = Path(f"/proc/{parent}/task/{parent}/children")
    for _ in range(int(DEADLINE_S / 0.05)):
        if path.read_text().split() == [str(but)]:
            return
        _pause()
    raise AssertionError("the other child does not end")


def test_a_keeper_tells_all_of_its_processes_to_end():
    kept = Kept()
    kept.send(signal.SIGUSR2)
    second = kept.line()[1]

    kept.send(signal.SIGTERM)

    assert sorted([kept.line(), kept.line()]) == sorted(
        [["SIGTERM", str(kept.first)], ["SIGTERM", second]]
    )
    assert kept.end() == 5


def test_a_keeper_ends_with_the_status_of_a_process_that_was_killed():
    kept = Kept()

    kept.send(signal.SIGKILL, kept.first)

    assert kept.end() == 128 + signal.SIGKILL


def test_the_programs_are_typed():
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-incremental", *PROGRAMS.glob("*.py")],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout


# ---------------------------------------------------------------- ask


@pytest.mark.parametrize(
    ("curl", "line"),
    [
        pytest.param(
            r"eu-west web1 198.18.1.100\n\n200 0.0124 198.18.1.1\n",
            ["200", "12", "198.18.1.1", "eu-west", "web1", "198.18.1.100"],
            id="served",
        ),
        pytest.param(
            r"no backend\n503 0.001 198.18.1.1\n",
            ["503", "1", "198.18.1.1", "-", "-", "-", "no", "backend"],
            id="refused",
        ),
        pytest.param(r"\n000 3.0015 \n", ["000", "3002", "-", "-", "-", "-"], id="no answer"),
    ],
)
def test_a_line_says_what_a_client_got(tmp_path, curl, line):
    program = tmp_path / "curl"
    program.write_text(f"#!/bin/sh\nprintf '{curl}'\n")
    program.chmod(0o755)

    done = subprocess.run(
        [PROGRAMS / "ask", "5"],
        stdin=subprocess.DEVNULL,  # one request: its standard input has ended
        capture_output=True,
        text=True,
        check=True,
        timeout=DEADLINE_S,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
    )

    at_ms, *rest = done.stdout.split()
    assert (rest, done.stdout.count("\n")) == (line, 1)
    assert abs(int(at_ms) / 1000 - time.time()) < DEADLINE_S
