"""What a node says of itself: its status, and explanations asked for by people."""

from __future__ import annotations

import time
from collections import Counter
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

import dns.exception
import dns.rdatatype

from gslb.admin.requests import OrderRequest
from gslb.app.assemble import Assembled
from gslb.app.build import VERSION
from gslb.app.count import count_node
from gslb.app.decisions import as_mapping
from gslb.app.follower import Follower
from gslb.app.health_status import describe_health
from gslb.app.node import Node
from gslb.app.orders import OrderDesk
from gslb.app.reload import Reloader
from gslb.app.workers import Workers
from gslb.engine.engine import Engine
from gslb.engine.explain import Explanation, explain
from gslb.wire.ecs import ClientSubnet, parse_ecs
from gslb.wire.names import from_text


def explain_text(engine: Engine, name: str, rtype: str, client: str) -> Explanation:
    """The explanation for a name and a type in text form, asked by a client.

    client: an address, which counts as the one a query comes from, or a subnet with a prefix
    length, which counts as the client subnet that a resolver sends. Raises ValueError.
    """
    try:
        qtype = int(dns.rdatatype.from_text(rtype))
    except (dns.exception.DNSException, ValueError) as error:
        raise ValueError(
            f"{rtype!r} is no record type; allowed: A, AAAA, TYPE65280, ..."
        ) from error
    network, subnet = read_client(client)
    return explain(engine, from_text(name), qtype, source=network.network_address, subnet=subnet)


def read_client(text: str) -> tuple[IPv4Network | IPv6Network, ClientSubnet | None]:
    """The client in text form, as a network and, if it has a prefix length, as a client subnet."""
    try:
        network = ip_network("" if "%" in text else text)  # a zone index is nobody's but its host's
    except ValueError as error:
        raise ValueError(
            f"{text!r} is no client; allowed: an address such as 192.0.2.1, or a subnet such as"
            " 192.0.2.0/24"
        ) from error
    if "/" not in text:
        return network, None
    family = 1 if network.version == 4 else 2
    octets = network.network_address.packed[: (network.prefixlen + 7) // 8]
    payload = family.to_bytes(2, "big") + bytes((network.prefixlen, 0)) + octets
    return network, parse_ecs(payload)


class NodeInsight:
    """A node's status and explanations; with workers, theirs are the counts."""

    def __init__(
        self,
        node: Node,
        follower: Follower,
        reloader: Reloader[Assembled],
        workers: Workers | None = None,
    ) -> None:
        self._node = node
        self._follower = follower
        self._reloader = reloader
        self._workers = workers
        self._orders = OrderDesk(follower)
        self._started_at = time.time()

    def count(self) -> Counter[str]:
        """The counters of the processes that answer, and of what goes on beside them."""
        counts = count_node(self._node) if self._workers is None else self._workers.count()
        counts.update(self._follower.count())  # adding would lose what nobody has counted yet
        return counts

    def count_answers(self) -> Counter[tuple[str, str]]:
        """How many answers each (service, first candidate) has had from them."""
        return (self._workers or self._node).count_answers()

    def status(self) -> dict[str, Any]:
        """Everything as plain data."""
        node = self._node
        system = node.assembled.system
        return {
            "node": system.node,
            "version": VERSION,
            "started_at": self._started_at,
            "configuration": system.digest,
            "geography": node.assembled.watched.table.build,
            "applied_at": self._reloader.state.applied_at,
            "reload_error": self._reloader.state.error,
            "reload_failed_at": self._reloader.state.failed_at,
            **describe_health(self._follower),
            "counters": dict(self.count()),
            "answers": [
                {"service": service, "site": site, "count": number}
                for (service, site), number in sorted(self.count_answers().items())
            ],
        }

    def explain(self, name: str, rtype: str, client: str) -> dict[str, Any]:
        """One explanation as plain data. Raises ValueError for what is no question."""
        return as_mapping(explain_text(self._node.fast.engine, name, rtype, client))

    async def place_order(self, request: OrderRequest) -> dict[str, Any]:
        """Takes an order of an operator's. Raises ValueError and OrderError."""
        return await self._orders.place(request)

    async def events(self, count: int) -> list[dict[str, Any]]:
        """The last events, oldest first."""
        return await self._follower.herald.events(count)
