"""What every serving process does to itself: signals and memory."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import signal
from collections.abc import Awaitable, Callable
from typing import TypeVar

# Zones and tables live as long as the process and have no cycles worth looking for; the answer path
# makes no garbage that only the collector can find. The default of 700 would scan for nothing.
_GC_THRESHOLDS = (50_000, 20, 50)

T = TypeVar("T")


def settle_memory() -> None:
    """Gives back what loading needed and no longer does, and takes the rest out of the garbage
    collector's sight, so that it never stops answers to scan it.
    """
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)


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
