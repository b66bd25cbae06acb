"""The whole configuration as one immutable value: what every process starts from and what a reload
swaps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gslb.model.place import Network
from gslb.model.service import Site
from gslb.model.zone import ZoneSource

MAX_UDP_SIZE = 4096
"""The largest UDP answer that may be configured, in octets; BIND and Unbound cap theirs here."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A host address in text form and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class DnsLimits:
    """What a name server grants its clients. Sizes in octets, times in seconds."""

    udp_size: int = 1232
    ecs: bool = True
    ecs_max_ipv4: int = 24
    ecs_max_ipv6: int = 56
    nsid: str | None = None
    version: str | None = None
    tcp_connections: int = 1000
    tcp_per_client: int = 50
    tcp_idle_s: float = 10.0
    tcp_message_s: float = 2.0


@dataclass(frozen=True, slots=True)
class GeoSettings:
    """databases: paths of mmdb files, or `bundled`; later ones add what the earlier do not know."""

    databases: tuple[str, ...] = ("bundled",)
    maps: Mapping[str, tuple[Network, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HealthSettings:
    """quorum, max_withdrawn and panic_below are shares in [0, 1]."""

    quorum: float = 0.5
    stale_after_s: float = 30.0
    max_withdrawn: float = 1.0
    panic_below: float = 0.0


@dataclass(frozen=True, slots=True)
class LogSettings:
    """format: `auto` (text on a terminal, JSON otherwise), `text` or `json`.

    decisions: where sampled decisions go, a path or `stdout` / `stderr`; None keeps no log.
    decision_share: the share of queries that is logged, in [0, 1].
    """

    level: str = "info"
    format: str = "auto"
    decisions: str | None = None
    decision_share: float = 0.001


@dataclass(frozen=True, slots=True)
class System:
    """Everything that the operator's files say.

    files: every file that was read, absolute paths, so that a change of one can be seen.
    digest: the first 12 hexadecimal digits of a SHA-256 over their content: the configuration's
    generation.
    """

    node: str
    dns: tuple[Endpoint, ...]
    zones: tuple[ZoneSource, ...]
    sites: Mapping[str, Site]
    admin: Endpoint | None = None
    workers: int = 1
    store: str = "memory"
    geo: GeoSettings = GeoSettings()
    health: HealthSettings = HealthSettings()
    limits: DnsLimits = DnsLimits()
    log: LogSettings = LogSettings()
    files: tuple[str, ...] = ()
    digest: str = ""
