"""The demo's own Redis: a real server of this machine, which lives and ends with the demo.

Laws:
1. It listens on a free port of the loopback address, asks for a password that nobody but this
   process knows, and saves nothing: after a death it comes back empty, on the same port.
2. It ends with the demo, also with one that is killed; its folder goes with a demo that can still
   tidy up.
"""

from __future__ import annotations

import asyncio
import ctypes
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from gslb.errors import StoreError

PROGRAM: Final = "redis-server"
MISSING: Final = (
    f"there is no {PROGRAM} in PATH; on Debian or Ubuntu: apt install {PROGRAM}; without --redis"
    " the demo needs none"
)
START_S: Final = 5.0
"""It answers after 10 ms; the rest is for a busy machine."""
STOP_S: Final = 2.0
_LOOK_EVERY_S: Final = 0.01
_PR_SET_PDEATHSIG: Final = 1
_FILE: Final = """bind 127.0.0.1
port {port}
requirepass {password}
save ""
appendonly no
dir {folder}
"""

# Looked up here: between fork and exec nothing may be loaded.
_prctl = ctypes.CDLL(None).prctl


class StageRedis:
    """One server. url: what a store is told, with the password."""

    def __init__(self, folder: Path, program: str) -> None:
        self.port = _free_port()
        self._password = secrets.token_urlsafe(24)
        self._folder = folder
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        file = folder / "redis.conf"
        file.touch(mode=0o600)
        file.write_text(_FILE.format(port=self.port, password=self._password, folder=folder))

    @property
    def url(self) -> str:
        """What a store is told; it holds the password."""
        return f"redis://:{self._password}@127.0.0.1:{self.port}/0"

    @property
    def is_running(self) -> bool:
        """Whether there is a process."""
        return self._process is not None

    async def start(self) -> None:
        """Starts it, empty, and waits until it answers. Raises StoreError, with its last words."""
        if self._process is not None:
            return
        with (self._folder / "log").open("wb") as log:
            self._process = _spawn(self._program, self._folder, log.fileno())
        try:
            async with asyncio.timeout(START_S):
                await self._wait_until_answering(self._process)
        except TimeoutError:
            self.kill()
            raise StoreError(f"{PROGRAM} does not answer within {START_S:g} s") from None

    def kill(self) -> None:
        """Ends it in the middle of whatever it does (SIGKILL); everything that it held is gone."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(STOP_S)

    async def _wait_until_answering(self, process: subprocess.Popen[bytes]) -> None:
        while True:
            if process.poll() is not None:
                self._process = None
                lines = (self._folder / "log").read_text(errors="replace").split("\n")
                raise StoreError(f"{PROGRAM} has ended at once: {' / '.join(lines[-3:]).strip()}")
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                await writer.wait_closed()
                return
            await asyncio.sleep(_LOOK_EVERY_S)


@asynccontextmanager
async def open_redis_server() -> AsyncIterator[StageRedis]:
    """A server that answers, until the context is left. Raises StoreError."""
    program = find_program()
    with tempfile.TemporaryDirectory(prefix="gslb-demo-") as folder:
        server = StageRedis(Path(folder), program)
        try:
            await server.start()
            yield server
        finally:
            server.kill()


def find_program() -> str:
    """The path of the program. Raises StoreError, which says how to get it."""
    found = shutil.which(PROGRAM)
    if found is None:
        raise StoreError(MISSING)
    return found


def _free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port: int = trial.getsockname()[1]
        return port


def _spawn(program: str, folder: Path, log: int) -> subprocess.Popen[bytes]:
    """In a group of its own, so that Ctrl-C is the demo's alone."""
    return subprocess.Popen(  # noqa: S603 - nothing of it is anybody's input
        [program, "redis.conf"],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        process_group=0,
        preexec_fn=_die_with_parent,  # noqa: PLW1509 - one call, which takes no lock
    )


def _die_with_parent() -> None:
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
