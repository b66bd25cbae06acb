"""The first process of a container whose program can be replaced while it serves.

    keeper.py gslb proxy FILE NAME

A container ends with its first process. `gslb proxy --replace` starts a process that takes the
place of another one, which then ends; so the first process of the container has to be a third one:

1. SIGUSR2 starts the command again with --replace. If that fails, the one before goes on.
2. SIGTERM and SIGINT go to all processes, SIGHUP to the newest one that runs.
3. When nobody is left, it ends with the status of the one that was left last.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

SIGNALS = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR2}


class Keeper:
    """The processes of one command. status: of the one that ended last, as a shell has it."""

    def __init__(self, command: Sequence[str]) -> None:
        self.running: list[int] = []
        self.status = 0
        self._command = [*command]
        self.start()

    def start(self, *more: str) -> None:
        """One process more, which no signal is kept from."""
        command = [*self._command, *more]
        self.running.append(os.posix_spawnp(command[0], command, os.environ, setsigmask=[]))

    def take(self, number: int) -> None:
        """Does what a signal asks for."""
        if number == signal.SIGCHLD:
            self._bury()
        elif number == signal.SIGUSR2:
            self.start("--replace")
        else:
            for process in self.running[-1:] if number == signal.SIGHUP else self.running:
                os.kill(process, number)

    def _bury(self) -> None:
        """Several may end on one signal, and orphans that are not ours, too."""
        while self.running:
            process, status = os.waitpid(-1, os.WNOHANG)
            if process == 0:
                return
            if process in self.running:
                self.running.remove(process)
                code = os.waitstatus_to_exitcode(status)
                self.status = code if code >= 0 else 128 - code


def main(command: Sequence[str]) -> int:
    """Keeps the command running; returns its exit status."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # before there is a child that could end
    keeper = Keeper(command)
    while keeper.running:
        keeper.take(signal.sigwait(SIGNALS))
    return keeper.status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
