"""Networks in namespaces of their own, programs in them, and a client that asks all the time."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.app.world import DEADLINE_S, ROOT, wait_for

GSLB = [sys.executable, "-m", "gslb"]


def need(*programs: str) -> None:
    """Skips where namespaces cannot be made or a program is missing."""
    if os.geteuid() != 0:
        pytest.skip("only root can make network namespaces")
    missing = [name for name in ("ip", *programs) if shutil.which(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    trial = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False)
    if trial.returncode:
        pytest.skip("no network namespaces here")


def tell(text: str) -> None:
    """Says what was measured; `pytest -rP` shows it."""
    sys.stdout.write(f"{text}\n")


class Namespace:
    """A network namespace, and the processes that were started in it."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        ip("netns", "add", name)
        self.ip("link", "set", "lo", "up")

    def ip(self, *words: str) -> str:
        """What `ip` says inside of it."""
        return ip("-n", self.name, *words)

    def run(self, *argv: str) -> str:
        """What a program prints that ends by itself; nothing if it does not end well."""
        inside = self._inside(argv)
        done = subprocess.run(inside, cwd=ROOT, capture_output=True, text=True, check=False)
        return "" if done.returncode else done.stdout

    def start(self, name: str, *argv: str, **options: Any) -> subprocess.Popen[bytes]:
        """Starts a program; what it says goes to `NAME.log` of the folder."""
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                self._inside(argv), cwd=ROOT, stdout=log, stderr=log, **options
            )
        self._processes.append(process)
        return process

    def log(self, name: str) -> str:
        path = self.folder / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def close(self) -> None:
        """Ends what was started, newest first, and takes the namespace away."""
        for process in reversed(self._processes):
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
            try:
                process.wait(DEADLINE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        ip("netns", "delete", self.name)

    def _inside(self, argv: Sequence[str]) -> list[str]:
        return ["ip", "netns", "exec", self.name, *argv]


def ip(*words: str) -> str:
    """What `ip` says."""
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"
    return done.stdout


@contextmanager
def namespaces(folder: Path, *names: str) -> Iterator[list[Namespace]]:
    """Namespaces with these names, each with a folder of its own."""
    with ExitStack() as stack:
        made = []
        for name in names:
            (folder / name).mkdir()
            one = Namespace(f"gslb-{os.getpid()}-{name}", folder / name)
            stack.callback(one.close)
            made.append(one)
        yield made


def connect(one: Namespace, other: Namespace, addresses: tuple[str, str], link: str) -> None:
    """A cable between two namespaces; link: what the interface is called at both ends."""
    ip("link", "add", link, "netns", one.name, "type", "veth", "peer", link, "netns", other.name)
    for end, address in zip((one, other), addresses, strict=True):
        end.ip("address", "add", address, "dev", link)
        end.ip("link", "set", link, "up")


def adapt(source: Path, target: Path, changes: dict[str, str]) -> Path:
    """A copy of one of our files with texts replaced, all at once; each must be there."""
    text = source.read_text()
    assert [old for old in changes if old not in text] == [], source
    longest_first = sorted(changes, key=len, reverse=True)
    pattern = "|".join(map(re.escape, longest_first))
    target.write_text(re.sub(pattern, lambda found: changes[found[0]], text))
    return target


# ---------------------------------------------------------------- a client that asks all the time


@dataclass(frozen=True)
class Asked:
    """One question. at: monotonic seconds when it was asked. by: who answered, "" if nobody."""

    at: float
    by: str


class Client:
    """Asks from a namespace every few milliseconds, on a new connection or port each time."""

    def __init__(self, place: Namespace, script: Path, *arguments: str) -> None:
        self._log = place.folder / f"client-{time.monotonic_ns()}.log"
        with self._log.open("wb") as log:
            argv = [sys.executable, str(script), *arguments]
            self._process = subprocess.Popen(
                ["ip", "netns", "exec", place.name, *argv], stdout=log, cwd=ROOT
            )

    def asked(self) -> list[Asked]:
        """Everything so far."""
        whole = self._log.read_text().rpartition("\n")[0].splitlines()
        return [Asked(*json.loads(line)) for line in whole]

    def since(self, at: float) -> list[Asked]:
        """What was asked after a moment."""
        return [one for one in self.asked() if one.at > at]

    def until(
        self, holds: Callable[[list[Asked]], Any], since: float, within_s: float = 150
    ) -> Any:
        """What holds says of the questions after a moment, once it is true."""
        return wait_for(lambda: holds(self.since(since)), within_s=within_s)

    def until_by(self, name: str, since: float = 0.0) -> Asked:
        """The first question after a moment that this one answered."""
        return self.until(lambda asked: next((one for one in asked if one.by == name), None), since)

    def settled(self, name: str, since: float = 0.0) -> None:
        """Returns when the last twenty questions were all answered by one."""
        self.until(
            lambda asked: len(asked) >= 20 and {one.by for one in asked[-20:]} == {name}, since
        )

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
