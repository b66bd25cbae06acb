"""`gslb healthcheck FILE`: does what the file says should serve answer?

Exit status: 0 all of it does; 1 something does not, or the file cannot be read; 2 the command line
makes no sense.
"""

from __future__ import annotations

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


def healthcheck(
    file: Annotated[Path, typer.Argument(help="The main file.", show_default=False)],
    proxy: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Ask this proxy of the file, not the name server."),
    ] = None,
    timeout: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=0.05, max=60, help="What an answer may take."),
    ] = 2.0,
    as_json: AsJson = False,
) -> None:
    """Ask what a configuration says should serve; 0 if all of it answers."""
    from gslb.app.healthcheck import ask_all, plan
    from gslb.config.outline import read_outline

    try:
        asked = ask_all(plan(read_outline(file), proxy), timeout)
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
