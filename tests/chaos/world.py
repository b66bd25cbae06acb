"""The world of the chaos run: three backends and the proxy as processes, in a folder.

Only processes that were started here are stopped, by their ids.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Final

from tests.ports import free_port

ROOT: Final = Path(__file__).resolve().parents[2]
HOST: Final = "127.0.0.1"
BACKENDS: Final = ("b1", "b2", "b3")
_DEADLINE_S: Final = 30.0
_POLL_S: Final = 0.05

_MAIN: Final = """node: {node}
log: {{format: json}}
proxies:
  chaos:
    site: chaos
    listen: [{{address: "{host}:{port}"}}]
    health_path: /healthz
    admin: "{host}:{admin}"
    access_log: {folder}/access.log
    drain_timeout_s: 15
    workers: {workers}
    timeouts: {{connect_s: 1, response_s: 1, total_s: 10}}
    shed: {{max_lag_ms: 5000}}
    routes:
{routes}
    pools:
      web:
        balance: least_connections
        backends:
{backends}
        check: {{http: {{path: /health}}, interval_s: 0.5, timeout_s: 0.4, fall: 2, rise: 2}}
        passive: {{window_s: 5, error_share: 0.5, min_requests: 10, eject_s: 1, max_ejected: 0.34}}
        retry: {{attempts: 2, budget: 0.5, min_retries: 32}}
        hedge: {{after_quantile: 0.95, max_extra: 0.1}}
        drain_timeout_s: 10
"""
"""shed: a machine that others keep busy is not what is tried here. budget: a third of what is on
its way may be at the backend that dies, and is tried again at once.
"""

_ROUTE: Final = "      - {name: default, pool: web}"
_MORE_ROUTES: Final = "      - {name: items, path_prefix: /items/, pool: web}\n" + _ROUTE


class ChaosError(Exception):
    """What should happen did not, in time; the message says what there was instead."""


@dataclass
class World:
    """The files and processes. replaced: proxies that another one has taken the place of."""

    folder: Path
    workers: int = 1
    port: int = field(default_factory=free_port)
    admin: int = field(default_factory=free_port)
    ports: dict[str, int] = field(default_factory=lambda: {one: free_port() for one in BACKENDS})
    backends: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    proxies: list[subprocess.Popen[bytes]] = field(default_factory=list)

    # ------------------------------------------------------------ files

    @property
    def main(self) -> Path:
        """The proxy's file."""
        return self.folder / "proxy.yaml"

    @property
    def ledgers(self) -> list[Path]:
        """What the backends wrote down."""
        return [self.folder / f"{name}.ledger" for name in BACKENDS]

    def write(self, *, is_changed: bool = False) -> None:
        """Writes the proxy's file. is_changed: with another route, other weights and timeouts."""
        lines = [
            f'          {name}: {{address: "{HOST}:{port}", weight: {1 + is_changed * number}}}'
            for number, (name, port) in enumerate(self.ports.items())
        ]
        text = _MAIN.format(
            node=f"chaos-{self.port}",
            host=HOST,
            port=self.port,
            admin=self.admin,
            folder=self.folder,
            workers=self.workers,
            routes=_MORE_ROUTES if is_changed else _ROUTE,
            backends="\n".join(lines),
        )
        self.main.write_text(text)

    # ------------------------------------------------------------ backends

    async def start_backend(self, name: str) -> None:
        """Starts a backend and waits until it answers."""
        words = (name, HOST, str(self.ports[name]), str(self.folder / f"{name}.ledger"))
        self.backends[name] = self._start("tests.chaos.backend", *words, log=name)
        await self.until(lambda: self._is_answering(self.ports[name]), f"{name} to answer")

    async def stop_backend(self, name: str, how: signal.Signals) -> None:
        """Ends a backend, by SIGTERM or SIGKILL."""
        process = self.backends[name]
        process.send_signal(how)
        await asyncio.to_thread(process.wait, _DEADLINE_S)

    async def set_delay(self, name: str, delay_ms: float) -> None:
        """Has each request of a backend take so long."""
        path = f"/control?delay_ms={delay_ms}"
        await asyncio.to_thread(ask, self.ports[name], path, method="POST")

    # ------------------------------------------------------------ the proxy

    async def start_proxy(self, *options: str) -> subprocess.Popen[bytes]:
        """Starts a proxy and waits until it is the one that its admin port tells of."""
        log = f"proxy-{len(self.proxies)}"
        process = self._start("gslb", "proxy", str(self.main), *options, log=log)
        self.proxies.append(process)
        await self.until(
            lambda: self._status().get("pid") == process.pid,
            "the proxy to serve",
            watched=(process, log),
        )
        return process

    @property
    def proxy(self) -> subprocess.Popen[bytes]:
        """The proxy that serves."""
        return self.proxies[-1]

    async def until_state(self, name: str, state: str) -> None:
        """Waits until checks say that a backend is up or down."""

        def is_there() -> bool:
            told = self._status().get("backends", {}).get(f"web/{name}", {})
            return bool(told.get("state") == state)

        await self.until(is_there, f"{name} to be {state}")

    async def until_idle(self, name: str) -> None:
        """Waits until nothing is on its way at a backend."""

        def is_there() -> bool:
            told = self._status().get("backends", {}).get(f"web/{name}", {})
            return bool(told.get("in_flight") == 0)

        await self.until(is_there, f"{name} to have nothing on its way")

    async def configuration(self) -> str:
        """Digest of the configuration that is in force."""
        return str((await asyncio.to_thread(self._status)).get("configuration"))

    async def reload(self) -> None:
        """SIGHUP, and waits until another configuration is in force."""
        before = await self.configuration()
        self.proxy.send_signal(signal.SIGHUP)
        await self.until(
            lambda: self._status().get("configuration") not in (before, None), "the reload"
        )

    async def order(self, name: str, do: str) -> None:
        """Orders a drain, or takes one back."""
        body = json.dumps({"site": f"web/{name}", "do": do, "reason": "chaos"})
        status, text = await asyncio.to_thread(
            ask, self.admin, "/api/v1/orders", method="POST", body=body
        )
        if status != 200:
            raise ChaosError(f"{do} {name} was answered with {status}: {text}")

    async def until(
        self,
        is_true: Callable[[], bool],
        what: str,
        watched: tuple[subprocess.Popen[bytes], str] | None = None,
    ) -> None:
        """Waits for something. watched: what must not end meanwhile, and the name of its log. It
        raises ChaosError.
        """
        deadline = time.monotonic() + _DEADLINE_S
        while not await asyncio.to_thread(is_true):
            if watched is not None and watched[0].poll() is not None:
                ended, log = watched
                raise ChaosError(
                    f"ended with {ended.returncode}, instead of {what}: {self.text(log)}"
                )
            if time.monotonic() > deadline:
                raise ChaosError(f"waited in vain for {what}; {self._status()}")
            await asyncio.sleep(_POLL_S)

    def text(self, log: str) -> str:
        """The end of what a process has printed."""
        return (self.folder / f"{log}.log").read_text(errors="replace")[-2000:]

    def close(self) -> None:
        """Ends all that runs."""
        for process in (*self.proxies, *self.backends.values()):
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()

    def _start(self, module: str, *words: str, log: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{log}.log").open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", module, *words],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={"PYTHONPATH": str(ROOT), **os.environ},  # `make chaos-l7` names another
            )

    def _is_answering(self, port: int) -> bool:
        with suppress(OSError, HTTPException):
            return ask(port, "/health")[0] == 200
        return False

    def _status(self) -> dict[str, Any]:
        """What the admin port tells; nothing while nobody serves it."""
        with suppress(OSError, HTTPException):
            told: dict[str, Any] = json.loads(ask(self.admin, "/api/v1/status")[1])
            return told
        return {}


def ask(port: int, path: str, *, method: str = "GET", body: str | None = None) -> tuple[int, str]:
    """Status and text of one request on a connection of its own."""
    connection = HTTPConnection(HOST, port, timeout=5)
    try:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()
