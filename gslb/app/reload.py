"""Reloading: a changed file or SIGHUP, loaded beside what answers, swapped in when it is good.

Laws:
1. A configuration that does not load changes nothing; every problem is logged once.
2. Files are taken up when they have looked the same for one tick, so that an editor or a copy can
   finish. What was refused is not tried again until it changes, or a file that was found wrong in
   it.
3. A file counts as it was before it was read, so what changes meanwhile is seen at the next tick.
4. Loading happens in a thread; queries are answered meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, Self, TypeVar

from gslb.errors import ConfigError, GslbError
from gslb.geo.watch import Mark, Stamp, stamp
from gslb.server.notify import Manager
from gslb.telemetry.logs import get_logger

TICK_S = 1.0

Marks = dict[str, Mark]
"""What each file that matters looks like."""

log = get_logger(__name__)


class Loaded(Protocol):
    """A value made of the operator's files that can be made of them again."""

    @property
    def stale(self) -> str | None:
        """Why a part of it is still the old one, None when nothing is."""

    def as_read(self) -> Stamp:
        """What the files behind it looked like when they were read."""

    def look(self) -> Stamp:
        """What they look like now."""

    def load_again(self) -> Self:
        """The same files, read anew. Raises ConfigError. Blocks: it is called in a thread."""

    def is_same(self, other: Self) -> bool:
        """Whether there is nothing in the other one that would have to be applied."""

    def summary(self) -> Mapping[str, object]:
        """What the log says of it."""


L = TypeVar("L", bound=Loaded)


@dataclass(slots=True)
class ReloadState:
    """What became of reloads. applied_at, failed_at: Unix seconds. error: why the last one failed,
    None after a good one.
    """

    applied_at: float
    failed_at: float | None = None
    error: str | None = None


class Reloader(Generic[L]):
    """Watches the files behind what was loaded and hands on each good new version of it. manager:
    who is told when that begins and ends.
    """

    def __init__(
        self,
        loaded: L,
        apply: Callable[[L], Awaitable[None] | None],
        manager: Manager | None = None,
    ) -> None:
        self._manager = manager
        self.state = ReloadState(time.time())
        self._loaded = loaded
        self._apply = apply
        self._suspects: tuple[Path, ...] = ()
        self._seen: Marks = dict(loaded.as_read())
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Reload now, changed or not (SIGHUP)."""
        self._asked.set()

    async def run(self) -> None:
        """Watches for ever."""
        pending: Marks | None = None
        while True:
            is_asked = await self._wait()
            now = await asyncio.to_thread(self._look)
            if is_asked or (now != self._seen and now == pending):
                pending = None
                await self._reload_and_tell(always=is_asked)
            else:
                pending = now

    async def _wait(self) -> bool:
        """A tick, or less when somebody asked; whether somebody did."""
        try:
            async with asyncio.timeout(TICK_S):
                await self._asked.wait()
        except TimeoutError:
            return False
        self._asked.clear()
        return True

    async def _reload_and_tell(self, *, always: bool) -> None:
        if self._manager is None:
            await self.reload(always=always)
            return
        self._manager.tell_reloading()
        try:
            await self.reload(always=always)
        finally:
            self._manager.tell_ready()

    async def reload(self, *, always: bool = True) -> bool:
        """Loads and, if that succeeds, applies; whether all is well.

        always: apply what turns out to be the same, too.
        """
        old = self._loaded
        before = await asyncio.to_thread(self._look)
        try:
            new = await asyncio.to_thread(old.load_again)
        except Exception as error:  # noqa: BLE001  the border: no file may end what answers
            self._refuse(error)
            self._seen = self._look() | before
            return False
        if new.stale is not None:
            log.error("not all was reloaded, the old part holds", cause=new.stale)
        self._suspects = ()
        self._seen = {path: before.get(path, mark) for path, mark in new.as_read()}  # law 3
        if new.is_same(old) and not always:
            self._loaded = new
            self.state = ReloadState(self.state.applied_at, error=new.stale)
            return True
        try:
            applying = self._apply(new)
            if applying is not None:
                await applying
        except Exception as error:  # noqa: BLE001  the border, as above
            self._refuse(error)
            return False
        self._loaded = new
        self.state = ReloadState(time.time(), error=new.stale)
        log.info("reloaded", **new.summary())
        return True

    def _refuse(self, error: Exception) -> None:
        problems = error.problems if isinstance(error, ConfigError) else ()
        for problem in problems or (error,):
            log.error("reload refused, nothing changed", problem=str(problem))
        if not isinstance(error, GslbError):
            log.error("reload failed, this is a fault of the program", cause=repr(error))
        self._suspects = tuple({Path(problem.file): None for problem in problems})
        self.state = ReloadState(self.state.applied_at, time.time(), str(error) or repr(error))

    def _look(self) -> Marks:
        """The files behind what is loaded, and those that were refused."""
        return dict(self._loaded.look() + stamp(self._suspects))
