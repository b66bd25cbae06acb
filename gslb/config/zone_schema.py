"""The shape of a zone file: every key, what it takes, its default, and what it means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema

from gslb.config.entry import Entry
from gslb.config.fields import (
    AddressField,
    CnameField,
    DomainField,
    DomainKey,
    FilePath,
    LabelField,
    MailboxField,
    Seconds,
    ServesField,
    ServiceKey,
)
from gslb.config.words import did_you_mean, one_of, shown
from gslb.policy.registry import FILTERS

DEFAULT_TTL_MAX = 30
DEFAULT_TTL_MIN = 5
ALL_DOWN_RULES = ("all", "last_good", "nodata")


class PolicyStep(NamedTuple):
    """One step of a policy as written: a filter's name, and its options before they are checked."""

    name: str
    options: dict[str, Any]


def parse_step(value: Any) -> PolicyStep:
    """A step from `name` or `{name: {options}}`; the name must be a registered filter."""
    is_pair = isinstance(value, dict) and len(value) == 1
    name, options = next(iter(value.items())) if is_pair else (value, {})
    if not isinstance(name, str) or not isinstance(options, dict):
        raise ValueError(
            f"must be the name of a filter, or {{name: {{options}}}}, not {shown(value)}"
        )
    if name not in FILTERS:
        hint = did_you_mean(name, FILTERS)
        raise ValueError(f"{shown(name)} is no filter; allowed: {one_of(FILTERS)}{hint}")
    return PolicyStep(name, options)


def widen_ttl(value: object) -> object:
    """A bare number is `{max: number}`."""
    if isinstance(value, int) and not isinstance(value, bool):
        return {"max": value}
    if not isinstance(value, Mapping):
        raise ValueError(f"must be a whole number of seconds, or {{max, min}}, not {shown(value)}")
    return value


def step_schema() -> dict[str, Any]:
    """The JSON Schema of one step of a policy: a filter's name, or a mapping of it to its
    options.
    """
    options = {name: found.Options.model_json_schema() for name, found in FILTERS.items()}
    named = {"type": "object", "properties": options, "additionalProperties": False}
    return {"anyOf": [{"enum": list(FILTERS)}, {**named, "minProperties": 1, "maxProperties": 1}]}


class AnswerEntry(Entry):
    """One possible answer: the site of that name, or with `cname` somebody else's name."""

    weight: Annotated[int, Field(ge=0, le=10_000)] = 1
    """Share of the answers under `weighted` and `sticky`, relative to the other weights; 0 is
    drained."""
    order: Annotated[int, Field(ge=0, le=10_000)] = 1
    """Tier under `failover`: the lowest healthy one is answered."""
    serves: list[ServesField] = Field(default_factory=list, max_length=10_000)
    """Clients that `geo` sends here: `map:NAME`, `asn:64500`, `city:Paris`, `subdivision:US-VA`,
    `country:DE`, `continent:EU` (AF, AN, AS, EU, NA, OC, SA) or `default`. The most specific match
    wins."""
    cname: CnameField | None = None
    """An absolute name to answer with as CNAME. The key above it must then not be a site."""


class TtlEntry(Entry):
    """Seconds that resolvers may keep an answer."""

    max: Seconds = DEFAULT_TTL_MAX
    """Seconds while everything is stable."""
    min: Seconds | None = None
    """Seconds at the least, when a change of state is near. Left out: 5, or `max` if that is
    less."""


class AllDownEntry(Entry):
    """What is answered when no site is healthy: these fixed addresses."""

    addresses: list[AddressField] = Field(min_length=1, max_length=64)
    """The addresses that are answered."""

    @property
    def rule(self) -> str:
        """The rule as `AllDown` names it."""
        return "addresses"


class AllDownWord(AllDownEntry):
    """The short form: one of `ALL_DOWN_RULES` instead of addresses."""

    addresses: list[AddressField] = Field(default_factory=list)
    word: str

    @property
    def rule(self) -> str:
        """The word itself."""
        return self.word


def widen_all_down(value: object) -> object:
    """A bare word is the rule itself."""
    if isinstance(value, str) and value in ALL_DOWN_RULES:
        return AllDownWord(word=value)
    if not isinstance(value, Mapping):
        raise ValueError(
            f"must be one of {one_of(ALL_DOWN_RULES)} or {{addresses: [...]}}, not {shown(value)}"
        )
    return value


class ServiceEntry(Entry):
    """A name whose answers are decided for each query."""

    answers: dict[LabelField, AnswerEntry]
    """The possible answers, by the name of a site; or by any other name with a `cname`. `{}` takes
    every default."""
    policy: list[
        Annotated[PolicyStep, PlainValidator(parse_step), WithJsonSchema(step_schema())]
    ] = Field(
        default=[PolicyStep("health", {}), PolicyStep("weighted", {})],
        min_length=1,
        max_length=16,
        json_schema_extra={"default": ["health", "weighted"]},
    )
    """The chain of filters that choose, in this order: names, or `{name: {options}}`. See
    docs/policies.md."""
    ttl: Annotated[TtlEntry, BeforeValidator(widen_ttl, Seconds | TtlEntry)] = Field(
        default=TtlEntry(),
        json_schema_extra={"default": {"max": DEFAULT_TTL_MAX, "min": DEFAULT_TTL_MIN}},
    )
    """Seconds that resolvers may keep an answer: `{max, min}`, or one number for `max`."""
    max_answers: Annotated[int, Field(ge=1, le=64)] = 1
    """How many of the answers are given at once at most, each with all its addresses."""
    when_all_down: Annotated[
        AllDownEntry,
        BeforeValidator(widen_all_down, Literal["all", "last_good", "nodata"] | AllDownEntry),
    ] = Field(default=AllDownWord(word="all"), json_schema_extra={"default": "all"})
    """What is answered when no site is healthy: `all` of them, the `last_good` ones, `nodata`, or
    fixed `{addresses: [...]}`."""


class ZoneFile(Entry):
    """A zone file: one zone that is delegated to this name server. Relative paths are relative to
    it.
    """

    zone: DomainField
    """The zone's absolute name."""
    nameservers: dict[DomainKey, Annotated[list[AddressField], Field(max_length=16)]] = Field(
        default_factory=dict
    )
    """The zone's name servers, absolute names, with their addresses; those inside the zone need
    addresses. NS records in the master file win."""
    contact: MailboxField | None = None
    """Mail address of the zone's operator, for SOA. Left out: hostmaster@ the zone."""
    negative_ttl: Annotated[int, Field(ge=0, le=86400)] = 30
    """Seconds that resolvers may keep an answer that says no. A SOA record in the master file
    wins."""
    records: FilePath | None = None
    """The zone's master file (RFC 1035) with its static records; must lie in the main file's
    directory or below."""
    services: dict[ServiceKey, ServiceEntry] = Field(default_factory=dict)
    """The names that are decided for each query: relative to the zone, `@` for the zone itself."""
