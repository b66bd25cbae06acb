"""Small real HTTP servers that stand in for the applications of a region, for demo and tests."""

from __future__ import annotations

from dataclasses import dataclass, field

from aiohttp import web


@dataclass
class Backend:
    """One HTTP server: `/healthz` says `ok`, `/` names the site.

    port: 0 takes any free one at the first start; the same one is used ever after.
    """

    host: str
    port: int
    site: str
    _runner: web.AppRunner | None = field(default=None, init=False, repr=False)

    @property
    def is_running(self) -> bool:
        """Whether it listens."""
        return self._runner is not None

    async def start(self) -> None:
        """Listen; nothing to do when it does already. Raises OSError when the address cannot be
        bound.
        """
        if self._runner is not None:
            return
        runner = web.AppRunner(_make_application(self.site), access_log=None, shutdown_timeout=0)
        await runner.setup()
        try:
            await web.TCPSite(runner, self.host, self.port).start()
        except OSError:
            await runner.cleanup()
            raise
        self.port = runner.addresses[0][1]
        self._runner = runner

    async def stop(self) -> None:
        """Die at once, as a crash would: the socket is closed, open connections are aborted."""
        if self._runner is None:
            return
        runner, self._runner = self._runner, None
        assert runner.server is not None
        for connection in runner.server.connections:
            if connection.transport is not None:
                connection.transport.abort()
        await runner.cleanup()


async def start_backend(host: str, port: int, *, site: str) -> Backend:
    """A backend that listens on this address. Raises OSError when the address cannot be bound."""
    backend = Backend(host, port, site)
    await backend.start()
    return backend


def _make_application(site: str) -> web.Application:
    async def answer_health(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def answer_name(_request: web.Request) -> web.Response:
        return web.Response(text=f"This is {site}.\n")

    application = web.Application()
    application.router.add_get("/healthz", answer_health)
    application.router.add_get("/", answer_name)
    return application
