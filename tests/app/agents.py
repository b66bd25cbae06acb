"""Probe agents for tests: their files, and `gslb probe` in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gslb.store.signing import make_key, write_key
from tests.app.world import ROOT, wait_for
from tests.ports import free_port

UNUSED = "redis://127.0.0.1:1"
"""The store of tests that bring their own."""

MAIN = """
node: ns-test
store: {store}
redis: {{timeout_s: {timeout_s}}}
agents: {agents}
sites:
  eu: {{addresses: [127.0.1.1], check: &tcp {{tcp: {{port: {port}}}, interval_s: {interval_s}}}}}
  us: {{addresses: [127.0.2.1], check: *tcp}}
"""


@dataclass
class AgentFiles:
    """A configuration with agents `fra`, which was given all sites, and `iad`, which was given
    `us`; their keys lie beside it.
    """

    folder: Path
    store: str = UNUSED
    timeout_s: float = 0.3
    interval_s: float = 0.2
    port: int = 1  # nobody listens there
    agents: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.agents = {name: {"public_key": self.make_key(name)} for name in ("fra", "iad")}
        self.agents["iad"]["sites"] = ["us"]
        self.write()

    @property
    def main(self) -> Path:
        return self.folder / "gslb.yaml"

    def key(self, name: str) -> Path:
        return self.folder / f"{name}.key"

    def make_key(self, name: str) -> str:
        """A new key in place of the one that there is; its public key."""
        self.key(name).unlink(missing_ok=True)
        pem, public_key = make_key()
        write_key(self.key(name), pem)
        return public_key

    def write(self, more: str = "") -> None:
        """The main file as the fields say, and something after it."""
        values = vars(self) | {"agents": json.dumps(self.agents)}
        self.main.write_text(MAIN.format(**values) + more)


@contextmanager
def listening(*hosts: str) -> Iterator[int]:
    """A port on which all hosts take connections: the kernel does, until the backlog is full."""
    port = free_port(*hosts)
    with ExitStack() as stack:
        for host in hosts:
            stack.enter_context(socket.create_server((host, port), backlog=500))
        yield port


class Probing:
    """A `gslb probe` in a process of its own. environ: added to that of the tests."""

    def __init__(self, main: Path, name: str, *arguments: str, **environ: str) -> None:
        self._log = main.with_name(f"{name}.log")
        command = [sys.executable, "-m", "gslb", "probe", str(main), "--agent", name, *arguments]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, stderr=log, env={**os.environ, **environ}
            )

    def log(self, event: str = "") -> list[dict[str, Any]]:
        """The lines that were logged, or those that begin with an event."""
        whole = self._log.read_text().rpartition("\n")[0].splitlines()
        return [line for line in map(json.loads, whole) if line["event"].startswith(event)]

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM, *, within_s: float = 5.0) -> int:
        """Its exit status after a signal."""
        self.process.send_signal(number)
        return self.process.wait(within_s)


@contextmanager
def probing(main: Path, name: str, *arguments: str, **environ: str) -> Iterator[Probing]:
    """An agent that probes; ended at the end, if the test has not done so."""
    agent = Probing(main, name, *arguments, **environ)
    try:
        wait_for(lambda: agent.process.poll() is not None or agent.log("probing"))
        assert agent.process.poll() is None, agent._log.read_text()
        yield agent
    finally:
        if agent.process.poll() is None:
            agent.process.kill()
        agent.process.wait()
