"""Load from `wrk`: one run against one proxy, and what it reports.

wrk is a closed loop: each of its connections sends its next request when the answer to the last is
there, so at full speed the latency of a slower proxy is that of a fuller queue. A `pace` makes each
connection wait that long on average before each request: the offered rate is then the same for all
(connections / pace), and latency is what a client sees of a proxy that is not overloaded.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.l7_place import HOST, pinned
from tests.bench.process import BenchError

_SCRIPT: Final = """
local pace = {pace}
if pace > 0 then
  function delay() return math.floor(2 * pace * math.random()) end
end
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {{"requests":%d,"duration_us":%d,"octets":%d,"connect":%d,"read":%d,"write":%d,' ..
    '"status":%d,"timeout":%d,"p50_us":%d,"p95_us":%d,"p99_us":%d,"max_us":%d}}\\n',
    summary.requests, summary.duration, summary.bytes, errors.connect, errors.read, errors.write,
    errors.status, errors.timeout, latency:percentile(50), latency:percentile(95),
    latency:percentile(99), latency.max))
end
"""
_RESULT: Final = re.compile(r"^RESULT (\{.*\})$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Case:
    """What is asked for. pace_ms: between two requests of a connection on average, 0 is at once.
    is_new: each request on a connection of its own.
    """

    name: str
    connections: int
    path: str
    is_tls: bool = False
    pace_ms: int = 0
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of wrk got. errors: connections, reads, writes, timeouts and statuses from 400
    that were not what they should be.
    """

    requests: int
    run_s: float
    errors: int
    p50_us: float
    p95_us: float
    p99_us: float
    max_us: float


def is_wrk_installed() -> bool:
    """Whether wrk can be started."""
    return shutil.which("wrk") is not None


def send(case: Case, *, port: int, seconds: float, folder: Path, core: int | None) -> Load:
    """Send the requests of a case to a port of HOST for a time. Raises BenchError."""
    script = folder / f"pace-{case.pace_ms}.lua"
    script.write_text(_SCRIPT.format(pace=case.pace_ms))
    scheme = "https" if case.is_tls else "http"
    headers = ("-H", "Connection: close") if case.is_new else ()
    words = ("-t1", f"-c{case.connections}", f"-d{max(1, round(seconds))}s", *headers)
    argv = ("wrk", *words, "-s", str(script), f"{scheme}://{HOST}:{port}{case.path}")
    done = subprocess.run(
        pinned(argv, core), capture_output=True, text=True, timeout=seconds + 60, check=False
    )
    if done.returncode != 0:
        raise BenchError(f"wrk ended with {done.returncode}: {done.stdout[-300:]}{done.stderr}")
    return parse_report(done.stdout)


def parse_report(text: str) -> Load:
    """The numbers of wrk's report, from the line that our script adds to it. Raises BenchError."""
    found = _RESULT.search(text)
    if found is None:
        raise BenchError(f"wrk printed no result: {text[-500:]}")
    told = json.loads(found.group(1))
    kinds = ("connect", "read", "write", "status", "timeout")
    return Load(
        requests=told["requests"],
        run_s=told["duration_us"] / 1e6,
        errors=sum(told[kind] for kind in kinds),
        p50_us=told["p50_us"],
        p95_us=told["p95_us"],
        p99_us=told["p99_us"],
        max_us=told["max_us"],
    )
