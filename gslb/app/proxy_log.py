"""The audit log of a proxy: one JSON line for each request.

Laws:
1. Every line is written, in order, or counted as dropped: a disk that hangs costs lines, never
   requests.
2. A line waits BATCH_S at most, and BATCH lines are handed over at once: to wake the thread that
   writes costs as much as a line.
3. A line is whole whoever else writes: processes that share a pipe write no more at once than it
   takes without mixing (PIPE_BUF).
"""

from __future__ import annotations

import asyncio
import select
from collections import Counter
from collections.abc import Iterator

from gslb.errors import ListenError
from gslb.telemetry.decisions import DecisionLog

BATCH = 64
BATCH_S = 0.02
WAITING = 1000
"""Batches that the disk may be behind: 64,000 requests, some 60 MB."""


class AccessLog:
    """Writes lines. target: `stdout`, `stderr` or a path. is_shared: other processes
    write there, too.

    Raises ListenError when the file cannot be opened, by the operator's fault.
    """

    def __init__(self, target: str, *, is_shared: bool = False) -> None:
        self.target = target
        self._is_split = is_shared and target in ("stdout", "stderr")
        try:
            self._file = DecisionLog(target, 1.0, max_waiting=WAITING)
        except OSError as error:
            cause = error.strerror or str(error)
            raise ListenError(f"cannot write the access log {target}: {cause}") from error
        self._waiting: list[str] = []
        self._timer: asyncio.TimerHandle | None = None

    def tell(self, line: str) -> None:
        """Has a line of ASCII written soon, which comes without its end. 0.2 µs."""
        waiting = self._waiting
        waiting.append(line)
        if len(waiting) >= BATCH:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(BATCH_S, self.flush)

    def flush(self) -> None:
        """Hands all that waits to the thread that writes."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            lines = join_lines(waiting)
            for part in _split(lines) if self._is_split else (lines,):
                self._file.write_lines(part)

    def reopen(self) -> None:
        """Opens the file again, which may have been moved away (SIGHUP)."""
        self._file.reopen()

    def count(self) -> Counter[str]:
        """What was counted so far."""
        counts = self._file.counts
        return Counter(
            log_written=counts.written, log_dropped=counts.dropped, log_failed=counts.failed
        )

    def close(self) -> None:
        """Writes what waits, for 2 s at most."""
        self.flush()
        self._file.close()


def join_lines(lines: list[str]) -> bytes:
    """Lines as they are written. The one control character that JSON lets pass is escaped."""
    return ("\n".join(lines) + "\n").replace("\x7f", "\\u007f").encode("ascii")


def _split(lines: bytes) -> Iterator[bytes]:
    """Whole lines, as many at once as a pipe takes without mixing; a longer one goes alone."""
    part = b""
    for line in lines.splitlines(keepends=True):
        if part and len(part) + len(line) > select.PIPE_BUF:
            yield part
            part = b""
        part += line
    yield part
