"""The shape of the main file: every key, what it takes, its default, and what it means.

Here, in check_schema, health_schema, the proxy_*schema modules and zone_schema keys are named, and
nowhere else: `gslb check`, `gslb schema` and docs/configuration.md all read them. Rules that need
two keys or two files are in gslb.config.rules.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from gslb.config.check_schema import CheckEntry
from gslb.config.credentials import TokensField
from gslb.config.endpoints import DEFAULT_DNS
from gslb.config.entry import Entry, widen_list
from gslb.config.fields import (
    AddressField,
    EndpointField,
    FilePath,
    LabelField,
    NetworkField,
    Share,
    WorkersField,
)
from gslb.config.health_schema import (
    MAX_AGENTS,
    MAX_ORDERS,
    AgentEntry,
    HealthEntry,
    LocationEntry,
    OrderEntry,
    RedisEntry,
)
from gslb.config.proxy_schema import MAX_PROXIES, ProxyEntry
from gslb.config.urls import StoreField, WebhookField
from gslb.model.system import MAX_UDP_SIZE


class ListenEntry(Entry):
    """Where the name server listens."""

    dns: list[EndpointField] = Field(
        default=list(DEFAULT_DNS),
        min_length=1,
        max_length=64,
        json_schema_extra={"default": list(map(str, DEFAULT_DNS))},
    )
    """Addresses and ports of the name server, UDP and TCP on each."""
    admin: EndpointField | None = None
    """Address and port of the HTTP API (status, orders, metrics). Not on a loopback address: needs
    `admin.tokens`. Left out: none."""


class GeoEntry(Entry):
    """What is known of client networks."""

    database: Annotated[list[FilePath], BeforeValidator(widen_list, FilePath | list[FilePath])] = (
        Field(default=["bundled"], min_length=1, max_length=16)
    )
    """`bundled` (the country database that ships with gslb), a GeoIP2, GeoLite2 or DB-IP file, or a
    list of them; later ones add what the earlier do not know."""
    maps: dict[LabelField, Annotated[list[NetworkField], Field(max_length=10_000)]] = Field(
        default={}
    )
    """Named client networks, for `serves: [map:NAME]`. The longest prefix wins; asked before the
    databases."""


class EdnsEntry(Entry):
    """What the name server grants by EDNS."""

    udp_size: Annotated[int, Field(ge=512, le=MAX_UDP_SIZE)] = 1232
    """Octets of the largest UDP answer. Above 1232, answers may be fragmented and lost."""
    client_subnet: bool = True
    """Whether the client subnet that a resolver sends (ECS, RFC 7871) decides, instead of the
    resolver's address."""
    max_ipv4_prefix: Annotated[int, Field(ge=1, le=32)] = 24
    """Bits of an IPv4 client subnet that are read at most."""
    max_ipv6_prefix: Annotated[int, Field(ge=1, le=64)] = 56
    """Bits of an IPv6 client subnet that are read at most."""
    nsid: Annotated[str, Field(max_length=63)] | None = None
    """Name server id (RFC 5001) for who asks. Left out: the value of `node`; \"\" switches it
    off."""
    version: Annotated[str, Field(max_length=63)] | None = None
    """Text that `version.bind` and `version.server` are answered with. Left out: they are
    refused."""


class TcpEntry(Entry):
    """Limits on DNS over TCP."""

    max_connections: Annotated[int, Field(ge=1, le=100_000)] = 1000
    """Open connections in all, for each worker."""
    max_per_client: Annotated[int, Field(ge=1, le=100_000)] = 50
    """Open connections of one client network: an IPv4 /24 or an IPv6 /56."""
    idle_s: Annotated[float, Field(ge=0.1, le=3600)] = 10.0
    """Seconds without a query after which a connection is closed."""
    message_s: Annotated[float, Field(ge=0.1, le=3600)] = 2.0
    """Seconds that a query may take from its first octet to its last, and an answer to be taken."""


class LogEntry(Entry):
    """What is logged."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least level that is logged."""
    format: Literal["auto", "text", "json"] = "auto"
    """`auto` is text on a terminal and JSON lines otherwise."""
    decisions: FilePath | None = None
    """Where sampled decisions are written as JSON lines: `stdout`, `stderr` or a file. Left out:
    nowhere."""
    decision_share: Share = 0.001
    """Share of the queries whose decision is logged."""


class AdminEntry(Entry):
    """Who may use `listen.admin`. It speaks plain HTTP, so a token can be read on the way: where it
    is not on a loopback address, put a proxy with TLS in front.
    """

    tokens: TokensField = Field(default=[])
    """SHA-256 of the bearer tokens, 64 hexadecimal digits each; `gslb token` prints a token and its
    SHA-256. Left out: none is asked for, which only a loopback address may do."""


class EventsEntry(Entry):
    """Where events go besides the log and the store."""

    webhook: WebhookField | None = None
    """URL that gets each event as JSON by POST. Left out: none."""


class SiteEntry(Entry):
    """A place that can take traffic."""

    addresses: list[AddressField] = Field(min_length=1, max_length=64)
    """The VIPs of the site: A answers take the IPv4 ones, AAAA the IPv6 ones."""
    location: LocationEntry = LocationEntry()
    """Where the site is."""
    capacity: Annotated[float, Field(gt=0, le=1e9)] = 1.0
    """How much it can carry, in any unit that is the same at every site."""
    check: CheckEntry | None = None
    """How its health is checked. Left out: it always counts as up."""


class MainFile(Entry):
    """The main file: this process, the sites, and where the zones are. Relative paths are relative
    to it.
    """

    node: LabelField = "gslb"
    """This name server's name: in logs, metrics and NSID."""
    listen: ListenEntry = ListenEntry()
    """Where the name server listens."""
    workers: WorkersField = 1
    """Name server processes that share the port; `auto` is one for each core."""
    store: StoreField = "memory"
    """Where health is kept: `memory` (inside this process only), `redis://HOST:6379/0`,
    `redis+sentinel://HOST:26379,HOST:26379/MASTER/0`, `redis+cluster://HOST:6379,HOST:6379`; with
    `rediss` it is TLS. Name hosts by address: a name must not need the zones served here."""
    redis: RedisEntry = RedisEntry()
    """How the Redis of `store` is reached."""
    state_dir: FilePath | None = None
    """Directory that keeps the last good health across restarts. Left out: none."""
    geo: GeoEntry = GeoEntry()
    """What is known of client networks."""
    health: HealthEntry = HealthEntry()
    """When a site counts as up."""
    edns: EdnsEntry = EdnsEntry()
    """What the name server grants by EDNS."""
    tcp: TcpEntry = TcpEntry()
    """Limits on DNS over TCP."""
    log: LogEntry = LogEntry()
    """What is logged."""
    zones: list[FilePath] = Field(default=[], max_length=1000)
    """Zone files: paths or patterns such as `zones/*.yaml`. Each must match a file."""
    sites: dict[LabelField, SiteEntry] = Field(default={})
    """The places that can take traffic, by name."""
    agents: dict[LabelField, AgentEntry] = Field(default={}, max_length=MAX_AGENTS)
    """The probe agents whose reports count, by name."""
    orders: dict[LabelField, OrderEntry] = Field(default={}, max_length=MAX_ORDERS)
    """Orders that hold whatever the checks and other orders say, by the site's name."""
    proxies: dict[LabelField, ProxyEntry] = Field(default={}, max_length=MAX_PROXIES)
    """The regional load balancers that `gslb proxy FILE` runs, by name."""
    admin: AdminEntry = AdminEntry()
    """Who may use `listen.admin`."""
    events: EventsEntry = EventsEntry()
    """Where events go besides the log and the store."""
