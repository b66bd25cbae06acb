"""How every command speaks: colour on a terminal, plain text in a pipe, JSON when asked.

Answers go to stdout, complaints to stderr. A line is never wrapped: another program may read it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

Styled = str | tuple[str, str]


def styled(*parts: Styled) -> Text:
    """A line from texts and (text, style) pairs; styles show on a terminal only."""
    return Text.assemble(*parts)


def show(data: Any, lines: Iterable[str | Text], *, as_json: bool) -> None:
    """Prints data as JSON, or the lines that say the same to people. data: what `json` takes."""
    console = Console(highlight=False, markup=False, emoji=False)
    if as_json:
        lines = [json.dumps(data, indent=2, ensure_ascii=False)]
    for line in lines:
        console.print(line, soft_wrap=True)


def complain(message: str) -> None:
    """Prints one complaint to stderr."""
    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    console.print(styled(("gslb: ", "bold red"), message), soft_wrap=True)


def count(number: int, noun: str) -> str:
    """`1 zone`, `2 zones`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
