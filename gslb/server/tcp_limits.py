"""What a TCP client is granted: budgets, who may stay, who has to go. No sockets, no clock.

Laws:
1. One client network (an IPv4 /24, an IPv6 /56) holds at most its share; its next connection is
   refused.
2. A full server refuses nobody else: the connection that was silent longest makes room, a busy one
   only if all are.
3. Only a complete message counts as a sign of life; octets alone, and octets that we send, do not.
4. A client is not blamed for what we do not read: no message budget runs while its replies wait to
   be taken.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from enum import Enum
from socket import AF_INET, AF_INET6, inet_pton
from typing import Generic, TypeVar

from gslb.model.system import DnsLimits


@dataclass(frozen=True, slots=True)
class TcpBudgets:
    """What bounds one connection beyond `DnsLimits`. Times in seconds, sizes in octets.

    lifetime_s, queries: after either a client must connect anew, so that load moves to new
    processes and addresses.
    turn_queries, turn_octets: what one connection is answered before the others get their turn;
    reading pauses.
    write_high, write_low: above high no more is answered, below low it goes on. No write buffer
    ever holds more than write_high + turn_octets + 65,537 octets: with these defaults 192 KiB for
    one connection.
    stall_s: how long a client may leave its replies above write_low, or its last ones unsent:
    36 KiB/s always do.
    linger_s: how long we wait, deaf, for a client to close once its last replies have left; a close
    with octets unread would reset the connection and destroy those replies.
    drain_s: how long `TcpServer.close` waits for all of them.
    busy_share, busy_idle_s: above this share of the connections the idle timeout shrinks.
    """

    lifetime_s: float = 300.0
    queries: int = 1000
    turn_queries: int = 100
    turn_octets: int = 64 * 1024
    write_high: int = 64 * 1024
    write_low: int = 16 * 1024
    stall_s: float = 5.0
    linger_s: float = 1.0
    drain_s: float = 5.0
    busy_share: float = 0.75
    busy_idle_s: float = 3.0


@dataclass(slots=True)
class TcpCounters:
    """What has happened since the start; each number only grows.

    refused: over the share of its client network. evicted: made room for another. timed_out:
    silent, too slow with a message, or too old. malformed: sent what is no query. aborted: left its
    replies untaken. failed: the engine raised.
    """

    accepted: int = 0
    refused: int = 0
    evicted: int = 0
    timed_out: int = 0
    malformed: int = 0
    aborted: int = 0
    failed: int = 0
    queries: int = 0


def client_group(host: str) -> bytes:
    """The network whose share an address in text form uses: 3 octets of IPv4, 7 of IPv6."""
    if ":" in host:
        return inet_pton(AF_INET6, host.partition("%")[0])[:7]
    return inet_pton(AF_INET, host)[:3]


@dataclass(slots=True)
class Watch:
    """Since when a connection is in which state, in monotonic seconds; None while it is not.

    heard: its last complete message, or its start. message: an incomplete message. stalled: replies
    above write_high. ending: we closed our side. sent: whether the replies have all left.
    """

    opened: float
    heard: float
    message: float | None = None
    stalled: float | None = None
    ending: float | None = None
    sent: bool = True


class Overdue(Enum):
    """Which budget a connection has used up."""

    LINGER = "linger"
    STALL = "stall"
    LIFETIME = "lifetime"
    IDLE = "idle"
    MESSAGE = "message"


def find_overdue(
    watch: Watch, now: float, *, idle_s: float, limits: DnsLimits, budgets: TcpBudgets
) -> Overdue | None:
    """The budget that is used up at `now`, or None."""
    if watch.ending is not None:
        granted = budgets.linger_s if watch.sent else budgets.stall_s
        return Overdue.LINGER if now - watch.ending >= granted else None
    if now - watch.opened >= budgets.lifetime_s:
        return Overdue.LIFETIME
    if watch.stalled is not None:
        return Overdue.STALL if now - watch.stalled >= budgets.stall_s else None
    if now - watch.heard >= idle_s:
        return Overdue.IDLE
    if watch.message is not None and now - watch.message >= limits.tcp_message_s:
        return Overdue.MESSAGE
    return None


def choose_idle_s(taken: int, *, limits: DnsLimits, budgets: TcpBudgets) -> float:
    """How long a connection may be silent while `taken` connections are open."""
    if taken > budgets.busy_share * limits.tcp_connections:
        return min(budgets.busy_idle_s, limits.tcp_idle_s)
    return limits.tcp_idle_s


def choose_sweep_s(limits: DnsLimits, budgets: TcpBudgets) -> float:
    """How often to look for the overdue: four times in the shortest budget, at least every 250 ms.

    A look at 1,000 connections takes less than a millisecond; a timer for each budget of each would
    be set anew with every message.
    """
    shortest = min(
        limits.tcp_idle_s,
        limits.tcp_message_s,
        budgets.busy_idle_s,
        budgets.lifetime_s,
        budgets.stall_s,
        budgets.linger_s,
    )
    return min(0.25, shortest / 4)


C = TypeVar("C", bound=Hashable)


class Roster(Generic[C]):
    """Who is connected, from which network, and who was silent longest. Every operation is O(1)."""

    def __init__(self) -> None:
        self._idle: OrderedDict[C, bytes] = OrderedDict()
        self._busy: OrderedDict[C, bytes] = OrderedDict()
        self._crowds: Counter[bytes] = Counter()

    def __len__(self) -> int:
        return len(self._idle) + len(self._busy)

    def __iter__(self) -> Iterator[C]:
        """Everybody, as of now: the roster may change meanwhile."""
        return iter((*self._idle, *self._busy))

    def count(self, group: bytes) -> int:
        """How many of one client network are here."""
        return self._crowds[group]

    def enter(self, member: C, group: bytes) -> None:
        """Add somebody new, who starts idle."""
        self._idle[member] = group
        self._crowds[group] += 1

    def leave(self, member: C) -> None:
        """Remove somebody; no matter if they are gone already."""
        group = self._idle.pop(member, None) or self._busy.pop(member, None)
        if group is None:
            return
        self._crowds[group] -= 1
        if not self._crowds[group]:
            del self._crowds[group]

    def heard(self, member: C) -> None:
        """Put somebody who is here last in the order of silence."""
        (self._idle if member in self._idle else self._busy).move_to_end(member)

    def mark(self, member: C, *, busy: bool) -> None:
        """Say whether somebody who is here has work under way."""
        source, target = (self._idle, self._busy) if busy else (self._busy, self._idle)
        if member in source:
            target[member] = source.pop(member)

    def oldest(self) -> C | None:
        """Whom to evict: the idle one silent longest, else the busy one, else nobody."""
        for order in (self._idle, self._busy):
            for member in order:
                return member
        return None
