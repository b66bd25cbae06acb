"""`python -m tests.bench.l7`: CPU per request, latency and memory of the regional tier, beside
HAProxy, nginx and a plain proxy on aiohttp in one run; exit status 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from tests.bench import builds, l7_load, l7_report, process
from tests.bench.dns import DAEMON_PATHS, make_console
from tests.bench.l7_engines import BARE, ENGINES, Engine
from tests.bench.l7_load import Case
from tests.bench.l7_memory import (
    MIB,
    Idle,
    Transfer,
    measure_download,
    measure_idle,
    measure_upload,
)
from tests.bench.l7_place import HUGE_OCTETS, Place
from tests.bench.l7_report import Measured, make_document, make_table, summarise
from tests.bench.l7_rounds import Run, Served, all_running, measure
from tests.bench.report import describe_machine

PARTS: Final = ("load", "idle", "transfer")
AIM: Final = 10_000
"""Idle TLS connections that the bar is about."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured."""

    engines: Sequence[Engine]
    cases: Sequence[Case]
    parts: Sequence[str]
    rounds: int
    seconds: float
    connections: int
    transfer_octets: int

    def settings(self) -> dict[str, Any]:
        """What is not told by the runs."""
        return {
            "rounds": self.rounds,
            "seconds": self.seconds,
            "parts": list(self.parts),
            "connections": self.connections,
            "transfer_octets": self.transfer_octets,
        }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what the command line names; the exit status: 0 every bar held, 1 one was missed, 2
    it cannot be measured.
    """
    os.environ["PATH"] += DAEMON_PATHS
    console = make_console()
    options = _parser().parse_args(arguments)
    fault = _missing(options)
    if fault:
        console.print(f"[red]{fault}[/red]", highlight=False)
        return 2
    plan = make_plan(options)
    _print_head(plan, console)
    try:
        found, served = _measure(plan, console)
    except process.BenchError as error:
        console.print(str(error), markup=False)
        return 2
    if found.runs:
        console.print(make_table(summarise(found.runs)))
    for bar in found.bars:
        console.print(str(bar), highlight=False, style=None if bar.is_held else "red")
    if options.json:
        document = make_document(found, served, plan.settings())
        options.json.write_text(json.dumps(document, indent=2) + "\n")
        console.print(f"all rounds are in {options.json}")
    return 0 if found.bars and all(bar.is_held for bar in found.bars) else 1


def make_plan(options: argparse.Namespace) -> Plan:
    """What the command line asks for. `--quick`: two cases, shorter runs, fewer connections."""
    quick = options.quick
    return Plan(
        engines=[one for one in ENGINES if one.name in (options.only or [one.name])],
        cases=l7_report.QUICK if quick else l7_report.CASES,
        parts=options.part or PARTS,
        rounds=options.rounds,
        seconds=options.seconds or (2 if quick else 4),
        connections=AIM // 5 if quick else AIM,
        transfer_octets=HUGE_OCTETS // 4 if quick else HUGE_OCTETS,
    )


def _measure(plan: Plan, console: Console) -> tuple[Measured, dict[str, Served]]:
    found = Measured((), None, (), ())
    served: dict[str, Served] = {}
    if "idle" in plan.parts or "transfer" in plan.parts:
        found = _measure_memory(plan, console)
    if "load" in plan.parts:
        with _running(plan.engines, console) as (place, served):
            runs = _measure_load(plan, served, place.folder, console)
        bars = [*l7_report.judge_load(runs), *found.bars]
        found = replace(found, runs=runs, bars=bars)
    return found, served


@contextmanager
def _running(
    engines: Sequence[Engine], console: Console
) -> Iterator[tuple[Place, dict[str, Served]]]:
    with tempfile.TemporaryDirectory(prefix="bench-l7-") as name:
        told = partial(console.print, markup=False)
        with all_running(engines, Path(name), told) as (place, served):
            yield place, served


def _measure_load(
    plan: Plan, served: dict[str, Served], folder: Path, console: Console
) -> list[Run]:
    runs = []
    for run in measure(plan.cases, served, rounds=plan.rounds, seconds=plan.seconds, folder=folder):
        runs.append(run)
        console.print(
            f"  round {run.round}: {run.engine}, {run.case}: {run.cpu_us:.1f} us, "
            f"{run.rate:,.0f}/s, p99 {run.p99_us:,.0f} us",
            highlight=False,
        )
    return runs


def _measure_memory(plan: Plan, console: Console) -> Measured:
    """On a process of its own, that nothing else has used."""
    idle: Idle | None = None
    transfers: list[Transfer] = []
    with _running([one for one in ENGINES if one.name == BARE], console) as (place, served):
        if BARE not in served:
            raise process.BenchError("without the proxy there is no memory to measure")
        if "transfer" in plan.parts:
            size = plan.transfer_octets
            transfers.append(measure_upload(served[BARE], place, octets=size))
            transfers.append(measure_download(served[BARE], octets=size))
        if "idle" in plan.parts:
            idle = measure_idle(served[BARE], place, connections=plan.connections, aim=AIM)
    for one in transfers:
        speed = one.octets / MIB / one.seconds
        console.print(f"  {one.kind}: {speed:,.0f} MiB/s", highlight=False)
    bars = [l7_report.judge_transfer(one) for one in transfers]
    if idle is not None:
        bars.append(l7_report.judge_idle(idle))
        console.print(
            f"  idle TLS: {idle.before_mib:.0f} MiB before, {idle.each_kib:.1f} KiB each; "
            f"{idle.handshakes_per_s:,.0f} handshakes a second, one client",
            highlight=False,
        )
    return Measured((), idle, transfers, bars)


def _print_head(plan: Plan, console: Console) -> None:
    machine = describe_machine()
    console.print(
        f"{machine['cpu']}, {len(machine['cores'])} cores, Linux {machine['kernel']}, "
        f"Python {machine['python']}, load {machine['load_average']:.1f}; "
        f"{plan.rounds} rounds of {plan.seconds:g} s",
        highlight=False,
    )
    for engine in plan.engines:
        if engine.is_installed():
            console.print(f"  {engine.name} {engine.version()}: {engine.settings}", highlight=False)


def _missing(options: argparse.Namespace) -> str | None:
    """What stands in the way of measuring, or None."""
    if not l7_load.is_wrk_installed():
        return "wrk makes the load and is not installed: apt install wrk"
    if shutil.which("nginx") is None:
        return "nginx is the backend and is not installed: apt install nginx-light"
    unbuilt = builds.find_missing()
    if unbuilt:
        return unbuilt
    known = [engine.name for engine in ENGINES]
    unknown = [name for name in options.only or () if name not in known]
    if unknown:
        return f"unknown: {', '.join(unknown)}; known are {', '.join(known)}"
    return None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.l7", description=__doc__)
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="load this proxy; may be repeated"
    )
    parser.add_argument(
        "--part", action="append", choices=PARTS, help="measure this part; may be repeated"
    )
    parser.add_argument("--quick", action="store_true", help="about a minute and a half")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each (default 3)")
    parser.add_argument("--seconds", type=float, help="length of a timed run (default 4, quick 2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all rounds here")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
