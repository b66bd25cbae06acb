"""A client that is nobody: for requests of our own, such as refreshing what the cache holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from copy import copy
from time import monotonic
from typing import TYPE_CHECKING, Any

from gslb.http1.forwarding import Forwarding
from gslb.proxy.exchange import Exchange
from gslb.proxy.timers import NEVER

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


class BackgroundClient:
    """Stands where a `ClientConnection` does, for one exchange. See there for what each means."""

    def __init__(self, tier: Tier, peer: Peer, via: Forwarding) -> None:
        self.tier = tier
        self.loop: asyncio.AbstractEventLoop = tier.loop
        self.peer = peer
        self.via = via
        self.transport = Nowhere(self._leave)
        self.exchange: Exchange | None = None
        self.deadline = NEVER
        self.may_stay = False
        self.has_ended = False
        self.is_congested = False
        self.is_reading_paused = False
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

    def expire(self, now: float) -> None:
        """The phase has taken too long."""
        if self.exchange is not None:
            self.exchange.expire(now)


def ask_again(exchange: Exchange) -> Exchange:
    """An exchange for the same request that nobody waits for."""
    client: Any = BackgroundClient(exchange.tier, exchange.client.peer, copy(exchange.client.via))
    request: Request = exchange.request
    again = Exchange(client, request, monotonic())
    client.exchange = again
    again.address = exchange.address
    again.lane, again.cost, again.pools = exchange.lane, exchange.cost, exchange.pools
    return again
