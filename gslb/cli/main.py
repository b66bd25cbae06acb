"""The `gslb` command: its subcommands as an explicit list, and how errors end it.

Exit status: 0 all is well, 1 the thing asked for is wrong or was not found, 2 the command line
makes no sense. An error of the operator's, of a dependency or of a port is one clear line on
stderr, never a traceback.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from gslb.cli import geo
from gslb.cli.agent_key import agent_key
from gslb.cli.check import check
from gslb.cli.delegation import delegation
from gslb.cli.demo import demo
from gslb.cli.events import events
from gslb.cli.explain import explain
from gslb.cli.healthcheck import healthcheck
from gslb.cli.orders import drain, force, maint, undrain, unforce, unmaint
from gslb.cli.output import complain
from gslb.cli.probe import probe
from gslb.cli.proxy import proxy
from gslb.cli.proxy_status import proxy_status
from gslb.cli.schema import schema
from gslb.cli.serve import serve
from gslb.cli.status import status
from gslb.cli.token import token
from gslb.errors import ConfigError, GslbError

# A command is one function of one module; its name, `_` as `-`, is the command's, its docstring the
# help.
COMMANDS: tuple[Callable[..., None], ...] = (
    serve,
    probe,
    proxy,
    proxy_status,
    status,
    events,
    drain,
    undrain,
    force,
    unforce,
    maint,
    unmaint,
    explain,
    check,
    delegation,
    healthcheck,
    schema,
    agent_key,
    token,
    demo,
)
GROUPS: dict[str, typer.Typer] = {"geo": geo.app}


def make_app() -> typer.Typer:
    """The command line with all its commands."""
    made = typer.Typer(
        help="A global server load balancer: DNS that answers with the right region.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    made.callback()(_root)
    for command in COMMANDS:
        made.command()(command)
    for name, group in GROUPS.items():
        made.add_typer(group, name=name)
    return made


def _show_version(wanted: bool) -> None:
    if wanted:
        from gslb.app.build import VERSION

        typer.echo(f"gslb {VERSION}")
        raise typer.Exit


def _root(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and leave."
        ),
    ] = False,
) -> None:
    """A global server load balancer: DNS that answers with the right region."""


app = make_app()


def main() -> None:
    """Runs the command line of this process and leaves with its exit status."""
    try:
        app(prog_name="gslb")
    except ConfigError as error:
        for problem in error.problems:
            complain(str(problem))
        sys.exit(1)
    except GslbError as error:
        complain(str(error))
        sys.exit(1)
