"""The listening sockets of a proxy: opened by the leader, lent to what accepts, handed on.

Laws:
1. The leader keeps every socket open as long as its address is listened on: a worker that dies, or
   a process that is replaced, leaves no connection in a queue that is closed.
2. Sockets of one address share it by SO_REUSEPORT, and only after it was seen that nobody else
   listens there: a stranger of the same user would get a share unnoticed.
3. Opening is all or nothing: ListenError changes nothing.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack

from gslb.model.endpoint import Endpoint
from gslb.server.sockets import open_tcp

BACKLOG = 4096
"""Connections that wait for the event loop: 0.1 s of 40,000 new ones a second. The kernel's limit
(net.core.somaxconn, 4096 on Linux since 5.4) cuts it.
"""

Sets = Mapping[str, Sequence[socket.socket]]
"""The sockets of each address in text form, one for each worker."""


class Listening:
    """All sockets of one proxy. workers: how many sockets each address has, at least. inherited:
    sockets of a process before this one, by address; they belong to this object from here on.
    """

    def __init__(
        self, endpoints: Iterable[Endpoint], workers: int, inherited: Sets | None = None
    ) -> None:
        self.workers = workers
        self._sets: dict[str, list[socket.socket]] = {
            address: list(found) for address, found in (inherited or {}).items()
        }
        for found in self._sets.values():
            for one in found:  # so that more workers than before can share the address
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        with ExitStack() as undo:
            undo.callback(self.close)
            self.listen(endpoints)
            undo.pop_all()

    def listen(self, endpoints: Iterable[Endpoint]) -> None:
        """Listens at these addresses and no others. Raises ListenError (law 3)."""
        wanted = list(endpoints)
        self.add(wanted)
        self.keep(wanted)

    def add(self, endpoints: Iterable[Endpoint]) -> None:
        """Listens at these addresses, too. Raises ListenError (law 3)."""
        with ExitStack() as opened:
            fresh = {str(one): self._open(one, opened) for one in endpoints}
            opened.pop_all()
        for address, found in fresh.items():
            self._sets.setdefault(address, []).extend(found)

    def keep(self, endpoints: Iterable[Endpoint]) -> None:
        """Listens at no other address than these."""
        for address in self._sets.keys() - set(map(str, endpoints)):
            _close(self._sets.pop(address))

    def of(self, endpoints: Iterable[Endpoint], worker: int) -> list[socket.socket]:
        """The sockets of one worker, one for each address, in their order; they stay ours."""
        return [self._sets[str(one)][worker] for one in endpoints]

    def all(self) -> Sets:
        """Every socket, by address."""
        return {address: tuple(found) for address, found in self._sets.items()}

    def close(self) -> None:
        """Lets go of all of them."""
        for found in self._sets.values():
            _close(found)
        self._sets.clear()

    def _open(self, endpoint: Endpoint, opened: ExitStack) -> list[socket.socket]:
        known = self._sets.get(str(endpoint), [])
        if not known:
            open_tcp(endpoint, share=False).close()  # law 2
        missing = self.workers - len(known)
        return [
            opened.enter_context(open_tcp(endpoint, share=True, backlog=BACKLOG))
            for _ in range(missing)
        ]


def count_workers(inherited: Sets, workers: int) -> int:
    """How many workers a process has that takes these sockets over: one for each of them, so that
    nothing is left in a queue from which nobody accepts.
    """
    return max([workers, *map(len, inherited.values())])


def _close(sockets: Iterable[socket.socket]) -> None:
    for one in sockets:
        one.close()
