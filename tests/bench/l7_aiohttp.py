"""`python -m tests.bench.l7_aiohttp PORT TLS_PORT CERTIFICATE KEY BACKEND...`: what a plain reverse
proxy on aiohttp costs: `web.Server` towards clients, `ClientSession` towards backends, bodies
streamed both ways, backends in turn.
"""

from __future__ import annotations

import asyncio
import itertools
import ssl
import sys

import uvloop
from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, web
from multidict import CIMultiDict
from yarl import URL

_HOP_BY_HOP = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
_SKIPPED = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
"""What aiohttp would add of its own."""

_PIECE_OCTETS = 64 * 1024


class PlainProxy:
    """Passes each request on to the next backend."""

    def __init__(self, session: ClientSession, backends: list[str]) -> None:
        self._session = session
        self._turns = itertools.cycle([f"http://127.0.0.1:{port}" for port in backends])

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """The backend's answer, as it comes."""
        headers = _without_hops(request.headers)
        headers["X-Forwarded-For"] = request.remote or ""
        url = URL(next(self._turns) + request.raw_path, encoded=True)
        try:
            async with self._session.request(
                request.method,
                url,
                headers=headers,
                data=request.content if request.can_read_body else None,
                allow_redirects=False,
            ) as answer:
                return await _pass_on(request, answer)
        except ClientError:
            return web.Response(status=502)


async def _pass_on(request: web.BaseRequest, answer) -> web.StreamResponse:
    response = web.StreamResponse(
        status=answer.status, reason=answer.reason, headers=_without_hops(answer.headers)
    )
    await response.prepare(request)
    async for piece in answer.content.iter_chunked(_PIECE_OCTETS):
        await response.write(piece)
    await response.write_eof()
    return response


def _without_hops(headers) -> CIMultiDict[str]:
    pairs = ((name, value) for name, value in headers.items() if name.lower() not in _HOP_BY_HOP)
    return CIMultiDict(pairs)


async def serve(port: int, tls_port: int, certificate: str, key: str, *backends: str) -> None:
    """Serves until it is cancelled."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    session = ClientSession(
        connector=TCPConnector(limit=0, keepalive_timeout=60),
        cookie_jar=DummyCookieJar(),
        timeout=ClientTimeout(total=None),
        auto_decompress=False,
        skip_auto_headers=_SKIPPED,
    )
    async with session:
        proxy = PlainProxy(session, list(backends))
        runner = web.ServerRunner(web.Server(proxy.handle, access_log=None))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, backlog=4096).start()
        await web.TCPSite(runner, "127.0.0.1", tls_port, ssl_context=context, backlog=4096).start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]))
