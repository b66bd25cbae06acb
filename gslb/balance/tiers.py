"""Which backends of a pool are used: the healthy ones first.

Laws:
1. Orders and weight 0 always hold: a backend in drain, maintenance or forced down gets no new
   clients.
2. Panic: when fewer than `panic_below` of those that orders leave are healthy, all of them are
   used, backups too: too many look ill for that to be true, and the few left would break. A backend
   without any result counts neither way and is not used.
3. Else primaries that are well, or may be tried; who tried all of those, and who finds none, gets
   backups. That primaries are full is no reason: backups are there for failures, and full ones have
   a queue.
4. Where nobody is well, primary or backup, ejected ones whose checks pass are used without waiting
   for a trial: an ejection says that others are better, which means nothing without others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from gslb.balance.standing import Standing


class Tiers(NamedTuple):
    """Lists of backends, the first to be used first. is_freely: one in trial may be picked though
    its trial is on the way (laws 2 and 4).
    """

    lists: tuple[list[Standing], ...] = ()
    is_panic: bool = False
    is_freely: bool = False

    def choose(self, tried: Collection[str] = ()) -> list[Standing]:
        """Who may be used, room aside: those of the first tier that has somebody left."""
        for tier in self.lists:
            left = [one for one in tier if one.member.name not in tried]
            if not self.is_freely:
                left = [one for one in left if one.is_well or one.has_free_trial]
            if left:
                return left
        return []


def rank_tiers(standings: Sequence[Standing], *, panic_below: float) -> Tiers:
    """The tiers of a pool as its backends stand."""
    willing = [one for one in standings if one.takes_new]
    known = [one for one in willing if one.is_known]
    healthy = sum(one.is_well for one in known)
    if known and healthy < panic_below * len(known):
        return Tiers((known,), is_panic=True, is_freely=True)
    if not healthy:
        ejected = [one for one in willing if one.is_ejected and one.is_checked_up]
        return Tiers((ejected,) if ejected else (), is_freely=True)
    usable = [one for one in willing if one.is_well or one.is_in_trial]
    primaries = [one for one in usable if not one.member.backend.backup]
    backups = [one for one in usable if one.member.backend.backup]
    return Tiers((primaries, backups))


def count_healthy(standings: Iterable[Standing]) -> int:
    """How many backends are well and take new clients."""
    return sum(one.is_well and one.takes_new for one in standings)
