"""A connection that is made when it is needed, used by one task at a time, and never mended.

1. After any failure, a cancelled use included, the connection is closed, and the next use finds the
   server anew: it may be another one by then.
2. A connection is used for MAX_AGE_S at most. A server that was replaced without a word (a name
   that leads elsewhere, a master that was cut off together with us) is left by then at the latest.
3. A command that a cluster node did not do because another one owns the key is sent there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from redis.exceptions import MovedError

from gslb.errors import StoreError
from gslb.model.endpoint import Endpoint
from gslb.store.connection import FAILURES, Access, Line, words
from gslb.store.location import Location

MAX_AGE_S = 60.0
MAX_MOVES = 3
"""A cluster that sends commands round in circles is being changed: the next call may do better."""
MAX_TIMEOUTS = 3
"""To find the server, to connect, to get the reply: a call takes so many timeouts at most."""

Result = TypeVar("Result")
Work = Callable[[Line], Awaitable[Result]]


class Channel:
    """A connection for one purpose.

    patience_s: how long a command may block before its reply is late.
    """

    def __init__(self, access: Access, location: Location, *, patience_s: float = 0.0) -> None:
        self._access = access
        self._location = location
        self._patience_s = patience_s
        self._lock = asyncio.Lock()
        self._line: Line | None = None
        self._endpoint: Endpoint | None = None
        self._until = 0.0
        self._is_closed = False

    async def run(self, work: Work[Result]) -> Result:
        """What work returns when it is given an open connection. Raises StoreError."""
        try:
            async with asyncio.timeout(MAX_TIMEOUTS * self._access.timeout_s + self._patience_s):
                return await self._run(work)
        except FAILURES as error:
            self._require_open()
            raise StoreError(words(error)) from error

    async def close(self) -> None:
        """Close for good; whoever waits for a reply is woken by it."""
        self._is_closed = True
        await self._drop()

    async def _run(self, work: Work[Result]) -> Result:
        for _ in range(MAX_MOVES):
            try:
                async with self._use() as line:
                    return await work(line)
            except MovedError as moved:
                assert self._endpoint is not None
                self._location.follow(moved, self._endpoint)
        raise StoreError("the cluster sends commands round in circles")

    @asynccontextmanager
    async def _use(self) -> AsyncIterator[Line]:
        async with self._lock:
            self._require_open()
            try:
                yield await self._connected()
            except BaseException as error:
                if not isinstance(error, MovedError):
                    self._location.forget()
                await self._drop()
                raise

    async def _connected(self) -> Line:
        now = asyncio.get_running_loop().time()
        if self._line is None or now >= self._until:
            await self._drop()
            self._endpoint = await self._location.find()
            line = await self._access.connect(self._endpoint, patience_s=self._patience_s)
            if self._is_closed:
                await line.close()
            self._require_open()
            self._line, self._until = line, now + MAX_AGE_S
        return self._line

    async def _drop(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            await line.close()

    def _require_open(self) -> None:
        if self._is_closed:
            raise StoreError("the store is closed")
