"""Members, and shorthands to pick among them, for the tests of the algorithms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from gslb.balance.algorithms.base import Algorithm, hash_key
from gslb.balance.algorithms.registry import make_algorithm
from gslb.balance.member import Member
from gslb.model.endpoint import Endpoint
from gslb.model.proxy import Algorithm as Word
from gslb.model.proxy import Backend, BalanceSpec

KEYS = [hash_key(number.to_bytes(4, "big")) for number in range(4000)]


def crew(**weights: int) -> list[Member]:
    """Members a, b, c ... with these weights."""
    return [Member(Backend(name, Endpoint("192.0.2.1", 80), one)) for name, one in weights.items()]


def equals(number: int) -> list[Member]:
    """So many members of weight 1: m0, m1, m2 ..."""
    return crew(**{f"m{index}": 1 for index in range(number)})


def make(word: str, members: Sequence[Member], bound: float | None = None) -> Algorithm:
    """An algorithm by its word, which may pick any of these members."""
    return make_algorithm(BalanceSpec(Word(word), bounded_load=bound), members)


def pick(
    algorithm: Algorithm,
    members: Sequence[Member],
    *,
    now: float = 0.0,
    draw: float = 0.0,
    key: int = 0,
    cost: float = 1.0,
) -> str | None:
    """The name of who is picked."""
    found = algorithm.pick(members, now=now, draw=draw, key=key, cost=cost)
    return found.name if found else None


def start(
    algorithm: Algorithm,
    members: Sequence[Member],
    *,
    draw: float = 0.0,
    key: int = 0,
    cost: float = 1.0,
) -> Member:
    """Who is picked, with the request on the way to it."""
    found = algorithm.pick(members, now=0.0, draw=draw, key=key, cost=cost)
    assert found is not None
    found.active += cost
    found.count += 1
    return found


def busy(members: Iterable[Member], *active: float) -> None:
    """So much is on the way to each."""
    for member, one in zip(members, active, strict=True):
        member.active, member.count = float(one), int(one > 0)


def homes(algorithm: Algorithm, members: Sequence[Member]) -> dict[int, str | None]:
    """Where each of KEYS goes."""
    return {key: pick(algorithm, members, key=key) for key in KEYS}


def shares(found: dict[int, str | None]) -> dict[str | None, float]:
    """What share of KEYS each member has."""
    return {name: count / len(found) for name, count in Counter(found.values()).items()}


def moved(before: dict[int, str | None], after: dict[int, str | None]) -> set[int]:
    """The keys whose member is another one."""
    return {key for key in before if before[key] != after[key]}
