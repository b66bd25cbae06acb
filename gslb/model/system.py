"""The whole configuration as one immutable value: what every process starts from and what a reload
swaps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gslb.model.agent import Agent
from gslb.model.check import Check
from gslb.model.endpoint import Endpoint
from gslb.model.order import Order
from gslb.model.place import Network
from gslb.model.proxy import Proxy
from gslb.model.service import Site
from gslb.model.zone import ZoneSource

MAX_UDP_SIZE = 4096
"""The largest UDP answer that may be configured, in octets; BIND and Unbound cap theirs here."""


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
    """How reports become health. Shares in [0, 1], times in seconds.

    quorum: a site is up while at least this share of the failure domains say so. min_domains: so
    many of them must say down to take it down; None is two, or one where no more are declared.
    distrust_above: an agent that contradicts the others about more than this share of its sites
    loses its vote. canaries: what every agent must reach to be believed. max_withdrawn,
    max_withdrawn_per_min: shares of capacity. min_capacity: a drain must leave at least this share.
    flap_hold_s, flap_hold_max_s: how long a site that went down again must be well before it comes
    back, doubled each time up to the maximum; 0 is off. own_probes: this name server probes by
    itself when no agent is heard.
    """

    quorum: float = 0.5
    stale_after_s: float = 30.0
    max_withdrawn: float = 1.0
    max_withdrawn_per_min: float = 1.0
    panic_below: float = 0.0
    min_domains: int | None = None
    distrust_above: float = 0.5
    min_capacity: float = 0.5
    flap_hold_s: float = 30.0
    flap_hold_max_s: float = 600.0
    own_probes: bool = True
    canaries: tuple[Check, ...] = ()


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """How a Redis store is reached. Files are absolute paths; secrets stay in their files.

    prefix: begins every key, inside the hash tag. timeout_s: for connecting and for each command.
    """

    prefix: str = "gslb"
    username: str | None = None
    password_file: str | None = None
    sentinel_username: str | None = None
    sentinel_password_file: str | None = None
    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None
    timeout_s: float = 1.0


@dataclass(frozen=True, slots=True)
class AdminSettings:
    """Who may use the admin port.

    token_sha256: hexadecimal digests of the bearer tokens; empty asks for none, which only a
    loopback address may do.
    """

    token_sha256: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EventSettings:
    """Where events go besides the log and the store. webhook: an http or https URL that gets each
    one as JSON.
    """

    webhook: str | None = field(default=None, repr=False)


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

    store: `memory` or the URL of a Redis, which may hold a password. state_dir: where the last good
    health is kept across restarts, None keeps none. orders: those that stand in the configuration.
    files: every file that was read, absolute paths, so that a change of one can be seen.
    digest: the first 12 hexadecimal digits of a SHA-256 over their content: the configuration's
    generation. shared_digest: the same over what all name servers of one system have in common.
    """

    node: str
    dns: tuple[Endpoint, ...]
    zones: tuple[ZoneSource, ...]
    sites: Mapping[str, Site]
    proxies: Mapping[str, Proxy] = field(default_factory=dict)
    admin: Endpoint | None = None
    workers: int = 1
    store: str = field(default="memory", repr=False)
    state_dir: str | None = None
    agents: Mapping[str, Agent] = field(default_factory=dict)
    orders: tuple[Order, ...] = ()
    redis: RedisSettings = RedisSettings()
    geo: GeoSettings = GeoSettings()
    health: HealthSettings = HealthSettings()
    limits: DnsLimits = DnsLimits()
    log: LogSettings = LogSettings()
    admin_access: AdminSettings = AdminSettings()
    events: EventSettings = EventSettings()
    files: tuple[str, ...] = ()
    digest: str = ""
    shared_digest: str = ""
