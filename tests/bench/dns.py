"""`python -m tests.bench.dns`: CPU per query and rate of this server and of its peers, side by side
in one run.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from tests.bench import builds, report, traffic
from tests.bench.files import MIXES, WARM_UP_S, build_mix
from tests.bench.peers import PEERS, ours
from tests.bench.peers.base import Peer
from tests.bench.rounds import External, Plan, Subject, measure

BUNDLED_DATABASE: Final = Path(__file__).resolve().parents[2] / "geodata" / "country.mmdb"
DAEMON_PATHS: Final = ":/usr/local/sbin:/usr/sbin:/sbin"
"""Where packages put servers; not on the PATH of everybody who may run them."""

WIDTH_WITHOUT_TERMINAL: Final = 150


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what the command line names; the exit status: 0 measured, 2 it cannot be."""
    os.environ["PATH"] += DAEMON_PATHS
    console = make_console()
    options = _parser().parse_args(arguments)
    subjects = choose_subjects(options, console)
    fault = _missing(options, subjects)
    if fault:
        console.print(f"[red]{fault}[/red]", highlight=False)
        return 2
    console.print("building the queries ...")
    mixes = [build_mix(name, seconds=options.seconds) for name in options.mix or MIXES]
    plan = Plan(subjects, mixes, options.seconds, options.rounds, options.geo)
    _print_head(plan, console)
    return _measure_and_print(plan, options.json, console)


def make_console() -> Console:
    """A console that leaves the table room where nobody says how wide the terminal is."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH_WITHOUT_TERMINAL)


def choose_subjects(options: argparse.Namespace, console: Console) -> list[Subject]:
    """The servers to measure, in the order of the table; tells which are not installed and how to
    get them.
    """
    subjects: list[Subject] = list(options.external)
    for peer in _known(options.workers):
        if options.only is not None and peer.name not in options.only:
            continue
        if peer.is_installed():
            subjects.append(peer)
        else:
            console.print(
                f"{peer.name} is left out; to measure it: apt install {' '.join(peer.packages)}"
            )
    return subjects


def _known(workers: int) -> list[Peer]:
    """All servers; this one a second time with its workers, where more than one is asked for."""
    more = [ours.with_workers(workers)] if workers > 1 else []
    return [*PEERS[:1], *more, *PEERS[1:]]


def _measure_and_print(plan: Plan, document: Path, console: Console) -> int:
    runs = []
    with console.status("starting") as status:

        def tell(text: str) -> None:
            status.update(text)
            if not console.is_terminal or "left out" in text:
                console.print(text, markup=False)

        for run in measure(plan, tell):
            runs.append(run)
            console.print(
                f"  {run.subject} {run.mix} {run.round}: "
                f"{run.cpu_us_per_query:.2f} us, {run.rate:,.0f}/s",
                highlight=False,
            )
    if not runs:
        return 2
    summaries = report.summarise(runs)
    console.print(report.make_table(summaries))
    for line in report.judge_bars(runs):
        console.print(line, highlight=False)
    document.write_text(json.dumps(report.make_document(plan, runs, summaries), indent=2) + "\n")
    console.print(f"all rounds are in {document}")
    return 0


def _print_head(plan: Plan, console: Console) -> None:
    machine = report.describe_machine()
    console.print(
        f"{machine['cpu']}, {len(machine['cores'])} cores, Linux {machine['kernel']}, "
        f"Python {machine['python']}; pinning: {machine['pinning']}; "
        f"{traffic.SOURCE_PORTS} source ports, {traffic.IN_FLIGHT} in flight; "
        f"{plan.rounds} rounds of {plan.seconds:g} s after {WARM_UP_S:g} s; {plan.database.name}",
        highlight=False,
    )
    for subject in plan.subjects:
        if isinstance(subject, Peer):
            console.print(
                f"  {subject.name} {subject.version()}: {subject.settings}", highlight=False
            )


def _missing(options: argparse.Namespace, subjects: Sequence[Subject]) -> str | None:
    """What stands in the way of measuring, or None."""
    unbuilt = builds.find_missing()
    if unbuilt:
        return unbuilt
    if not traffic.is_dnsperf_installed():
        return "dnsperf sends the queries and is not installed: apt install dnsperf"
    if not options.geo.is_file():
        return f"{options.geo} is not there: `gslb geo build` makes it, --geo names another"
    known = [peer.name for peer in _known(options.workers)]
    unknown = [name for name in options.only or () if name not in known]
    if unknown:
        return f"unknown: {', '.join(unknown)}; known are {', '.join(known)}"
    if not subjects:
        return "no server to measure"
    return None


def parse_external(text: str) -> External:
    """PORT:PID, or NAME=PORT:PID, of a server that runs already."""
    name, _, place = text.rpartition("=")
    port, _, pid = place.partition(":")
    try:
        external = External(name or f"external {port}", int(port), int(pid))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not PORT:PID or NAME=PORT:PID") from None
    if not Path(f"/proc/{external.pid}").exists():
        raise argparse.ArgumentTypeError(f"there is no process {external.pid}")
    return external


def whole_path(text: str) -> Path:
    """A path that holds from any directory: servers run in their own."""
    return Path(text).resolve()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.dns", description=__doc__)
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="measure this server; may be repeated"
    )
    parser.add_argument(
        "--mix", action="append", choices=MIXES, help="send this mix; may be repeated"
    )
    parser.add_argument(
        "--seconds", type=float, default=8.0, help="length of a timed run (default 8)"
    )
    parser.add_argument(
        "--rounds", type=int, default=3, help="runs of each server and mix (default 3)"
    )
    parser.add_argument(
        "--workers", type=int, default=1, help="measure this server with so many processes, too"
    )
    parser.add_argument(
        "--external", action="append", default=[], type=parse_external, metavar="[NAME=]PORT:PID"
    )
    parser.add_argument(
        "--geo", type=whole_path, default=BUNDLED_DATABASE, help="country database for all servers"
    )
    parser.add_argument(
        "--json",
        type=Path,
        default=Path("bench-dns.json"),
        metavar="FILE",
        help="machine, versions and all rounds (default bench-dns.json)",
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
