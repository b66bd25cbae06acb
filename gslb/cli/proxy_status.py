"""`gslb proxy-status [NAME]`: what a running proxy does: pools, backends, requests, drains.

On a terminal it is drawn anew each second; `--once` shows it once, as it is in a pipe unless
`--watch` asks for a block each second. A proxy that stops answering does not end the watch.

Exit status: 0 shown; 1 no proxy was reached or it refused; 2 the command line makes no sense.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from gslb.cli.admin_client import (
    CONFIG,
    Admin,
    AdminError,
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
NEEDED = ("tier", "load", "backends", "counters", "store", "alerts")

Fetch = Callable[[], Told]


def proxy_status(  # noqa: PLR0917 - typer reads options from the signature
    name: Annotated[
        str | None,
        typer.Argument(help="Which proxy of the file; its only one by default."),
    ] = None,
    watch: Annotated[
        bool | None,
        typer.Option(
            "--watch/--once",
            help="Go on until Ctrl-C, or show it once. The former on a terminal by default.",
            show_default=False,
        ),
    ] = None,
    config: Annotated[
        Path, typer.Option(help="The main file, whose proxies.NAME.admin is asked.")
    ] = CONFIG,
    admin: Admin = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show the pools and backends of a running proxy, and what they do just now."""
    from gslb.cli.proxy_picture import describe_proxy

    client = make_client(_find_admin(name, config, admin), config, token_file)
    console = Console(highlight=False, markup=False, emoji=False)
    if watch is None:
        watch = console.is_terminal and not as_json
    if watch:
        _watch(lambda: client.get(PAGE, *NEEDED), console, as_json=as_json)
        return
    with answered():
        told = client.get(PAGE, *NEEDED)
    show(told, describe_proxy(told, time.time()), as_json=as_json)


def _find_admin(name: str | None, config: Path, admin: str | None) -> str | None:
    """The admin port of a proxy of the file, which may have one of a name server beside it. None
    leaves it to `make_client` to say what is missing.
    """
    from gslb.config.load import load

    if admin is not None or (name is None and not config.exists()):
        return admin
    proxies = load(config).system.proxies
    if name is not None and name not in proxies:
        raise typer.BadParameter(f"{config} has no proxy {name!r}: {', '.join(proxies) or 'none'}")
    ports = [
        str(one.admin)
        for one in proxies.values()
        if one.admin is not None and name in (None, one.name)
    ]
    if not ports:
        raise typer.BadParameter(f"{config} has no proxies.{name or 'NAME'}.admin to ask")
    return ports[0] if len(ports) == 1 else None


def _watch(fetch: Fetch, console: Console, *, as_json: bool) -> None:
    watch_until_interrupted(
        partial(watch_on_terminal, fetch, console),
        partial(watch_in_pipe, fetch, console, as_json=as_json),
        console,
        as_json=as_json,
    )


def watch_on_terminal(fetch: Fetch, console: Console, pause: Pause) -> None:
    """Draws over the whole screen until interrupted; what was known last stays."""
    drawn = _Drawing()
    draw(lambda: drawn.lines(fetch()), console, pause)


def watch_in_pipe(fetch: Fetch, console: Console, pause: Pause, *, as_json: bool) -> None:
    """Prints a block (a line of JSON) each time, until interrupted; complains once when there is
    nothing to be had.
    """
    drawn, trouble = _Drawing(), ""
    while True:
        try:
            told = fetch()
        except AdminError as error:
            if str(error) != trouble:
                trouble = str(error)
                complain(f"{tell_moment(time.time())} {trouble}")
            pause()
            continue
        trouble = ""
        if as_json:
            console.print(json.dumps(told, ensure_ascii=False), soft_wrap=True)
        else:
            for line in [Text(tell_moment(time.time())), *drawn.lines(told), Text("")]:
                console.print(line, soft_wrap=True)
        pause()


class _Drawing:
    """Pictures one after the other, each with the rates since the one before."""

    def __init__(self) -> None:
        self._before: Told | None = None

    def lines(self, told: Told) -> list[Text]:
        """The picture of a status."""
        from gslb.cli.proxy_picture import describe_proxy, measure_rates

        rates = None if self._before is None else measure_rates(self._before, told)
        self._before = told
        return list(describe_proxy(told, time.time(), rates))
