"""`python -m tests.bench.health`: what health from many places costs a name server and its store.

Four measurements; `--only` names some of them:
- `merge`: one merge of the reports of 3 and of 10 agents on 10, 100 and 1,000 sites.
- `intake`: taking up one report of so many sites: unsealed, and put in order.
- `store`: what 3 agents and one name server ask of a real Redis, from INFO.
- `queries`: times of UDP queries while 10 agents report on 1,000 sites, and while nobody does.

Laws:
1. Of what is repeated the median counts, and in `queries` the median over rounds that alternate.
2. While nobody reports the same agents report to where the name server does not look: it is taking
   reports up that is measured, not what a busy machine does to queries.
3. Where there are two cores, the name server has one for itself.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import median
from types import MappingProxyType
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.console import Console
from rich.table import Table

from gslb.app.follower import SLICE_SITES
from gslb.health.evidence import Evidence, Heard
from gslb.health.intake import Intake, Moment
from gslb.health.merge import merge, merge_in_slices
from gslb.health.snapshot import HealthSnapshot
from gslb.model.agent import Agent
from gslb.model.check import Check, TcpCheck
from gslb.model.report import Report, SiteReport
from gslb.model.service import Site
from gslb.model.system import HealthSettings
from gslb.probe.prober import pace_s
from gslb.store.envelope import seal, unseal
from tests import redis_servers
from tests.app.world import Serving, serving
from tests.bench import process, traffic
from tests.bench.fleet import reporting, service_names, write_fleet
from tests.bench.latency import Times, ask_steadily
from tests.bench.report import describe_machine
from tests.ports import free_port

SIZES: Final = (10, 100, 1000)
AGENTS: Final = (3, 10)
MERGE_BAR_MS: Final = 20.0
P99_BAR: Final = 1.5
P99_FLOOR_MS: Final = 0.1
"""The p99 may be P99_BAR times what it is while nobody reports, or this much more: what two runs of
the same thing differ by anyway.
"""
REPEATS: Final = 40
ROUNDS: Final = 3
QUERIES_PER_S: Final = 500.0
PARTS: Final = ("merge", "intake", "store", "queries")
_SETTLE_S: Final = 8.0
"""Longer than an interval of checks: the second round of checks is spread."""
_AT: Final = 1_800_000_000.0


@dataclass(frozen=True, slots=True)
class MergeCost:
    """Of one merge, in milliseconds. disputed: every third site is up for half of the agents and
    down for the others. slice: the longest time without a pause.
    """

    sites: int
    agents: int
    calm_ms: float
    disputed_ms: float
    slice_ms: float


@dataclass(frozen=True, slots=True)
class IntakeCost:
    """Of one report. octets: sealed. per_s: the most that one agent sends."""

    sites: int
    octets: int
    seal_ms: float
    unseal_ms: float
    take_ms: float
    per_s: float


@dataclass(frozen=True, slots=True)
class StoreTraffic:
    """What a Redis does in a second for some agents and one name server."""

    sites: int
    agents: int
    commands: float
    octets_in: float
    octets_out: float


@dataclass(frozen=True, slots=True)
class QueryTimes:
    """Queries in one round. busy: the name server's share of a core."""

    is_reporting: bool
    busy: float
    times: Times


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the exit status: 0 all bars held, 1 not, 2 it could not be measured."""
    options = _parser().parse_args(arguments)
    console = Console()
    found: dict[str, list[Any]] = {}
    measures = {"merge": _merges, "intake": _intakes, "store": _traffics, "queries": _queries}
    try:
        for part in options.only or PARTS:
            console.print(f"{part} ...", highlight=False)
            found[part] = list(measures[part](options))
            console.print(_table(part, found[part]))
    except (AssertionError, redis_servers.ServerError) as error:
        console.print(str(error), markup=False)
        return 2
    verdicts = judge(found)
    for text, _ in verdicts:
        console.print(text, markup=False, highlight=False)
    if options.json:
        options.json.write_text(json.dumps(_document(found, verdicts), indent=2) + "\n")
    return 0 if all(is_held for _, is_held in verdicts) else 1


def judge(found: dict[str, list[Any]]) -> list[tuple[str, bool]]:
    """Each bar in words, and whether it is held."""
    verdicts = []
    for cost in found.get("merge", ()):
        if (cost.sites, cost.agents) == (SIZES[-1], AGENTS[-1]):
            worst_ms = max(cost.calm_ms, cost.disputed_ms)
            text = f"merge of {cost.sites:,} x {cost.agents}: {worst_ms:.1f} ms"
            verdicts.append(_verdict(text, worst_ms, MERGE_BAR_MS))
    if rounds := found.get("queries"):
        quiet_ms, busy_ms = (
            median(each.times.p99_ms for each in rounds if each.is_reporting is is_reporting)
            for is_reporting in (False, True)
        )
        text = f"p99 of queries: {quiet_ms:.3f} ms, while agents report {busy_ms:.3f} ms"
        bar_ms = max(P99_BAR * quiet_ms, quiet_ms + P99_FLOOR_MS)
        verdicts.append(_verdict(text, busy_ms, bar_ms))
    return verdicts


def _verdict(text: str, value: float, bar: float) -> tuple[str, bool]:
    is_held = value <= bar
    return f"{text}, at most {bar:.3g}: {'held' if is_held else 'NOT HELD'}", is_held


# ---------------------------------------------------------------- merge


def _merges(_: argparse.Namespace) -> Iterator[MergeCost]:
    for sites in SIZES:
        for agents in AGENTS:
            yield _merge_cost(sites, agents)


def _merge_cost(count: int, agents: int) -> MergeCost:
    sites, settings = make_sites(count), HealthSettings()
    calm, disputed = (
        make_evidence(count, agents, is_disputed=is_disputed) for is_disputed in (False, True)
    )
    return MergeCost(
        count,
        agents,
        calm_ms=_time_merge(calm, sites, settings),
        disputed_ms=_time_merge(disputed, sites, settings),
        slice_ms=_time_slices(disputed, sites, settings),
    )


def _time_merge(evidence: Evidence, sites: dict[str, Site], settings: HealthSettings) -> float:
    before = merge(evidence, sites, settings, HealthSnapshot())
    return _median_ms(lambda: merge(evidence, sites, settings, before))


def _time_slices(evidence: Evidence, sites: dict[str, Site], settings: HealthSettings) -> float:
    """The median of the longest slice, in milliseconds."""
    before = merge(evidence, sites, settings, HealthSnapshot())
    longest = []
    for _ in range(REPEATS):
        steps = merge_in_slices(evidence, sites, settings, before, slice_sites=SLICE_SITES)
        lengths, is_over = [], False
        while not is_over:
            began = time.perf_counter()
            is_over = next(steps, steps) is steps
            lengths.append(time.perf_counter() - began)
        longest.append(1000 * max(lengths))
    return median(longest)


def make_sites(count: int) -> dict[str, Site]:
    """So many checked sites by name."""
    check = Check((TcpCheck(9),))
    return {name: Site(name, (), check=check) for name in map("site-{}".format, range(count))}


def make_evidence(sites: int, agents: int, *, is_disputed: bool) -> Evidence:
    """Fresh reports of agents in as many failure domains. is_disputed: every third site is up for
    half of them and down for the others.
    """
    heard = []
    for number in range(agents):
        agent = Agent(f"agent-{number}", f"domain-{number}")
        doubt = 3 if is_disputed and number % 2 else 0
        heard.append(Heard(agent, make_report(agent.name, sites, 1, doubt=doubt), age_s=0.1))
    return Evidence(tuple(each.agent for each in heard), heard, at=_AT, order_at=_AT)


def make_report(agent: str, sites: int, sequence: int, *, doubt: int = 0) -> Report:
    """As an agent sends it; times to sites differ with each sequence. doubt: each such site is
    down, none for 0.
    """
    views = {}
    for number in range(sites):
        up = not (doubt and number % doubt == 0)
        rtt_ms = 5.0 + (number * 37.123 + sequence * 0.731) % 200
        reason = "" if up else "connection refused"
        views[f"site-{number}"] = SiteReport(
            up, 0, _AT - 977.331 * (number + 1), rtt_ms, rtt_ms * 1.5, 255, None, reason
        )
    return Report(agent, "3f9a1c77e2d84b10", sequence, _AT + sequence, MappingProxyType(views))


# ---------------------------------------------------------------- intake


def _intakes(_: argparse.Namespace) -> Iterator[IntakeCost]:
    for sites in SIZES:
        yield _intake_cost(sites)


def _intake_cost(count: int) -> IntakeCost:
    key = Ed25519PrivateKey.generate()
    agent = Agent("agent-0", "domain-0", (key.public_key().public_bytes_raw(),))
    sites, intake = make_sites(count), Intake(stale_after_s=30.0)
    reports = [make_report(agent.name, count, sequence) for sequence in range(1, REPEATS + 1)]
    sealed = [seal(report, key) for report in reports]
    moments = [Moment(at=report.at, now=report.at) for report in reports]
    pairs = iter(zip(reports, moments, strict=True))
    left = iter(sealed)
    cost = IntakeCost(
        count,
        octets=len(sealed[0]),
        seal_ms=_median_ms(lambda: seal(reports[0], key)),
        unseal_ms=_median_ms(lambda: unseal(next(left), agent)),
        take_ms=_median_ms(lambda: intake.take(agent, *next(pairs), sites)),
        per_s=1 / pace_s(count),
    )
    assert not intake.drops, intake.drops
    return cost


def _median_ms(work: Callable[[], object]) -> float:
    times_ms = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        times_ms.append(1000 * (time.perf_counter() - began))
    return median(times_ms)


# ---------------------------------------------------------------- store


def _traffics(options: argparse.Namespace) -> Iterator[StoreTraffic]:
    for sites in SIZES:
        yield _traffic(sites, AGENTS[0], options.seconds)


def _traffic(sites: int, agents: int, seconds: float) -> StoreTraffic:
    with _serving_fleet(sites, agents) as (server, store, (here, _)), reporting(here):
        server.wait_until_all_are("up")
        time.sleep(_SETTLE_S)
        before, began = _count(store), time.monotonic()
        time.sleep(seconds)
        after, passed_s = _count(store), time.monotonic() - began
    rates = ((now - then) / passed_s for now, then in zip(after, before, strict=True))
    return StoreTraffic(sites, agents, *rates)


def _count(store: redis_servers.Server) -> tuple[int, int, int]:
    """Commands, octets in and octets out since the start."""
    with store.client() as client:
        told: Any = client.info("stats")
    names = ("total_commands_processed", "total_net_input_bytes", "total_net_output_bytes")
    commands, octets_in, octets_out = (int(told[name]) for name in names)
    return commands, octets_in, octets_out


@contextmanager
def _serving_fleet(
    sites: int, agents: int
) -> Iterator[tuple[Serving, redis_servers.Server, tuple[Path, Path]]]:
    """A name server, its Redis, and the files of agents that report to it, and of others."""
    with tempfile.TemporaryDirectory(prefix="gslb-health-") as name:
        folder = Path(name)
        with redis_servers.running(folder) as store:
            dns, admin = free_port("127.0.0.1"), free_port("127.0.0.1")
            listen = {"dns": dns, "admin": admin, "store": store.url}
            files = write_fleet(folder, sites=sites, agents=agents, **listen)
            with serving(files[0], dns_port=dns, admin_port=admin) as server:
                yield server, store, files


# ---------------------------------------------------------------- queries


def _queries(options: argparse.Namespace) -> Iterator[QueryTimes]:
    for _ in range(options.rounds):
        for is_reporting in (False, True):
            yield _query_times(options, is_reporting=is_reporting)


def _query_times(options: argparse.Namespace, *, is_reporting: bool) -> QueryTimes:
    sites = SIZES[-1]
    with ExitStack() as stack:
        server, store, files = stack.enter_context(_serving_fleet(sites, AGENTS[-1]))
        agents = stack.enter_context(reporting(files[0 if is_reporting else 1]))
        if is_reporting:
            server.wait_until_all_are("up")
        pid = server.process.pid
        time.sleep(_SETTLE_S)
        stack.enter_context(_a_core_for(pid, (agents, store.pid)))
        before, began = process.cpu_s(pid), time.monotonic()
        times = ask_steadily(
            service_names(sites), port=server.dns_port, per_s=QUERIES_PER_S, seconds=options.seconds
        )
        busy = (process.cpu_s(pid) - before) / (time.monotonic() - began)
    return QueryTimes(is_reporting, busy, times)


@contextmanager
def _a_core_for(server: int, others: Sequence[int]) -> Iterator[None]:
    """The server on one core, the others and this process on another one, where there are two
    (law 3).
    """
    cores = traffic.usable_cores()
    if len(cores) > 1:
        _pin(server, cores[0])
        for pid in (*others, os.getpid()):
            _pin(pid, cores[1])
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def _pin(pid: int, core: int) -> None:
    for thread in os.listdir(f"/proc/{pid}/task"):
        with suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread), {core})


# ---------------------------------------------------------------- what is told


def _table(part: str, rows: Sequence[Any]) -> Table:
    flat = [_flatten(row) for row in rows]
    table = Table(title=part)
    for heading in flat[0]:
        table.add_column(heading.removesuffix("_ms").replace("_", " "), justify="right")
    for row in flat:
        table.add_row(*map(_show, row.values()))
    return table


def _flatten(row: Any) -> dict[str, object]:
    """A measurement's fields; those of times stand among them."""
    flat: dict[str, object] = {}
    for each in fields(row):
        value = getattr(row, each.name)
        flat |= asdict(value) if isinstance(value, Times) else {each.name: value}
    return flat


def _show(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.3f}" if value < 100 else f"{value:,.0f}"
    return f"{value:,}"


def _document(found: dict[str, list[Any]], verdicts: Sequence[tuple[str, bool]]) -> dict[str, Any]:
    return {
        "machine": describe_machine(),
        "bars": [text for text, _ in verdicts],
        **{part: [asdict(row) for row in rows] for part, rows in found.items()},
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.health", description=__doc__)
    parser.add_argument("--only", action="append", choices=PARTS, help="may be repeated")
    parser.add_argument("--seconds", type=float, default=15.0, help="of each run (default 15)")
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help=f"of `queries`, each way (default {ROUNDS})"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers here")
    return parser


if __name__ == "__main__":
    sys.exit(main())
