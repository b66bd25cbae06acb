"""`gslb agent-key NAME`: the key that an agent signs its reports with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gslb.cli.output import AsJson, show


def agent_key(
    name: Annotated[str, typer.Argument(help="The agent's name.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option(help="Where the private key goes.", show_default="NAME.key"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make the key of a probe agent; print what the configuration must say of it."""
    from gslb.config.fields import parse_label
    from gslb.store.signing import make_key, write_key

    try:
        parse_label(name)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="NAME") from None
    path = output or Path(f"{name}.key")
    pem, public_key = make_key()
    write_key(path, pem)
    lines = [
        f"# {path} has the private key: nobody but the agent may read it.",
        "agents:",
        f"  {name}:",
        f"    public_key: {public_key}",
    ]
    data = {"agent": name, "key_file": str(path), "public_key": public_key}
    show(data, lines, as_json=as_json)
