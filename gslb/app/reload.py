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
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gslb.app.assemble import Assembled, assemble, look
from gslb.errors import ConfigError, GslbError
from gslb.geo.load import database_paths
from gslb.geo.watch import Mark, stamp
from gslb.telemetry.logs import get_logger

TICK_S = 1.0

Marks = dict[str, Mark]
"""What each file that matters looks like."""

log = get_logger(__name__)


@dataclass(slots=True)
class ReloadState:
    """What became of reloads. applied_at, failed_at: Unix seconds. error: why the last one failed,
    None after a good one.
    """

    applied_at: float
    failed_at: float | None = None
    error: str | None = None


class Reloader:
    """Watches the files behind an assembled configuration and hands on each good new one."""

    def __init__(self, assembled: Assembled, apply: Callable[[Assembled], None]) -> None:
        self.state = ReloadState(time.time())
        self._assembled = assembled
        self._apply = apply
        self._suspects: tuple[Path, ...] = ()
        self._seen = _as_read(assembled, {})
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
                await self.reload(always=is_asked)
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

    async def reload(self, *, always: bool = True) -> bool:
        """Loads and, if that succeeds, applies; whether all is well.

        always: apply what turns out to be the same, too.
        """
        old = self._assembled
        before = await asyncio.to_thread(self._look)
        try:
            new = await asyncio.to_thread(assemble, old.path, old)
        except Exception as error:  # noqa: BLE001  the border: no file may end what answers
            self._refuse(error)
            self._seen = self._look() | before
            return False
        if new.watched.error is not None:
            log.error("geography not reloaded, the old one holds", cause=new.watched.error)
        self._assembled, self._suspects = new, ()
        self._seen = _as_read(new, before)
        is_same = new.system.digest == old.system.digest and new.watched is old.watched
        if is_same and not always:
            self.state = ReloadState(self.state.applied_at, error=new.watched.error)
            return True
        self._apply(new)
        self.state = ReloadState(time.time(), error=new.watched.error)
        log.info(
            "reloaded",
            digest=new.system.digest,
            zones=len(new.configuration.zones),
            geography=new.watched.table.build,
        )
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
        """The files of the configuration and of the geography, and those that were refused."""
        try:
            databases = database_paths(self._assembled.system.geo)
        except GslbError:
            databases = ()
        return dict(look(self._assembled.configuration) + stamp((*databases, *self._suspects)))


def _as_read(assembled: Assembled, before: Marks) -> Marks:
    """What the files of a configuration looked like before they were read, where that is known."""
    marks = dict(assembled.stamp + assembled.watched.stamp)
    return {path: before.get(path, mark) for path, mark in marks.items()}
