"""The queue of a pool: requests that wait while every backend is at its ceiling.

Laws:
1. Higher priority leaves first; within one, who came first.
2. When it is full, the newest of the lowest priority makes room if it is lower than the newcomer's;
   else the newcomer is refused.
3. Its size is in cost: a request that costs 3 takes 3 places. A newcomer may thus evict several,
   and evicts none unless that makes enough room. An empty queue takes any one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from gslb.balance.words import Refusal
from gslb.model.proxy import Priority

T = TypeVar("T")


@dataclass(slots=True)
class _Place:
    late_at: float
    cost: float


class Queue(Generic[T]):
    """Items that wait; each is hashable and waits once.

    size: 0 takes none. cost: of all that wait.
    """

    __slots__ = ("_lines", "cost", "size")

    def __init__(self, size: float) -> None:
        self.size = size
        self.cost = 0.0
        self._lines: dict[Priority, dict[T, _Place]] = {
            priority: {} for priority in sorted(Priority, reverse=True)
        }

    def __len__(self) -> int:
        return sum(len(line) for line in self._lines.values())

    def put(
        self, item: T, *, priority: Priority, now: float, timeout_s: float, cost: float = 1.0
    ) -> tuple[T, ...] | Literal[Refusal.FULL]:
        """The items that had to go to make room, usually none; FULL when the item is refused."""
        leaving = self._make_room(priority, cost)
        if leaving is None:
            return Refusal.FULL
        for other in leaving:
            self.remove(other)
        self._lines[priority][item] = _Place(now + timeout_s, cost)
        self.cost += cost
        return leaving

    def peek(self) -> T | None:
        """The item that is next, None when none waits."""
        for line in self._lines.values():
            if line:
                return next(iter(line))
        return None

    def pop(self) -> T | None:
        """The item that is next, which leaves; None when none waits."""
        item = self.peek()
        if item is not None:
            self.remove(item)
        return item

    def remove(self, item: T) -> bool:
        """Whether the item waited; it does no longer."""
        for line in self._lines.values():
            place = line.pop(item, None)
            if place is not None:
                self.cost = self.cost - place.cost if len(self) else 0.0
                return True
        return False

    def expire(self, now: float) -> list[T]:
        """The items that have waited too long; they have left."""
        late = [
            item
            for line in self._lines.values()
            for item, place in line.items()
            if now >= place.late_at
        ]
        for item in late:
            self.remove(item)
        return late

    def _make_room(self, priority: Priority, cost: float) -> tuple[T, ...] | None:
        if self.size <= 0:
            return None
        surplus = self.cost + cost - self.size
        waiting = len(self)
        if surplus <= 0 or not waiting:
            return ()
        leaving: list[T] = []
        for lower in range(Priority.LOW, priority):
            for item, place in reversed(self._lines[Priority(lower)].items()):
                leaving.append(item)
                surplus -= place.cost
                if surplus <= 0 or len(leaving) == waiting:
                    return tuple(leaving)
        return None
