"""The shape of the main file: every key, what it takes, its default, and what it means.

Here and in zone_schema keys are named, and nowhere else: `gslb check`, `gslb schema` and
docs/configuration.md all read them. Rules that need two keys or two files are in gslb.config.rules.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, WithJsonSchema

from gslb.config.fields import (
    AddressField,
    CountryField,
    DomainField,
    Duration,
    EndpointField,
    FilePath,
    LabelField,
    NetworkField,
    PathField,
    Port,
    Share,
    StoreField,
    TextField,
)
from gslb.config.words import shown
from gslb.model.system import MAX_UDP_SIZE, Endpoint

MAX_WORKERS = 64
DEFAULT_DNS = (Endpoint("127.0.0.1", 5300), Endpoint("::1", 5300))


def parse_workers(value: object) -> int | Literal["auto"]:
    """`auto` or a number of processes."""
    if value == "auto":
        return "auto"
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_WORKERS:
        raise ValueError(
            f"must be a whole number from 1 to {MAX_WORKERS} or auto, not {shown(value)}"
        )
    return value


def widen_list(value: object) -> object:
    """A bare text is a list of one."""
    return [value] if isinstance(value, str) else value


class Entry(BaseModel):
    """The parent of every mapping in the operator's files: no unknown keys, no guessed types."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


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
    """Address and port of the HTTP API (status, explanations); loopback only. Left out: none."""


class GeoEntry(Entry):
    """What is known of client networks."""

    database: Annotated[list[FilePath], BeforeValidator(widen_list, FilePath | list[FilePath])] = (
        Field(default=["bundled"], min_length=1, max_length=16)
    )
    """`bundled` (the country database that ships with gslb), a GeoIP2, GeoLite2 or DB-IP file, or a
    list of them; later ones add what the earlier do not know."""
    maps: dict[LabelField, Annotated[list[NetworkField], Field(max_length=10_000)]] = {}
    """Named client networks, for `serves: [map:NAME]`. The longest prefix wins; asked before the
    databases."""


class HealthEntry(Entry):
    """When a site counts as up."""

    quorum: Share = 0.5
    """A site is up while at least this share of the fresh observers say so."""
    stale_after_s: Annotated[float, Field(ge=1, le=86400)] = 30.0
    """Seconds after which a report counts for nothing."""
    max_withdrawn: Share = 1.0
    """Share of all capacity that automation may withdraw at most; then the last good state
    holds."""
    panic_below: Share = 0.0
    """When less than this share of all capacity is up, sites that are down count as up; 0 is
    off."""


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


class LocationEntry(Entry):
    """Where a site is; distances are measured from here."""

    country: CountryField | None = None
    """ISO 3166-1 code, for people: distances need latitude and longitude."""
    latitude: Annotated[float, Field(ge=-90, le=90)] | None = None
    """Degrees, north is positive. `nearest`, `latency` and `geo` measure from here."""
    longitude: Annotated[float, Field(ge=-180, le=180)] | None = None
    """Degrees, east is positive."""


class HttpEntry(Entry):
    """A request over HTTP that must be answered as told."""

    port: Port = 80
    """TCP port."""
    path: PathField = "/"
    """Path and query that are asked for; begins with `/`."""
    host: DomainField | None = None
    """Host header, and the server name in TLS. Left out: the site's address."""
    expect_status: list[Annotated[int, Field(ge=100, le=599)]] = Field(
        default=[200], min_length=1, max_length=100
    )
    """Status codes that count as success."""
    expect_body: TextField | None = None
    """Text that the first 64 KiB of the body must hold. Left out: any body."""


class HttpsEntry(HttpEntry):
    """A request over HTTPS that must be answered as told."""

    port: Port = 443
    """TCP port."""
    verify: bool = True
    """Whether the certificate must be valid for the host."""


class TcpCheckEntry(Entry):
    """A TCP connection that must be accepted."""

    port: Port
    """TCP port."""


class CheckEntry(Entry):
    """How a site's health is checked; exactly one of `http`, `https` and `tcp`."""

    http: HttpEntry | None = None
    """A request over HTTP."""
    https: HttpsEntry | None = None
    """A request over HTTPS."""
    tcp: TcpCheckEntry | None = None
    """A TCP connection."""
    interval_s: Duration = 5.0
    """Seconds from one check to the next."""
    timeout_s: Duration | None = None
    """Seconds that a check may take, at most `interval_s`. Left out: 2, or `interval_s` if that is
    less."""
    fall: Annotated[int, Field(ge=1, le=100)] = 3
    """Consecutive failures that take the site down."""
    rise: Annotated[int, Field(ge=1, le=100)] = 2
    """Consecutive successes that bring it back."""


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
    workers: Annotated[
        int | Literal["auto"],
        PlainValidator(parse_workers),
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "integer", "minimum": 1, "maximum": MAX_WORKERS},
                    {"const": "auto"},
                ]
            }
        ),
    ] = 1
    """Name server processes that share the port; `auto` is one for each core."""
    store: StoreField = "memory"
    """Where health is kept. This version has `memory`: inside this process only."""
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
    zones: Annotated[list[FilePath], Field(max_length=1000)] = []
    """Zone files: paths or patterns such as `zones/*.yaml`. Each must match a file."""
    sites: dict[LabelField, SiteEntry] = {}
    """The places that can take traffic, by name."""
