"""Running servers as a service manager has them, for tests."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import dns.query

from tests.app.world import DEADLINE_S, ROOT, Files, make_query, records, wait_for

HOST = "127.0.9.51"
LAUNCHER = str(Path(__file__).with_name("activation.py"))


class Manager:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self.path.chmod(0o777)
        self._socket.setblocking(False)
        self._told: list[str] = []

    def told(self) -> list[str]:
        """What it was told so far, beats left out."""
        while True:
            try:
                self._told.append(self._socket.recv(1000).decode().partition("\n")[0])
            except BlockingIOError:
                return [state for state in self._told if state != "WATCHDOG=1"]

    @property
    def beats(self) -> int:
        self.told()
        return self._told.count("WATCHDOG=1")

    def close(self) -> None:
        self._socket.close()


class Served:
    """A running `gslb serve`."""

    def __init__(self, files: Files, port: int, argv: Sequence[str], **options: Any) -> None:
        self.port = port
        self._log = files.folder / "serve.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(argv, cwd=ROOT, stderr=log, **options)

    def text(self) -> str:
        return self._log.read_text()

    def log(self, event: str) -> list[dict[str, Any]]:
        lines = [line for line in self.text().splitlines() if line.startswith("{")]
        return [line for line in map(json.loads, lines) if line["event"] == event]

    def ask(self, exchange: Any = dns.query.udp) -> list[str]:
        query = make_query("both.w.test")
        return sorted(records(exchange(query, HOST, port=self.port, timeout=DEADLINE_S)))

    def status(self, key: str) -> str:
        """A line of what the kernel says of the process."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(line.split(":")[1].split()[0] for line in lines if line.startswith(f"{key}:"))

    def children(self) -> list[int]:
        pid = self.process.pid
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def write_files(folder: Path, port: int, *, workers: int = 1, where: str = "") -> Files:
    """Files that listen on HOST, and nowhere else. where: the folder as the program sees it."""
    files = Files(folder, workers=workers, geo=f"{where or folder}/geo.mmdb")
    text = files.main.read_text()
    admin = f', admin: "127.0.0.1:{files.admin}"'
    assert admin in text
    files.main.write_text(
        text.replace(f"127.0.0.1:{files.dns}", f"{HOST}:{port}").replace(admin, "")
    )
    return files


@contextmanager
def served(
    files: Files, port: int, argv: Sequence[str], *, event: str = "serving", **options: Any
) -> Iterator[Served]:
    """A server that has logged the event; ended at the end."""
    made = Served(files, port, argv, **options)
    try:
        wait_for(lambda: made.log(event) or made.process.poll() is not None, within_s=60)
        assert made.process.poll() is None, made.text()
        yield made
    finally:
        if made.process.poll() is None:
            made.process.terminate()
        try:
            made.process.wait(DEADLINE_S)
        finally:
            made.process.kill()


@contextmanager
def sockets(*hosts: str, port: int) -> Iterator[list[socket.socket]]:
    """What a service manager opens: UDP and TCP on each address."""
    with ExitStack() as stack:
        opened = []
        for host in hosts:
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                one = stack.enter_context(socket.socket(socket.AF_INET, kind))
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                one.bind((host, port))
                if kind == socket.SOCK_STREAM:
                    one.listen()
                opened.append(one)
        yield opened


def handing(opened: Sequence[socket.socket], argv: Sequence[str]) -> tuple[list[str], list[int]]:
    """The command that hands the sockets to a program, and the descriptors to pass."""
    numbers = [one.fileno() for one in opened]
    return [sys.executable, LAUNCHER, ",".join(map(str, numbers)), *argv], numbers


def serve(files: Files) -> list[str]:
    return [sys.executable, "-m", "gslb", "serve", str(files.main)]
