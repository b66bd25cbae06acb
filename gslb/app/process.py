"""What every serving process does to itself: signals and memory."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Callable

# Zones and tables live as long as the process and have no cycles worth looking for; the answer path
# makes no garbage that only the collector can find. The default of 700 would scan for nothing.
_GC_THRESHOLDS = (50_000, 20, 50)


def settle_memory() -> None:
    """Takes what was loaded out of the garbage collector's sight, so that it never stops answers
    to scan it.
    """
    gc.collect()
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
