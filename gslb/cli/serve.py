"""`gslb serve FILE`: the name server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def serve(
    file: Annotated[Path, typer.Argument(help="The main file.", show_default=False)],
) -> None:
    """Answer DNS queries as a configuration says, until SIGTERM; SIGHUP reloads it."""
    from gslb.app.serve import serve as run

    run(file)
