"""A client that is nobody: for requests of our own, such as refreshing what the cache holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, cast

from gslb.http1.forwarding import Forwarding
from gslb.proxy.client import ClientConnection
from gslb.proxy.exchange import Exchange

if TYPE_CHECKING:
    from gslb.http1.head import Request
    from gslb.proxy.peer import Peer
    from gslb.proxy.tier import Tier


class Nowhere:
    """A transport that takes everything and keeps nothing. left: called when it is ended."""

    def __init__(self, left: Callable[[], None]) -> None:
        self._left = left

    def write(self, data: bytes) -> None:
        """Takes octets."""

    def abort(self) -> None:
        """Ends the exchange that could not be completed."""
        self._left()

    def close(self) -> None:
        """Ends it."""
        self._left()

    def is_closing(self) -> bool:
        """Never."""
        return False


class BackgroundClient(ClientConnection):
    """A client of one exchange, at the end of no connection."""

    def __init__(self, tier: Tier, peer: Peer, via: Forwarding) -> None:
        super().__init__(tier, None)
        self.peer = peer
        self.via = via
        self.transport = cast("asyncio.Transport", Nowhere(self._leave))
        self.may_stay = False
        tier.sweeper.add(self)

    def write(self, data: bytes) -> None:
        """Sends nothing."""

    def pause_reading(self) -> None:
        """Reads nothing anyway."""

    def read_on(self) -> None:
        """Reads nothing anyway."""

    def take_finished(self, exchange: Exchange) -> None:
        """Its one exchange is done."""
        self._leave()

    def _leave(self) -> None:
        self.exchange = None
        self.tier.sweeper.discard(self)

    def has_taken_some(self) -> bool:
        """Is never slow."""
        return False


def ask_again(exchange: Exchange) -> Exchange:
    """An exchange for the same request that nobody waits for."""
    via = exchange.client.via
    its_own = Forwarding(
        via.client, is_trusted=via.is_trusted, scheme=via.scheme, request_id=b"", real=via.real
    )
    client = BackgroundClient(exchange.tier, exchange.client.peer, its_own)
    request: Request = exchange.request
    again = Exchange(client, request, monotonic())
    client.exchange = again
    again.address = exchange.address
    again.lane, again.cost, again.pools = exchange.lane, exchange.cost, exchange.pools
    return again
