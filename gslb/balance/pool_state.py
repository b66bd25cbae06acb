"""The state of a pool: which backend gets a request, and what comes of its end.

Laws:
1. Nothing here looks for the time or for chance: the same calls give the same picks.
2. Every `begin` is followed by one `end`, for the same member and with the same cost.
3. Health decides who is used (gslb.balance.tiers), ceilings who of them has room, the algorithm
   who of those gets the request. A circuit that is open stands before all of it.
4. Before the first check of a pool passed nobody is up: ALL_DOWN, as when everything is down. A
   guess would send clients to servers that may not be there.
5. Lists of who may be picked are made anew when something changes, not for each request. With
   three backends, least connections, passive health, circuit and hedging on, one request costs
   2.5 us here (pick, begin and end), measured on a quiet core; 5 is the limit.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from gslb.balance import reports
from gslb.balance.algorithms.registry import make_algorithm
from gslb.balance.budget import RetryBudget
from gslb.balance.circuit import Circuit, Phase
from gslb.balance.hedge import Hedging
from gslb.balance.histogram import Histogram
from gslb.balance.member import Member
from gslb.balance.passive import ejections_allowed
from gslb.balance.queue import Queue
from gslb.balance.reconfigure import take_backends
from gslb.balance.standing import Standing
from gslb.balance.tiers import Tiers, rank_tiers
from gslb.balance.window import ErrorWindow
from gslb.balance.words import Candidate, Mode, PoolLoad, Refusal, Result, Standings
from gslb.model.proxy import Pool

__all__ = ["Candidate", "Member", "Mode", "PoolLoad", "PoolState", "Refusal", "Result", "Standings"]

LOAD_WINDOW_S = 10.0
"""What load reports call "the last seconds"."""

# Looking a member of an enumeration up in its class costs as much as a dictionary.
_OK = Result.OK
_ERROR = Result.ERROR
_CONNECT_FAILED = Result.CONNECT_FAILED
_CANCELLED = Result.CANCELLED


class PoolState:
    """One pool in one worker. share: this worker's part, 1 / workers, of ceilings, of the queue and
    of what budgets allow in any case.

    members: by name, in the file's order. leaving: members that the file no longer names, until
    their last request ends. in_flight: attempts on the way. queue: what waits, for the shell to
    fill and empty.
    """

    def __init__(self, pool: Pool, *, now: float, share: float = 1.0) -> None:
        self.pool = pool
        self.members: dict[str, Member] = {}
        self.leaving: set[Member] = set()
        self.in_flight = 0
        self.queue: Queue[Any] = Queue(_queue_size(pool, share))
        self.budget = RetryBudget(pool.retry, share=share)
        self._share = share
        self._standings: list[Standing] = []
        self._window = ErrorWindow(LOAD_WINDOW_S, now=now)
        self._times = Histogram(now=now)
        self._hedging = Hedging(pool.hedge, share=share) if pool.hedge else None
        self._circuit = Circuit(pool.circuit, now=now) if pool.circuit else None
        self._tiers = Tiers()
        self._able: list[Member] | Refusal = Refusal.ALL_DOWN
        self._renewed: list[Member] = []
        self._names: list[str] = []
        self._excluded: dict[str, str] | None = None
        self._take_backends(pool, now)
        self._algorithm = make_algorithm(pool.balance, list(self.members.values()))
        self._settle(now)

    # ------------------------------------------------------------ the hot path

    def pick(  # noqa: PLR0913 - one call a request, and all of it counts
        self,
        *,
        now: float,
        draw: float,
        key: int = 0,
        cost: float = 1.0,
        sticky: str | None = None,
        tried: Collection[str] = (),
    ) -> Member | Refusal:
        """The backend for a request, or why there is none. Nothing is counted before `begin`.

        draw: uniform in [0, 1). key: what hashing algorithms go by. sticky: the backend that the
        client belongs to: taken if it is up, in drain too, and has room. tried: backends that are
        not to be used again. 0.2 us besides the algorithm; 2.5 us in all with tried, since the
        algorithm then gets a list that it does not know.
        """
        if sticky is None and not tried and (cost == 1.0 or not self._has_ceilings):
            able = self._able
        else:
            member = self._pick_sticky(sticky, tried, cost) if sticky is not None else None
            if member is not None:
                return member
            able = self._choose(tried, cost)
        if isinstance(able, Refusal):
            return able
        picked = self._algorithm.pick(able, now=now, draw=draw, key=key, cost=cost)
        return Refusal.FULL if picked is None else picked

    def begin(self, member: Member, *, now: float, cost: float) -> None:
        """An attempt at that backend is on the way. 0.4 us."""
        standing = member.standing
        member.active += cost
        member.count += 1
        self.in_flight += 1
        if self._hedging is not None:
            self._hedging.earn()
        if self._one_by_one:
            self._enter_trials(standing, now)
        if member.active + 1.0 > standing.limit:
            self._refresh()

    def end(
        self, member: Member, *, now: float, cost: float, result: Result, response_s: float | None
    ) -> None:
        """That attempt is over. response_s: from its start to the answer's head, None without.

        1.2 us with passive health, circuit and hedging on.
        """
        standing = member.standing
        before = member.active
        member.count -= 1
        member.active = before - cost if member.count else 0.0
        self.in_flight -= 1
        if before + 1.0 > standing.limit:
            self._refresh()
        if self.leaving and not member.count:
            self.leaving.discard(member)
        if result is _CANCELLED:
            if self._one_by_one:
                self._leave_trials(standing, now)
            return
        is_error = result is not _OK
        standing.requests += 1
        standing.errors += is_error
        self._window.record(now, is_error=is_error)
        if result is _OK or result is _ERROR:
            if response_s is not None:
                self._times.record(now, response_s)
                member.observe(response_s, now)
        else:
            member.observe_failure(response_s or 0.0, now)
        if standing.passive is not None:
            self._judge(standing, now, result)
        if self._circuit is not None and self._circuit.end(now, is_ok=not is_error):
            self._settle(now)

    def _judge(self, standing: Standing, now: float, result: Result) -> None:
        passive = standing.passive
        assert passive is not None, "asked for backends that traffic judges"
        if passive.out_until is None:
            no_connection = result is _CONNECT_FAILED
            if passive.record(now, is_error=result is not _OK, no_connection=no_connection):
                self._eject(standing, now)
        elif passive.trial is not None and passive.end_trial(now, is_ok=result is _OK):
            self._settle(now)

    # ------------------------------------------------------------ choosing

    def _pick_sticky(self, name: str, tried: Collection[str], cost: float) -> Member | None:
        member = self.members.get(name)
        if member is None or name in tried:
            return None
        if self._circuit is not None and not self._circuit.admits:
            return None
        standing = member.standing
        is_usable = standing.is_well or standing.has_free_trial
        if not is_usable:
            is_usable = self._tiers.is_panic and standing in self._tiers.lists[0]
        return member if is_usable and standing.has_room(cost) else None

    def _choose(self, tried: Collection[str], cost: float) -> list[Member] | Refusal:
        if self._circuit is not None and not self._circuit.admits:
            return Refusal.CIRCUIT_OPEN
        chosen = self._tiers.choose(tried)
        if not chosen:
            return Refusal.NONE_LEFT if self._tiers.lists else Refusal.ALL_DOWN
        able = [one.member for one in chosen if one.has_room(cost)]
        if able == self._renewed:
            able = self._renewed  # the algorithm is quicker with the very list that it knows
        return able or Refusal.FULL

    def _refresh(self) -> None:
        """Who may be picked follows the ceilings and trials of now."""
        self._able = able = self._choose((), 1.0)
        self._names = [] if isinstance(able, Refusal) else [member.name for member in able]
        self._excluded = None

    def _renew(self) -> None:
        """The algorithm hears of it, too: that it knows the list saves it a pass at each pick. At a
        ceiling lists change with every request, so of those it does not.
        """
        self._renewed = [one.member for one in self._tiers.choose()]
        self._algorithm.renew(self._renewed)
        self._refresh()

    def _settle(self, now: float) -> None:
        """Who may be picked follows orders, checks, ejections and the circuit of now."""
        for standing in self._standings:
            standing.settle(now)
        self._tiers = rank_tiers(self._standings, panic_below=self.pool.panic_below)
        has_trials = any(one.passive and one.passive.trial for one in self._standings)
        is_closed = self._circuit is None or self._circuit.phase is Phase.CLOSED
        self._one_by_one = has_trials or not is_closed
        self._has_ceilings = any(
            standing.member.backend.max_connections is not None for standing in self._standings
        )
        self._renew()

    # ------------------------------------------------------------ trials and ejections

    def _enter_trials(self, standing: Standing, now: float) -> None:
        if standing.passive is not None and standing.passive.trial is not None:
            standing.passive.trial.enter(now)
        if self._circuit is not None:
            self._circuit.begin(now)
        self._refresh()

    def _leave_trials(self, standing: Standing, now: float) -> None:
        if standing.passive is not None and standing.passive.trial is not None:
            standing.passive.end_trial(now, is_ok=None)
        if self._circuit is not None:
            self._circuit.end(now, is_ok=None)
        self._refresh()

    def _eject(self, standing: Standing, now: float) -> None:
        passive, settings = standing.passive, self.pool.passive
        assert passive is not None, "only traffic ejects"
        assert settings is not None, "only traffic ejects"
        out = sum(one.is_out for one in self._standings)
        others_left = any(
            one.is_well and one.takes_new for one in self._standings if one is not standing
        )
        if (
            standing.mode is Mode.UP
            or out >= ejections_allowed(settings, len(self._standings))
            or not others_left
        ):
            passive.stay(now)
            return
        passive.eject(now)
        self._settle(now)

    # ------------------------------------------------------------ what is told

    def take_check(self, name: str, *, up: bool, now: float) -> None:
        """What the active checks say of a backend. Names that are not of this pool say nothing."""
        member = self.members.get(name)
        if member is None or member.standing.up is up:
            return
        member.standing.up = up
        self._settle(now)

    def take_mode(self, name: str, mode: Mode, *, now: float, until: float | None = None) -> None:
        """An operator's order. until: when it ends (READY), None does not."""
        member = self.members.get(name)
        if member is None:
            return
        member.standing.mode = mode
        member.standing.mode_until = until
        self._settle(now)

    def tick(self, now: float) -> None:
        """Time passes: some four times a second. 1 us at 3 members when nothing changes."""
        is_changed = is_scaled = False
        self._excluded = None  # it says for how long
        for standing in self._standings:
            if standing.mode_until is not None and now >= standing.mode_until:
                standing.mode, standing.mode_until = Mode.READY, None
                is_changed = True
            if standing.passive is not None:
                in_flight = standing.member.count
                is_changed |= standing.passive.tick(now, in_flight=in_flight)
            if standing.ramp_since is not None:
                is_scaled |= standing.set_scale(now)
        if self._circuit is not None:
            is_changed |= self._circuit.tick(now, in_flight=self.in_flight)
        if self._hedging is not None:
            self._times.advance(now)
            self._hedging.measure(self._times)
        if is_changed:
            self._settle(now)
        elif is_scaled:
            self._renew()

    def reconfigure(self, pool: Pool, *, now: float) -> None:
        """Another file: backends of the same name and address keep everything, new ones start, and
        those that are gone end what they have.
        """
        before, self.pool = self.pool, pool
        self._take_backends(pool, now)
        members = list(self.members.values())
        if pool.balance != before.balance:
            self._algorithm = make_algorithm(pool.balance, members)
        else:
            self._algorithm.rebuild(members)
        self.budget.change(pool.retry, share=self._share)
        self.queue.size = _queue_size(pool, self._share)
        if pool.hedge != before.hedge:
            self._hedging = Hedging(pool.hedge, share=self._share) if pool.hedge else None
        if pool.circuit != before.circuit:
            self._circuit = Circuit(pool.circuit, now=now) if pool.circuit else None
        self._settle(now)

    def _take_backends(self, pool: Pool, now: float) -> None:
        before = self.members
        self.members = take_backends(before, pool, now=now, share=self._share)
        for name, member in before.items():
            if self.members.get(name) is not member:
                member.standing.leave()
                if member.count:
                    self.leaving.add(member)
        self._standings = [member.standing for member in self.members.values()]

    # ------------------------------------------------------------ retries, hedges, queue

    def begin_retry(self) -> bool:
        """Whether one more retry may be; if so, it is on the way until `end_retry`."""
        return self.budget.begin(self.in_flight)

    def end_retry(self) -> None:
        """A retry is over, however it ended, or was given up."""
        self.budget.end()

    def hedge_delay_s(self) -> float | None:
        """How long a first attempt is waited for before a hedge, None does not hedge: not wanted,
        too few samples, fewer than two backends that can be used, or panic.
        """
        if self._hedging is None or self._tiers.is_panic:
            return None
        able = self._able
        if isinstance(able, Refusal) or len(able) < 2:
            return None
        return self._hedging.delay_s

    def take_hedge(self) -> bool:
        """Whether a hedge may be sent; if so, it is paid."""
        return self._hedging is not None and self._hedging.take()

    def has_other(self, tried: Collection[str]) -> bool:
        """Whether a backend could be picked that is not among those tried. Changes nothing."""
        return not isinstance(self._choose(tried, 1.0), Refusal)

    @property
    def may_queue(self) -> bool:
        """Whether requests may wait when all backends are full."""
        return self.queue.size > 0

    # ------------------------------------------------------------ reports

    @property
    def is_usable(self) -> bool:
        """Whether there is a backend to send requests to, full or not."""
        return bool(self._tiers.lists)

    @property
    def is_panic(self) -> bool:
        """Whether all backends are used because too few are healthy."""
        return self._tiers.is_panic

    def load(self, now: float) -> PoolLoad:
        """How busy the pool is. 30 us."""
        return reports.measure_load(
            self._standings, self._window, self._times, now=now, in_flight=self.in_flight
        )

    def answer_times(self) -> dict[str, float]:
        """How long answers took to begin, since the start: `sum`, and by each bound in seconds how
        many took no longer, the last of them `+Inf`.
        """
        counts = self._times.since_start()
        told: dict[str, float] = {f"{bound:.6g}": count for bound, count in counts.items()}
        return {"sum": self._times.sum_s, **told, "+Inf": max(counts.values())}

    def stand(self, now: float) -> Standings:
        """What a pick chooses from, for the audit of every request. 0.8 us at 3 members, where
        `explain` takes 4: who is excluded is looked at when something changes, and at each tick.
        """
        if self._excluded is None:
            self._excluded = {
                one.name: one.excluded for one in self.explain(now) if one.excluded is not None
            }
        able, score = self._able, self._algorithm.score
        if isinstance(able, Refusal):
            return Standings((), (), self._excluded)
        return Standings(self._names, [score(member, now) for member in able], self._excluded)

    def explain(self, now: float, *, tried: Collection[str] = ()) -> list[Candidate]:
        """Each backend with its score, and why it is not picked if so."""
        return reports.explain(
            self._standings, self._tiers, now=now, tried=tried, score=self._algorithm.score
        )

    def summary(self, now: float) -> dict[str, Any]:
        """The pool and its backends as plain data."""
        return {
            "pool": self.pool.name,
            "algorithm": str(self.pool.balance.algorithm),
            "in_flight": self.in_flight,
            "queued": len(self.queue),
            "retries": self.budget.on_the_way,
            "circuit": str(self._circuit.phase) if self._circuit else None,
            "panic": self._tiers.is_panic,
            "backends": {
                one.member.name: reports.describe(one, now=now) for one in self._standings
            },
            "leaving": sorted((member.name, member.count) for member in self.leaving),
        }


def _queue_size(pool: Pool, share: float) -> float:
    return max(1.0, pool.queue.size * share) if pool.queue.size else 0.0
