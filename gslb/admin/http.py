"""The admin port: whether this node can answer, what it knows, and why it answers as it does.

GET /livez, /readyz: 200 while the process runs and can answer, whatever the sites do.
GET /api/v1/status: everything as JSON.
GET /api/v1/explain?name=&type=&client=: one explanation as JSON; client is an address or a subnet.
It listens where the configuration says, which refuses anything but loopback.
"""

from __future__ import annotations

import json
import socket
from typing import Any, Protocol

from aiohttp import web

MAX_REQUEST_OCTETS = 64 * 1024


class Insight(Protocol):
    """What the admin port shows; `gslb.app` implements it."""

    def status(self) -> dict[str, Any]:
        """The node's state as plain data."""

    def explain(self, name: str, rtype: str, client: str) -> dict[str, Any]:
        """An explanation as plain data. Raises ValueError, with words for people, for bad input."""


class AdminServer:
    """Serves an insight on a listening socket, which belongs to it from here on."""

    def __init__(self, insight: Insight, listener: socket.socket) -> None:
        self._insight = insight
        self._listener = listener
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Begins to serve."""
        app = web.Application(client_max_size=MAX_REQUEST_OCTETS)
        app.router.add_get("/livez", self._alive)
        app.router.add_get("/readyz", self._alive)
        app.router.add_get("/api/v1/status", self._status)
        app.router.add_get("/api/v1/explain", self._explain)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.SockSite(self._runner, self._listener).start()

    async def close(self) -> None:
        """Stops serving, if it began at all."""
        if self._runner is not None:
            await self._runner.cleanup()
        self._listener.close()

    async def _alive(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _status(self, _request: web.Request) -> web.Response:
        return _json(self._insight.status())

    async def _explain(self, request: web.Request) -> web.Response:
        query = request.query
        try:
            told = self._insight.explain(
                query.get("name", ""), query.get("type", "A"), query.get("client", "")
            )
        except ValueError as error:
            return _json({"error": str(error)}, status=400)
        return _json(told)


def _json(data: dict[str, Any], status: int = 200) -> web.Response:
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    text = json.dumps(data, ensure_ascii=False)
    return web.json_response(text=text, status=status, headers=headers)
