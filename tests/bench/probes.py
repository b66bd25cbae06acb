"""`python -m tests.bench.probes`: what a probe agent costs, and how late its checks are.

A responder of its own process answers on all of 127/8; a prober in this process asks each target
at its own address, as an agent does, so the CPU of this process is the agent's without signing and
the store.

Laws:
1. What is measured begins after two intervals, when the first round and its spreading are over.
2. A check is late by what the gap to the one before it has over one interval.
3. A check that fails is not measured but makes the run invalid.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from ipaddress import ip_address
from pathlib import Path
from statistics import median, quantiles
from typing import Final

import trustme
from rich.console import Console
from rich.table import Table

from gslb.model.check import Check, CheckKind, HttpCheck, TcpCheck
from gslb.model.report import Report
from gslb.model.service import Site
from gslb.probe import prober
from gslb.probe.checks.registry import run_check
from gslb.probe.outcome import Outcome
from gslb.probe.target import Target

TARGETS: Final = 2000
INTERVAL_S: Final = 5.0
MEASURE_S: Final = 15.0
CEILING: Final = 0.6
"""The share of one core that the default load may take."""
KINDS: Final = ("http", "https", "tcp")
_ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n"
_BACKLOG: Final = 4096


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one kind of check cost. share: of one core. late: of the checks' gaps, in ms."""

    kind: str
    targets: int
    interval_s: float
    checks: int
    failures: int
    cpu_us_per_check: float
    share: float
    late_p50_ms: float
    late_p99_ms: float
    late_max_ms: float
    rtt_p50_ms: float


@dataclass(slots=True)
class _Log:
    """What the checks were like while it is open."""

    started: dict[str, float] = field(default_factory=dict)
    late_s: list[float] = field(default_factory=list)
    rtt_ms: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    is_open: bool = False

    async def run_check(self, target: Target, slots: asyncio.Semaphore) -> Outcome:
        """A check, noted."""
        now = asyncio.get_running_loop().time()
        before = self.started.get(target.site)
        self.started[target.site] = now
        outcome = await run_check(target, slots)
        if self.is_open and before is not None:
            self.late_s.append(max(0.0, now - before - target.check.interval_s))
            if outcome.rtt_ms is not None:
                self.rtt_ms.append(outcome.rtt_ms)
            if not outcome.ok:
                self.failures.append(outcome.reason)
        return outcome


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the exit status: 0 under the ceiling, 1 over it or with failed checks."""
    options = _parser().parse_args(arguments)
    if options.serve:
        asyncio.run(_serve(options.serve))
        return 0
    measured = [_measure(kind, options) for kind in options.kind or ("http",)]
    if options.json:
        sys.stdout.write(json.dumps([asdict(one) for one in measured], indent=2) + "\n")
    else:
        Console().print(_table(measured))
    return 0 if all(one.share <= CEILING and not one.failures for one in measured) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.probes", description=__doc__)
    parser.add_argument("--targets", type=int, default=TARGETS)
    parser.add_argument("--interval", type=float, default=INTERVAL_S, help="seconds")
    parser.add_argument("--seconds", type=float, default=MEASURE_S, help="how long to measure")
    parser.add_argument("--kind", choices=KINDS, action="append", help="may be repeated")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--serve", metavar="KIND", choices=KINDS, help=argparse.SUPPRESS)
    return parser


def _measure(kind: str, options: argparse.Namespace) -> Measurement:
    with _responder(kind) as port:
        check = Check((_check_kind(kind, port),), interval_s=options.interval)
        sites = {
            f"s{number}": Site(f"s{number}", (ip_address(0x7F010000 + number),), check=check)
            for number in range(1, options.targets + 1)
        }
        log = _Log()
        cpu_s, elapsed_s = asyncio.run(_probe(sites, log, options))
    late_ms = [late_s * 1000 for late_s in log.late_s]
    for reason in sorted(set(log.failures))[:5]:
        sys.stderr.write(f"failed: {reason}\n")
    return Measurement(
        kind=kind,
        targets=options.targets,
        interval_s=options.interval,
        checks=len(late_ms),
        failures=len(log.failures),
        cpu_us_per_check=cpu_s / len(late_ms) * 1e6,
        share=cpu_s / elapsed_s,
        late_p50_ms=median(late_ms),
        late_p99_ms=quantiles(late_ms, n=100)[98],
        late_max_ms=max(late_ms),
        rtt_p50_ms=median(log.rtt_ms),
    )


def _check_kind(kind: str, port: int) -> CheckKind:
    if kind == "tcp":
        return TcpCheck(port)
    scheme = "https" if kind == "https" else "http"
    return HttpCheck(port, scheme, host="www.probe.test", expect_body="ok", verify=False)


async def _probe(
    sites: dict[str, Site], log: _Log, options: argparse.Namespace
) -> tuple[float, float]:
    """CPU seconds and elapsed seconds of the prober while it was measured."""

    async def send(report: Report) -> None:
        assert len(report.sites) == len(sites)

    prober.run_check = log.run_check
    task = asyncio.create_task(prober.Prober(sites, send, "bench").run(), name="prober")
    await asyncio.sleep(2 * options.interval)
    log.is_open = True
    cpu_began, began = time.process_time(), time.monotonic()
    await asyncio.sleep(options.seconds)
    cpu_s, elapsed_s = time.process_time() - cpu_began, time.monotonic() - began
    log.is_open = False
    task.cancel()
    await asyncio.wait({task})
    return cpu_s, elapsed_s


def _table(measured: Sequence[Measurement]) -> Table:
    headings = ("check", "checks", "failed", "CPU, us", "core", "late p50", "p99", "max", "connect")
    first = measured[0]
    title = f"{first.targets} targets every {first.interval_s:g} s; CPU a check; times in ms"
    table = Table(title=title)
    for heading in headings:
        table.add_column(heading, justify="right")
    for one in measured:
        table.add_row(
            one.kind,
            str(one.checks),
            str(one.failures),
            f"{one.cpu_us_per_check:.0f}",
            f"{one.share:.1%}",
            *(f"{ms:.1f}" for ms in (one.late_p50_ms, one.late_p99_ms, one.late_max_ms)),
            f"{one.rtt_p50_ms:.2f}",
        )
    return table


# ---------------------------------------------------------------- the other side


@contextmanager
def _responder(kind: str) -> Iterator[int]:
    """The port of a responder that runs as a process of its own."""
    argv = [sys.executable, "-m", "tests.bench.probes", "--serve", kind]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.terminate()


class _Responder(asyncio.Protocol):
    """Answers a request and closes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._head = b""

    def data_received(self, data: bytes) -> None:
        self._head += data
        if self._head.endswith(b"\r\n\r\n"):
            self._transport.write(_ANSWER)
            self._transport.close()


async def _serve(kind: str) -> None:
    loop = asyncio.get_running_loop()
    tls = _server_tls() if kind == "https" else None
    server = await loop.create_server(_Responder, "0.0.0.0", 0, backlog=_BACKLOG, ssl=tls)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


def _server_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as directory:
        chain = Path(directory, "chain.pem")
        trustme.CA().issue_cert("www.probe.test").private_key_and_cert_chain_pem.write_to_path(
            str(chain)
        )
        context.load_cert_chain(chain)
    return context


if __name__ == "__main__":
    sys.exit(main())
