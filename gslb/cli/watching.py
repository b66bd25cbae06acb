"""What goes on until somebody presses Ctrl-C: a picture that is drawn anew each second."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from gslb.cli.admin_client import AdminError
from gslb.cli.moments import tell_moment
from gslb.cli.output import styled

PERIOD_S = 1.0

Pause = Callable[[], None]
Watch = Callable[[Pause], None]


def watch(on_terminal: Watch, in_pipe: Watch, console: Console, *, as_json: bool) -> None:
    """Watches in the way that fits where the output goes, until interrupted."""
    try:
        (on_terminal if console.is_terminal and not as_json else in_pipe)(_pause)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def draw(look: Callable[[], Iterable[Text]], console: Console, pause: Pause) -> None:
    """Draws over the whole screen until interrupted. look: asks, and makes lines of it; what was
    known last stays while it raises AdminError.
    """
    lines: list[Text] = []
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            head = styled((tell_moment(time.time()), "dim"), ("  Ctrl-C ends", "dim"))
            try:
                lines = list(look())
            except AdminError as error:
                head.append(f"  {error}; this is what was known last", "bold red")
            live.update(Group(*map(_cut, [head, *lines])), refresh=True)
            pause()


def _pause() -> None:
    time.sleep(PERIOD_S)


def _cut(line: Text) -> Text:
    """A line that ends where the terminal does."""
    line.no_wrap, line.overflow = True, "ellipsis"
    return line
