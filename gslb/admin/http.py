"""The admin port: whether this node can answer, what it knows, and what people order.

    GET  /livez, /readyz      200 while the process runs and can answer, whatever the sites and the
                              store do
    GET  /metrics             the status for Prometheus
    GET  /api/v1/status       everything as JSON
    GET  /api/v1/explain?name=&type=&client=    one explanation; client is an address or a subnet
    GET  /api/v1/orders       the orders that are known, by site or `pool/backend`
    POST /api/v1/orders       {site, do: drain|up|down|maint|none, reason, owner, until_at, force}
    GET  /api/v1/events?count=                  the last events, oldest first

Laws:
1. Who may ask is judged first, for paths that do not exist, too (gslb.admin.access).
2. A path is compared as it was sent: nothing is decoded, joined or looked up in a folder.
3. Every answer is for nobody else: it is not kept, not framed, and not taken for another type.
4. A connection carries one request and lives LIFE_S at most; of more than MAX_CONNECTIONS the
   oldest gives way. So whoever sends slowly, or reads slowly, holds little for long.
5. A fault of ours is a 500 and a line in the log, and the next request is served. What was refused
   is counted by reason.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from aiohttp import web

from gslb.admin.access import Access, Asked, Refusal, is_loopback
from gslb.admin.requests import MAX_BODY_OCTETS, OrderRequest, parse_order_request
from gslb.errors import ListenError, OrderError, StoreError
from gslb.model.system import AdminSettings
from gslb.telemetry.logs import get_limited_logger

MAX_CONNECTIONS = 100
LIFE_S = 15.0
"""Of a connection: Prometheus asks for less than 10 s by default."""
HANDLE_S = 10.0
BODY_S = 5.0

DEFAULT_EVENTS = 100
MAX_EVENTS = 1000

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Server": "gslb",
    "X-Content-Type-Options": "nosniff",
}

log = get_limited_logger(__name__)


class Insight(Protocol):
    """What the admin port shows and passes on; `gslb.app` implements it. All answers are plain
    data.
    """

    def status(self) -> dict[str, Any]:
        """The node's state."""

    def explain(self, name: str, rtype: str, client: str) -> dict[str, Any]:
        """An explanation. Raises ValueError, with words for people, for bad input."""

    async def events(self, count: int) -> list[dict[str, Any]]:
        """The last events, at most count, oldest first. Raises StoreError."""

    async def place_order(self, request: OrderRequest) -> dict[str, Any]:
        """The order that holds now, as `gslb.app.orders.OrderDesk.place` tells it.

        Raises ValueError for what makes no sense, OrderError for what is refused.
        """


Page = Callable[[web.BaseRequest], Awaitable[web.Response]]


class AdminServer:
    """Serves an insight on a listening socket, which belongs to it from here on.

    refused: requests that were not done, by reason. Raises ListenError for a socket that others can
    reach when there is no token.
    """

    def __init__(self, insight: Insight, listener: socket.socket, access: AdminSettings) -> None:
        self._insight = insight
        self._listener = listener
        self.refused: Counter[str] = Counter()
        self.reconfigure(access)
        self._runner: web.ServerRunner | None = None
        self._pages: Mapping[str, Mapping[str, Page]] = {
            "/livez": {"GET": self._alive},
            "/readyz": {"GET": self._alive},
            "/metrics": {"GET": self._measure},
            "/api/v1/status": {"GET": self._status},
            "/api/v1/explain": {"GET": self._explain},
            "/api/v1/events": {"GET": self._events},
            "/api/v1/orders": {"GET": self._orders, "POST": self._place_order},
        }

    def reconfigure(self, access: AdminSettings) -> None:
        """Takes other tokens. Raises ListenError, as the constructor does."""
        host, port = self._listener.getsockname()[:2]
        if not access.token_sha256 and not is_loopback(host):
            raise ListenError(
                f"the admin port {host}:{port} is not on loopback: it needs a token, which"
                " `gslb token` makes"
            )
        self._access = Access(access, time.monotonic)

    async def start(self) -> None:
        """Begins to serve."""
        server = _Server(
            self._serve,
            access_log=None,
            logger=_counting_logger(self.refused),
            lingering_time=1.0,
            auto_decompress=False,
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.SockSite(self._runner, self._listener).start()

    async def close(self) -> None:
        """Stops serving, if it began at all."""
        if self._runner is not None:
            await self._runner.cleanup()
        self._listener.close()

    async def _serve(self, request: web.BaseRequest) -> web.Response:
        """The border: whatever happens, an answer (laws 3 and 5)."""
        try:
            async with asyncio.timeout(HANDLE_S):
                answer = await self._answer(request)
        except TimeoutError:
            answer = Refusal(503, "slow", f"it took longer than {HANDLE_S:g} s")
        except Exception as error:  # noqa: BLE001  the border: the next request is served
            _tell_failure(error)
            answer = Refusal(500, "failed", "a fault of the server; its log says more")
        if isinstance(answer, Refusal):
            self.refused[answer.reason] += 1
            answer = _json({"error": answer.message}, answer.status, answer.headers)
        answer.headers.update(HEADERS)
        answer.force_close()
        return answer

    async def _answer(self, request: web.BaseRequest) -> web.Response | Refusal:
        path = request.raw_path.partition("?")[0]
        method = "GET" if request.method == "HEAD" else request.method
        refusal = self._access.maybe_refuse(_asked(request, method, path))
        if refusal is not None:
            return refusal
        methods = self._pages.get(path)
        if methods is None:
            return Refusal(404, "path", "there is no such page")
        page = methods.get(method)
        if page is None:
            allow = ", ".join(methods)
            return Refusal(405, "method", f"allowed here: {allow}", {"Allow": allow})
        try:
            return await page(request)
        except _TooLargeError:
            return Refusal(413, "size", f"the body is larger than {MAX_BODY_OCTETS} octets")
        except ValueError as error:
            return Refusal(400, "input", str(error))
        except OrderError as error:
            return Refusal(409, "order", str(error))
        except StoreError as error:
            return Refusal(503, "store", f"the store is away: {error}")

    # ------------------------------------------------------------ pages

    async def _alive(self, _request: web.BaseRequest) -> web.Response:
        return web.Response(text="ok\n")

    async def _measure(self, _request: web.BaseRequest) -> web.Response:
        from gslb.admin import metrics, proxy_metrics  # 10 MiB, if anybody asks

        status, refused = self._insight.status(), self.refused.copy()
        is_proxy = "proxy" in status
        describe = proxy_metrics.describe_proxy if is_proxy else metrics.describe_name_server
        page = await asyncio.to_thread(  # queries are answered meanwhile
            metrics.compose_page, status, refused, describe
        )
        return web.Response(body=page, headers={"Content-Type": metrics.CONTENT_TYPE})

    async def _status(self, _request: web.BaseRequest) -> web.Response:
        return _json(self._insight.status())

    async def _explain(self, request: web.BaseRequest) -> web.Response:
        query = request.query
        name, rtype, client = (query.get("name", ""), query.get("type", "A"), query.get("client"))
        return _json(self._insight.explain(name, rtype, client or ""))

    async def _events(self, request: web.BaseRequest) -> web.Response:
        text = request.query.get("count", str(DEFAULT_EVENTS))
        count = int(text) if text.isascii() and text.isdigit() and len(text) <= 4 else 0
        if not 1 <= count <= MAX_EVENTS:
            raise ValueError(f"count must be a whole number from 1 to {MAX_EVENTS}")
        return _json({"events": await self._insight.events(count)})

    async def _orders(self, _request: web.BaseRequest) -> web.Response:
        status = self._insight.status()
        sites = status["backends" if "proxy" in status else "sites"]
        known = {name: site["order"] for name, site in sites.items() if site["order"] is not None}
        return _json({"orders": known})

    async def _place_order(self, request: web.BaseRequest) -> web.Response:
        wanted = parse_order_request(await _read_body(request))
        return _json(await self._insight.place_order(wanted))


def _tell_failure(error: Exception) -> None:
    log.error("admin page failed", cause=repr(error))


class _TooLargeError(Exception):
    """A body of more than MAX_BODY_OCTETS; it is not read to its end."""


async def _read_body(request: web.BaseRequest) -> bytes:
    """The whole body. Raises _TooLargeError, and ValueError when it does not come."""
    body = bytearray()
    if (request.content_length or 0) > MAX_BODY_OCTETS:
        raise _TooLargeError
    try:
        async with asyncio.timeout(BODY_S):
            while chunk := await request.content.readany():
                body += chunk
                if len(body) > MAX_BODY_OCTETS:
                    raise _TooLargeError
    except TimeoutError as error:
        raise ValueError(f"the body did not come within {BODY_S:g} s") from error
    return bytes(body)


def _asked(request: web.BaseRequest, method: str, path: str) -> Asked:
    return Asked(
        method=method,
        path=path,
        peer=request.remote or "",
        hosts=tuple(request.headers.getall("Host", ())),
        origins=tuple(request.headers.getall("Origin", ())),
        authorization=request.headers.get("Authorization"),
        content_type=request.content_type,
    )


def _json(
    data: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    text = json.dumps(data, ensure_ascii=False)
    return web.json_response(text=text, status=status, headers=headers)


class _Server(web.Server):
    """Bounds how long connections live, and how many there are (law 4)."""

    def __init__(self, handler: Page, **options: Any) -> None:
        super().__init__(handler, **options)
        self._ends: dict[web.RequestHandler, tuple[asyncio.Transport, asyncio.TimerHandle]] = {}

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Starts the connection's clock, and ends the oldest one if there are too many."""
        super().connection_made(handler, transport)
        timer = asyncio.get_running_loop().call_later(LIFE_S, transport.abort)
        self._ends[handler] = (transport, timer)
        if len(self._ends) > MAX_CONNECTIONS:
            oldest, _ = self._let_go(next(iter(self._ends)))
            oldest.abort()

    def connection_lost(
        self, handler: web.RequestHandler, exc: BaseException | None = None
    ) -> None:
        """Stops its clock."""
        if handler in self._ends:
            self._let_go(handler)
        super().connection_lost(handler, exc)

    def _let_go(self, handler: web.RequestHandler) -> tuple[asyncio.Transport, asyncio.TimerHandle]:
        ended = self._ends.pop(handler)
        ended[1].cancel()
        return ended


def _counting_logger(refused: Counter[str]) -> logging.Logger:
    """The logger of aiohttp's server, which has only one thing to log, requests that are no HTTP:
    those are counted, and nobody can fill a disk with them.
    """

    class Count(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            refused["malformed"] += record.exc_info is not None

    logger = logging.Logger(__name__)  # noqa: LOG001  of this server alone, no child of the root
    logger.addHandler(Count())
    return logger
