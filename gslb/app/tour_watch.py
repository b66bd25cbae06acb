"""Asking on and on while regions come and go: what every query got, and when."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle

from gslb.app.tour import Point, Tour
from gslb.app.traffic import WWW, Network

ASK_EVERY_S = 0.02


@dataclass(frozen=True, slots=True)
class Asked:
    """One query. after_s: since the watch began. site, ttl: None when no site was answered."""

    after_s: float
    site: str | None
    ttl: int | None


@dataclass(frozen=True, slots=True)
class Watch:
    """All queries of a watch, in order. is_done: what was waited for has come."""

    asked: tuple[Asked, ...]
    is_done: bool

    @property
    def took_s(self) -> float:
        """From the beginning to the last query."""
        return self.asked[-1].after_s if self.asked else 0.0

    @property
    def ttls(self) -> tuple[int, ...]:
        """The TTLs in the order in which they came, without repetitions."""
        seen = [one.ttl for one in self.asked if one.ttl is not None]
        return tuple(ttl for ttl, before in zip(seen, [None, *seen], strict=False) if ttl != before)

    def answered(self) -> Point:
        """That no query went without the address of a site."""
        got = sum(one.site is not None for one in self.asked)
        seen = f"{got} of {len(self.asked)}"
        return Point("every query is answered with a site", seen, ok=got == len(self.asked) > 0)


async def watch(
    tour: Tour,
    networks: Sequence[Network],
    is_done: Callable[[Asked], bool],
    *,
    limit_s: float,
    waiting: str,
) -> Watch:
    """Asks for www from the networks in turn, every ASK_EVERY_S, until is_done says so or the limit
    has passed.

    waiting: what for, in words.
    """
    start = time.monotonic()
    asked: list[Asked] = []
    for network in cycle(networks):
        one = await _ask(tour, network, start)
        asked.append(one)
        tour.progress(f"{waiting}: {one.after_s:.1f} of at most {limit_s:.1f} s")
        if is_done(one):
            return Watch(tuple(asked), is_done=True)
        if one.after_s >= limit_s:
            break
        await asyncio.sleep(ASK_EVERY_S)
    return Watch(tuple(asked), is_done=False)


async def _ask(tour: Tour, network: Network, start: float) -> Asked:
    try:
        reply = await tour.ask(WWW, subnet=network.subnet)
    except OSError:
        return Asked(time.monotonic() - start, None, None)
    site = tour.find_site(reply)
    return Asked(time.monotonic() - start, site, reply.answer[0].ttl if site else None)


async def wait_for(is_true: Callable[[], bool], *, limit_s: float) -> float | None:
    """The seconds until something is true, None when it is not within the limit."""
    start = time.monotonic()
    while not is_true():
        if time.monotonic() - start >= limit_s:
            return None
        await asyncio.sleep(ASK_EVERY_S)
    return time.monotonic() - start
