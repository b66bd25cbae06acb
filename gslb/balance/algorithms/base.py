"""What every algorithm offers, and what several share.

Laws:
1. A fold that replays: what is picked follows from the members as they are and from the arguments.
   Time, chance and keys are arguments; an algorithm looks for nothing by itself.
2. A member's weight here is its configured weight times its slow start scale. Weight 0 is never
   picked.
3. A request of cost 3 weighs as much as three: in what is on the way, and in turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Protocol

from gslb.balance.member import Member


class Algorithm(Protocol):
    """How one pool picks; it may keep state, and belongs to one event loop."""

    def pick(
        self, members: Sequence[Member], *, now: float, draw: float, key: int, cost: float
    ) -> Member | None:
        """The member that gets a request, or None if there is none or none with a weight.

        members: those that may be picked, in configured order. It is quickest with the very list
        that renew() got; another one, as for a retry, costs a pass over it. draw: uniform in
        [0, 1). key: hash_key() of what of the request is hashed. cost: above 0.
        """

    def score(self, member: Member, now: float) -> float:
        """How a member stands just now, for the audit line; lower is better, always finite."""

    def renew(self, members: Sequence[Member]) -> None:
        """Takes note of who may be picked from now on.

        To be called when that list, a weight or a scale has changed, with the list that pick() will
        get. Costs O(members).
        """

    def rebuild(self, members: Sequence[Member]) -> None:
        """Takes note of all members that are configured, up or not; renew() follows.

        To be called when the configuration has changed. The hashing ones build their table: that is
        milliseconds.
        """


class Weighed:
    """What the algorithms that look at every member share: those with a weight, and their weights.

    What else is configured is nothing to them.
    """

    __slots__ = ("_members", "_pairs")

    def __init__(self) -> None:
        self._members: Sequence[Member] = ()
        self._pairs: list[tuple[Member, float]] = []

    def renew(self, members: Sequence[Member]) -> None:
        """Takes note of who may be picked from now on, and of their weights."""
        self._members = members
        self._pairs = weigh(members)

    def rebuild(self, members: Sequence[Member]) -> None:
        """Nothing: whom it may pick is all that it knows."""


def weigh(members: Sequence[Member]) -> list[tuple[Member, float]]:
    """The members that have a weight, each with it, in their order."""
    pairs = [(member, member.weight * member.scale) for member in members]
    return [pair for pair in pairs if pair[1] > 0]


def load(member: Member) -> float:
    """What is on the way to a member for each unit of its weight; all of it where that is 0."""
    return member.active / (member.weight * member.scale or 1.0)


def hash_key(octets: bytes) -> int:
    """64 bits of a key, the same in every process, version and machine. 0.5 µs."""
    return int.from_bytes(blake2b(octets, digest_size=8).digest(), "big")
