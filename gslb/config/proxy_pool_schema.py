"""The shape of a pool of a proxy: its backends, how one is picked, and when one is left alone.

Rules that need two keys are in gslb.config.proxy_pool_rules.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from gslb.config.check_schema import CheckEntry, HttpEntry, HttpsEntry, KindEntry, TcpCheckEntry
from gslb.config.entry import Entry
from gslb.config.fields import AddressField, DomainField, FilePath, LabelField, Share
from gslb.config.proxy_fields import BackendAddress, KeyField, TokenName
from gslb.config.words import did_you_mean, one_of, shown
from gslb.model.proxy import Algorithm

MAX_BACKENDS = 1000
MAX_WEIGHT = 1000

Ceiling = Annotated[int, Field(ge=1, le=1_000_000)]
LongDuration = Annotated[float, Field(ge=0, le=86400)]
Window = Annotated[float, Field(ge=1, le=3600)]
Quantile = Annotated[float, Field(gt=0, lt=1)]


def _drop_default(schema: dict[str, Any]) -> None:
    """The default of the class above is never used: `build_proxy` fills in the backend's own."""
    schema.pop("default", None)


OwnPort = Annotated[int, Field(ge=1, le=65535, json_schema_extra=_drop_default)]


class PoolHttpEntry(HttpEntry):
    """A request over HTTP that every backend must answer as told."""

    port: OwnPort = 80
    """TCP port. Left out: the backend's own."""
    host: DomainField | None = None
    """Host header. Left out: the backend's address."""
    address: AddressField | None = None
    """Who is asked. Left out: the backend itself."""


class PoolHttpsEntry(HttpsEntry):
    """A request over HTTPS that every backend must answer as told."""

    port: OwnPort = 443
    """TCP port. Left out: the backend's own."""
    host: DomainField | None = None
    """Host header, and the server name in TLS. Left out: the backend's address."""
    address: AddressField | None = None
    """Who is asked. Left out: the backend itself."""


class PoolTcpEntry(TcpCheckEntry):
    """A TCP connection that every backend must accept."""

    port: OwnPort = 1
    """TCP port. Left out: the backend's own."""
    address: AddressField | None = None
    """Who is asked. Left out: the backend itself."""


class PoolKindEntry(KindEntry):
    """One thing that is asked: exactly one of `http`, `https`, `tcp` and `command`."""

    http: PoolHttpEntry | None = None
    """A request over HTTP."""
    https: PoolHttpsEntry | None = None
    """A request over HTTPS."""
    tcp: PoolTcpEntry | None = None
    """A TCP connection."""


class PoolCheckEntry(CheckEntry):
    """How the health of each backend is checked, as under `sites.NAME.check`; exactly one of
    `http`, `https`, `tcp`, `command` and `of`.
    """

    http: PoolHttpEntry | None = None
    """A request over HTTP."""
    https: PoolHttpsEntry | None = None
    """A request over HTTPS."""
    tcp: PoolTcpEntry | None = None
    """A TCP connection."""
    of: list[PoolKindEntry] | None = Field(default=None, min_length=2, max_length=16)  # type: ignore[assignment]
    """Several things that are asked at once in each round: `[{http: {}}, {tcp: {port: 5432}}]`."""
    fall: Annotated[int, Field(ge=1, le=100)] = 3
    """Consecutive failures that take a backend down."""
    rise: Annotated[int, Field(ge=1, le=100)] = 2
    """Consecutive successes that bring it back."""
    init: Literal["up", "down"] = "down"
    """What a backend counts as before its first check."""


class BackendEntry(Entry):
    """One server of a pool."""

    address: BackendAddress
    """Its IP address and port."""
    weight: Annotated[int, Field(ge=0, le=MAX_WEIGHT)] = 1
    """Share of the requests, relative to the other weights; 0 takes no new clients."""
    backup: bool = False
    """Used only when no other backend is left."""
    max_connections: Ceiling | None = None
    """Requests in flight at most (TCP: connections). Left out: the pool's."""


class NoOptions(Entry):
    """What takes no options."""


class HashEntry(Entry):
    """Options of `consistent_hash` and `maglev`."""

    key: KeyField | None = None
    """What of a request is hashed: `client_ip`, `host`, `path`, `uri`, `header:NAME`, `cookie:NAME`
    or `query:NAME`. Left out: the client's address."""
    bounded_load: Annotated[float, Field(ge=1, le=100)] | None = None
    """No backend gets more than this times its fair share of the requests in flight; such as 1.25.
    Left out: unbounded."""


def widen_balance(value: object) -> object:
    """A bare name is an algorithm without options."""
    names = list(BalanceEntry.model_fields)
    name = value if isinstance(value, str) else None
    if isinstance(value, dict) and len(value) == 1:
        name = str(next(iter(value)))
    if name is None:
        told = f"must be the name of an algorithm, or {{name: {{options}}}}, not {shown(value)}"
        raise ValueError(told)
    if name not in names:
        hint = did_you_mean(name, names)
        raise ValueError(f"{shown(name)} is no algorithm; allowed: {one_of(names)}{hint}")
    return {name: {}} if isinstance(value, str) else value


class BalanceEntry(Entry):
    """How one of the backends is picked; each by weight. See docs/algorithms.md."""

    round_robin: NoOptions | None = None
    """One after the other."""
    least_connections: NoOptions | None = None
    """The one with the fewest requests in flight."""
    least_response_time: NoOptions | None = None
    """The one that is expected to answer first, by what was measured lately."""
    power_of_two: NoOptions | None = None
    """The one with fewer requests in flight of two that are drawn."""
    ip_hash: NoOptions | None = None
    """The one that the client's address falls on."""
    consistent_hash: HashEntry | None = None
    """The one that the key falls on; few keys move when a backend comes or goes."""
    maglev: HashEntry | None = None
    """As `consistent_hash`, quicker and more even; a few more keys move."""

    @property
    def chosen(self) -> tuple[Algorithm, NoOptions | HashEntry]:
        """The algorithm that is given, and its options."""
        given = ((name, getattr(self, name)) for name in Algorithm)
        return next((name, options) for name, options in given if options is not None)


AlgorithmName = Literal[
    "round_robin",
    "least_connections",
    "least_response_time",
    "power_of_two",
    "ip_hash",
    "consistent_hash",
    "maglev",
]
BalanceField = Annotated[BalanceEntry, BeforeValidator(widen_balance, AlgorithmName | BalanceEntry)]


_DEFAULT_BALANCE = BalanceEntry(power_of_two=NoOptions())


class PassiveEntry(Entry):
    """When the answers to clients take a backend out, and for how long."""

    window_s: Window = 10.0
    """Seconds that are looked back on."""
    error_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Share of errors (5xx, no answer) from which it is taken out."""
    min_requests: Annotated[int, Field(ge=1, le=1_000_000)] = 20
    """Answers in `window_s` below which the share says nothing."""
    connect_failures: Annotated[int, Field(ge=1, le=1000)] = 5
    """Connections that fail in a row and take it out."""
    eject_s: Annotated[float, Field(gt=0, le=86400)] = 30.0
    """Seconds that it stays out, times how often in a row it was taken out."""
    max_eject_s: Annotated[float, Field(gt=0, le=86400)] = 300.0
    """Seconds that it stays out at most."""
    max_ejected: Share = 0.3
    """Share of the pool that may be out this way; one backend of two or more always may."""


class AffinityEntry(Entry):
    """What keeps a client at its backend: exactly one of `cookie` and `client_ip`."""

    cookie: TokenName | None = None
    """Name of a cookie that names the backend, signed."""
    client_ip: NoOptions | None = None
    """`{}`: the client's address."""
    max_age_s: Annotated[int, Field(ge=1, le=34_560_000)] | None = None
    """Seconds that the cookie lasts. Left out: as long as the browser runs."""
    secret_file: FilePath | None = None
    """File with what the cookie is signed by; only its owner should be able to read it. All proxies
    of a region need the same. Left out: a secret that each proxy makes when it starts."""


class RetryEntry(Entry):
    """When a request is sent to another backend: those that may be repeated (RFC 9110 9.2.2), and
    any that the first one has not been sent.
    """

    attempts: Annotated[int, Field(ge=0, le=10)] = 1
    """Times besides the first, each to another backend; 0 is never."""
    budget: Share = 0.2
    """Retries on the way may be this share of the requests on the way."""
    min_retries: Annotated[int, Field(ge=0, le=10_000)] = 3
    """Retries on the way that are allowed whatever the share."""
    statuses: list[Annotated[int, Field(ge=400, le=599)]] = Field(
        default=[502, 503, 504], max_length=100
    )
    """Status codes that count as failures to be retried."""
    buffer_kb: Annotated[int, Field(ge=0, le=65536)] = 64
    """Kilobytes (1024 octets) of a request's body that are kept; one with a longer body is not
    retried."""


class HedgeEntry(Entry):
    """When a second request goes to another backend before the first is answered; the first answer
    is taken.
    """

    after_quantile: Quantile = 0.95
    """It is sent when the first takes longer than this quantile of what was measured."""
    max_extra: Annotated[float, Field(gt=0, le=1)] = 0.05
    """Share of the requests that may be doubled."""
    min_samples: Annotated[int, Field(ge=10, le=100_000)] = 100
    """Answers that must have been measured first."""


class CircuitEntry(Entry):
    """When a whole pool is left alone: 503 at once, then one request after the other until one is
    answered.
    """

    error_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Share of errors from which it is."""
    min_requests: Annotated[int, Field(ge=1, le=1_000_000)] = 20
    """Requests in `window_s` below which the share says nothing."""
    window_s: Window = 10.0
    """Seconds that are looked back on."""
    open_s: Annotated[float, Field(gt=0, le=3600)] = 10.0
    """Seconds that it is."""


class QueueEntry(Entry):
    """Where requests wait while every backend is at its ceiling; the highest priority first."""

    size: Annotated[int, Field(ge=0, le=100_000)] = 0
    """Requests that may wait, each counted as its route's `cost`; the others get 503. 0 is no
    queue."""
    timeout_s: Annotated[float, Field(gt=0, le=600)] = 2.0
    """Seconds after which one that waits gets 503."""


class UpstreamTlsEntry(Entry):
    """TLS towards the backends."""

    server_name: DomainField | None = None
    """Server name that is asked for and that the certificate must have. Left out: the request's
    host."""
    ca_file: FilePath | None = None
    """Certificates (PEM) that the backends' certificates are checked by. Left out: the system's."""
    verify: bool = True
    """Whether the certificates must be valid."""


class PoolEntry(Entry):
    """Backends that can stand for each other."""

    balance: BalanceField = Field(
        default=_DEFAULT_BALANCE,
        json_schema_extra={"default": "power_of_two"},
    )
    """How a backend is picked: the name of an algorithm, or `{name: {options}}`."""
    backends: dict[LabelField, BackendEntry] = Field(min_length=1, max_length=MAX_BACKENDS)
    """The servers, by name."""
    check: PoolCheckEntry | None = None
    """How their health is checked. Left out: they count as up."""
    passive: PassiveEntry | None = None
    """When real traffic takes a backend out; `{}` is the defaults. Left out: never."""
    affinity: AffinityEntry | None = None
    """What keeps a client at its backend. Left out: nothing."""
    retry: RetryEntry = RetryEntry()
    """When a request is sent to another backend."""
    hedge: HedgeEntry | None = None
    """When a second request is sent before the first is answered; `{}` is the defaults. Left out:
    never."""
    circuit: CircuitEntry | None = None
    """When the whole pool is left alone; `{}` is the defaults. Left out: never."""
    queue: QueueEntry = QueueEntry()
    """Where requests wait while every backend is at its ceiling."""
    slow_start_s: Annotated[float, Field(ge=0, le=3600)] = 0.0
    """Seconds over which a backend that comes back gets its full share. 0 is at once."""
    max_connections: Ceiling | None = None
    """Requests in flight at each backend at most (TCP: connections). Left out: unlimited."""
    panic_below: Share = 0.0
    """When less than this share of the backends is healthy, all are used; 0 is never: then 503."""
    drain_timeout_s: LongDuration = 30.0
    """Seconds that a drained backend keeps its sessions at most."""
    send_proxy: Literal["v1", "v2"] | None = None
    """Version of the PROXY protocol header that connections to backends begin with. Left out:
    none."""
    tls: UpstreamTlsEntry | None = None
    """TLS towards the backends; `{}` is the defaults. Left out: plain."""
