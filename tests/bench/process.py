"""A server under test as a process: start it, wait until it answers, read what it used, end it.

Laws:
1. Only processes that were started here, and their descendants, are ended, by their ids: SIGTERM to
   the server; to what has not gone after a while, SIGKILL.
2. CPU is user + system time, the kernel's share of every system call included, of the process, all
   its threads and all its living descendants, in nanoseconds from schedstat.
3. Resident memory is summed over the same processes; pages that forked workers share count once for
   each.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import dns.exception
import dns.message
import dns.query

from tests.bench.content import ZONE

START_DEADLINE_S: Final = 60.0
_STOP_DEADLINE_S: Final = 5.0
_NANOSECONDS: Final = 1_000_000_000


class BenchError(Exception):
    """A server or tool did not do what the benchmark needs; the message says what it printed."""


def answers_dns(port: int) -> bool:
    """Whether a name server answers for the zone."""
    query = dns.message.make_query(ZONE, "SOA")
    with suppress(dns.exception.DNSException, OSError):
        return bool(dns.query.udp(query, "127.0.0.1", port=port, timeout=0.2).answer)
    return False


@contextmanager
def running(
    argv: Sequence[str],
    *,
    directory: Path,
    port: int,
    answers: Callable[[int], bool] = answers_dns,
) -> Iterator[int]:
    """Run a server in the foreground, yield its process id once it answers on the port, end it
    afterwards.

    Raises BenchError, with the end of what the server printed, when it ends or does not answer in
    time.
    """
    log = directory / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv, cwd=directory, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        _wait_until_answering(process, log, lambda: answers(port))
        yield process.pid
    finally:
        _end(process)


def process_tree(pid: int) -> list[int]:
    """A process and all its living descendants."""
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            with suppress(OSError):
                found.extend(map(int, children.read_text().split()))
    return found


def cpu_s(pid: int) -> float:
    """Seconds of CPU that a process, its threads and its descendants have used so far."""
    spent = 0
    for member in process_tree(pid):
        for stat in Path(f"/proc/{member}/task").glob("*/schedstat"):
            with suppress(OSError):
                spent += int(stat.read_text().split()[0])
    return spent / _NANOSECONDS


def rss_octets(pid: int) -> int:
    """Resident memory of a process and its descendants."""
    page = os.sysconf("SC_PAGE_SIZE")
    total = 0
    for member in process_tree(pid):
        with suppress(OSError):
            total += int(Path(f"/proc/{member}/statm").read_text().split()[1]) * page
    return total


def _wait_until_answering(
    process: subprocess.Popen[bytes], log: Path, answers: Callable[[], bool]
) -> None:
    deadline = time.monotonic() + START_DEADLINE_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise BenchError(f"{process.args!r} ended with {process.returncode}: {_tail(log)}")
        if answers():
            return
        time.sleep(0.05)
    raise BenchError(f"{process.args!r} did not answer in {START_DEADLINE_S:.0f} s: {_tail(log)}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a server and what it has started; workers may outlive the parent for a moment."""
    started = {member: _start_time(member) for member in process_tree(process.pid)}
    process.send_signal(signal.SIGTERM)  # does nothing to a process that has ended already
    deadline = time.monotonic() + _STOP_DEADLINE_S
    while process.poll() is None or any(map(_is_same, started, started.values())):
        if time.monotonic() > deadline:
            _kill(started)
            process.wait()
            return
        time.sleep(0.01)


def _kill(started: dict[int, str | None]) -> None:
    for member, start in started.items():
        if _is_same(member, start):
            with suppress(ProcessLookupError):
                os.kill(member, signal.SIGKILL)


def _is_same(pid: int, start: str | None) -> bool:
    """Whether a process still runs; the same id with another start time is somebody else's."""
    return start is not None and _start_time(pid) == start


def _start_time(pid: int) -> str | None:
    """When a process started, in ticks; None when it is gone or only waits to be reaped."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-1500:].strip()
