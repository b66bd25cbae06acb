"""`gslb status [--watch]`: what a name server believes, and why.

--watch draws it anew each second on a terminal; in a pipe a block comes whenever something changed.
A server that stops answering does not end the watch: that is when somebody watches.

Exit status: 0 shown; 1 no server was reached or it refused; 2 the command line makes no sense.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from gslb.cli.admin_client import (
    CONFIG,
    Admin,
    AdminError,
    Config,
    TokenFile,
    Told,
    answered,
    make_client,
)
from gslb.cli.moments import tell_moment
from gslb.cli.output import AsJson, complain, show
from gslb.cli.watching import Pause, draw
from gslb.cli.watching import watch as watch_until_interrupted

PAGE = "/api/v1/status"
NEEDED = ("sites", "agents", "store", "alerts", "nodes", "strangers", "drops", "own_probes")

Fetch = Callable[[], Told]


def status(
    watch: Annotated[bool, typer.Option("--watch", help="Go on until Ctrl-C.")] = False,
    config: Config = CONFIG,
    admin: Admin = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show sites, agents, orders and the store as a running server sees them."""
    from gslb.cli.picture import describe_status

    client = make_client(admin, config, token_file)
    console = _console()
    if watch:
        _watch(lambda: client.get(PAGE, *NEEDED), console, as_json=as_json)
        return
    with answered():
        told = client.get(PAGE, *NEEDED)
    show(told, describe_status(told, time.time(), _width(console)), as_json=as_json)


def _watch(fetch: Fetch, console: Console, *, as_json: bool) -> None:
    watch_until_interrupted(
        partial(watch_on_terminal, fetch, console),
        partial(watch_in_pipe, fetch, console, as_json=as_json),
        console,
        as_json=as_json,
    )


def watch_on_terminal(fetch: Fetch, console: Console, pause: Pause) -> None:
    """Draws over the whole screen until interrupted; what was known last stays."""
    from gslb.cli.picture import describe_status

    draw(lambda: describe_status(fetch(), time.time(), console.width), console, pause)


def watch_in_pipe(fetch: Fetch, console: Console, pause: Pause, *, as_json: bool) -> None:
    """Prints a block (a line of JSON) whenever something has changed, until interrupted."""
    from gslb.cli.picture import describe_status, gist

    known: object = None
    while True:
        try:
            told = fetch()
            news: object = gist(told)
        except AdminError as error:
            told, news = {}, str(error)
        if news != known and not told:
            complain(f"{tell_moment(time.time())} {news}")
        elif news != known and as_json:
            console.print(json.dumps(told, ensure_ascii=False), soft_wrap=True)
        elif news != known:
            console.print(Text(tell_moment(time.time())))
            for line in describe_status(told, time.time()):
                console.print(line, soft_wrap=True)
            console.print()
        known = news
        pause()


def _console() -> Console:
    return Console(highlight=False, markup=False, emoji=False)


def _width(console: Console) -> int | None:
    return console.width if console.is_terminal else None
