"""`gslb proxy FILE [NAME...]`: the regional load balancer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gslb.cli.proxy_render import Engine, print_rendered


def proxy(
    file: Annotated[Path, typer.Argument(help="The main file.", show_default=False)],
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Which of its proxies; all of them by default."),
    ] = None,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace",
            help="Take over from the process that runs them, without refusing a connection.",
        ),
    ] = False,
    render: Annotated[
        Engine | None,
        typer.Option(
            "--render",
            help="Print the file as a configuration of another engine instead, and on stderr what "
            "it lacks; exit status 3 says that something is missing.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Balance the load of a region as a configuration says, until SIGTERM; SIGHUP reloads it."""
    if render is not None:
        raise typer.Exit(print_rendered(file, names or ()))
    from gslb.app.proxy import run_proxies

    run_proxies(file, names or (), replace=replace)
