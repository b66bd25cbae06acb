"""`python -m tests.chaos.backend NAME HOST PORT LEDGER`: a backend that writes down what it does.

Laws:
1. Before a POST has any effect, `begun ID` is in the ledger; when its answer was made, `done ID`.
   Lines are handed to the kernel at once, so they outlive a SIGKILL of this process.
2. Each request takes `delay_ms`, so that some are always on their way when something happens.
3. SIGTERM is graceful: no new connection, and what is on its way is answered.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from aiohttp import web

DELAY_MS = 20.0
_SHUTDOWN_S = 2.0


class Backend:
    """Answers each request with its name and the id that was asked for."""

    def __init__(self, name: str, ledger: int) -> None:
        self._name = name
        self._ledger = ledger
        self._delay_s = DELAY_MS / 1000

    async def answer(self, request: web.Request) -> web.Response:
        """GET and POST of an id."""
        ident = request.match_info["ident"]
        is_order = request.method == "POST"
        if is_order:
            await request.read()
            self._write("begun", ident)
        await asyncio.sleep(self._delay_s)
        if is_order:
            self._write("done", ident)
        return web.Response(text=f"{self._name} {ident}")

    async def health(self, _: web.Request) -> web.Response:
        """What checks ask; as slow as all the rest."""
        await asyncio.sleep(self._delay_s)
        return web.Response(text="ok")

    async def control(self, request: web.Request) -> web.Response:
        """Sets how long each request takes."""
        self._delay_s = float(request.query["delay_ms"]) / 1000
        return web.Response(text="ok")

    def _write(self, what: str, ident: str) -> None:
        os.write(self._ledger, f"{what} {ident}\n".encode())


async def serve(name: str, host: str, port: int, ledger: Path) -> None:
    """Serves until SIGTERM."""
    descriptor = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    backend = Backend(name, descriptor)
    app = web.Application()
    app.router.add_get("/health", backend.health)
    app.router.add_post("/control", backend.control)
    app.router.add_route("*", "/items/{ident}", backend.answer)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    await web.TCPSite(runner, host, port, backlog=1024).start()
    await stopped.wait()
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4])))
