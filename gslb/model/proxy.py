"""The nouns of the regional tier: what the operator's file says of each proxy, as immutable values.

Times in seconds unless the name says otherwise, sizes in octets, shares in [0, 1].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from gslb.model.check import Check
from gslb.model.endpoint import Endpoint
from gslb.model.place import Network


class Priority(IntEnum):
    """Which requests go first: they are shed last and leave a queue first."""

    LOW = 0
    NORMAL = 1
    HIGH = 2


class Algorithm(StrEnum):
    """How a pool picks one of its backends."""

    ROUND_ROBIN = "round_robin"
    LEAST_CONNECTIONS = "least_connections"
    LEAST_RESPONSE_TIME = "least_response_time"
    POWER_OF_TWO = "power_of_two"
    IP_HASH = "ip_hash"
    CONSISTENT_HASH = "consistent_hash"
    MAGLEV = "maglev"


class KeyKind(StrEnum):
    """What of a request is hashed."""

    CLIENT_IP = "client_ip"
    HOST = "host"
    PATH = "path"
    URI = "uri"
    HEADER = "header"
    COOKIE = "cookie"
    QUERY = "query"


@dataclass(frozen=True, slots=True)
class KeySpec:
    """Which part of a request is a key. name: of the header, cookie or query parameter."""

    kind: KeyKind
    name: str = ""


@dataclass(frozen=True, slots=True)
class BalanceSpec:
    """An algorithm and its settings.

    key: what the hashing ones hash; None is the client's address. bounded_load: no backend gets
    more than this times its fair share of requests in flight (at least 1); None is unbounded.
    """

    algorithm: Algorithm = Algorithm.POWER_OF_TWO
    key: KeySpec | None = None
    bounded_load: float | None = None


@dataclass(frozen=True, slots=True)
class Backend:
    """One server of a pool.

    weight: 0 takes no new clients. backup: used only when no other backend is left. check: the
    pool's, with this backend's address and port filled in. max_connections: requests in flight (TCP
    mode: connections) at most, None is unlimited.
    """

    name: str
    address: Endpoint
    weight: int = 1
    backup: bool = False
    max_connections: int | None = None
    check: Check | None = None


@dataclass(frozen=True, slots=True)
class PassiveSettings:
    """When real traffic takes a backend out: at error_share of at least min_requests answers within
    window_s, or at connect_failures in a row. It stays out for eject_s times the number of
    ejections in a row, at most max_eject_s. max_ejected: the share of the pool that may be out this
    way, at least one backend where there are two.
    """

    window_s: float = 10.0
    error_share: float = 0.5
    min_requests: int = 20
    connect_failures: int = 5
    eject_s: float = 30.0
    max_eject_s: float = 300.0
    max_ejected: float = 0.3


@dataclass(frozen=True, slots=True)
class AffinitySettings:
    """What keeps a client at its backend. cookie: its name, None goes by the client's address.
    max_age_s: None lasts as long as the browser. secret_file: what signs the cookie; None is a key
    derived from the pool's name and the node's random one.
    """

    cookie: str | None = None
    max_age_s: int | None = None
    secret_file: str | None = None


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """attempts: on other backends, beside the first. budget: retries on the way may be this share
    of requests on the way, and min_retries in any case. statuses: answers that count as failures to
    be retried.
    """

    attempts: int = 1
    budget: float = 0.2
    min_retries: int = 3
    statuses: tuple[int, ...] = (502, 503, 504)
    buffer_octets: int = 64 * 1024


@dataclass(frozen=True, slots=True)
class HedgeSettings:
    """A second request to another backend when the first takes longer than the quantile of what was
    measured; at most max_extra of the requests.
    """

    after_quantile: float = 0.95
    max_extra: float = 0.05
    min_samples: int = 100


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """How many requests wait when every backend is at its ceiling, and how long."""

    size: int = 0
    timeout_s: float = 2.0


@dataclass(frozen=True, slots=True)
class CircuitSettings:
    """When a whole pool is left alone: at error_share of at least min_requests within window_s it
    opens for open_s, answers 503 at once, then lets requests in one by one until one is answered.
    """

    error_share: float = 0.5
    min_requests: int = 20
    window_s: float = 10.0
    open_s: float = 10.0


@dataclass(frozen=True, slots=True)
class UpstreamTls:
    """TLS towards the backends. server_name: None is the request's Host. ca_file: None is the
    system's.
    """

    server_name: str | None = None
    ca_file: str | None = None
    verify: bool = True


@dataclass(frozen=True, slots=True)
class Pool:
    """Backends that can stand for each other. panic_below: with a smaller share of them healthy all
    are used; 0 never. send_proxy: version of the PROXY protocol header that backends get, 0 none.
    starts_up: whether a backend counts as up before its first check.
    """

    name: str
    backends: tuple[Backend, ...]
    balance: BalanceSpec = BalanceSpec()
    passive: PassiveSettings | None = None
    affinity: AffinitySettings | None = None
    retry: RetrySettings = RetrySettings()
    hedge: HedgeSettings | None = None
    circuit: CircuitSettings | None = None
    queue: QueueSettings = QueueSettings()
    slow_start_s: float = 0.0
    panic_below: float = 0.0
    drain_timeout_s: float = 30.0
    send_proxy: int = 0
    starts_up: bool = False
    tls: UpstreamTls | None = None


class TextTest(StrEnum):
    """How a text is compared."""

    EXACT = "exact"
    PREFIX = "prefix"
    REGEX = "regex"
    PRESENT = "present"


@dataclass(frozen=True, slots=True)
class TextMatch:
    """How a header, cookie or query parameter must look. text: unused for PRESENT."""

    test: TextTest
    text: str = ""


@dataclass(frozen=True, slots=True)
class JwtMatch:
    """A signed token that must be valid and claim this. key_file: PEM of a public key, or the
    octets of a shared secret for HS256. header: where the token is, after `Bearer` if that is
    `authorization`.
    """

    key_file: str
    claims: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
    algorithms: tuple[str, ...] = ("EdDSA",)
    header: str = "authorization"
    audience: str | None = None
    issuer: str | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """When a route is taken: when everything that is set here holds. Empty holds for every request.

    hosts: exact, or `*.` and a domain. Path, path_prefix and path_regex are judged on the path as
    it is forwarded. languages: one of them is what the client likes best.
    """

    hosts: tuple[str, ...] = ()
    path: str | None = None
    path_prefix: str | None = None
    path_regex: str | None = None
    methods: tuple[str, ...] = ()
    headers: Mapping[str, TextMatch] = field(default_factory=dict)
    cookies: Mapping[str, TextMatch] = field(default_factory=dict)
    query: Mapping[str, TextMatch] = field(default_factory=dict)
    languages: tuple[str, ...] = ()
    client_networks: tuple[Network, ...] = ()
    jwt: JwtMatch | None = None


@dataclass(frozen=True, slots=True)
class HeaderChanges:
    """remove first, then set (replaces), then add (beside what is there)."""

    set: Mapping[str, str] = field(default_factory=dict)
    add: Mapping[str, str] = field(default_factory=dict)
    remove: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rewrite:
    """What becomes of the path before it is sent on, in this order; host replaces the Host.

    regex, replacement: Python's `re` with groups, on the path without the query.
    """

    strip_prefix: str | None = None
    regex: str | None = None
    replacement: str = ""
    add_prefix: str | None = None
    host: str | None = None


@dataclass(frozen=True, slots=True)
class Redirect:
    """An answer instead of a pool. Parts that are None stay as the request has them."""

    status: int = 302
    scheme: str | None = None
    host: str | None = None
    path: str | None = None


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `requests` in `per_s` for each key; `burst` of them at once. sliding: a sliding
    window instead of a token bucket.
    """

    requests: int
    per_s: float = 1.0
    burst: int | None = None
    key: KeySpec = KeySpec(KeyKind.CLIENT_IP)
    sliding: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """What a drill does to requests of a route. abort_status: the answer of those aborted."""

    delay_ms: float = 0.0
    delay_share: float = 0.0
    abort_status: int = 503
    abort_share: float = 0.0


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """max_octets: of all that a route's cache holds; one entry takes max_entry_octets at most."""

    max_octets: int = 64 * 1024 * 1024
    max_entry_octets: int = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Route:
    """Requests that match, and what becomes of them. pools: name -> weight, empty with a redirect.

    cost: one request weighs as much as this many in balancing, queueing and limits.
    """

    name: str
    match: Match = Match()
    pools: Mapping[str, int] = field(default_factory=dict)
    redirect: Redirect | None = None
    priority: Priority = Priority.NORMAL
    cost: float = 1.0
    rate_limit: RateLimit | None = None
    request_headers: HeaderChanges = HeaderChanges()
    response_headers: HeaderChanges = HeaderChanges()
    rewrite: Rewrite | None = None
    fault: Fault | None = None
    cache: CacheSettings | None = None
    compress: bool = False


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM files of a certificate chain and its key, absolute paths."""

    certificate: str
    key: str


@dataclass(frozen=True, slots=True)
class Listener:
    """Where clients connect. certificates: the first is for clients without a (known) server name;
    empty is plain. pool: of TCP mode, None is HTTP. proxy_protocol: trusted peers must begin with a
    PROXY protocol header.
    """

    endpoint: Endpoint
    certificates: tuple[Certificate, ...] = ()
    pool: str | None = None
    proxy_protocol: bool = False


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long each phase may take.

    tls: of a handshake. headers: from a request's first octet to the end of its head. body_idle:
    between two octets of a body, either way. connect: to a backend. response: from a request's last
    octet to the answer's head, one attempt. total: from the request's head to the answer's head,
    queue and retries included. keep_alive: between two requests of a client. tunnel_idle: without
    any octet. idle_upstream: how long an unused connection to a backend is kept.
    """

    tls_s: float = 10.0
    headers_s: float = 10.0
    body_idle_s: float = 30.0
    connect_s: float = 2.0
    response_s: float = 15.0
    total_s: float = 60.0
    keep_alive_s: float = 60.0
    tunnel_idle_s: float = 3600.0
    idle_upstream_s: float = 30.0


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """What is taken from clients and backends.

    line_octets: of a request line (414). header_octets, headers: of a head (431). body_octets: of
    a request (413), None is unlimited. connections: of clients, for each worker.
    requests_per_connection: after them a connection is closed. body_octets_per_s: slower bodies are
    cut off (408).
    """

    line_octets: int = 16 * 1024
    header_octets: int = 64 * 1024
    headers: int = 100
    body_octets: int | None = None
    connections: int = 20_000
    requests_per_connection: int = 1000
    body_octets_per_s: int = 500


@dataclass(frozen=True, slots=True)
class ShedSettings:
    """When requests are refused to keep the others quick: low priority at half, normal at 3/4 and
    high at all of max_in_flight requests on the way, or of max_lag_ms of the event loop's lag.
    """

    max_in_flight: int = 10_000
    max_lag_ms: float = 200.0


@dataclass(frozen=True, slots=True)
class Proxy:
    """One regional proxy: listeners, routes (the first that matches is taken) and pools.

    access_log: `stdout`, `stderr` or a path, None keeps none. health_path: None answers none.
    admin: where its status and orders are, None is nowhere.
    """

    name: str
    site: str
    listeners: tuple[Listener, ...]
    routes: tuple[Route, ...]
    pools: Mapping[str, Pool]
    allow_faults: bool = False
    health_path: str | None = None
    trusted_proxies: tuple[Network, ...] = ()
    access_log: str | None = None
    admin: Endpoint | None = None
    workers: int = 1
    capacity: float | None = None
    timeouts: Timeouts = Timeouts()
    limits: HttpLimits = HttpLimits()
    shed: ShedSettings = ShedSettings()
    drain_timeout_s: float = 30.0
