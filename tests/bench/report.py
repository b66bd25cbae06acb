"""From runs to a table and to JSON: medians over the rounds, ratios to gdnsd round by round.

Laws:
1. A number in the table is the median over the rounds; a ratio is the median of the ratios of each
   round.
2. What weakens a number stands beside it: lost queries, repeated datagrams, answers that were
   wrong.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from rich.table import Table

from tests.bench import traffic
from tests.bench.peers.base import Peer
from tests.bench.rounds import Plan, Run, Subject

OURS: Final = "gslb"
REFERENCE: Final = "gdnsd"
BARS: Final = (
    ("plain", "gdnsd", 1.3),
    ("resolver", "gdnsd", 1.6),
    ("plain", "pdns geoip", 0.5),
    ("resolver", "pdns geoip", 0.5),
)
"""Mix, peer, and the most that this server's CPU per query may be in the peer's."""

LOST_LIMIT: Final = 0.001
_EXPECTED: Final = {"NOERROR under load", "NXDOMAIN under load"}
_MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Summary:
    """One server and mix over all rounds. ratio: CPU per query to gdnsd's, None without gdnsd."""

    subject: str
    mix: str
    cpu_us_per_query: float
    rate: float
    busy: float
    answered: float
    rss_mib: float
    ratio: float | None
    marks: tuple[str, ...]


def summarise(runs: Sequence[Run]) -> list[Summary]:
    """One line for each mix and server, in the order of their first runs."""
    keys = sorted(dict.fromkeys((run.mix, run.subject) for run in runs), key=lambda key: key[0])
    return [_summarise_one(mix, subject, runs) for mix, subject in keys]


def ratio_to(other: str, subject: str, mix: str, runs: Sequence[Run]) -> float | None:
    """The median over the rounds of a server's CPU per query divided by another's, None without one
    of them."""
    cost = {(run.subject, run.round): run.cpu_us_per_query for run in runs if run.mix == mix}
    ratios = [
        cost[subject, number] / cost[other, number]
        for name, number in cost
        if name == subject and (other, number) in cost
    ]
    return median(ratios) if ratios else None


def judge_bars(runs: Sequence[Run]) -> list[str]:
    """Where this server stands against each bar that both it and the peer were measured for."""
    lines = []
    for mix, other, bar in BARS:
        ratio = ratio_to(other, OURS, mix, runs)
        if ratio is not None:
            verdict = "held" if ratio <= bar else "NOT HELD"
            lines.append(f"{mix}: {ratio:.2f} x {other}, at most {bar:g}: {verdict}")
    return lines


def make_table(summaries: Sequence[Summary]) -> Table:
    """The summaries as a table for a terminal."""
    table = Table(
        title="CPU per query, kernel included (median of the rounds)",
        caption="cores busy well under 1: dnsperf was the limit of the rate, not the server",
    )
    for heading in ("mix", "server"):
        table.add_column(heading)
    for heading in ("CPU us", f"x {REFERENCE}", "queries/s", "cores busy", "answered", "RSS MiB"):
        table.add_column(heading, justify="right")
    table.add_column("remarks", overflow="fold")
    for one in summaries:
        table.add_row(*_cells(one), end_section=one is _last_of_mix(summaries, one.mix))
    return table


def make_document(plan: Plan, runs: Sequence[Run], summaries: Sequence[Summary]) -> dict[str, Any]:
    """Everything about a measurement as JSON can hold it."""
    return {
        "machine": describe_machine(),
        "database": {"name": plan.database.name, "octets": plan.database.stat().st_size},
        "seconds": plan.seconds,
        "rounds": plan.rounds,
        "dnsperf": {"source_ports": traffic.SOURCE_PORTS, "in_flight": traffic.IN_FLIGHT},
        "servers": {subject.name: _describe(subject) for subject in plan.subjects},
        "summary": [asdict(summary) for summary in summaries],
        "bars": judge_bars(runs),
        "runs": [_describe_run(run) for run in runs],
    }


def describe_machine() -> dict[str, Any]:
    """What the numbers depend on besides the servers."""
    return {
        "cpu": _cpu_model(),
        "cores": traffic.usable_cores(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_average": os.getloadavg()[0],
        "pinning": "server and dnsperf on a core each"
        if traffic.can_pin() and len(traffic.usable_cores()) > 1
        else "none",
    }


def _summarise_one(mix: str, subject: str, runs: Sequence[Run]) -> Summary:
    mine = [run for run in runs if run.mix == mix and run.subject == subject]
    return Summary(
        subject=subject,
        mix=mix,
        cpu_us_per_query=median(run.cpu_us_per_query for run in mine),
        rate=median(run.rate for run in mine),
        busy=median(run.busy for run in mine),
        answered=1 - median(run.lost_share for run in mine),
        rss_mib=median(run.rss_octets for run in mine) / _MIB,
        ratio=ratio_to(REFERENCE, subject, mix, runs),
        marks=_marks(mine),
    )


def _marks(runs: Sequence[Run]) -> tuple[str, ...]:
    marks = [fault for run in runs for fault in run.faults]
    worst = max(run.lost_share for run in runs)
    if worst > LOST_LIMIT:
        marks.append(f"lost up to {worst:.2%}")
    marks += sorted({f"{rcode} under load" for run in runs for rcode in run.rcodes} - _EXPECTED)
    if any(run.is_repeating for run in runs):
        marks.append("datagrams repeated: the file was too short")
    return tuple(marks)


def _cells(one: Summary) -> tuple[str, ...]:
    return (
        one.mix,
        one.subject,
        f"{one.cpu_us_per_query:.2f}",
        "-" if one.ratio is None else f"{one.ratio:.2f}",
        f"{one.rate:,.0f}",
        f"{one.busy:.2f}",
        f"{one.answered:.2%}",
        f"{one.rss_mib:.0f}",
        "; ".join(one.marks),
    )


def _last_of_mix(summaries: Sequence[Summary], mix: str) -> Summary:
    return [one for one in summaries if one.mix == mix][-1]


def _describe(subject: Subject) -> dict[str, Any]:
    if not isinstance(subject, Peer):
        return {"version": "not started here", "settings": "unknown"}
    return {
        "version": subject.version(),
        "settings": subject.settings,
        "geographic": subject.is_geographic,
        "processes": subject.processes,
    }


def _describe_run(run: Run) -> dict[str, Any]:
    return asdict(run) | {
        "cpu_us_per_query": run.cpu_us_per_query,
        "rate": run.rate,
        "busy": run.busy,
    }


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "?"
    )
