"""One try of a request on one backend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gslb.balance.pool_state import Result

if TYPE_CHECKING:
    from gslb.balance.member import Member
    from gslb.http1.head import Response
    from gslb.proxy.exchange import Exchange
    from gslb.proxy.upstream import BackendConnection


class Attempt:
    """One try on one backend.

    connection: None until there is one, that is, while nothing was sent. began_at: loop time.
    is_wanted: false once it was lost, cancelled or reported. was_reused: the connection had carried
    another request before. held: an answer that would be retried, unread.
    """

    __slots__ = (
        "began_at",
        "connection",
        "exchange",
        "held",
        "is_hedge",
        "is_retry",
        "is_wanted",
        "member",
        "was_reused",
    )

    def __init__(self, exchange: Exchange, member: Member, *, now: float) -> None:
        self.exchange = exchange
        self.member = member
        self.began_at = now
        self.connection: BackendConnection | None = None
        self.held: Response | None = None
        self.is_retry = False
        self.is_hedge = False
        self.is_wanted = True
        self.was_reused = False

    def use(self, connection: BackendConnection) -> None:
        """Sends the request, as far as it has come, over a connection."""
        self.connection = connection
        exchange = self.exchange
        octets = exchange.head_octets
        if exchange.body is not None:
            octets += exchange.body.replay()
        connection.begin(self, exchange.request.method, octets)
        if exchange.body is not None:
            exchange.settle_body()

    def fail_to_connect(self, reason: str) -> None:
        """No connection could be had."""
        if self.is_wanted:
            self.exchange.lose(self, Result.CONNECT_FAILED, reason)

    def fail_to_ask(self, reason: str) -> None:
        """The client's request is such that no connection could be opened for it: that says nothing
        of the backend.
        """
        if self.is_wanted:
            self.exchange.lose(self, Result.CANCELLED, reason)
