"""`gslb geo`: build a database from public text files, and look an address up.

Exit status: 0 done or found; 1 no database knows the address, or a file cannot be used; 2 the
command line makes no sense.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer
from rich.console import Console

from gslb.cli.output import AsJson, show

if TYPE_CHECKING:
    from gslb.model.place import Address
    from gslb.model.service import Site
    from gslb.model.system import GeoSettings

app = typer.Typer(help="Build and read geographic databases.", no_args_is_help=True)

IPV4_HELP = "A file whose IPv4 ranges are taken."
IPV6_HELP = "A file whose IPv6 ranges are taken."
BOTH_HELP = "Files that list both families."


class Wanted(NamedTuple):
    """A source, and which of its families are taken."""

    path: Path
    takes_ipv4: bool = True
    takes_ipv6: bool = True


@app.command()
def build(  # noqa: PLR0917 - typer reads options from the signature
    output: Annotated[Path, typer.Option(help="The MMDB file to write.")],
    sources: Annotated[list[Path] | None, typer.Argument(help=BOTH_HELP)] = None,
    ipv4: Annotated[list[Path] | None, typer.Option(help=IPV4_HELP)] = None,
    ipv6: Annotated[list[Path] | None, typer.Option(help=IPV6_HELP)] = None,
    format_: Annotated[
        str, typer.Option("--format", help="auto, tor, csv, iptoasn or rir.")
    ] = "auto",
    epoch: Annotated[
        int | None,
        typer.Option(
            min=0, max=(1 << 36) - 1, help="Build time, Unix seconds; else the sources' date."
        ),
    ] = None,
    description: Annotated[str | None, typer.Option(help="Kept in the file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make an MMDB database from text files. The same files and epoch give the same octets."""
    wanted = [Wanted(path) for path in sources or ()]
    wanted += [Wanted(path, takes_ipv6=False) for path in ipv4 or ()]
    wanted += [Wanted(path, takes_ipv4=False) for path in ipv6 or ()]
    summary = _build(wanted, output, format_, epoch, description)
    line = (
        "{output}: {type}, {ipv4_ranges} IPv4 and {ipv6_ranges} IPv6 ranges, {octets} octets, "
        "built {built}"
    )
    show(summary, [line.format_map(summary)], as_json=as_json)


@app.command()
def lookup(
    address: Annotated[str, typer.Argument(metavar="IP", help="An IPv4 or IPv6 address.")],
    database: Annotated[
        list[str] | None, typer.Option(help="An MMDB file, or `bundled`; may be repeated.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Use this file's databases and maps, and show its sites.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Where an address is, the range that says so, and how far the sites are."""
    found = _look_up(address, database, config)
    show(found, _describe(found), as_json=as_json)
    raise typer.Exit(0 if found["found"] else 1)


@contextmanager
def _step(console: Console, text: str) -> Iterator[None]:
    """What goes on now: a spinner on a terminal, a line elsewhere."""
    if not console.is_terminal:
        console.print(text, highlight=False, soft_wrap=True)
        yield
        return
    with console.status(text):
        yield


def _build(
    wanted: list[Wanted],
    output: Path,
    format_: str,
    epoch: int | None,
    description: str | None,
) -> dict[str, Any]:
    """Read, compose, write; what was done, for people and for --json."""
    from gslb.geo.build import compose_database, write_atomically
    from gslb.geo.sources import FORMATS, read_source
    from gslb.geo.spans import Span

    if format_ not in FORMATS:
        raise typer.BadParameter(f"{format_!r} is none of {', '.join(FORMATS)}")
    if not wanted:
        raise typer.BadParameter("name at least one file: as an argument, --ipv4 or --ipv6")
    console = Console(stderr=True)
    ipv4: list[Span] = []
    ipv6: list[Span] = []
    dates: list[int] = []
    for item in wanted:
        with _step(console, f"reading {item.path}"):
            source = read_source(item.path, format_)
        ipv4 += source.ipv4 if item.takes_ipv4 else ()
        ipv6 += source.ipv6 if item.takes_ipv6 else ()
        dates += [source.epoch] if source.epoch else []
    if epoch is None and not dates:
        raise typer.BadParameter("no source names its date: give the build time with --epoch")
    epoch = max(dates) if epoch is None else epoch
    names = ", ".join(item.path.name for item in wanted)
    with _step(console, "composing the search tree"):
        built = compose_database(
            ipv4, ipv6, epoch=epoch, description=description or f"gslb geo build from {names}"
        )
    write_atomically(output, built.octets)
    return {
        "output": str(output),
        "type": built.database_type,
        "ipv4_ranges": built.ipv4,
        "ipv6_ranges": built.ipv6,
        "octets": len(built.octets),
        "epoch": epoch,
        "built": f"{datetime.fromtimestamp(epoch, UTC):%Y-%m-%d}",
    }


def _look_up(text: str, databases: list[str] | None, config: Path | None) -> dict[str, Any]:
    """All that is known of an address, in the form of --json."""
    from gslb.geo.load import load_table
    from gslb.geo.lookup import find_match, rank_sites
    from gslb.model.place import NOWHERE

    address = _parse_address(text)
    settings, sites = _read_config(config)
    if databases:
        settings = replace(settings, databases=tuple(databases))
    table = load_table(settings)
    match = find_match(table, address)
    return {
        "address": str(address),
        "found": match.location != NOWHERE,
        "location": asdict(match.location),
        "serves": list(match.location.levels),
        "prefix": str(match.prefix),
        "first": str(match.first),
        "last": str(match.last),
        "build": table.build,
        "sites": [
            {"site": name, "distance_km": round(distance, 1)}
            for name, distance in rank_sites(match.location, sites)
        ],
    }


def _parse_address(text: str) -> Address:
    try:
        return ip_address(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not an IP address") from error


def _read_config(path: Path | None) -> tuple[GeoSettings, Mapping[str, Site]]:
    """The geography and the sites of a main file; the bundled database alone without one."""
    from gslb.config.load import load
    from gslb.model.system import GeoSettings

    if path is None:
        return GeoSettings(), {}

    system = load(path).system
    return system.geo, system.sites


def _describe(found: Mapping[str, Any]) -> Iterator[str]:
    """The same for people, a line each."""
    rows = [("address", found["address"])]
    rows += [(key, value) for key, value in found["location"].items() if value is not None]
    rows += [
        ("prefix", found["prefix"]),
        ("range", f"{found['first']} - {found['last']}"),
        ("serves", " ".join(found["serves"])),
        ("build", found["build"]),
    ]
    rows += [(f"to {site['site']}", f"{site['distance_km']} km") for site in found["sites"]]
    if not found["found"]:
        rows.append(("found", "no database and no map knows this address"))
    width = max(len(key) for key, _ in rows)
    yield from (f"{key:<{width}}  {value}" for key, value in rows)
