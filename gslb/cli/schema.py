"""`gslb schema`: the JSON Schema of the configuration, for editors."""

from __future__ import annotations

from typing import Annotated

import typer

from gslb.cli.output import show


def schema(
    zone: Annotated[
        bool, typer.Option("--zone", help="Of zone files, not of the main file.")
    ] = False,
) -> None:
    """Print the JSON Schema of the configuration, for editors."""
    from gslb.config.editor import editor_schema
    from gslb.config.schema import MainFile
    from gslb.config.zone_schema import ZoneFile

    show(editor_schema(ZoneFile if zone else MainFile), (), as_json=True)
