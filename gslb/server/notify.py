"""What a service manager is told: that a process serves, reloads, stops, is alive (sd_notify(3)).

Laws:
1. Without NOTIFY_SOCKET nothing is told, and a manager that does not listen disturbs nobody.
2. The beat of WATCHDOG_USEC comes from the event loop: it stops when the loop hangs.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Mapping

from gslb.telemetry.logs import get_logger

log = get_logger(__name__)


class Manager:
    """Who started this process, as its environment says. pid: of this process."""

    def __init__(self, environ: Mapping[str, str], pid: int) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._beat_s = _read_beat(environ, pid) if address else None

    def tell_ready(self) -> None:
        """It serves, or has ended to reload."""
        self._tell("READY=1")

    def tell_reloading(self) -> None:
        """It has begun to reload."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def tell_stopping(self) -> None:
        """It has begun to end."""
        self._tell("STOPPING=1")

    async def beat(self) -> None:
        """Says again and again that the event loop turns, where somebody wants to know."""
        if self._beat_s is None:
            await asyncio.Event().wait()
            return
        while True:
            self._tell("WATCHDOG=1")
            await asyncio.sleep(self._beat_s)

    def _tell(self, state: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as line:
                line.sendto(state.encode(), self._address)
        except OSError as error:
            log.warning("service manager not told", state=state, cause=str(error))


def of_this_process() -> Manager:
    """The manager of the running process."""
    return Manager(os.environ, os.getpid())


def _read_beat(environ: Mapping[str, str], pid: int) -> float | None:
    """Seconds between two beats: a third of what the manager waits, None where it does not."""
    told = environ.get("WATCHDOG_USEC", "")
    is_ours = environ.get("WATCHDOG_PID", str(pid)) == str(pid)
    return int(told) / 3e6 if is_ours and told.isascii() and told.isdigit() and int(told) else None
