"""One request and its answer: which backends are tried, and which answer is taken.

Laws:
1. At most two attempts are on the way at once (the second is a hedge), never two on one backend.
2. The exchange commits to the first answer that is not to be retried. From then on nothing is tried
   again: its octets may be with the client.
3. Tried again is what was never sent, or an idempotent request of which all is still here; within
   the pool's budget, on a backend that was not tried before. The one exception: a connection that
   had been idle and closed before a single octet of an answer says nothing about its backend, so
   where there is no other, that one is asked over a new connection, once (RFC 9112 9.3.1). So is
   one whose 304 is not about what the cache has: it is asked for all of it.
4. An answer that would be retried is held unread until there is a better one: when tries are used
   up, the last answer of a backend is what the client gets.
5. A loser is cancelled: its connection closes, its slot is free, and it is no failure.
"""

from __future__ import annotations

import asyncio
import random
from time import monotonic
from typing import TYPE_CHECKING

from gslb.balance.budget import retry_delay_s
from gslb.balance.pool_state import Refusal, Result
from gslb.http1.errors import BadAnswer
from gslb.proxy.attempt import Attempt
from gslb.proxy.caching import STRAY_304
from gslb.proxy.filters import make_filter
from gslb.proxy.passage import IDEMPOTENT, Passage, Trailers

if TYPE_CHECKING:
    from gslb.balance.member import Member
    from gslb.balance.pool_state import Standings
    from gslb.http1.answer import Response
    from gslb.proxy.caching import Visit
    from gslb.proxy.filters import AnswerFilter
    from gslb.proxy.pool import BackendPool

End = tuple[str, int]

_NO_ERRORS = (501, 505)
"""Answers from 500 on that say something about the request, not about the backend."""


class Exchange(Passage):
    """One request of a client on its way.

    key: hash of what the pool's algorithm goes by. cost: what it weighs. sticky: the backend that
    the client belongs to. standings: what there was to choose from, for the audit line. trail:
    attempts that did not become the answer: backend, what became of it, milliseconds, reason.
    """

    pool: BackendPool | None = None
    cost = 1.0
    key = 0
    sticky: str | None = None
    affinity = ""
    standings: Standings | None = None
    tried: tuple[str, ...] = ()
    trail: tuple[tuple[str, str, float, str], ...] = ()
    was_hedged = False
    visit: Visit | None = None
    queued_at = 0.0
    queued_s = 0.0
    _retries = 0
    _is_retrying = False
    _was_reopened = False
    _lost_by: Result | None = None
    _is_queued = False
    _held: Attempt | None = None
    _hedge_timer: asyncio.TimerHandle | None = None
    _retry_timer: asyncio.TimerHandle | None = None

    # ------------------------------------------------------------ attempts

    def dispatch(self) -> None:
        """Asks for a backend: an attempt begins, or it waits, or it is refused."""
        pool = self.pool
        assert pool is not None
        now = monotonic()
        if pool.queue.cost:
            self._wait_in_queue(now)
            return
        picked = self._pick(pool, now)
        if isinstance(picked, Refusal):
            self._take_refusal(picked, now)
        else:
            self._launch(picked, now)

    def _pick(self, pool: BackendPool, now: float) -> Member | Refusal:
        if self.tier.tell is not None and self.standings is None:
            self.standings = pool.state.stand(now)
        return pool.state.pick(
            now=now,
            draw=random.random(),
            key=self.key,
            cost=self.cost,
            sticky=self.sticky,
            tried=self.tried,
        )

    def _launch(self, member: Member, now: float, *, is_hedge: bool = False) -> None:
        pool = self.pool
        assert pool is not None
        attempt = Attempt(self, member, now=now)
        attempt.is_hedge = is_hedge
        attempt.is_retry, self._is_retrying = self._is_retrying, False
        self.attempts = (*self.attempts, attempt) if self.attempts else (attempt,)
        pool.state.begin(member, now=now, cost=self.cost)
        is_careful = self._was_reopened or self.request.method not in IDEMPOTENT
        if self._was_reopened:
            connection = None
        else:
            connection = pool.take_idle(member.name, now, is_careful=is_careful)
        if self.is_sent:
            self.await_answer(now)
        else:
            self.watch_body(now)
        if connection is not None:
            attempt.was_reused = True
            attempt.use(connection)
        else:
            pool.open(attempt)
        if pool.pool.hedge is not None and not is_hedge:
            self._plan_hedge(pool)

    def end_body(self, trailers: Trailers) -> None:
        """The request has come to its end: from now on its answer may take too long."""
        super().end_body(trailers)
        pool = self.pool
        if pool is not None and pool.pool.hedge is not None and len(self.attempts) == 1:
            self._plan_hedge(pool)

    def _plan_hedge(self, pool: BackendPool) -> None:
        if not self.is_sent or not self._can_repeat() or self.request.upgrade:
            return
        if self.winner is not None or self.sticky is not None:
            return  # another backend does not know the session of a client that belongs to one
        delay_s = pool.state.hedge_delay_s()
        if self._hedge_timer is not None:  # of a first attempt that was lost meanwhile
            self._hedge_timer.cancel()
            self._hedge_timer = None
        if delay_s is not None:
            self._hedge_timer = self.loop.call_later(delay_s, self._hedge)

    def _hedge(self) -> None:
        """The first attempt takes long: asks a second backend, if there is one to spare."""
        self._hedge_timer = None
        pool = self.pool
        if pool is None or self.is_done or self.winner is not None or len(self.attempts) != 1:
            return
        now = monotonic()
        busy = (*self.tried, self.attempts[0].member.name)
        picked = pool.state.pick(
            now=now, draw=random.random(), key=self.key, cost=self.cost, tried=busy
        )
        if not isinstance(picked, Refusal) and pool.state.take_hedge():
            self.was_hedged = True
            self._launch(picked, now, is_hedge=True)

    def _can_repeat(self) -> bool:
        """Whether the request is one that may be sent twice, and can be."""
        if self.request.method not in IDEMPOTENT:
            return False
        return self.body is None or self.body.can_replay

    def lose(self, attempt: Attempt, result: Result, reason: str) -> None:
        """An attempt has failed."""
        if not attempt.is_wanted:
            if self._held is attempt:  # its connection went while it was held
                self._held = None
            elif self.winner is attempt and not self.is_done:  # or after it was taken all the same
                self.break_off("backend", reason)
            return
        pool = self.pool
        assert pool is not None
        was_winner = self.winner is attempt
        is_stale = result is Result.RESET and attempt.was_reused and not was_winner
        is_stale |= reason == STRAY_304
        self._settle(attempt, Result.CANCELLED if is_stale else result, reason)
        if attempt.connection is not None and attempt.connection.attempt is attempt:
            attempt.connection.drop()
        if self.is_done:
            return
        if was_winner:
            self.break_off("backend", reason)
        elif not self.attempts:
            self._recover(attempt, result, reason, is_stale=is_stale)

    def _settle(self, attempt: Attempt, result: Result, reason: str) -> None:
        """An attempt is over, and what it held is free: reported once, noted for the audit."""
        pool = self.pool
        assert pool is not None
        attempt.is_wanted = False
        self.attempts = tuple(one for one in self.attempts if one is not attempt)
        self.tried = (*self.tried, attempt.member.name)
        now = monotonic()
        spent = (attempt.member.name, str(result), (now - attempt.began_at) * 1000, reason)
        self.trail = (*self.trail, spent)
        if attempt.is_retry:
            pool.state.end_retry()
        response_s = None if attempt.held is None else now - attempt.began_at
        pool.report(attempt.member, result, cost=self.cost, response_s=response_s)

    def _recover(self, attempt: Attempt, result: Result, reason: str, *, is_stale: bool) -> None:
        """The last attempt has failed: another one, or what there is is told."""
        self.reason = reason
        self._lost_by = result
        if is_stale and self._can_repeat() and not self._was_reopened:
            self._was_reopened = True
            if not self._has_other_backend():
                self.tried = self.tried[:-1]
            self.dispatch()
        elif self._may_retry(is_unsent=attempt.connection is None):
            self._retry(is_at_once=result is Result.CONNECT_FAILED)
        else:
            self._give_up(result)

    def _has_other_backend(self, besides: str = "") -> bool:
        """Whether one could be asked that was not tried yet. Asking changes nothing."""
        assert self.pool is not None
        return self.pool.state.has_other((*self.tried, besides) if besides else self.tried)

    def _may_retry(self, *, is_unsent: bool) -> bool:
        """Law 3. Takes a part of the budget when it says yes."""
        pool = self.pool
        assert pool is not None
        if self._retries >= pool.pool.retry.attempts:
            return False
        is_whole = self.body is None or self.body.can_replay
        if not (is_unsent and is_whole) and not self._can_repeat():
            return False
        if monotonic() > self.total_at:
            return False
        return pool.state.begin_retry()

    def _retry(self, *, is_at_once: bool) -> None:
        self._retries += 1
        self._is_retrying = True
        if is_at_once:
            self.dispatch()
            return
        delay_s = retry_delay_s(self._retries, random.random())
        self._retry_timer = self.loop.call_later(delay_s, self._retry_now)

    def _retry_now(self) -> None:
        self._retry_timer = None
        if not self.is_done:
            self.dispatch()

    def _give_up(self, result: Result) -> None:
        """No more is tried: the answer that was held, else one of our own."""
        self._stop_waiting()
        held, self._held = self._held, None
        if held is not None and held.held is not None and held.connection is not None:
            self._commit(held, held.held)
            held.connection.go_on()
        elif self._has_stale():
            self._answer_stale()
        elif result is Result.TIMEOUT:
            self.refuse(504, "the backend did not answer in time", "backend_timeout")
        else:
            self.refuse(502, "no backend gave an answer", self.reason or str(result))

    def _has_stale(self) -> bool:
        return self.visit is not None and self.visit.may_stand_in()

    def _answer_stale(self) -> None:
        assert self.visit is not None
        self.abandon()
        self.note("cache", "stale")
        self.answer_with(self.visit.stale(self.request))

    def _end_retrying(self) -> None:
        """A retry that was granted and did not begin gives its part of the budget back."""
        if self._is_retrying and self.pool is not None:
            self._is_retrying = False
            self.pool.state.end_retry()

    # ------------------------------------------------------------ refusals, the queue

    def _take_refusal(self, refusal: Refusal, now: float) -> None:
        """There is no backend at the moment: waits for one, or tells."""
        if refusal is Refusal.FULL:
            self._wait_in_queue(now)
        elif self.tried:
            self._give_up(self._lost_by or Result.CONNECT_FAILED)
        elif self._has_stale():
            self._answer_stale()
        else:
            self.refuse_busy("no backend can take the request", str(refusal))

    def _wait_in_queue(self, now: float) -> None:
        pool, lane = self.pool, self.lane
        assert pool is not None
        assert lane is not None
        timeout_s = pool.pool.queue.timeout_s
        leaving = pool.queue.put(
            self, priority=lane.priority, now=now, timeout_s=timeout_s, cost=self.cost
        )
        if isinstance(leaving, Refusal):
            self.refuse_queued("queue_full" if pool.state.may_queue else "full")
            return
        self._is_queued = True
        self.queued_at = now
        self.client.deadline = self.total_at
        for other in leaving:
            other.refuse_queued("evicted")

    def leave_queue(self) -> bool:
        """A slot may be free: whether this one has left the queue, with or without a backend."""
        pool = self.pool
        assert pool is not None
        now = monotonic()
        picked = self._pick(pool, now)
        if picked is Refusal.FULL:
            return False
        pool.queue.remove(self)
        self._is_queued = False
        self.queued_s += now - self.queued_at
        if isinstance(picked, Refusal):
            self._take_refusal(picked, now)
        else:
            self._launch(picked, now)
        return True

    def refuse_queued(self, reason: str) -> None:
        """It waited, or wanted to, in vain."""
        if self._is_queued:
            self._is_queued = False
            self.queued_s += monotonic() - self.queued_at
        if self.tried:
            self._give_up(self._lost_by or Result.CONNECT_FAILED)
        elif self._has_stale():
            self._answer_stale()
        else:
            self.refuse_busy("all backends are busy", reason)

    # ------------------------------------------------------------ answers

    def take_head(self, attempt: Attempt, response: Response) -> bool:
        """The head of an answer: whether its content is wanted now. Raises BadAnswer."""
        if response.status == 101 and not self.request.upgrade:
            raise BadAnswer("stray_101")
        pool = self.pool
        assert pool is not None
        if response.status in pool.pool.retry.statuses and self._may_hold():
            self._hold(attempt, response)
            return False
        self._commit(attempt, response)
        return True

    def _may_hold(self) -> bool:
        """Whether there may be a better answer: one on its way, or one to be asked for."""
        if len(self.attempts) > 1:
            return True
        if not self._may_retry(is_unsent=False):
            return False
        if self._has_other_backend(besides=self.attempts[0].member.name):
            return True
        assert self.pool is not None
        self.pool.state.end_retry()
        return False

    def _hold(self, attempt: Attempt, response: Response) -> None:
        if self._held is not None and self._held.connection is not None:
            self._held.connection.drop()
        attempt.held = response
        self._held = attempt
        self._settle(attempt, Result.ERROR, f"answered {response.status}")
        if not self.attempts:
            self._retry(is_at_once=False)

    def _commit(self, attempt: Attempt, response: Response) -> None:
        """Takes this answer (law 2)."""
        if self._hedge_timer is not None:
            self._hedge_timer.cancel()
            self._hedge_timer = None
        if len(self.attempts) > 1:
            self._cancel(besides=attempt)
        if self._held is not None and self._held.connection is not None:
            self._held.connection.drop()
            self._held = None
        self.begin_answer(attempt, response)

    def _cancel(self, besides: Attempt | None = None) -> None:
        """Law 5."""
        for attempt in self.attempts:
            if attempt is not besides:
                self._settle(attempt, Result.CANCELLED, "")
                if attempt.connection is not None and attempt.connection.attempt is attempt:
                    attempt.connection.drop()

    def report_winner(self, result: Result | None = None) -> None:
        """The answer has been read to its end, or has ended otherwise: said once."""
        attempt, pool = self.winner, self.pool
        if attempt is None or pool is None or not attempt.is_wanted:
            return
        attempt.is_wanted = False
        self.attempts = ()
        if attempt.is_retry:
            pool.state.end_retry()
        if result is None:
            is_error = self.status >= 500 and self.status not in _NO_ERRORS
            result = Result.ERROR if is_error else Result.OK
        response_s = self.answered_at - attempt.began_at
        pool.report(attempt.member, result, cost=self.cost, response_s=response_s)

    def bind_client(self, attempt: Attempt) -> None:
        """The client belongs to this backend from now on, if the pool binds clients."""
        pool = self.pool
        if pool is not None and pool.bonds is not None and self.sticky != attempt.member.name:
            is_secure = self.client.via.scheme == b"https"
            self.extra_head += pool.bonds.bind(
                self.address, attempt.member.name, is_secure=is_secure
            )

    def host_name(self) -> str:
        """The name that the request is for, for TLS towards a backend."""
        return self.request.host.decode("latin-1")

    def ends(self) -> tuple[End, End]:
        """Who asks, and where it is connected to: for PROXY protocol headers."""
        peer = self.client.peer
        local, port = peer.local
        return (str(peer.address), peer.port), (str(local), port)

    # ------------------------------------------------------------ the end

    def filter_answer(self, response: Response) -> AnswerFilter:
        """What changes the answer on its way."""
        lane = self.lane
        assert lane is not None, "asked for the answers of a route"
        try:
            return make_filter(self, lane, response)
        except BadAnswer:  # what was asked was a question of the cache: the client's own is next
            self.tier.ask_whole(self)
            raise

    def finish(self) -> None:
        """The answer has been handed to the client's connection, which goes on."""
        self.conclude()
        self.client.take_finished(self)

    def conclude(self) -> None:
        """Nothing more moves: counted and told, once."""
        if not self.is_done:
            self.is_done = True
            if self.visit is not None:
                self.visit.end(self)
            self.tier.conclude(self)
            self.winner = None  # it knows this one: freed at once, not by the garbage collector

    def abandon(self) -> None:
        """Lets go of everything that is on the way: nobody waits for it."""
        self._stop_waiting()
        if self._held is not None and self._held.connection is not None:
            self._held.connection.drop()
            self._held = None
        self._cancel()

    def _stop_waiting(self) -> None:
        """Nothing that was to begin later begins."""
        for timer in (self._hedge_timer, self._retry_timer):
            if timer is not None:
                timer.cancel()
        self._hedge_timer = self._retry_timer = None
        if self._is_queued and self.pool is not None:
            self.pool.queue.remove(self)
            self._is_queued = False
        self._end_retrying()

    def expire(self, now: float) -> None:
        """The client connection's deadline has passed: who is to blame depends on who is waited
        for.
        """
        if self.winner is not None:
            self.stall()
        elif not self.is_sent and not self.client.is_reading_paused:
            self.ended_by = "client"
            self.refuse(408, "the request's body came too slowly", "body_timeout")
        elif self._is_queued or not self.attempts or now >= self.total_at:
            self._fail_all("total_timeout")
        else:
            self._fail_all("no answer in time")

    def _fail_all(self, reason: str) -> None:
        """No answer in time."""
        waiting = self.attempts
        for attempt in waiting:
            self.lose(attempt, Result.TIMEOUT, reason)
        if not waiting and not self.is_done:
            self.reason = reason
            self._give_up(Result.TIMEOUT)
