"""The shape of a route of a proxy: when it is taken, and what becomes of the request.

Rules that need two keys are in gslb.config.proxy_route_rules.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from gslb.config.check_schema import ScalarField
from gslb.config.entry import Entry
from gslb.config.fields import FilePath, LabelField, PathField, Share
from gslb.config.proxy_fields import (
    AuthorityField,
    ChangedHeader,
    ChangedValue,
    CidrField,
    HostPattern,
    KeyField,
    LanguageField,
    MatchText,
    MethodField,
    RegexField,
    RoutePath,
    TokenName,
)
from gslb.model.proxy import KeyKind, KeySpec, TextTest

MAX_TESTS = 50
MAX_POOL_WEIGHT = 1000

JwtAlgorithm = Literal[
    "EdDSA",
    "ES256",
    "ES384",
    "ES512",
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "HS256",
    "HS384",
    "HS512",
]


def widen_text(value: object) -> object:
    """A bare text is compared as it is."""
    return {TextTest.EXACT.value: value} if isinstance(value, str) else value


def widen_cache(value: object) -> object:
    """`true` is a cache with its defaults, `false` none."""
    if isinstance(value, bool):
        return {} if value else None
    return value


class TextEntry(Entry):
    """How a text must look: exactly one of `exact`, `prefix`, `regex` and `present`."""

    exact: MatchText | None = None
    """It is this."""
    prefix: MatchText | None = None
    """It begins with this."""
    regex: RegexField | None = None
    """This regular expression (Python's) matches all of it."""
    present: Literal[True] | None = None
    """It is there, whatever it is."""

    @property
    def tests(self) -> tuple[str, ...]:
        """The keys that are given; a good one has one."""
        return tuple(test.value for test in TextTest if getattr(self, test.value) is not None)


TextTestField = Annotated[TextEntry, BeforeValidator(widen_text, MatchText | TextEntry)]


class JwtEntry(Entry):
    """A signed token (JWT, RFC 7519) that must be valid: signature, `exp` and `nbf`. Else the route
    does not match.
    """

    key: FilePath
    """File of the public key (PEM), or of the shared secret where `algorithms` are HS ones."""
    claims: dict[Annotated[str, Field(min_length=1, max_length=200)], ScalarField] = Field(
        default={}, max_length=MAX_TESTS
    )
    """Claims that the token must have, with these values: `{plan: beta}`."""
    algorithms: list[JwtAlgorithm] = Field(default=["EdDSA"], min_length=1, max_length=13)
    """Algorithms that the signature may have; those of one key only."""
    header: TokenName = "authorization"
    """Header that holds the token; in `authorization` after `Bearer`."""
    audience: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    """What `aud` must hold. Left out: anything."""
    issuer: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    """What `iss` must be. Left out: anything."""


class RedirectEntry(Entry):
    """An answer that sends the client elsewhere; what is left out stays as the request has it."""

    status: Literal[301, 302, 303, 307, 308] = 302
    """Status code."""
    scheme: Literal["http", "https"] | None = None
    """Scheme of the new address."""
    host: AuthorityField | None = None
    """Host of the new address."""
    path: PathField | None = None
    """Path of the new address; the query stays, unless this brings one."""


class RateLimitEntry(Entry):
    """How many requests one key may make; those past it get 429 with Retry-After. Counted across
    the region where `store` is a Redis.
    """

    requests: Annotated[int, Field(ge=1, le=1_000_000_000)]
    """Requests in `per_s`, each counted as the route's `cost`."""
    per_s: Annotated[float, Field(gt=0, le=86400)] = 1.0
    """Seconds in which so many are allowed."""
    burst: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    """Requests that may come at once, of the token bucket. Left out: `requests`."""
    key: KeyField = Field(
        default=KeySpec(KeyKind.CLIENT_IP), json_schema_extra={"default": "client_ip"}
    )
    """What is counted by itself: `client_ip` (an IPv6 client is its /64), `header:X-User` and so
    on."""
    sliding: bool = False
    """A sliding window, which allows no burst, instead of a token bucket."""


class HeadersEntry(Entry):
    """What becomes of headers: `remove` first, then `set`, then `add`."""

    set: dict[ChangedHeader, ChangedValue] = Field(default={}, max_length=MAX_TESTS)
    """Headers that get this value instead of any other."""
    add: dict[ChangedHeader, ChangedValue] = Field(default={}, max_length=MAX_TESTS)
    """Headers that are put beside those of the same name."""
    remove: list[ChangedHeader] = Field(default=[], max_length=MAX_TESTS)
    """Names of headers that go."""


class RewriteEntry(Entry):
    """What becomes of the path before a backend sees it, in the order of these keys."""

    strip_prefix: RoutePath | None = None
    """Taken off the front: with `/shop`, `/shop/cart` becomes `/cart`, and `/shopping` stays."""
    regex: RegexField | None = None
    """Regular expression (Python's), replaced wherever it matches, by `replacement`."""
    replacement: Annotated[str, Field(max_length=1000)] = ""
    """What `regex` is replaced by; `\\1` is its first group."""
    add_prefix: RoutePath | None = None
    """Put in front."""
    host: AuthorityField | None = None
    """Host header that backends see. Left out: the client's."""


class FaultEntry(Entry):
    """A drill: what goes wrong on purpose. The proxy needs `allow_faults: true`."""

    delay_ms: Annotated[float, Field(ge=0, le=600_000)] = 0.0
    """Milliseconds that a delayed request waits."""
    delay_share: Share = 0.0
    """Share of the requests that are delayed."""
    abort_status: Annotated[int, Field(ge=400, le=599)] = 503
    """Status code of requests that are aborted."""
    abort_share: Share = 0.0
    """Share of the requests that are aborted."""


class CacheEntry(Entry):
    """A cache in memory that follows RFC 9111, one for each worker; `true` is one with the
    defaults.
    """

    max_size_mb: Annotated[float, Field(gt=0, le=65536)] = 64.0
    """Megabytes (2^20 octets) that it holds."""
    max_entry_mb: Annotated[float, Field(gt=0, le=65536)] = 1.0
    """Megabytes that one answer may take."""


class RouteEntry(Entry):
    """Requests that match, and what becomes of them. A route without conditions takes all."""

    name: LabelField
    """Name in logs and metrics, and of its rate limit; each route has its own."""
    hosts: list[HostPattern] = Field(default=[], max_length=1000)
    """Hosts, without ports: `www.example`, or `*.example` for all below it."""
    path: RoutePath | None = None
    """The whole path, as it is forwarded."""
    path_prefix: RoutePath | None = None
    """What the path begins with: `/api/`; or, without a `/` at its end, `/api` for itself and all
    below it."""
    path_regex: RegexField | None = None
    """Regular expression (Python's) that matches the whole path: `/shop/[0-9]+`."""
    methods: list[MethodField] = Field(default=[], max_length=MAX_TESTS)
    """Methods, one of which the request has."""
    headers: dict[TokenName, TextTestField] = Field(default={}, max_length=MAX_TESTS)
    """Headers and how they must look: `{X-Version: v2}`, `{X-Version: {prefix: v}}`,
    `{X-Debug: {present: true}}`."""
    cookies: dict[TokenName, TextTestField] = Field(default={}, max_length=MAX_TESTS)
    """Cookies and how they must look."""
    query: dict[Annotated[str, Field(min_length=1, max_length=200)], TextTestField] = Field(
        default={}, max_length=MAX_TESTS
    )
    """Parameters of the query and how they must look."""
    languages: list[LanguageField] = Field(default=[], max_length=MAX_TESTS)
    """Languages, one of which the client likes best (Accept-Language)."""
    client_networks: list[CidrField] = Field(default=[], max_length=10_000)
    """Networks, one of which the client is in."""
    jwt: JwtEntry | None = None
    """A signed token that the request must carry."""
    pool: LabelField | None = None
    """The pool that answers."""
    pools: dict[LabelField, Annotated[int, Field(ge=0, le=MAX_POOL_WEIGHT)]] | None = Field(
        default=None, min_length=1, max_length=100
    )
    """Pools that share the requests by weight, instead of `pool`: `{web: 95, web-v2: 5}`. A client
    stays in its pool."""
    redirect: RedirectEntry | None = None
    """An answer that sends the client elsewhere, instead of `pool`."""
    priority: Literal["low", "normal", "high"] = "normal"
    """What is shed last and leaves a queue first."""
    cost: Annotated[float, Field(gt=0, le=10_000)] = 1.0
    """One request weighs as much as this many in balancing, queueing and limits."""
    rate_limit: RateLimitEntry | None = None
    """How many requests a client may make. Left out: any number."""
    request_headers: HeadersEntry = HeadersEntry()
    """What becomes of the headers that backends see."""
    response_headers: HeadersEntry = HeadersEntry()
    """What becomes of the headers that clients see."""
    rewrite: RewriteEntry | None = None
    """What becomes of path and host before a backend sees them."""
    fault: FaultEntry | None = None
    """What goes wrong on purpose."""
    cache: Annotated[CacheEntry | None, BeforeValidator(widen_cache, bool | CacheEntry | None)] = (
        None
    )
    """A cache of answers; `true` is one with its defaults. Left out: none."""
    compress: bool = False
    """Whether answers are compressed for clients that take it."""
