"""A web server of the operator's that is told of events: one POST each, its body as it was given.

Laws:
1. One at a time, each try within TIMEOUT_S on a connection of its own. No redirect is followed, no
   proxy of the environment is asked, no body is read: only the status counts.
2. What was tried TRIES times is given up and counted. At most QUEUED wait; the oldest are given up
   first.
3. Only the first of a row of failures is logged, and of the URL only its origin: all else in it may
   be a secret.
"""

from __future__ import annotations

import asyncio
import re

from aiohttp import ClientError, ClientSession, DummyCookieJar, TCPConnector

from gslb.telemetry.logs import get_logger

TIMEOUT_S = 5.0
TRIES = 3
PAUSE_S = 0.5
"""Before the second try; doubled before each further one."""
QUEUED = 1000
"""As many as the store keeps; at 16 s each, a dead server is told of the last few hours."""

HEADERS = {"Content-Type": "application/json"}

log = get_logger(__name__)


class Webhook:
    """Delivers to one URL. failed: how many bodies were given up."""

    def __init__(self, url: str) -> None:
        self.failed = 0
        self._url = url
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(QUEUED)
        self._is_failing = False

    def put(self, body: bytes) -> None:
        """Has a body delivered; never waits."""
        if self._queue.full():
            self._queue.get_nowait()
            self.failed += 1
        self._queue.put_nowait(body)

    async def run(self) -> None:
        """Delivers for ever."""
        connector = TCPConnector(force_close=True)
        async with ClientSession(connector=connector, cookie_jar=DummyCookieJar()) as session:
            while True:
                await self._deliver(session, await self._queue.get())

    async def _deliver(self, session: ClientSession, body: bytes) -> None:
        why = await self._post(session, body)
        for attempt in range(1, TRIES):
            if not why:
                break
            await asyncio.sleep(PAUSE_S * 2 ** (attempt - 1))
            why = await self._post(session, body)
        if why:
            self.failed += 1
        self._tell_change(why)

    async def _post(self, session: ClientSession, body: bytes) -> str:
        """Why a try failed; empty when it did not."""
        try:
            async with (
                asyncio.timeout(TIMEOUT_S),
                session.post(
                    self._url, data=body, headers=HEADERS, allow_redirects=False
                ) as response,
            ):
                return "" if 200 <= response.status < 300 else f"status {response.status}"
        except TimeoutError:
            return f"no answer within {TIMEOUT_S:g} s"
        except OSError as error:
            return error.strerror or type(error).__name__
        except (ClientError, ValueError) as error:
            return type(error).__name__  # its text may hold the URL

    def _tell_change(self, why: str) -> None:
        if why and not self._is_failing:
            log.warning("webhook does not take events", webhook=origin_of(self._url), cause=why)
        elif self._is_failing and not why:
            log.info("webhook takes events again", webhook=origin_of(self._url))
        self._is_failing = bool(why)


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL: what may be shown of one that may hold secrets."""
    scheme, _, rest = url.partition("://")
    place = re.split("[/?#]", rest, maxsplit=1)[0]  # urlsplit refuses some that it does not like
    return f"{scheme}://{place.rpartition('@')[2]}"
