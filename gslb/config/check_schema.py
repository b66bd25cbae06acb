"""The shape of a check: of a site's health, and of a canary.

Rules that need two keys are in gslb.config.check_rules.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema

from gslb.config.entry import Entry
from gslb.config.fields import AddressField, DomainField, Duration, PathField, Port, TextField
from gslb.config.words import did_you_mean, shown
from gslb.model.check import JsonScalar

KINDS = ("http", "https", "tcp", "command")
MAX_PARTS = 16
_OWN_HEADERS = ("host", "connection", "content-length", "transfer-encoding")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")  # RFC 9110 5.6.2
_VALUE = re.compile(r"[ -~\t]{0,2000}")


def parse_header_name(text: str) -> str:
    """The text itself if a check may send a header of that name."""
    if not _TOKEN.fullmatch(text):
        raise ValueError(f"{shown(text)} is not the name of a header")
    if text.lower() in _OWN_HEADERS:
        use = "; use the key host" if text.lower() == "host" else ""
        raise ValueError(f"{text} cannot be set: the probe sends its own{use}")
    return text


def parse_header_value(value: object) -> str:
    """The value of a header; one that is refused is not repeated, as it can be a secret."""
    if not isinstance(value, str) or not _VALUE.fullmatch(value) or value != value.strip():
        raise ValueError(
            "must be printable ASCII text of at most 2000 characters, without spaces around it; "
            "put a number in quotes"
        )
    return value


def parse_json_path(text: str) -> str:
    """The text itself if it is keys and indexes joined with dots."""
    if not re.fullmatch(r"[^.]+(\.[^.]+)*", text) or len(text) > 200:
        raise ValueError(
            f"{shown(text)} must be keys and indexes joined with dots, such as checks.0.status"
        )
    return text


def parse_scalar(value: Any) -> JsonScalar:
    """A value that a JSON body can hold in one place."""
    if isinstance(value, list | dict) or value in (float("inf"), float("-inf")):
        raise ValueError(f"must be text, a number, true, false or null, not {shown(value)}")
    scalar: JsonScalar = value
    return scalar


def parse_need(value: object) -> int | Literal["all", "any"]:
    """How many parts of a check must pass."""
    if value == "all":
        return "all"
    if value == "any":
        return "any"
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_PARTS:
        hint = did_you_mean(value, ("all", "any")) if isinstance(value, str) else ""
        raise ValueError(
            f"must be all, any or a whole number from 1 to {MAX_PARTS}, not {shown(value)}{hint}"
        )
    return value


def check_program(argv: list[str]) -> list[str]:
    """The list itself if its first entry is a path and all can be handed to a program."""
    if "/" not in argv[0]:
        raise ValueError(
            f"must begin with the path of a program such as /usr/bin/{argv[0] or 'true'}: "
            "neither PATH nor a shell is asked"
        )
    if any("\0" in one for one in argv):
        raise ValueError("must not hold NUL characters: no program can be given them")
    return argv


HeaderName = Annotated[str, AfterValidator(parse_header_name)]
HeaderValue = Annotated[
    str, PlainValidator(parse_header_value), WithJsonSchema({"type": "string", "format": "header"})
]
JsonPath = Annotated[str, AfterValidator(parse_json_path)]
ScalarField = Annotated[
    JsonScalar,
    PlainValidator(parse_scalar),
    WithJsonSchema({"anyOf": [{"type": kind} for kind in ("string", "number", "boolean", "null")]}),
]
Argv = Annotated[
    list[Annotated[str, Field(max_length=1000)]],
    Field(min_length=1, max_length=100),
    AfterValidator(check_program),
]
Milliseconds = Annotated[float, Field(gt=0, le=3_600_000)]


class HttpEntry(Entry):
    """A request over HTTP that must be answered as told."""

    port: Port = 80
    """TCP port."""
    path: PathField = "/"
    """Path and query that are asked for; begins with `/`."""
    host: DomainField | None = None
    """Host header, and the server name in TLS. Left out: the site's address."""
    address: AddressField | None = None
    """Who is asked. Left out: the site's own first address."""
    method: Literal["GET", "HEAD", "POST", "OPTIONS"] = "GET"
    """Method of the request; it has no body."""
    headers: dict[HeaderName, HeaderValue] = Field(default={}, max_length=50)
    """Headers that are sent besides. This file is not the place for secrets: agents and name
    servers all read it."""
    expect_status: list[Annotated[int, Field(ge=100, le=599)]] = Field(
        default=[200], min_length=1, max_length=100
    )
    """Status codes that count as success."""
    expect_body: TextField | None = None
    """Text that the first 64 KiB of the body must hold. Left out: any body."""
    expect_json: dict[JsonPath, ScalarField] = Field(default={}, max_length=50)
    """Values that a JSON body must hold: `{status: ok, checks.0.name: db}`. A path is keys and
    indexes joined with dots."""
    max_ms: Milliseconds | None = None
    """Milliseconds by which the whole answer must have come. Left out: `timeout_s`."""


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
    address: AddressField | None = None
    """Who is asked. Left out: the site's own first address."""
    send: TextField | None = None
    """Text that is sent once connected; `"\\r\\n"` in double quotes ends a line."""
    expect: TextField | None = None
    """Text that the first 64 KiB of the answer must hold. Left out: any answer, or none."""
    max_ms: Milliseconds | None = None
    """Milliseconds by which it must all be done. Left out: `timeout_s`."""


class KindEntry(Entry):
    """One thing that is asked: exactly one of `http`, `https`, `tcp` and `command`."""

    http: HttpEntry | None = None
    """A request over HTTP."""
    https: HttpsEntry | None = None
    """A request over HTTPS."""
    tcp: TcpCheckEntry | None = None
    """A TCP connection."""
    command: Argv | None = None
    """A program that must end with status 0: its path, absolute or relative to this file with a
    `/` in it, and its arguments. No shell reads them."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that are given; a good one has one."""
        return tuple(name for name in KINDS if getattr(self, name) is not None)


class CheckEntry(KindEntry):
    """How health is checked; exactly one of `http`, `https`, `tcp`, `command` and `of`."""

    of: list[KindEntry] | None = Field(default=None, min_length=2, max_length=MAX_PARTS)
    """Several things that are asked at once in each round: `[{http: {}}, {tcp: {port: 5432}}]`."""
    need: Annotated[
        int | Literal["all", "any"],
        PlainValidator(parse_need),
        WithJsonSchema(
            {
                "anyOf": [
                    {"enum": ["all", "any"]},
                    {"type": "integer", "minimum": 1, "maximum": MAX_PARTS},
                ]
            }
        ),
    ] = "all"
    """How many parts of `of` must pass for the round to pass."""
    interval_s: Duration = 5.0
    """Seconds from one check to the next."""
    fast_interval_s: Duration | None = None
    """Seconds from one check to the next while results contradict the state, at most `interval_s`.
    Left out: `interval_s`."""
    timeout_s: Duration | None = None
    """Seconds that a check may take, at most `interval_s`. Left out: 2, or `interval_s` if that is
    less."""
    fall: Annotated[int, Field(ge=1, le=100)] = 3
    """Consecutive failures that take the site down."""
    rise: Annotated[int, Field(ge=1, le=100)] = 2
    """Consecutive successes that bring it back."""

    @property
    def parts(self) -> tuple[KindEntry, ...]:
        """What is asked in each round."""
        return (self,) if self.of is None else tuple(self.of)
