"""The shape of a regional proxy: where it listens, and what it takes of clients and backends.

Its routes are in gslb.config.proxy_route_schema, its pools in gslb.config.proxy_pool_schema. Rules
that need two keys are in gslb.config.proxy_rules.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gslb.config.entry import Entry
from gslb.config.fields import (
    Duration,
    EndpointField,
    FilePath,
    LabelField,
    WorkersField,
)
from gslb.config.proxy_fields import CidrField, RoutePath
from gslb.config.proxy_pool_schema import LongDuration, PoolEntry
from gslb.config.proxy_route_schema import RouteEntry

MAX_PROXIES = 100
MAX_LISTENERS = 64
MAX_CERTIFICATES = 1000
MAX_ROUTES = 2000
MAX_POOLS = 1000


class CertificateEntry(Entry):
    """A certificate and its key."""

    certificate: FilePath
    """File of the certificate and those between it and its authority (PEM)."""
    key: FilePath
    """File of its private key (PEM); only its owner should be able to read it."""


class ListenerTlsEntry(CertificateEntry):
    """TLS for clients. The first certificate is for those that name no server, or an unknown
    one.
    """

    more: list[CertificateEntry] = Field(default=[], max_length=MAX_CERTIFICATES)
    """More certificates, picked by the server name that a client asks for (SNI)."""


class ListenerEntry(Entry):
    """An address where clients connect."""

    address: EndpointField
    """IP address and port."""
    tls: ListenerTlsEntry | None = None
    """TLS for clients. Left out: plain."""
    mode: Literal["http", "tcp"] = "http"
    """`http` takes routes; `tcp` hands whole connections to `pool`."""
    pool: LabelField | None = None
    """The pool of `mode: tcp`."""
    proxy_protocol: bool = False
    """Whether connections from `trusted_proxies` must begin with a PROXY protocol header, version 1
    or 2."""


class TimeoutsEntry(Entry):
    """Seconds that each phase of a request may take."""

    tls_s: Duration = 10.0
    """A client's TLS handshake."""
    headers_s: Duration = 10.0
    """From the first octet of a request to the end of its headers (408)."""
    body_idle_s: Duration = 30.0
    """Between two octets of a body, either way."""
    connect_s: Duration = 2.0
    """Connecting to a backend, TLS included."""
    response_s: Duration = 15.0
    """From the last octet of a request to the headers of its answer, one attempt (504)."""
    total_s: Duration = 60.0
    """From a request's headers to those of its answer, queue and retries included (504)."""
    keep_alive_s: Duration = 60.0
    """Between two requests of a client's connection."""
    tunnel_idle_s: Annotated[float, Field(ge=0.05, le=86400)] = 3600.0
    """A WebSocket or TCP connection without any octet."""
    idle_upstream_s: Duration = 30.0
    """How long an unused connection to a backend is kept; less than the backend keeps it."""


class LimitsEntry(Entry):
    """What is taken of clients. Kilobytes are 1024 octets, megabytes 1024 kilobytes."""

    line_kb: Annotated[int, Field(ge=1, le=1024)] = 16
    """Kilobytes of a request line (414)."""
    header_kb: Annotated[int, Field(ge=1, le=1024)] = 64
    """Kilobytes of all headers (431)."""
    headers: Annotated[int, Field(ge=10, le=10_000)] = 100
    """Number of headers (431)."""
    body_mb: Annotated[float, Field(ge=0, le=1_000_000)] | None = None
    """Megabytes of a request's body (413). Left out: any number."""
    connections: Annotated[int, Field(ge=1, le=1_000_000)] = 20_000
    """Open connections of clients, for each worker."""
    requests_per_connection: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """Requests after which a client's connection is closed."""
    body_octets_per_s: Annotated[int, Field(ge=1, le=1_000_000)] = 500
    """Octets a second that a request's body must bring at least (408)."""


class ShedEntry(Entry):
    """When requests are refused (503) to keep the others quick: low priority at half of either
    limit, normal at three quarters, high at all of it.
    """

    max_in_flight: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    """Requests on the way, for each worker."""
    max_lag_ms: Annotated[float, Field(ge=1, le=60_000)] = 200.0
    """Milliseconds by which the worker is late, at each of three looks 250 ms apart."""


class ProxyEntry(Entry):
    """A regional load balancer: `gslb proxy FILE NAME`. The first route that matches is taken. See
    docs/proxy.md.
    """

    site: LabelField
    """The site whose load and health it reports."""
    allow_faults: bool = False
    """Whether routes may have a `fault`."""
    listen: list[ListenerEntry] = Field(min_length=1, max_length=MAX_LISTENERS)
    """Where clients connect."""
    health_path: RoutePath | None = None
    """Path that answers 200 while the region can serve, else 503: what probes ask. Left out:
    none."""
    trusted_proxies: list[CidrField] = Field(default=[], max_length=10_000)
    """Networks whose X-Forwarded-For and PROXY protocol headers are believed."""
    access_log: FilePath | None = None
    """Where each request is written as a JSON line: `stdout`, `stderr` or a file. Left out:
    nowhere."""
    routes: list[RouteEntry] = Field(default=[], max_length=MAX_ROUTES)
    """What becomes of requests; the first that matches is taken, and none is 404."""
    pools: dict[LabelField, PoolEntry] = Field(min_length=1, max_length=MAX_POOLS)
    """The backends, in pools, by name."""
    admin: EndpointField | None = None
    """Address and port of the HTTP API of this proxy (status, drains, metrics). Not on a loopback
    address: needs `admin.tokens`. Left out: none."""
    workers: WorkersField = 1
    """Processes that share the ports; `auto` is one for each core. Ceilings and budgets are divided
    among them."""
    capacity: Annotated[float, Field(gt=0, le=1e9)] | None = None
    """Requests on the way at once that the region can take, by which its load is told. Left out:
    what the `max_connections` of its busiest pool allow."""
    timeouts: TimeoutsEntry = TimeoutsEntry()
    """Seconds that each phase may take."""
    limits: LimitsEntry = LimitsEntry()
    """What is taken of clients."""
    shed: ShedEntry = ShedEntry()
    """When requests are refused to keep the others quick."""
    drain_timeout_s: LongDuration = 30.0
    """Seconds that requests on the way have to end when the proxy is stopped."""
