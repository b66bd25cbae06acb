"""What is known of one backend, and what it means: the order, the checks, the traffic.

Laws, the first that says something counts:
1. An order: UP is well and DOWN is not, whatever is observed; MAINT is not well either. Orders end
   at their time.
2. A backend with a check is unknown, and not well, until its first result, unless the pool
   `starts_up`. Without a check it is up.
3. A check that failed: not well.
4. An ejection: not well, but for one trial at a time once its time is over.
A backend that turns from not well to well, or joins a running pool, starts slowly; one whose first
check passes at the start of the pool does not.
"""

from __future__ import annotations

from math import ceil, floor, inf

from gslb.balance.member import Member
from gslb.balance.passive import Passive
from gslb.balance.slow_start import scale_at
from gslb.balance.words import Mode
from gslb.model.proxy import Backend, PassiveSettings, Pool


class Standing:
    """One backend's state, beside its Member.

    up: what checks say, None before the first result. is_well: laws 1 to 4, a trial counting as not
    well. ramp_since: when its slow start began, None when there is none. limit: cost in flight at
    most.
    """

    __slots__ = (
        "ceiling",
        "errors",
        "has_joined",
        "is_known",
        "is_well",
        "limit",
        "member",
        "mode",
        "mode_until",
        "passive",
        "ramp_since",
        "requests",
        "slow_start_s",
        "up",
    )

    def __init__(self, member: Member, pool: Pool, *, now: float, has_joined: bool) -> None:
        self.member = member
        self.mode = Mode.READY
        self.mode_until: float | None = None
        self.passive: Passive | None = None
        self.ramp_since: float | None = None
        self.has_joined = has_joined
        self.is_known = False
        self.is_well = False
        self.requests = 0
        self.errors = 0
        self.limit = inf
        self.ceiling = inf
        self.slow_start_s = pool.slow_start_s
        self.up: bool | None = None
        if member.backend.check is None or pool.starts_up:
            self.up = True
        self.set_passive(pool.passive, now=now)

    def set_passive(self, settings: PassiveSettings | None, *, now: float) -> None:
        """Traffic is judged by these settings from now on."""
        if settings is None:
            self.passive = None
        elif self.passive is None:
            self.passive = Passive(settings, now=now)
        else:
            self.passive.change(settings, now=now)

    def set_backend(self, backend: Backend, *, share: float) -> None:
        """The same server with other settings."""
        self.member.backend = backend
        self.member.weight = float(backend.weight)
        if backend.check is None:
            self.up = True
        most = backend.max_connections
        self.ceiling = inf if most is None else float(max(1, floor(most * share + 1e-9)))
        self.limit = inf if most is None else float(max(1, floor(self.ceiling * self.member.scale)))

    def leave(self) -> None:
        """Its pool no longer knows it: what is on the way ends and means nothing."""
        self.passive = None
        self.limit = self.ceiling = inf

    @property
    def is_out(self) -> bool:
        """Whether traffic took it out and it has not come back, whatever orders say."""
        return self.passive is not None and self.passive.out_until is not None

    @property
    def is_ejected(self) -> bool:
        """Whether traffic took it out, a trial included, and no order holds against that."""
        return self.is_out and self.mode is not Mode.UP

    @property
    def is_in_trial(self) -> bool:
        """Whether it may be tried, one at a time, if orders and checks are fine."""
        passive = self.passive
        return passive is not None and passive.trial is not None and self.is_checked_up

    @property
    def has_free_trial(self) -> bool:
        """Whether the next attempt may be the trial."""
        trial = self.passive.trial if self.passive is not None else None
        return trial is not None and not trial.is_on_the_way and self.is_checked_up

    @property
    def is_ordered_out(self) -> bool:
        """Whether an order keeps everybody away from it."""
        return self.mode is Mode.MAINT or self.mode is Mode.DOWN

    @property
    def takes_new(self) -> bool:
        """Whether orders and weight let new clients in."""
        return self.mode is not Mode.DRAIN and not self.is_ordered_out and self.member.weight > 0

    @property
    def is_checked_up(self) -> bool:
        """Whether orders and checks say that it works, traffic aside."""
        if self.mode is Mode.UP:
            return True
        return not self.is_ordered_out and self.up is True

    def settle(self, now: float) -> None:
        """is_well and the slow start follow what is known by now."""
        is_well = self.is_checked_up and not self.is_ejected
        if is_well and not self.is_well and self.slow_start_s > 0 and self._starts_slowly:
            self.ramp_since = now
            self.set_scale(now)
        if self.is_checked_up or self.up is not None:
            self.is_known = True
        if is_well:
            self.has_joined = False
        self.is_well = is_well

    @property
    def _starts_slowly(self) -> bool:
        return self.is_known or self.has_joined

    def set_scale(self, now: float) -> bool:
        """Whether the slow start went on; the member's scale and limit are those of now."""
        if self.ramp_since is None:
            return False
        scale = scale_at(now, since=self.ramp_since, slow_start_s=self.slow_start_s)
        if scale >= 1.0:
            self.ramp_since = None
        self.member.scale = scale
        if self.ceiling != inf:
            self.limit = float(max(1, floor(self.ceiling * scale)))
        return True

    def has_room(self, cost: float) -> bool:
        """Whether that cost stays within the ceiling; an idle backend takes any cost."""
        member = self.member
        return member.active + cost <= self.limit or member.count == 0

    @property
    def state(self) -> str:
        """One word for status pages: what orders, checks and traffic come to."""
        if self.is_ordered_out or (self.up is False and self.mode is not Mode.UP):
            return "down"
        if not self.is_checked_up:
            return "unknown"
        if not self.is_ejected:
            return "up"
        return "trial" if self.is_in_trial else "ejected"

    def tell_why_out(self, now: float) -> str | None:
        """Why it is not well or takes nobody new, None when it does."""
        if self.mode is Mode.MAINT or self.mode is Mode.DRAIN:
            return str(self.mode)
        if self.mode is Mode.DOWN:
            return "forced down"
        if not self.is_checked_up:
            return "down" if self.up is False else "not checked yet"
        if self.passive is not None and self.is_ejected:
            left_s = ejected_for_s(self.passive, now)
            return f"ejected {ceil(left_s)} s" if left_s else "ejected, in trial"
        return None if self.member.weight else "weight 0"


def ejected_for_s(passive: Passive | None, now: float) -> float:
    """How long a backend is out for certain, 0 when it is in service or in trial."""
    if passive is None or passive.out_until is None:
        return 0.0
    return max(0.0, passive.out_until - now)
