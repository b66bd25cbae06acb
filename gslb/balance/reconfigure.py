"""What a changed file means for the members of a pool.

Laws:
1. The same name at the same address is the same server: it keeps what is on the way, its health,
   its ejection and its times. Weight, ceiling and checks may change.
2. Who joins beside members that stayed starts slowly; in a pool that is all new nobody does.
3. A smaller pool may have fewer ejected: those that were to come back first do at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gslb.balance.member import Member
from gslb.balance.passive import ejections_allowed
from gslb.balance.standing import Standing
from gslb.model.proxy import Backend, Pool


def take_backends(
    before: Mapping[str, Member], pool: Pool, *, now: float, share: float
) -> dict[str, Member]:
    """The members of a pool by name, in the file's order. before: those so far, none at the start.
    share: this worker's part of ceilings.
    """
    kept = _match(before, pool.backends)
    members: dict[str, Member] = {}
    for backend in pool.backends:
        member = kept.get(backend.name)
        if member is None:
            member = Member(backend)
            member.standing = Standing(member, pool, now=now, has_joined=bool(kept))
        standing = member.standing
        standing.slow_start_s = pool.slow_start_s
        standing.set_passive(pool.passive, now=now)
        standing.set_backend(backend, share=share)
        members[backend.name] = member
    _bring_back_surplus(pool, members, now)
    return members


def _match(members: Mapping[str, Member], backends: Iterable[Backend]) -> dict[str, Member]:
    kept = {}
    for backend in backends:
        member = members.get(backend.name)
        if member is not None and member.backend.address == backend.address:
            kept[backend.name] = member
    return kept


def _bring_back_surplus(pool: Pool, members: Mapping[str, Member], now: float) -> None:
    if pool.passive is None:
        return
    standings = [member.standing for member in members.values()]
    out = [one.passive for one in standings if one.passive is not None and one.is_out]
    out.sort(key=lambda passive: passive.out_until or 0.0)
    allowed = ejections_allowed(pool.passive, len(standings))
    for passive in out[: max(0, len(out) - allowed)]:
        passive.come_back(now)
