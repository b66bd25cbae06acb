"""`gslb probe FILE --agent NAME`: a probe agent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def probe(
    file: Annotated[Path, typer.Argument(help="The main file.", show_default=False)],
    agent: Annotated[str, typer.Option(help="Which agent this is.", show_default=False)],
    key: Annotated[
        Path | None,
        typer.Option(
            envvar="GSLB_AGENT_KEY",
            help="Its private key.",
            show_default="NAME.key beside FILE",
        ),
    ] = None,
) -> None:
    """Probe sites and report to the store, until SIGTERM; SIGHUP reloads the configuration."""
    from gslb.app.agent import probe as run

    run(file, agent, key)
