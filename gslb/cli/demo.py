"""`gslb demo`: the main job on one machine, for people to play with; `--tour` walks through it."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from gslb.cli.output import AsJson, complain, show, styled
from gslb.errors import ListenError

if TYPE_CHECKING:
    from rich.status import Status

    from gslb.app.tour import Outcome, Point, Step

OTHER_PORTS = "end it, or run a copy of the example with other ports: gslb demo --config COPY"


def demo(
    tour: Annotated[bool, typer.Option("--tour", help="Walk through it and judge it.")] = False,
    config: Annotated[
        Path | None,
        typer.Option(help="A copy of the example, with other ports or times.", show_default=False),
    ] = None,
    redis: Annotated[
        bool,
        typer.Option("--redis", help="With a redis-server of its own; else inside the process."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run a name server, three regions and three probe agents on this machine, until q or Ctrl-C.

    Keys make things go wrong and mend them; --tour does so by itself and judges what it sees.
    """
    if as_json and not tour:
        raise typer.BadParameter("the live table has no JSON; use it with --tour")
    from gslb.app.demo import run_demo
    from gslb.app.stage import example_file

    path = config or example_file()
    try:
        if tour:
            _tour(path, has_redis=redis, as_json=as_json)
        else:
            run_demo(path, _console(), has_redis=redis)
    except ListenError as error:
        raise ListenError(f"{error}; {OTHER_PORTS}") from error


def _tour(path: Path, *, has_redis: bool, as_json: bool) -> None:
    """Walks, and leaves with status 1 unless all was as told."""
    from gslb.app.demo import run_tour
    from gslb.app.tour import is_as_told, tell_tour

    with ExitStack() as stack:
        narrator = Silence() if as_json else Narration(_console(), stack)
        outcomes = run_tour(path, narrator, has_redis=has_redis)
    if outcomes is None:
        complain("the tour was ended before its end")
        raise typer.Exit(1)
    told = tell_tour(outcomes)
    steps = f"{sum(outcome.ok for outcome in outcomes)} of {len(outcomes)} steps"
    verdict = styled((f"{steps} were as told, in {told['took_s']:.0f} s.", "bold"))
    show(told, [verdict], as_json=as_json)
    if not is_as_told(outcomes):
        raise typer.Exit(1)


class Silence:
    """Tells nothing: JSON comes at the end."""

    def begin(self, number: int, step: Step) -> None:
        """Nothing."""

    def progress(self, text: str) -> None:
        """Nothing."""

    def end(self, outcome: Outcome) -> None:
        """Nothing."""


class Narration:
    """Tells the tour step by step; what is waited for shows on a terminal only.

    stack: ends the display, whatever happens.
    """

    def __init__(self, console: Console, stack: ExitStack) -> None:
        self._console = console
        self._status: Status | None = None
        if console.is_terminal:
            self._status = stack.enter_context(console.status("loading"))

    def begin(self, number: int, step: Step) -> None:
        """Prints what is about to be done."""
        self._print(styled((f"{number}. {step.title}", "bold")))
        self._print(styled((f"   {step.does}", "dim")))
        self.progress(step.does)

    def progress(self, text: str) -> None:
        """Shows what is waited for."""
        if self._status is not None:
            self._status.update(text)

    def end(self, outcome: Outcome) -> None:
        """Prints every point: the verdict, what was expected, what was seen."""
        if self._console.is_terminal:
            self._console.print(_draw(outcome))
            return
        for point in outcome.points:
            self._print(f"   {_verdict(point):<6} {point.expected} -> {point.seen}")

    def _print(self, line: object) -> None:
        self._console.print(line, soft_wrap=True)


def _draw(outcome: Outcome) -> Table:
    """The points with their lines indented, however narrow the terminal is."""
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(width=2)
    table.add_column(no_wrap=True)
    table.add_column()
    for point in outcome.points:
        style = "green" if point.ok else "bold red"
        seen = (point.seen, "cyan" if point.ok else "bold red")
        table.add_row("", styled((_verdict(point), style)), styled(f"{point.expected} -> ", seen))
    return table


def _verdict(point: Point) -> str:
    return "ok" if point.ok else "FAILED"


def _console() -> Console:
    return Console(highlight=False, markup=False, emoji=False)
