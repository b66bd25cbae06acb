"""Client networks of the demo, where the example sends them, and a stream of their queries."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import cycle
from typing import NamedTuple

from gslb.app.client import Client, Reply
from gslb.model.service import Site

WWW = "www.gslb.shop.example."

RATE_PER_S = 20
"""Enough for numbers that move at once, and nothing that a laptop would notice."""


class Network(NamedTuple):
    """A client network, and the site of the example that serves it while that is up."""

    label: str
    place: str
    subnet: str
    site: str


NETWORKS = (
    Network("NL", "the Netherlands", "193.0.6.0/24", "eu-west"),
    Network("US", "the United States", "8.8.8.0/24", "us-east"),
    Network("JP", "Japan", "133.11.0.0/24", "ap-south"),
    Network("BR", "Brazil", "200.160.2.0/24", "us-east"),
    Network("office", "the map 'office'", "203.0.113.0/24", "ap-south"),
)


def find_site(sites: Mapping[str, Site], reply: Reply) -> str | None:
    """The site whose address a reply answers first, or None."""
    return next((name for data in reply.data for name in sites if _has(sites[name], data)), None)


def _has(site: Site, address: str) -> bool:
    return address in map(str, site.addresses)


@dataclass(slots=True)
class Traffic:
    """Asks for www from all networks in turn while it is on.

    last: where each network was sent last, by its label. unanswered: queries that got no reply, or
    one without an address of a site.
    """

    client: Client
    sites: Mapping[str, Site]
    is_on: bool = True
    asked: int = 0
    unanswered: int = 0
    last: dict[str, str] = field(default_factory=dict)

    async def run(self) -> None:
        """Asks for ever."""
        for network in cycle(NETWORKS):
            await asyncio.sleep(1 / RATE_PER_S)
            if self.is_on:
                await self.ask(network)

    async def ask(self, network: Network) -> None:
        """Asks once and counts."""
        site = None
        try:
            site = find_site(self.sites, await self.client.ask(WWW, subnet=network.subnet))
        except OSError:
            self.last[network.label] = "no reply"
        else:
            self.last[network.label] = site or "no address"
        self.asked += 1
        self.unanswered += site is None
