"""The last good health on disk, for a start without a store (R11, R12).

1. A file is written under another name, flushed to the disk, renamed, and the folder flushed: at
   whatever moment the machine stops, a file with its final name is whole.
2. Should one be broken all the same, its checksum tells, and the one before it is used.
3. Five generations are kept; older ones and what a crash has left behind are removed.
4. A disk that fails costs this one save: what was saved before stays.

A file is one line of JSON and then the octets that were saved; the checksum covers both.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

from gslb.errors import StoreError
from gslb.telemetry.logs import get_logger

GENERATIONS = 5
MAX_STATE_OCTETS = 64 * 1024 * 1024
"""Larger files are not ours: 1,000 sites and 10 agents take some 2 MiB."""

_NAME = re.compile(r"health-([0-9]{1,18})\.json")
_LEFTOVER = re.compile(r"health-[0-9]{1,18}\.json\.new")

_log = get_logger(__name__)


class StateDir:
    """A folder of generations; one process writes it at a time. clock: Unix seconds."""

    def __init__(self, path: str | Path, clock: Callable[[], float] = time.time) -> None:
        self._path = Path(path)
        self._clock = clock

    def save(self, data: bytes) -> None:
        """Keep octets as the newest generation. Blocks for as long as the disk takes.

        Raises StoreError; what was saved before is still there then.
        """
        try:
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            kept = self._generations()
            number = kept[0] + 1 if kept else 1
            self._write(self._file(number), compose_state(data, float(self._clock())))
            self._tidy([number, *kept])
        except OSError as error:
            raise StoreError(f"{self._path}: {error.strerror or error}") from error

    def load(self) -> tuple[bytes, float] | None:
        """The newest octets that are whole, and when they were saved; None when there are none.

        Broken generations are told of and passed over. Raises StoreError when the folder cannot be
        read.
        """
        try:
            numbers = self._generations()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"{self._path}: {error.strerror or error}") from error
        for number in numbers:
            found = self._maybe_read(self._file(number))
            if found is not None:
                return found
        return None

    def _file(self, number: int) -> Path:
        return self._path / f"health-{number}.json"

    def _generations(self) -> list[int]:
        """The numbers of all generations, the newest first."""
        found = (_NAME.fullmatch(name) for name in os.listdir(self._path))  # noqa: PTH208 (names)
        return sorted((int(match[1]) for match in found if match), reverse=True)

    def _maybe_read(self, file: Path) -> tuple[bytes, float] | None:
        try:
            with file.open("rb") as opened:
                octets = opened.read(MAX_STATE_OCTETS + 1)
            return parse_state(octets)
        except (OSError, ValueError) as error:
            _log.warning("saved health passed over", file=str(file), cause=error)
            return None

    def _write(self, file: Path, octets: bytes) -> None:
        new = file.with_name(f"{file.name}.new")
        try:
            _write_through(new, octets)
            new.rename(file)
        except OSError:
            new.unlink(missing_ok=True)
            raise
        self._flush_folder()

    def _flush_folder(self) -> None:
        descriptor = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _tidy(self, numbers: list[int]) -> None:
        """Remove what is too old, and what a crash has left behind."""
        for number in numbers[GENERATIONS:]:
            self._file(number).unlink(missing_ok=True)
        for name in os.listdir(self._path):  # noqa: PTH208 (names)
            if _LEFTOVER.fullmatch(name):
                (self._path / name).unlink(missing_ok=True)


def compose_state(data: bytes, saved_at: float) -> bytes:
    """The octets of a file. saved_at: Unix seconds."""
    head = {"saved_at": saved_at, "sha256": _checksum(data, saved_at), "version": 1}
    return json.dumps(head).encode("ascii") + b"\n" + data


def parse_state(octets: bytes) -> tuple[bytes, float]:
    """What was saved, and when. Raises ValueError for a file that is not whole."""
    line, _, data = octets.partition(b"\n")
    try:
        saved_at = json.loads(line)["saved_at"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError("the first line is broken") from None
    # Only what would be written again, octet for octet, is whole.
    if not isinstance(saved_at, float) or compose_state(data, saved_at) != octets:
        raise ValueError("the checksum does not hold")
    return data, saved_at


def _checksum(data: bytes, saved_at: float) -> str:
    return hashlib.sha256(f"{saved_at!r}\n".encode("ascii") + data).hexdigest()


def _write_through(file: Path, octets: bytes) -> None:
    """Write a file so that it is on the disk when this returns; it is readable for us only."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        rest = memoryview(octets)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
