"""`gslb demo`: the project's main job on one machine, and a live table of it.

On a terminal the table is drawn in place and keys make things go wrong; in a pipe plain lines come
every few seconds.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.live import Live
from rich.text import Text

from gslb.app.board import Board, Notes, Sample, board_lines, compose_board, render_board
from gslb.app.client import Client
from gslb.app.demo_keys import first_site, press, tell_keys
from gslb.app.events import Events, collect_events
from gslb.app.keys import has_keyboard, read_keys
from gslb.app.process import run_until_stopped, settle_memory
from gslb.app.stage import Stage, open_stage
from gslb.app.tour import Narrator, Outcome, walk
from gslb.app.tour_route import plan_route
from gslb.app.traffic import NETWORKS, WWW, Traffic

REFRESH_S = 0.5
PLAIN_EVERY_S = 3.0
RATE_SAMPLES = 7
"""Samples on a terminal that a rate is taken over: 3 s, so that numbers do not flicker."""


class Try(NamedTuple):
    """A command for people to try, and what it shows."""

    command: str
    shows: str


def run_demo(path: Path, console: Console, *, has_redis: bool = False) -> None:
    """Runs the demo until `q`, SIGINT, SIGTERM or SIGHUP. has_redis: with a Redis of its own.

    Raises ConfigError, GeoError, ListenError or StoreError when it cannot be set up.
    """

    async def work(stop: Callable[[], None]) -> None:
        _stop_with_terminal(stop)
        await _run(path, console, stop, has_redis=has_redis)

    asyncio.run(run_until_stopped(work))


def run_tour(path: Path, narrator: Narrator, *, has_redis: bool = False) -> list[Outcome] | None:
    """Walks through the demo; what became of each step, or None when a signal ended it early.

    Raises ConfigError, GeoError, ListenError or StoreError when it cannot be set up.
    """

    async def work(stop: Callable[[], None]) -> list[Outcome]:
        _stop_with_terminal(stop)
        with collect_events():
            async with open_stage(path, has_redis=has_redis) as stage:
                return await walk(stage, plan_route(stage), narrator)

    return asyncio.run(run_until_stopped(work))


def _stop_with_terminal(stop: Callable[[], None]) -> None:
    """A terminal that is closed ends the demo as `q` does."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, stop)


async def _run(path: Path, console: Console, stop: Callable[[], None], *, has_redis: bool) -> None:
    listener = None if console.is_terminal else partial(_print_event, console)
    with collect_events(listener) as events:
        async with open_stage(path, has_redis=has_redis) as stage:
            settle_memory()
            for line in intro(stage, path, width=console.width):
                console.print(line, soft_wrap=True)
            await Demo(stage, events, console, stop).run()


def _print_event(console: Console, line: str) -> None:
    console.print(line, soft_wrap=True)


# ---------------------------------------------------------------- what runs, what to try


def intro(stage: Stage, path: Path, *, width: int) -> Iterator[Text]:
    """What runs where, and the lines to try."""
    system = stage.system
    shown = min(os.path.relpath(path), str(path), key=len)
    agents = f", {len(stage.agents)} agents" if stage.agents else ""
    head = f"One name server{agents} and {len(stage.backends)} regions from {shown}:"
    yield Text(head, style="bold")
    yield Text(f"  DNS      {', '.join(map(str, system.dns))} (UDP and TCP)")
    if system.admin is not None:
        yield Text(f"  admin    http://{system.admin}/api/v1/status")
    yield Text(f"  store    {stage.server.store.describe()}")
    for name, backend in stage.backends.items():
        yield Text(f"  {name:<8} http://{backend.host}:{backend.port}/")
    yield Text("Try in another terminal:", style="bold")
    for one in tries(stage):
        comment = f"  # {one.shows}"
        if len(one.command) + len(comment) + 2 <= width:
            yield Text.assemble(f"  {one.command}", (comment, "dim"))
        else:
            yield Text(comment, style="dim")
            yield Text(f"  {one.command}")
    if shutil.which("dig") is None:
        yield Text("  (dig is not installed: apt install bind9-dnsutils)", style="yellow")
    yield Text("")


def tries(stage: Stage) -> tuple[Try, ...]:
    """Queries worth making, and what an operator would do."""
    dig = f"dig @{stage.dns.host} -p {stage.dns.port}"
    www, zone = WWW.rstrip("."), WWW.partition(".")[2].rstrip(".")
    nl, us, _, _, office = NETWORKS
    return (
        Try(f"{dig} {www} +subnet={nl.subnet}", f"{nl.place}: {nl.site}; see CLIENT-SUBNET"),
        Try(f"{dig} {www} +subnet={us.subnet} +short", f"{us.place}: {us.site}"),
        Try(f"{dig} {www} +subnet={office.subnet} +short", f"{office.place}: {office.site}"),
        Try(f"{dig} split.{zone} +short", "again and again: 3 to 2 to 1"),
        Try(f"{dig} +tcp +norec host.sub.{zone}", "over TCP, a referral with glue"),
        *_tries_of_operators(stage),
    )


def _tries_of_operators(stage: Stage) -> tuple[Try, ...]:
    admin, site = stage.system.admin, first_site(stage)
    if admin is None or site is None:
        return ()
    gslb, there = _name_command(), f"--admin {admin}"
    return (
        Try(f"{gslb} status {there}", "what each agent says of each site"),
        Try(f"{gslb} drain {site} --reason 'new racks' {there}", f"no new clients for {site}"),
        Try(f"{gslb} undrain {site} {there}", "they are back"),
    )


def _name_command() -> str:
    """How the `gslb` of this environment is called from here."""
    beside = Path(sys.executable).with_name("gslb")
    if shutil.which("gslb") is not None or not beside.exists():
        return "gslb"
    return min(os.path.relpath(beside), str(beside), key=len)


# ---------------------------------------------------------------- the live part


class Demo:
    """What goes on while people look."""

    def __init__(
        self, stage: Stage, events: Events, console: Console, stop: Callable[[], None]
    ) -> None:
        self._stage = stage
        self._events = events
        self._console = console
        self._stop = stop
        self._traffic = Traffic(Client(stage.dns), stage.system.sites)
        self._pressed: asyncio.Queue[str] = asyncio.Queue(maxsize=16)
        self._samples: deque[Sample] = deque(maxlen=RATE_SAMPLES if console.is_terminal else 2)

    async def run(self) -> None:
        """Shows the board until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._traffic.run(), name="traffic")
            if self._console.is_terminal:
                await self._draw()
            else:
                await self._print()

    async def _draw(self) -> None:
        has_keys = has_keyboard()
        with ExitStack() as stack:
            if has_keys:
                stack.enter_context(read_keys(self._press))
            live = stack.enter_context(Live(console=self._console, auto_refresh=False))
            while True:
                keys = tell_keys(self._stage) if has_keys else ("Ctrl-C ends",)
                notes = self._notes(*keys)
                live.update(render_board(self._board(), notes), refresh=True)
                await self._wait()

    async def _print(self) -> None:
        self._board()
        while True:
            await asyncio.sleep(PLAIN_EVERY_S)
            for line in board_lines(self._board(), self._notes()):
                self._console.print(line, soft_wrap=True)

    def _board(self) -> Board:
        self._samples.append(Sample(self._stage.server.insight.status(), time.monotonic()))
        return compose_board(self._samples[0], self._samples[-1], time.time())

    def _notes(self, *keys: str) -> Notes:
        traffic = self._traffic
        own = f"own traffic: {traffic.asked:,} asked, {traffic.unanswered:,} unanswered"
        if not traffic.is_on:
            own += " (off)"
        return Notes(own, traffic.last, tuple(self._events.lines), keys)

    def _press(self, key: str) -> None:
        if not self._pressed.full():
            self._pressed.put_nowait(key)

    async def _wait(self) -> None:
        """A moment, or less when a key was pressed."""
        try:
            async with asyncio.timeout(REFRESH_S):
                key = await self._pressed.get()
        except TimeoutError:
            return
        await self._obey(key)

    async def _obey(self, key: str) -> None:
        if key == "q":
            self._stop()
        elif key == "t":
            self._traffic.is_on = not self._traffic.is_on
        else:
            await press(self._stage, key)
