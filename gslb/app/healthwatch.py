"""`gslb healthcheck --watch`: keeps asking, and runs a command when the state changes.

Laws:
1. The state is folded from the results by rise and fall (gslb.health.track); the first result is
   taken at once.
2. A command is run when the state is not the one that was last told with success: at every change,
   and again after every result until it has succeeded.
3. SIGTERM and SIGINT run the command for down, whatever the state, and end: who leaves withdraws
   first.
4. A changed file is taken up when all of it loads. One that does not changes nothing: a mistake in
   a file must not take every name server that it is copied to out of the network.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gslb.app.assemble import look
from gslb.app.healthcheck import Asked, Question, ask_all, plan
from gslb.app.process import run_until_stopped
from gslb.app.reload import Reloader
from gslb.config.load import Configuration, load
from gslb.config.outline import Outline, read_outline
from gslb.geo.watch import Stamp
from gslb.health.track import Track, step
from gslb.model.check import Check
from gslb.probe.program import run_program
from gslb.telemetry import logs

COMMAND_TIMEOUT_S = 10.0
"""What a command may take. `birdc` takes milliseconds; one that hangs must not keep the state from
being told.
"""

log = logs.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line asks for. proxy: None asks the name server. check: interval, timeout,
    rise and fall. on_up, on_down: programs and their arguments; empty is none.
    """

    path: Path
    proxy: str | None
    check: Check
    on_up: tuple[str, ...] = ()
    on_down: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Subject:
    """What is asked, and the files that say so. stamp: what they looked like before they were
    read.
    """

    path: Path
    proxy: str | None
    configuration: Configuration
    outline: Outline
    stamp: Stamp

    @property
    def questions(self) -> list[Question]:
        """What is to be asked."""
        return plan(self.outline, self.proxy)

    @property
    def stale(self) -> str | None:
        """Nothing is ever taken up by halves."""
        return None

    def as_read(self) -> Stamp:
        """What the files looked like when they were read."""
        return self.stamp

    def look(self) -> Stamp:
        """What they look like now."""
        return look(self.configuration)

    def load_again(self) -> Subject:
        """The same files, read anew. Raises ConfigError."""
        return load_subject(self.path, self.proxy)

    def is_same(self, other: Subject) -> bool:
        """Whether the same is asked."""
        return self.outline == other.outline

    def summary(self) -> Mapping[str, object]:
        """What the log says of it."""
        return {"questions": len(self.questions)}


def load_subject(path: Path, proxy: str | None) -> Subject:
    """What a file says is to be asked. Raises ConfigError, also for any fault elsewhere in it."""
    configuration = load(path)
    seen = look(configuration)
    subject = Subject(path, proxy, configuration, read_outline(path), seen)
    plan(subject.outline, proxy)
    return subject


def watch(wishes: Wishes) -> bool:
    """Watches until SIGTERM or SIGINT; whether the last command ended well. Raises ConfigError."""
    subject = load_subject(wishes.path, wishes.proxy)
    logs.configure(subject.configuration.system.log)
    return asyncio.run(_watch(Watch(wishes, subject)))


async def _watch(made: Watch) -> bool:
    await run_until_stopped(made.run)
    return await made.tell(is_up=False)


class Watch:
    """One subject, asked again and again."""

    def __init__(self, wishes: Wishes, subject: Subject) -> None:
        self._wishes = wishes
        self._questions = subject.questions
        self._reloader = Reloader(subject, self._take)
        self._track = Track()
        self._told: bool | None = None

    async def run(self, _stop: Callable[[], None]) -> None:
        """Asks and tells until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._reloader.run(), name="reload")
            group.create_task(self._ask_for_ever(), name="ask")

    async def tell(self, *, is_up: bool) -> bool:
        """Runs the command for a state; whether it ended well, as none always does."""
        argv = self._wishes.on_up if is_up else self._wishes.on_down
        if not argv:
            return True
        state = "up" if is_up else "down"
        ended = await run_program(argv, {"GSLB_STATE": state}, COMMAND_TIMEOUT_S)
        if ended.problem:
            log.error("command failed", state=state, command=argv[0], problem=ended.problem)
        else:
            output = " ".join(ended.output.split())
            log.info("command ended", state=state, command=argv[0], output=output)
        return not ended.problem

    def _take(self, subject: Subject) -> None:
        self._questions = subject.questions

    async def _ask_for_ever(self) -> None:
        check = self._wishes.check
        loop = asyncio.get_running_loop()
        while True:
            due_at = loop.time() + check.interval_s
            asked = await asyncio.to_thread(ask_all, self._questions, check.timeout_s)
            self._fold(asked)
            if self._track.up is not self._told and await self.tell(is_up=self._track.up is True):
                self._told = self._track.up
            await asyncio.sleep(max(0.0, due_at - loop.time()))

    def _fold(self, asked: list[Asked]) -> None:
        """Takes one more result, and says what it changes."""
        wrong = [one for one in asked if not one.ok]
        before = self._track
        self._track = step(before, ok=not wrong, check=self._wishes.check, at=time.time())
        first = f"{wrong[0].what}: {wrong[0].problem}" if wrong else ""
        if self._track.up is not before.up:
            log.info("state", state="up" if self._track.up else "down", problem=first)
        elif wrong and before.up:
            log.warning("does not answer", problem=first, streak=self._track.streak)
