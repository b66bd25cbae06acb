"""Load from `dnsperf`: one run over a file of pre-built queries, and what it reports.

64 source ports, 100 queries in flight: enough that a slower server always finds work, few enough
that no socket buffer overflows.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.process import BenchError

SOURCE_PORTS: Final = 64
IN_FLIGHT: Final = 100
_LOST_AFTER_S: Final = 2
_LABEL: Final = re.compile(r"^\s+Queries (sent|completed|lost):\s+(\d+)", re.MULTILINE)
_RUN_TIME: Final = re.compile(r"Run time \(s\):\s+([\d.]+)")
_RCODE: Final = re.compile(r"([A-Z]\w*) (\d+) \([\d.]+%\)")


@dataclass(frozen=True, slots=True)
class Traffic:
    """What one run of dnsperf sent and got back. rcodes: how many replies had each RCODE."""

    sent: int
    completed: int
    lost: int
    run_s: float
    rcodes: dict[str, int]

    @property
    def rate(self) -> float:
        """Replies per second."""
        return self.completed / self.run_s if self.run_s else 0.0


def is_dnsperf_installed() -> bool:
    """Whether dnsperf can be started."""
    return shutil.which("dnsperf") is not None


def can_pin() -> bool:
    """Whether taskset is there, to bind the server and dnsperf to different cores."""
    return shutil.which("taskset") is not None


def usable_cores() -> list[int]:
    """The cores that this process may use, lowest first."""
    return sorted(os.sched_getaffinity(0))


def pinned(argv: tuple[str, ...], core: int | None) -> tuple[str, ...]:
    """A command bound to one core, or as it is when core is None."""
    return argv if core is None else ("taskset", "-c", str(core), *argv)


def send(queries: Path, *, port: int, seconds: float, core: int | None) -> Traffic:
    """Send the queries of a file to the loopback port for a time, as fast as replies come back."""
    options: dict[str, object] = {
        "d": queries,
        "s": "127.0.0.1",
        "p": port,
        "c": SOURCE_PORTS,
        "q": IN_FLIGHT,
    }
    options |= {"l": f"{seconds:g}", "t": _LOST_AFTER_S, "O": "suppress=timeouts"}
    words = (word for name, value in options.items() for word in (f"-{name}", str(value)))
    argv = ("dnsperf", "-B", *words)
    done = subprocess.run(
        pinned(argv, core), capture_output=True, text=True, timeout=seconds + 30, check=False
    )
    if done.returncode != 0:
        raise BenchError(f"dnsperf ended with {done.returncode}: {done.stderr[-500:]}")
    return parse_report(done.stdout)


def parse_report(text: str) -> Traffic:
    """The numbers of dnsperf's report."""
    counts = {label: int(number) for label, number in _LABEL.findall(text)}
    run_time = _RUN_TIME.search(text)
    if set(counts) != {"sent", "completed", "lost"} or run_time is None:
        raise BenchError(f"dnsperf printed no statistics: {text[-500:]}")
    codes = text.partition("Response codes:")[2].partition("\n")[0]
    rcodes = {name: int(number) for name, number in _RCODE.findall(codes)}
    return Traffic(**counts, run_s=float(run_time.group(1)), rcodes=rcodes)
