"""The example, running: what the transcripts in the documentation talk to.

It is a copy of zones/ with ports that are free; commands are told these ports, and outputs the ones
that the pages show. Nothing else is changed: the checks take the time that they take for everybody.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGHUP

import pytest

from gslb.config.load import load
from tests.app.world import Regions, Serving, regions, serving, wait_for
from tests.docs.pages import ROOT, Fence
from tests.ports import free_port

HOSTS = {"eu-west": "127.0.1.1", "us-east": "127.0.2.1", "ap-south": "127.0.3.1"}
CALM_S = 6.0
"""Seconds to the earliest flip of a site that answers well: three checks, two seconds apart."""

NORMAL = (
    (r"\s+", " "),  # tabs and the widths of columns
    (r"\bDiG [\d.]+\S*", "DiG VERSION"),
    (r"\bid: \d+", "id: ID"),
    (r"\bQuery time: \d+ msec", "Query time: N msec"),
    (r"^;; WHEN: .*", ";; WHEN: TIME"),
    (r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", "TIME"),
    (r"( SOA \S+ \S+) \d+", r"\1 SERIAL"),  # when the files were written
    (r"^(\S+\. \S+\.) \d+( \d+ \d+ \d+ \d+)$", r"\1 SERIAL\2"),  # the same with +short
    (r"\b[0-9a-f]{12}-(\S+)-h\d+-t\d+", r"DIGEST-\1-hN-tN"),  # a decision id
)
"""What may differ between two runs of the same command, and what it is compared as."""


LOOKS = ("dig ", "gslb status")
"""How commands begin that change nothing, so that they can be given again."""


Normal = tuple[tuple[str, str], ...]


def normalise(line: str, normal: Normal = NORMAL) -> str:
    """A line of output without what differs from run to run."""
    for pattern, stands_for in normal:
        line = re.sub(pattern, stands_for, line)
    return line.rstrip()


class Shell:
    """Runs the commands of a page in a folder.

    ports: those of the page, and ours in their place. normal: what may differ from what it shows.
    """

    normal: Normal = NORMAL

    def __init__(self, folder: Path, ports: dict[int, int]) -> None:
        self.folder = folder
        self.ports = ports

    @property
    def env(self) -> dict[str, str]:
        """What commands find in their environment."""
        env = os.environ | {"HOME": str(self.folder), "LC_ALL": "C", "TZ": "UTC"}
        return env | {"PATH": f"{Path(sys.executable).parent}:{env['PATH']}"}

    def run(self, command: str) -> list[str]:
        """What a command prints on a terminal, line by line."""
        done = subprocess.run(
            ["bash", "-c", swap(command, self.ports)],
            cwd=self.folder,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=30,
            check=False,
        )
        shown = {ours: theirs for theirs, ours in self.ports.items()}
        return swap(done.stdout, shown).splitlines()


class Stage(Shell):
    """The running example. folder: where commands run, beside a copy of zones/."""

    def __init__(self, folder: Path, ports: dict[int, int], server: Serving, web: Regions) -> None:
        super().__init__(folder, ports)
        self._server = server
        self._regions = web

    @property
    def main(self) -> Path:
        return self.folder / "zones" / "gslb.yaml"

    def bring(self, state: str) -> None:
        """Waits until the example is in a state: `SITE is up`, `SITE is failing` (a check has
        failed, the site still counts as up), `SITE is down`, `all are up`, `reloaded`, or `reload
        refused`. A reload is asked for, since it takes two seconds to notice a file that changes.
        """
        if state in ("reloaded", "reload refused"):
            self._server.signal(SIGHUP)
            wait_for(self._is_reloaded if state == "reloaded" else self._is_refused)
        else:
            who, verb, wanted = state.partition(" is " if " is " in state else " are ")
            assert verb, f"no such state: {state}"
            for site in HOSTS if who == "all" else [who]:
                self._bring_site(site, wanted)

    def _bring_site(self, site: str, wanted: str) -> None:
        holds = {
            "up": lambda now: now["state"] == "up" and now["flip_s"] == CALM_S,
            "failing": lambda now: now["state"] == "up" and now["flip_s"] < CALM_S,
            "down": lambda now: now["state"] == "down",
        }[wanted]
        (self._regions.start if wanted == "up" else self._regions.stop)(site)
        wait_for(lambda: holds(self._server.status()["sites"][site]))

    def _is_refused(self) -> bool:
        return self._server.status()["reload_error"] is not None

    def _is_reloaded(self) -> bool:
        status = self._server.status()
        wanted = load(self.main).system.digest
        return status["reload_error"] is None and status["configuration"] == wanted


def differences(stage: Shell, fence: Fence, patience_s: float = 0.0) -> Iterator[str]:
    """Each command of a transcript whose output is not as shown, with both.

    patience_s: how long one that only looks may print something else: checks and reports take time.
    """
    for command, shown in fence.commands:
        end = time.monotonic() + patience_s * command.startswith(LOOKS)
        wanted = [normalise(line, stage.normal) for line in shown]
        printed = stage.run(command)
        while [normalise(line, stage.normal) for line in printed] != wanted:
            if time.monotonic() >= end:
                yield "\n".join([f"{fence.place}: $ {command}", *shown, "-- but:", *printed])
                break
            printed = stage.run(command)


@contextmanager
def staged(folder: Path) -> Iterator[Stage]:
    """The example in a folder, until the context is left."""
    ports = {
        5300: free_port("127.0.0.1"),
        8053: free_port("127.0.0.1"),
        8080: free_port(*HOSTS.values()),
    }
    shutil.copytree(ROOT / "zones", folder / "zones")
    main = folder / "zones" / "gslb.yaml"
    ipv4_only = main.read_text().replace(', "[::1]:5300"', "")  # not every machine has IPv6
    main.write_text(swap(ipv4_only, ports))
    with (
        uncounted(),
        regions(HOSTS, ports[8080]) as web,
        serving(main, dns_port=ports[5300], admin_port=ports[8053]) as server,
    ):
        yield Stage(folder, ports, server, web)


@contextmanager
def uncounted() -> Iterator[None]:
    """Has processes run without coverage, which takes twice the time and finds nothing new here."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("COVERAGE_PROCESS")]:
            patch.delenv(name)
        yield


def swap(text: str, ports: dict[int, int]) -> str:
    """A text with other ports."""
    pattern = r"\b(" + "|".join(map(str, ports)) + r")\b"
    return re.sub(pattern, lambda found: str(ports[int(found.group())]), text)
