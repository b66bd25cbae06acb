"""The system of docs/health.md, built by what the page says: its files, its keys, its commands.

Only the ports are others, and the public keys of the page are those that its commands have made.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from gslb.cli.admin_client import AdminClient, AdminError
from gslb.model.endpoint import Endpoint
from gslb.store.signing import compose_public_key, load_key
from tests.app.world import wait_for
from tests.docs.pages import Fence
from tests.docs.stage import NORMAL, Shell, swap, uncounted
from tests.ports import free_port
from tests.redis_servers import program

PAGE = "docs/health.md"
SITES = ("127.0.1.1", "127.0.2.1")
_KEY = re.compile(r"(\w+):\n(?:    .*\n)*?    public_key: (\S{44})\n")
STATUS = (
    (r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME"),
    (r"\bconfiguration [0-9a-f]{12}, health \d+", "configuration DIGEST, health N"),
    (r"\b\d+ (s|min)\b", "AGE"),
    (r"\bup [\d.]+", "up MS"),  # what connecting took
    (r"[A-Za-z0-9+/]{43}=", "KEY"),
    (r"the store is away \(.*\)", "the store is away (WHY)"),
)
"""What may differ besides: ages, times, keys, and the words of an error of the system."""

DEADLINE_S = 30.0
"""Four processes start at once, beside other tests."""
_STOPPED = "trap 'kill $(jobs -p); wait; exit' TERM\n{}\nwait\n"


class Fleet(Shell):
    """What the page has started so far."""

    normal = NORMAL + STATUS

    def __init__(self, folder: Path) -> None:
        super().__init__(
            folder,
            {port: free_port("127.0.0.1", *SITES) for port in (5300, 8053, 8080, 6379)},
        )
        self._admin = AdminClient(Endpoint("127.0.0.1", self.ports[8053]))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def env(self) -> dict[str, str]:
        """As on the page, `redis-server` is in PATH."""
        env = super().env
        tools = self.folder / ".tools"
        tools.mkdir(exist_ok=True)
        with suppress(FileExistsError):
            (tools / "redis-server").symlink_to(program())
        return env | {"PATH": f"{env['PATH']}:{tools}"}

    def write(self, fence: Fence) -> None:
        """Puts a block of configuration where its first line says, with our ports and keys."""
        assert fence.file is not None
        text = swap(fence.text, self.ports)
        for agent, key in _KEY.findall(text):
            text = text.replace(key, self._public_key(agent))
        (self.folder / fence.file).write_text(text)

    def _public_key(self, agent: str) -> str:
        return compose_public_key(load_key(self.folder / f"{agent}.key"))

    def start(self, fence: Fence) -> None:
        """Runs a block of commands that go on in the background."""
        script = swap(fence.text, self.ports)
        self._process = subprocess.Popen(
            ["bash", "-c", _STOPPED.format(script)],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def stop(self) -> None:
        """Ends what was started: bash ends and reaps its children."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def bring(self, state: str) -> None:
        """Waits for a state of the page; `the store is away` ends Redis first."""
        if state == "the store is away":
            never = Retry(NoBackoff(), 0)
            with redis.Redis("127.0.0.1", self.ports[6379], retry=never) as client:
                client.shutdown(nosave=True)
        wait_for(lambda: self._is(STATES[state]), within_s=DEADLINE_S)

    def _is(self, holds: Callable[[Any], bool]) -> bool:
        try:
            return holds(self._admin.get("/api/v1/status"))
        except AdminError:
            return False


def _is_said(told: Any, site: str, state: str) -> bool:
    """Whether everybody says the same of a site, without doubt."""
    views = told["sites"][site]["agents"].values()
    said = [view["state"] == state and not view["streak"] and view["counts"] for view in views]
    return told["sites"][site]["state"] == state and said == [True] * len(told["agents"])


STATES: dict[str, Callable[[Any], bool]] = {
    "all are up": lambda told: all(_is_said(told, site, "up") for site in told["sites"]),
    "eu is down": lambda told: _is_said(told, "eu", "down"),
    "the store is away": lambda told: not told["store"]["is_connected"],
}


@contextmanager
def fleet_in(folder: Path) -> Iterator[Fleet]:
    """Nothing yet, in a folder; all that is started is ended with the context."""
    with uncounted():
        fleet = Fleet(folder)
        try:
            yield fleet
        finally:
            fleet.stop()
