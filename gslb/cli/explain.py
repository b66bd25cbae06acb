"""`gslb explain NAME [TYPE] --client IP`: what is answered, and why, step by step.

It reads the configuration and supposes that every site is up but those named by --down, or it asks
the running server, which knows their real state. Neither takes a turn of anybody's.

Exit status: 0 explained; 1 the query would be refused, because no zone holds the name, or nobody
could be asked; 2 the command line makes no sense.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from gslb.cli.admin_client import CONFIG, TokenFile, Told, answered, make_client
from gslb.cli.output import AsJson, show, styled
from gslb.cli.table import section

PAGE = "/api/v1/explain"


def explain(  # noqa: PLR0917 - typer reads options from the signature
    name: Annotated[str, typer.Argument(help="The name that is asked for.", show_default=False)],
    client: Annotated[
        str,
        typer.Option(
            help="Who asks: an address, or a subnet such as 192.0.2.0/24 that a resolver sends.",
            show_default=False,
        ),
    ],
    rtype: Annotated[str, typer.Argument(metavar="TYPE", help="The record type.")] = "A",
    config: Annotated[Path, typer.Option(help="The main file.")] = CONFIG,
    server: Annotated[
        bool, typer.Option("--server", help="Ask the running server (listen.admin of the file).")
    ] = False,
    admin: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Ask the server with this admin port."),
    ] = None,
    token_file: TokenFile = None,
    down: Annotated[
        list[str] | None, typer.Option(metavar="SITE", help="Suppose it down; may be repeated.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print what a client is answered, and why."""
    if (server or admin) and down:
        raise typer.BadParameter("--down supposes; a running server is asked what it knows")
    question = {"name": name, "type": rtype, "client": client}
    with answered():
        if server or admin:
            told = make_client(admin, config, token_file).get(PAGE, "rcode", **question)
        else:
            told = explain_offline(config, question, down or ())
    show(told, describe(told), as_json=as_json)
    raise typer.Exit(1 if told["rcode"] == "REFUSED" else 0)


def explain_offline(config: Path, question: Mapping[str, str], down: Sequence[str]) -> Told:
    """The explanation from the files. Raises ConfigError; ValueError for a bad question."""
    from gslb.app.assemble import assemble
    from gslb.app.decisions import as_mapping
    from gslb.app.insight import explain_text
    from gslb.app.suppose import suppose_health
    from gslb.engine.engine import Engine

    assembled = assemble(config)
    health = suppose_health(assembled.system, down, time.time())
    return as_mapping(explain_text(Engine(assembled.ground, health), *question.values()))


# ---------------------------------------------------------------- for people


def describe(told: Told) -> Iterator[Text]:
    """An explanation as lines."""
    is_good = told["rcode"] == "NOERROR"
    aa = ", authoritative" if told["is_authoritative"] else ""
    yield styled(
        (f"{told['name']} {told['rtype']}", "bold"),
        f" asked by {told['client']}: ",
        (told["rcode"], "bold green" if is_good else "bold yellow"),
        f"{aa}: {told['why']}",
    )
    yield from section("answer", [(line, "green") for line in told["answer"]] or ["none"])
    yield from section("authority", told["authority"])
    if told["decision_id"]:
        yield from _describe_decision(told)
    yield from section("alert", [(line, "yellow") for line in told["alerts"]])


def _describe_decision(told: Told) -> Iterator[Text]:
    yield from section("client", [_describe_place(told["location"] or {})])
    yield from section("chain", list(_describe_steps(told["steps"])))
    yield from section("ttl", [told["ttl_why"].removeprefix("ttl: ")])
    yield from section("scope", [told["scope_why"]])
    yield from section("decision", [told["decision_id"]])


def _describe_steps(steps: Sequence[Told]) -> Iterator[str]:
    """A row each: the filter, what it kept, and why."""
    kept = [" ".join(step["kept"]) or "-" for step in steps]
    name_width = max((len(step["name"]) for step in steps), default=0)
    kept_width = max(map(len, kept), default=0)
    for step, names in zip(steps, kept, strict=True):
        why = step["why"].removeprefix(f"{step['name']}: ")
        yield f"{step['name']:<{name_width}}  {names:<{kept_width}}  {why}"


def _describe_place(place: Told) -> str:
    parts = [f"{key} {value}" for key, value in place.items()]
    return ", ".join(parts) or "nobody knows where it is"
