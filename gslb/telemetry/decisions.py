"""The decision log: a sample of decisions, one JSON object a line, that never makes an answer wait.

1. Which decisions are written is counted, not drawn: a share of 1/8 is every eighth.
2. `write` never waits. A thread does the writing; when it falls behind, lines are dropped and
   counted.
3. The order of lines is the order of decisions. Whole lines are appended, so several processes may
   share a file.
4. A file that cannot be written to any more (disk full) loses lines, counted, and is tried again
   with the next one.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from queue import Full, Queue
from typing import Any, BinaryIO

from gslb.telemetry.logs import dump_line, get_logger

# Lines that may wait for the thread. A decision takes some 500 octets, so this is 5 MB at the
# worst; a disk that stalls for a second is bridged at 10,000 logged decisions a second.
MAX_WAITING = 10_000

_STREAMS = ("stdout", "stderr")

_log = get_logger(__name__)


@dataclass(slots=True)
class DecisionCounts:
    """written: lines in the file. dropped: no room to wait. failed: the file did not take them."""

    written: int = 0
    dropped: int = 0
    failed: int = 0


class DecisionLog:
    """Appends sampled decisions to a file or a stream.

    target: a path, `stdout`, `stderr`, or a binary stream, which stays open when this is closed.
    share: the share of decisions that is wanted, in [0, 1].
    The thread starts with the first line, so an instance that has written nothing survives a fork.
    Raises OSError when the file cannot be opened: the operator's fault.
    """

    def __init__(
        self, target: str | BinaryIO, share: float, *, max_waiting: int = MAX_WAITING
    ) -> None:
        # Exact for every share that a person writes, so that no rounding moves the sample.
        portion = Fraction(share).limit_denominator(1_000_000_000)
        self._numerator, self._denominator = portion.numerator, portion.denominator
        self._due = 0
        self._path = Path(target) if isinstance(target, str) and target not in _STREAMS else None
        self._file = _open(self._path) if self._path else _stream(target)
        self._lines: Queue[bytes | None] = Queue(max_waiting)  # None: stop
        self._thread: threading.Thread | None = None
        self._must_reopen = False
        self._is_failing = False
        self.counts = DecisionCounts()

    def wants(self) -> bool:
        """Whether this decision belongs to the sample; to be asked once for each decision."""
        self._due += self._numerator
        if self._due < self._denominator:
            return False
        self._due -= self._denominator
        return True

    def write(self, decision: Mapping[str, Any]) -> None:
        """Hand one decision over to be written, or drop it when too many wait."""
        self.write_lines(dump_line(decision).encode("ascii") + b"\n")

    def write_lines(self, lines: bytes) -> None:
        """Hand whole lines over to be written at once; they count as one where it is said how many
        wait, and each for itself in the counts.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="decision-log", daemon=True)
            self._thread.start()
        try:
            self._lines.put_nowait(lines)
        except Full:
            self.counts.dropped += lines.count(b"\n")

    def reopen(self) -> None:
        """Open the path again before the next line: the file was moved away, as log rotation does.

        A stream stays as it is. When the path cannot be opened, the old file stays in use.
        """
        self._must_reopen = self._path is not None

    def close(self, timeout_s: float = 2.0) -> None:
        """Write what waits, for at most this long, and close the file."""
        if self._thread is not None:
            with suppress(Full):
                self._lines.put(None, timeout=timeout_s)
            self._thread.join(timeout_s)
            if self._thread.is_alive():  # a disk that hangs: the process may end without it
                return
        if self._path is not None:
            self._file.close()

    def _run(self) -> None:
        """The thread: one write for what came at once, which the system does not mix with another
        process's.
        """
        while (lines := self._lines.get()) is not None:
            if self._must_reopen and self._path is not None:
                self._must_reopen = False
                self._reopen(self._path)
            self._append(lines)

    def _append(self, lines: bytes) -> None:
        try:
            _write_all(self._file, lines)
        except (OSError, ValueError) as cause:  # ValueError: somebody closed the stream
            self.counts.failed += lines.count(b"\n")
            if not self._is_failing:
                _log.error("decision log cannot be written", cause=cause)
            self._is_failing = True
        else:
            self.counts.written += lines.count(b"\n")
            self._is_failing = False

    def _reopen(self, path: Path) -> None:
        try:
            fresh = _open(path)
        except OSError as cause:
            _log.error("decision log cannot be opened again", cause=cause)
            return
        old, self._file = self._file, fresh
        with suppress(OSError):
            old.close()


def _open(path: Path) -> BinaryIO:
    """A file to append to, without a buffer, so that a line is in the file when it is counted."""
    return path.open("ab", buffering=0)


def _stream(target: str | BinaryIO) -> BinaryIO:
    if not isinstance(target, str):
        return target
    return sys.stdout.buffer if target == "stdout" else sys.stderr.buffer


def _write_all(file: BinaryIO, octets: bytes) -> None:
    while octets:
        octets = octets[file.write(octets) :]
    file.flush()
