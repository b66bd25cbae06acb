"""`gslb delegation ZONE`: what the operator of the parent zone must put there (RFC 1034 4.2.1).

The NS records, and as glue the addresses of the name servers that lie in the delegated zone itself;
nobody could find those without. The addresses of other name servers are their own zones' business.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gslb.cli.output import AsJson, complain, show

if TYPE_CHECKING:
    from gslb.zone.tree import Zone

DELEGATION_TTL = 3600
"""Seconds. An hour lets a name server be replaced within a working day; most registries use one to
two days."""


@dataclass(frozen=True, slots=True)
class ParentRecord:
    """One record of the parent zone. name: absolute. data: in master file form."""

    name: str
    ttl: int
    type: str
    data: str


def delegation(
    zone: Annotated[str, typer.Argument(help="The zone's name.", show_default=False)],
    config: Annotated[Path, typer.Option(help="The main file.")] = Path("gslb.yaml"),
    as_json: AsJson = False,
) -> None:
    """Print the NS and glue records that belong into the parent zone."""
    from gslb.config.load import load

    origin = zone.lower().removesuffix(".")
    zones = {one.source.origin: one for one in load(config).zones}
    if origin not in zones:
        complain(f"{config} has no zone {origin}; it has: {', '.join(zones) or 'none'}")
        raise typer.Exit(1)
    records = list(parent_records(zones[origin]))
    data = {"zone": f"{origin}.", "records": [asdict(record) for record in records]}
    show(data, _tell(records), as_json=as_json)


def parent_records(zone: Zone) -> Iterator[ParentRecord]:
    """All NS records of a zone's delegation, then the glue."""
    servers = zone.delegation()
    for name, _ in servers:
        yield ParentRecord(f"{zone.source.origin}.", DELEGATION_TTL, "NS", name)
    for name, addresses in servers:
        for address in addresses:
            kind = "A" if address.version == 4 else "AAAA"
            yield ParentRecord(name, DELEGATION_TTL, kind, str(address))


def _tell(records: list[ParentRecord]) -> Iterator[str]:
    width = max(len(record.name) for record in records)
    for record in records:
        yield f"{record.name:<{width}} {record.ttl} IN {record.type:<4} {record.data}"
