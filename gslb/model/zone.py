"""A zone as its operator wrote it, before it is compiled for look-ups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gslb.model.place import Address
from gslb.model.service import Service


@dataclass(frozen=True, slots=True)
class ZoneSource:
    """One zone file, read and checked for shape.

    origin: the absolute name without a final dot, lower case. nameservers: absolute name ->
    addresses (may be none when the name lies outside the zone). master: the text of the RFC 1035
    file, or None. master_file: its path, for messages. file: the path of the zones/*.yaml it came
    from. serial: of the SOA when the master file has none; the newest modification time of the
    zone's files in Unix seconds.
    """

    origin: str
    file: str
    nameservers: Mapping[str, tuple[Address, ...]] = field(default_factory=dict)
    contact: str | None = None
    serial: int = 1
    negative_ttl: int = 30
    master: str | None = None
    master_file: str | None = None
    services: tuple[Service, ...] = ()
