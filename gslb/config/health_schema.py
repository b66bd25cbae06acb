"""The shape of everything that health hangs on besides the checks: limits, agents, orders, Redis.

Rules that need two keys are in gslb.config.health_rules.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gslb.config.check_schema import CheckEntry
from gslb.config.credentials import PublicKeysField
from gslb.config.entry import Entry
from gslb.config.fields import (
    CountryField,
    FilePath,
    LabelField,
    LineField,
    MomentField,
    Share,
)

MAX_AGENTS = 200
MAX_ORDERS = 10_000


class HealthEntry(Entry):
    """When a site counts as up. See docs/health.md."""

    quorum: Share = 0.5
    """A site is up while at least this share of the failure domains say so; a domain's vote is the
    share of its fresh agents that do."""
    min_domains: Annotated[int, Field(ge=1, le=100)] | None = None
    """So many failure domains must say down to take a site down. Left out: 2, or 1 where no more
    are declared."""
    stale_after_s: Annotated[float, Field(ge=1, le=86400)] = 30.0
    """Seconds after which a report counts for nothing."""
    distrust_above: Share = 0.5
    """An agent that contradicts the others about more than this share of the sites that both know
    loses its vote."""
    canaries: list[CheckEntry] = Field(default=[], max_length=16)
    """What every agent must reach to be believed: checks as under `sites.NAME.check`, each with an
    `address`, none a command. An agent that fails more than half of them loses its vote."""
    max_withdrawn: Share = 1.0
    """Share of all capacity that automation may withdraw at most; then the last good state
    holds."""
    max_withdrawn_per_min: Share = 1.0
    """Share of all capacity that automation may withdraw within a minute; the rest waits."""
    panic_below: Share = 0.0
    """When less than this share of all capacity is up, sites that are down count as up; 0 is
    off."""
    min_capacity: Share = 0.5
    """Share of all capacity that a drain must leave; one that would leave less is refused."""
    flap_hold_s: Annotated[float, Field(ge=0, le=86400)] = 30.0
    """Seconds that a site which went down again must be well before it comes back; doubles with
    every further time. 0 is off."""
    flap_hold_max_s: Annotated[float, Field(ge=0, le=604800)] = 600.0
    """Seconds to which `flap_hold_s` grows at most."""
    own_probes: bool = True
    """Whether this name server checks by itself while no agent is heard."""


class LocationEntry(Entry):
    """Where a site is; distances are measured from here."""

    country: CountryField | None = None
    """ISO 3166-1 code, for people: distances need latitude and longitude."""
    latitude: Annotated[float, Field(ge=-90, le=90)] | None = None
    """Degrees, north is positive. `nearest`, `latency` and `geo` measure from here."""
    longitude: Annotated[float, Field(ge=-180, le=180)] | None = None
    """Degrees, east is positive."""


class AgentLocationEntry(Entry):
    """Where an agent is: `latency` takes what it measures for clients of the same network or
    country, or near it.
    """

    country: CountryField | None = None
    """ISO 3166-1 code."""
    latitude: Annotated[float, Field(ge=-90, le=90)] | None = None
    """Degrees, north is positive."""
    longitude: Annotated[float, Field(ge=-180, le=180)] | None = None
    """Degrees, east is positive."""
    asn: Annotated[int, Field(ge=1, le=2**32 - 1)] | None = None
    """Number of the autonomous system that it sends from."""


class AgentEntry(Entry):
    """A probe agent: `gslb probe FILE --agent NAME`."""

    location: AgentLocationEntry = AgentLocationEntry()
    """Where the agent is."""
    failure_domain: Annotated[LineField, Field(max_length=63)] | None = None
    """Agents of one domain have one vote together, because they may fail together. Left out: the
    agent's own name."""
    public_key: PublicKeysField = Field(default=[])
    """The key that its reports are signed with, as `gslb agent-key NAME` prints it; a list of two
    while it is replaced. Only `store: memory` does without."""
    sites: Annotated[list[LabelField], Field(min_length=1, max_length=10_000)] | None = None
    """The sites that it checks and may speak of. Left out: all."""


class OrderEntry(Entry):
    """An order for a site that needs neither Redis nor the admin port. It beats every other
    order.
    """

    do: Literal["drain", "up", "down"]
    """`drain`: no new clients while another site can take them; `up` and `down`: whatever the
    checks say."""
    reason: LineField
    """Why, for people."""
    owner: LineField = "configuration"
    """Who answers for it."""
    until: MomentField | None = None
    """When it expires by itself, with the zone. Left out: never."""


class RedisEntry(Entry):
    """How the Redis of `store` is reached. See docs/redis.md."""

    prefix: LabelField = "gslb"
    """Begins every key: `{gslb}:report:NAME`."""
    username: LineField | None = None
    """ACL user. Left out: the default user."""
    password_file: FilePath | None = None
    """File that holds the password; only its owner should be able to read it."""
    sentinel_username: LineField | None = None
    """ACL user of the Sentinels."""
    sentinel_password_file: FilePath | None = None
    """File that holds the password of the Sentinels."""
    ca_file: FilePath | None = None
    """Certificates (PEM) that the server's certificate is checked by. Left out: the system's."""
    certificate_file: FilePath | None = None
    """Certificate (PEM) to be shown to the server; needs `key_file`."""
    key_file: FilePath | None = None
    """Private key (PEM) of `certificate_file`."""
    timeout_s: Annotated[float, Field(ge=0.05, le=60)] = 1.0
    """Seconds for connecting and for each command."""
