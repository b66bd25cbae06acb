"""How many client connections a process holds at most, over all of its listeners."""

from __future__ import annotations

import resource
from collections.abc import Callable

from gslb.telemetry.logs import get_logger

OTHER_DESCRIPTORS = 256
"""What a process opens besides clients and backends: listening sockets, log, store, checks, admin
clients."""

log = get_logger(__name__)


class Gate:
    """The places for connections, shared by the acceptors of a process.

    limit: may be changed at any time; a lower one ends no connection. taken: connections there are.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.taken = 0
        self._waiting: list[Callable[[], None]] = []

    @property
    def room(self) -> int:
        """How many may still come; never negative."""
        return max(self.limit - self.taken, 0)

    def enter(self) -> None:
        """One more connection is there."""
        self.taken += 1

    def leave(self) -> None:
        """One connection is gone; those who wait are called when there is enough room to be worth
        the opening: a hundredth of the limit.
        """
        self.taken -= 1
        if self._waiting and self.limit - self.taken > self.limit // 100:
            waiting, self._waiting = self._waiting, []
            for call in waiting:
                call()

    def wait(self, call: Callable[[], None]) -> None:
        """Has a function called once when there is room again."""
        self._waiting.append(call)


def fit_connections(wanted: int) -> int:
    """How many client connections the process may have descriptors for, wanted at most: each may
    need another one for its backend.

    Raises the soft limit of the process as far as that takes and the hard one lets it. With more
    connections than descriptors uvloop would reset clients, and tell nobody.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * wanted + OTHER_DESCRIPTORS
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    fitting = max(1, min(wanted, (soft - OTHER_DESCRIPTORS) // 2))
    if fitting < wanted:
        log.warning("fewer connections than configured", wanted=wanted, fitting=fitting, limit=hard)
    return fitting
