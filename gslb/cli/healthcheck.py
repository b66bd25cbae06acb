"""`gslb healthcheck FILE`: does what the file says should serve answer?

Exit status: 0 all of it does; 1 something does not, or the file cannot be read; 2 the command line
makes no sense. With --watch: 0 when it was stopped, 1 when the last command failed.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from gslb.cli.output import AsJson, count, show, styled
from gslb.errors import ConfigError

if TYPE_CHECKING:
    from gslb.app.healthcheck import Asked


def healthcheck(  # noqa: PLR0917 - typer reads options from the signature
    file: Annotated[Path, typer.Argument(help="The main file.", show_default=False)],
    proxy: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Ask this proxy of the file, not the name server."),
    ] = None,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.05, max=60, help="What an answer may take.")
    ] = 2.0,
    as_json: AsJson = False,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Ask again and again, and run a command at each change."),
    ] = False,
    interval: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.05, max=3600, help="With --watch: the pace.")
    ] = 1.0,
    rise: Annotated[
        int, typer.Option(min=1, max=100, help="With --watch: good results in a row for up.")
    ] = 2,
    fall: Annotated[
        int, typer.Option(min=1, max=100, help="With --watch: bad results in a row for down.")
    ] = 3,
    on_up: Annotated[
        str | None,
        typer.Option(metavar="COMMAND", help="With --watch: what is run when it is up; no shell."),
    ] = None,
    on_down: Annotated[
        str | None,
        typer.Option(metavar="COMMAND", help="The same for down, and before this ends."),
    ] = None,
) -> None:
    """Ask what a configuration says should serve; 0 if all of it answers."""
    if watch:
        if as_json:
            raise typer.BadParameter("--watch writes a log (log.format), not --json")
        commands = _read_command("--on-up", on_up), _read_command("--on-down", on_down)
        _watch((file, proxy), (interval, timeout, fall, rise), commands)
    elif on_up is not None or on_down is not None:
        raise typer.BadParameter("--on-up and --on-down belong to --watch")
    else:
        _ask_once(file, proxy, timeout, as_json=as_json)


def _read_command(option: str, text: str | None) -> tuple[str, ...]:
    """A program and its arguments; none for None. Raises BadParameter."""
    if text is None:
        return ()
    try:
        argv = tuple(shlex.split(text))
    except ValueError as error:
        raise typer.BadParameter(f"{option}: {error}") from error
    found = shutil.which(argv[0]) if argv else None
    if found is None:
        raise typer.BadParameter(f"{option}: there is no program {argv[0] if argv else ''!r:.80}")
    return (str(Path(found).absolute()), *argv[1:])  # it will be run in the root directory


def _watch(
    subject: tuple[Path, str | None],
    pace: tuple[float, float, int, int],
    commands: tuple[tuple[str, ...], tuple[str, ...]],
) -> None:
    from gslb.app.healthwatch import Wishes, watch
    from gslb.model.check import Check

    interval_s, timeout_s, fall, rise = pace
    check = Check((), interval_s=interval_s, timeout_s=timeout_s, fall=fall, rise=rise)
    if not watch(Wishes(*subject, check, *commands)):
        raise typer.Exit(1)


def _ask_once(file: Path, proxy: str | None, timeout_s: float, *, as_json: bool) -> None:
    from gslb.app.healthcheck import ask_all, plan
    from gslb.config.outline import read_outline

    try:
        asked = ask_all(plan(read_outline(file), proxy), timeout_s)
    except ConfigError as error:
        show(_describe_unread(file, error), map(str, error.problems), as_json=as_json)
        raise typer.Exit(1) from None
    show(_describe(file, asked), _tell(file, asked), as_json=as_json)
    if not all(one.ok for one in asked):
        raise typer.Exit(1)


def _describe_unread(file: Path, error: ConfigError) -> dict[str, Any]:
    problems = [{"what": str(file), "problem": str(one)} for one in error.problems]
    return {"file": str(file), "ok": False, "asked": problems}


def _describe(file: Path, asked: list[Asked]) -> dict[str, Any]:
    return {
        "file": str(file),
        "ok": all(one.ok for one in asked),
        "asked": [asdict(one) for one in asked],
    }


def _tell(file: Path, asked: list[Asked]) -> Iterator[Text]:
    """What is wrong, a line each; one line if nothing is."""
    wrong = [one for one in asked if not one.ok]
    for one in wrong:
        yield styled((f"{one.what}: ", "bold"), (one.problem, "red"))
    if not wrong:
        yield styled(f"{file}: {count(len(asked), 'answer')}: ", ("well", "bold green"))
