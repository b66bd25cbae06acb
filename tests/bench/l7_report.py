"""From runs to bars, to a table and to JSON.

Laws:
1. A number in the table is the median over the rounds; a ratio is the median of the ratios of each
   round, so that both sides of it have met the same machine.
2. Each bar is told with what was measured, held or missed. One that could not be measured is not
   told, and holds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Final

from rich.table import Table

from tests.bench.l7_engines import BARE, FULL, HAPROXY
from tests.bench.l7_load import Case
from tests.bench.l7_memory import Idle, Transfer
from tests.bench.l7_rounds import Run, Served
from tests.bench.report import describe_machine

MAIN: Final = Case("32 x 100 B plain", 32, "/small")
PACED: Final = Case("32 x 100 B plain, paced", 32, "/small", pace_ms=8)
CASES: Final = (
    MAIN,
    PACED,
    Case("32 x 100 B TLS", 32, "/small", is_tls=True),
    Case("32 x 64 KiB plain", 32, "/large"),
    Case("32 x 64 KiB TLS", 32, "/large", is_tls=True),
    Case("512 x 100 B plain", 512, "/small"),
    Case("512 x 100 B TLS", 512, "/small", is_tls=True),
    Case("512 x 64 KiB plain", 512, "/large"),
    Case("512 x 64 KiB TLS", 512, "/large", is_tls=True),
    Case("32 x new TLS", 32, "/small", is_tls=True, is_new=True),
)
QUICK: Final = (MAIN, PACED)

CPU_BARS: Final = ((BARE, 1.5), (FULL, 2.2))
"""How much CPU for a request of MAIN, in HAProxy's."""

P99_BAR: Final = 2.0
IDLE_BAR_MIB: Final = 400.0
GROWTH_BAR_MIB: Final = 16.0


@dataclass(frozen=True, slots=True)
class Bar:
    """A promise, what was measured, and whether it is kept."""

    what: str
    measured: float
    most: float
    unit: str

    @property
    def is_held(self) -> bool:
        """Whether it is kept."""
        return self.measured <= self.most

    def __str__(self) -> str:
        verdict = "held" if self.is_held else "MISSED"
        return f"{self.what}: {self.measured:.2f}{self.unit}, at most {self.most:g}: {verdict}"


@dataclass(frozen=True, slots=True)
class Summary:
    """One proxy and case over all rounds. ratio: of CPU per request to HAProxy's; p99_ratio: of its
    latency; None without HAProxy.
    """

    case: str
    engine: str
    cpu_us: float
    ratio: float | None
    rate: float
    p50_us: float
    p95_us: float
    p99_us: float
    p99_ratio: float | None
    rss_mib: float
    errors: int


def summarise(runs: Sequence[Run]) -> list[Summary]:
    """One line for each case and proxy, in the order of their first runs."""
    keys = dict.fromkeys((run.case, run.engine) for run in runs)
    return [_summarise_one(case, engine, runs) for case, engine in keys]


def _summarise_one(case: str, engine: str, runs: Sequence[Run]) -> Summary:
    mine = [run for run in runs if (run.case, run.engine) == (case, engine)]
    return Summary(
        case=case,
        engine=engine,
        cpu_us=median(run.cpu_us for run in mine),
        ratio=ratio_to_haproxy("cpu_us", engine, case, runs),
        rate=median(run.rate for run in mine),
        p50_us=median(run.p50_us for run in mine),
        p95_us=median(run.p95_us for run in mine),
        p99_us=median(run.p99_us for run in mine),
        p99_ratio=ratio_to_haproxy("p99_us", engine, case, runs),
        rss_mib=median(run.rss_octets for run in mine) / (1 << 20),
        errors=sum(run.errors for run in mine),
    )


def ratio_to_haproxy(what: str, engine: str, case: str, runs: Sequence[Run]) -> float | None:
    """The median over the rounds of a number of a proxy divided by HAProxy's (law 1), None without
    one of them.
    """
    told = {(run.engine, run.round): getattr(run, what) for run in runs if run.case == case}
    ratios = [
        value / told[HAPROXY, number]
        for (name, number), value in told.items()
        if name == engine and told.get((HAPROXY, number))
    ]
    return median(ratios) if ratios else None


def judge_load(runs: Sequence[Run]) -> list[Bar]:
    """The bars of speed that can be told from these runs."""
    bars = []
    for engine, most in CPU_BARS:
        ratio = ratio_to_haproxy("cpu_us", engine, MAIN.name, runs)
        if ratio is not None:
            bars.append(Bar(f"{engine}: CPU per request, {MAIN.name}", ratio, most, " x haproxy"))
    for case in (PACED, MAIN):
        for engine, _ in CPU_BARS:
            ratio = ratio_to_haproxy("p99_us", engine, case.name, runs)
            if ratio is not None:
                bars.append(Bar(f"{engine}: p99, {case.name}", ratio, P99_BAR, " x haproxy"))
    errors = sum(run.errors for run in runs if run.engine in (BARE, FULL))
    return [*bars, Bar("requests that went wrong through gslb", errors, 0, "")] if runs else []


def judge_idle(idle: Idle) -> Bar:
    """Memory with idle TLS connections."""
    how = "" if idle.connections == idle.aim else f", reckoned from {idle.connections}"
    return Bar(f"{idle.aim:,} idle TLS connections{how}", idle.whole_mib, IDLE_BAR_MIB, " MiB")


def judge_transfer(one: Transfer) -> Bar:
    """Growth by a large body."""
    size = f"{one.octets >> 20} MiB"
    return Bar(f"peak growth, {one.kind} of {size}", one.growth_mib, GROWTH_BAR_MIB, " MiB")


def make_table(summaries: Sequence[Summary]) -> Table:
    """The summaries as a table for a terminal."""
    table = Table(
        title="CPU per request, kernel included, and latency (medians of the rounds)",
        caption=(
            "wrk is a closed loop: without a pace, latency is that of a full queue, not of the same"
            " offered rate"
        ),
    )
    for heading in ("case", "proxy"):
        table.add_column(heading)
    for heading in ("CPU us", "x", "req/s", "p50 us", "p95", "p99", "p99 x", "RSS MiB", "errors"):
        table.add_column(heading, justify="right")
    for one, after in zip(summaries, [*summaries[1:], None], strict=True):
        is_last = after is None or after.case != one.case
        table.add_row(*_cells(one), end_section=is_last)
    return table


def _cells(one: Summary) -> tuple[str, ...]:
    return (
        one.case,
        one.engine,
        f"{one.cpu_us:.1f}",
        "-" if one.ratio is None else f"{one.ratio:.2f}",
        f"{one.rate:,.0f}",
        f"{one.p50_us:,.0f}",
        f"{one.p95_us:,.0f}",
        f"{one.p99_us:,.0f}",
        "-" if one.p99_ratio is None else f"{one.p99_ratio:.2f}",
        f"{one.rss_mib:.0f}",
        str(one.errors),
    )


@dataclass(frozen=True, slots=True)
class Measured:
    """All that one benchmark has found."""

    runs: Sequence[Run]
    idle: Idle | None
    transfers: Sequence[Transfer]
    bars: Sequence[Bar]


def make_document(
    found: Measured, served: Mapping[str, Served], settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Everything about a benchmark as JSON can hold it."""
    engines = [one.engine for one in served.values()]
    return {
        "machine": describe_machine(),
        "settings": dict(settings),
        "proxies": {
            engine.name: {"version": engine.version(), "settings": engine.settings}
            for engine in engines
        },
        "bars": [asdict(bar) | {"held": bar.is_held} for bar in found.bars],
        "summary": [asdict(one) for one in summarise(found.runs)],
        "idle": asdict(found.idle) if found.idle else None,
        "transfers": [asdict(one) for one in found.transfers],
        "runs": [asdict(run) | {"cpu_us": run.cpu_us, "rate": run.rate} for run in found.runs],
    }
