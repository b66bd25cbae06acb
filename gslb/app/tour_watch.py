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
    """One query. after_s: since the watch began. site, ttl: None when no site was answered. home:
    the site that serves the client's network while it is up.
    """

    after_s: float
    site: str | None
    ttl: int | None
    home: str = ""


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

    def unmoved(self) -> Point:
        """That nobody was sent anywhere but to the site that serves its network."""
        got = sum(one.site == one.home for one in self.asked)
        seen = f"{got} of {len(self.asked)}"
        return Point("no answer changes", seen, ok=got == len(self.asked) > 0)

    def avoided(self, site: str) -> Point:
        """That nobody was sent to a site."""
        got = sum(one.site not in (None, site) for one in self.asked)
        seen = f"{got} of {len(self.asked)}"
        return Point(f"answers go on, none to {site}", seen, ok=got == len(self.asked) > 0)


class Settled:
    """Whether something has been true for hold_s, so that what comes after it is seen, too.

    since_s: when it became true, in seconds since the watch began; None before.
    """

    def __init__(self, is_true: Callable[[Asked], bool], *, hold_s: float) -> None:
        self.since_s: float | None = None
        self._is_true = is_true
        self._hold_s = hold_s

    def __call__(self, one: Asked) -> bool:
        """Looked at after each query of a watch."""
        if self.since_s is None and self._is_true(one):
            self.since_s = one.after_s
        return self.since_s is not None and one.after_s - self.since_s >= self._hold_s


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
        return Asked(time.monotonic() - start, None, None, network.site)
    site = tour.find_site(reply)
    ttl = reply.answer[0].ttl if site else None
    return Asked(time.monotonic() - start, site, ttl, network.site)


async def wait_for(is_true: Callable[[], bool], *, limit_s: float) -> float | None:
    """The seconds until something is true, None when it is not within the limit."""
    start = time.monotonic()
    while not is_true():
        if time.monotonic() - start >= limit_s:
            return None
        await asyncio.sleep(ASK_EVERY_S)
    return time.monotonic() - start
