"""Where a Redis is: the URL in the `store` key, read and shown without its password.

    redis://[user[:password]@]host[:6379][/database]              one server
    redis+sentinel://[...@]host[:26379],host,.../master[/database]  the Sentinels that know it
    redis+cluster://[...@]host[:6379],host,...                    some nodes of a cluster

With `rediss` in place of `redis` all connections are TLS, those to Sentinels, too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from gslb.config.urls import parse_store_url
from gslb.model.endpoint import Endpoint


class Topology(StrEnum):
    """How the server that is written to is found."""

    SINGLE = "single"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class Target:
    """What a URL says. master: the name under which Sentinels know the server, else empty."""

    topology: Topology
    hosts: tuple[Endpoint, ...]
    is_tls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    master: str = ""
    database: int = 0


def parse_target(url: str) -> Target:
    """What a URL says. Raises ValueError in plain words, without what may be a password."""
    found = parse_store_url(url)
    topology = Topology.SINGLE
    if found.is_sentinel:
        topology = Topology.SENTINEL
    elif found.is_cluster:
        topology = Topology.CLUSTER
    return Target(
        topology=topology,
        hosts=found.hosts,
        is_tls=found.is_tls,
        username=found.username or None,
        password=found.password or None,
        master=found.master or "",
        database=found.database,
    )


def redacted(url: str) -> str:
    """A URL as status and logs show it: without password and query."""
    scheme, separator, rest = url.partition("://")
    userinfo, at, tail = rest.rpartition("@")
    username, colon, _ = userinfo.partition(":")
    shown = f"{username}:***@" if colon else at and f"{username}@"
    return scheme + separator + shown + tail.partition("?")[0]
