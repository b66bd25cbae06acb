"""Sites as real TCP servers, which can die and come back."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Thread


class Site:
    """Takes connections and closes them."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._socket: socket.socket | None = None
        self._thread: Thread | None = None

    def start(self) -> None:
        self._socket = socket.create_server(self._address, backlog=128)
        self._thread = Thread(target=self._accept, args=(self._socket,), name="site", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """From now on connections are refused."""
        opened, self._socket = self._socket, None
        if opened is not None and self._thread is not None:
            opened.shutdown(socket.SHUT_RDWR)
            self._thread.join()
            opened.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:  # it was shut down
                return
            connection.close()


@contextmanager
def open_sites(hosts: Mapping[str, str], port: int) -> Iterator[dict[str, Site]]:
    """All of them, by name, at work."""
    sites = {name: Site(host, port) for name, host in hosts.items()}
    try:
        for site in sites.values():
            site.start()
        yield sites
    finally:
        for site in sites.values():
            site.stop()
