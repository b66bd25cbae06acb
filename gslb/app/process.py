"""What every lasting process does to itself: signals, memory, tasks that never end."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import resource
import signal
from collections.abc import Awaitable, Callable
from typing import TypeVar

from gslb.telemetry.logs import get_logger

RESTART_S = 1.0

# Zones and tables live as long as the process and have no cycles worth looking for; the answer path
# makes no garbage that only the collector can find. The default of 700 would scan for nothing.
_GC_THRESHOLDS = (50_000, 20, 50)

T = TypeVar("T")

log = get_logger(__name__)


def settle_memory() -> None:
    """Gives back what loading needed and no longer does, and takes the rest out of the garbage
    collector's sight, so that it never stops answers to scan it.
    """
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)


def raise_descriptor_limit() -> None:
    """Lets this process open as many files as the system grants it: 800 checks at once and 1,000
    TCP clients pass the usual soft limit of 1,024, which only programs with select() need.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def on_signals(*, stop: Callable[[], None], reload: Callable[[], None]) -> None:
    """SIGTERM and SIGINT stop, SIGHUP reloads."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    loop.add_signal_handler(signal.SIGHUP, reload)


def ignore_signals() -> None:
    """Leaves signals to the leader: a terminal sends them to the whole group."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


async def run_until_stopped(work: Callable[[Callable[[], None]], Awaitable[T]]) -> T | None:
    """What work returns, or None when SIGTERM, SIGINT or work itself stopped it before.

    work: is handed a function that stops it: it is cancelled once, however often somebody asks.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    is_stopped = False

    def stop() -> None:
        nonlocal is_stopped
        if not is_stopped:
            is_stopped = True
            task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        return await work(stop)
    except asyncio.CancelledError:
        if not is_stopped:
            raise
        task.uncancel()
        return None
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


async def keep_running(name: str, run: Callable[[], Awaitable[None]]) -> None:
    """Runs something that should never end, again after RESTART_S if it does.

    A fault of ours beside the answer path must not end answering: it is logged with its cause.
    """
    while True:
        try:
            await run()
            log.error("ended by itself, starting it again", task=name)
        except Exception as error:  # noqa: BLE001  the border: answering goes on
            _tell_failure(name, error)
        await asyncio.sleep(RESTART_S)


def _tell_failure(name: str, error: Exception) -> None:
    log.error("failed, starting it again", task=name, cause=repr(error))
