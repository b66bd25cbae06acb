"""`gslb check FILE`: everything that is wrong with a configuration, by the code that `gslb serve`
starts with.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from gslb.cli.output import AsJson, count, show, styled
from gslb.errors import ConfigError, Problem

if TYPE_CHECKING:
    from gslb.config.load import Configuration


def check(
    file: Annotated[Path, typer.Argument(help="The main file.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Say everything that is wrong with a configuration; 0 if nothing is."""
    from gslb.app.assemble import assemble

    try:
        found = assemble(file).configuration
    except ConfigError as error:
        show(_describe(file, error.problems), map(_tell, error.problems), as_json=as_json)
        raise typer.Exit(1) from None
    show(_describe_good(file, found), _tell_good(file, found), as_json=as_json)


def _describe(file: Path, problems: tuple[Problem, ...]) -> dict[str, Any]:
    return {"file": str(file), "ok": False, "problems": list(map(asdict, problems)), "warnings": []}


def _describe_good(file: Path, found: Configuration) -> dict[str, Any]:
    return {
        "file": str(file),
        "ok": True,
        "problems": [],
        "warnings": list(map(asdict, found.warnings)),
        "digest": found.system.digest,
        "zones": [zone.source.origin for zone in found.zones],
        "services": _count_services(found),
        "sites": list(found.system.sites),
        "proxies": list(found.system.proxies),
        "files": list(found.system.files),
    }


def _count_services(found: Configuration) -> int:
    return sum(len(zone.source.services) for zone in found.zones)


def _tell_good(file: Path, found: Configuration) -> Iterator[Text]:
    for warning in found.warnings:
        yield _tell(warning, "warning: ")
    numbers = list(_numbers(found))
    warned = f", {count(len(found.warnings), 'warning')}" if found.warnings else ""
    verdict = (f"no problems{warned}", "bold yellow" if warned else "bold green")
    yield styled(f"{file}: {', '.join(numbers)}: ", verdict)


def _numbers(found: Configuration) -> Iterator[str]:
    """How many there are of what the files can hold; proxies only where there are any, and the rest
    only where the files do not stand for proxies alone.
    """
    system = found.system
    if found.zones or system.sites or not system.proxies:
        yield count(len(found.zones), "zone")
        yield count(_count_services(found), "service")
        yield count(len(system.sites), "site")
    if system.proxies:
        yield "1 proxy" if len(system.proxies) == 1 else f"{len(system.proxies)} proxies"
        yield count(sum(len(one.routes) for one in system.proxies.values()), "route")
        yield count(sum(len(one.pools) for one in system.proxies.values()), "pool")


def _tell(problem: Problem, mark: str = "") -> Text:
    """The problem as `str` has it, with its place in bold; mark stands before what is wrong."""
    place = str(problem).removesuffix(problem.message)
    return styled((place, "bold"), (mark, "yellow"), (problem.message, "" if mark else "red"))
