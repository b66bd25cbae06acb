"""`python -m tests.chaos.l7`: whether a request fails while backends are killed, hung, slowed and
restarted, drained, and the proxy is reloaded and replaced, under steady load; exit status 1 when
one does that must not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table

from gslb.app.build import VERSION
from tests.bench.dns import make_console
from tests.chaos.clients import CLIENTS, Load
from tests.chaos.ledger import (
    Account,
    StepResult,
    account,
    read_executions,
    summarise_steps,
)
from tests.chaos.steps import STEPS
from tests.chaos.world import BACKENDS, ChaosError, World

SETTLE = 1000
QUICK_SETTLE = 300
"""Requests that must end after each thing that happens."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a run has shown."""

    steps: Sequence[StepResult]
    posts: Account

    @property
    def failed_gets(self) -> int:
        """Idempotent requests that were not answered with 200."""
        return sum(sum(one.get_failures.values()) for one in self.steps)

    @property
    def is_good(self) -> bool:
        """No failed idempotent request, and every other one accounted for."""
        return self.failed_gets == 0 and self.posts.is_whole

    def lines(self) -> list[str]:
        """The verdict in words."""
        posts, reset = self.posts, sum(one.reset_on_reuse for one in self.steps)
        requests = sum(one.requests for one in self.steps)
        idempotent = f"{requests:,} requests; idempotent: {self.failed_gets} failed"
        if reset:
            idempotent += f", {reset} of them reset on reuse"
        others = f"non-idempotent: {posts.answered_once:,} answered and executed once; not answered"
        others += f": {posts.failed_once} executed once, {posts.failed_never} never"
        faults = f"faults: {posts.twice} executed twice, {posts.answered_never} answered and never"
        faults += f" executed, {posts.unasked} executed unasked"
        return [idempotent, others, faults, "no failed request" if self.is_good else "FAILED"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print; the exit status: 0 nothing failed, 1 something did, 2 it could not be run."""
    options = _parser().parse_args(arguments)
    console = make_console()
    console.print(f"gslb {VERSION}", highlight=False)
    settle = QUICK_SETTLE if options.quick else SETTLE
    seconds = 0.0 if options.quick else options.seconds
    with tempfile.TemporaryDirectory(prefix="chaos-l7-") as name:
        folder = options.keep or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            world = World(folder, workers=options.workers)
            verdict = uvloop.run(
                run_chaos(world, settle=settle, seconds=seconds, tell=_teller(console))
            )
        except ChaosError as error:
            console.print(str(error), markup=False)
            return 2
    console.print(make_table(verdict.steps))
    for line in verdict.lines():
        console.print(line, highlight=False)
    if options.json:
        options.json.write_text(json.dumps(make_document(verdict), indent=2) + "\n")
    return 0 if verdict.is_good else 1


async def run_chaos(
    world: World, *, settle: int, seconds: float, tell: Callable[[str], None]
) -> Verdict:
    """All steps at least once, and again until the time is over. Raises ChaosError."""
    world.write()
    try:
        async with asyncio.TaskGroup() as group:
            for name in BACKENDS:
                group.create_task(world.start_backend(name), name=f"start {name}")
        await world.start_proxy()
        for name in BACKENDS:
            await world.until_state(name, "up")
        records = await _run_steps(world, settle=settle, seconds=seconds, tell=tell)
        posts = account(records.records, read_executions(world.ledgers))
        return Verdict(summarise_steps(records.records), posts)
    except ExceptionGroup as group:
        raise group.exceptions[0] from group
    finally:
        world.close()


async def _run_steps(
    world: World, *, settle: int, seconds: float, tell: Callable[[str], None]
) -> Load:
    load = Load("127.0.0.1", world.port)
    deadline = time.monotonic() + seconds
    async with asyncio.TaskGroup() as group:
        running = group.create_task(load.run(), name="load")
        while True:
            for name, step in STEPS.items():
                load.step, began = name, time.monotonic()
                await step(world, load, settle)
                tell(f"  {name}: {time.monotonic() - began:.1f} s")
            if time.monotonic() >= deadline:
                break
        load.stop()
        await running
    return load


def make_table(steps: Sequence[StepResult]) -> Table:
    """What clients saw during each step."""
    table = Table(title=f"{CLIENTS} clients, one request in five a POST")
    table.add_column("step")
    for heading in ("requests", "failed GET", "failed POST", "p50 ms", "p99 ms", "max ms"):
        table.add_column(heading, justify="right")
    table.add_column("what failed", overflow="fold")
    for one in steps:
        kinds = [f"GET {what}: {count}" for what, count in one.get_failures.items()]
        kinds += [f"POST {what}: {count}" for what, count in one.post_failures.items()]
        table.add_row(
            one.step,
            f"{one.requests:,}",
            str(sum(one.get_failures.values())),
            str(sum(one.post_failures.values())),
            f"{one.p50_ms:.1f}",
            f"{one.p99_ms:.1f}",
            f"{one.max_ms:.0f}",
            "; ".join(kinds),
        )
    return table


def make_document(verdict: Verdict) -> dict[str, Any]:
    """A verdict as JSON can hold it."""
    return {
        "good": verdict.is_good,
        "failed_idempotent": verdict.failed_gets,
        "non_idempotent": asdict(verdict.posts),
        "steps": [asdict(one) for one in verdict.steps],
        "verdict": verdict.lines(),
    }


def _teller(console: Console) -> Callable[[str], None]:
    def tell(text: str) -> None:
        console.print(text, highlight=False, markup=False)

    return tell


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.l7", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="once, under 40 seconds")
    parser.add_argument(
        "--seconds", type=float, default=120.0, help="repeat the steps for so long (default 120)"
    )
    parser.add_argument("--workers", type=int, default=1, help="of the proxy (default 1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the verdict here")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep logs and ledgers here")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
