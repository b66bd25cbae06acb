"""The steps of the tour that are about those who observe, order and store.

None of them stops a region, so none of them may move an answer, but for what is ordered.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from gslb.app.courier import LAST_RETRY_S
from gslb.app.demo_keys import OWNER, order
from gslb.app.stage import Stage
from gslb.app.stage_agents import Conduct, StageAgent
from gslb.app.tour import MARGIN_S, Limit, Point, Tour
from gslb.app.tour_steps import HOME, VICTIM
from gslb.app.tour_watch import ASK_EVERY_S, Asked, Settled, Watch, watch
from gslb.app.traffic import NETWORKS, WWW, Network
from gslb.errors import StoreError
from gslb.model.order import OrderKind
from gslb.model.system import System
from gslb.probe.prober import HEARTBEAT_S
from gslb.store.base import HealthStore
from gslb.store.open import open_store

REASON: Final = "the tour"
HOLD_S: Final = 0.5
"""How long to go on asking once something is so: a snapshot is swapped within half of it."""
AT_ONCE: Final = Limit(MARGIN_S, f"{MARGIN_S:g} s margin")
NEXT_REPORT: Final = Limit(
    HEARTBEAT_S + MARGIN_S, f"{HEARTBEAT_S:g} s to the next report + {MARGIN_S:g} s margin"
)
SILENCE: Final = Limit(
    2 * HEARTBEAT_S + MARGIN_S, f"2 reports x {HEARTBEAT_S:g} s + {MARGIN_S:g} s margin"
)
RETURN: Final = Limit(
    LAST_RETRY_S + HEARTBEAT_S + MARGIN_S,
    f"{LAST_RETRY_S:g} s to the next attempt + {HEARTBEAT_S:g} s to the next report"
    f" + {MARGIN_S:g} s margin",
)


# ---------------------------------------------------------------- agents


async def hear_a_lie(tour: Tour) -> list[Point]:
    """One agent says that all is down: it loses its vote, and nothing else happens."""
    liar = _agents(tour)[0]
    liar.behave(Conduct.LYING)
    lost, seen = await _watch_until(
        tour, lambda _: not _has_vote(tour, liar), NEXT_REPORT, waiting=f"{liar.name} lies"
    )
    status = tour.stage.server.insight.status()
    liar.behave(Conduct.HONEST)
    regained, after = await _watch_until(
        tour, lambda _: _has_vote(tour, liar), NEXT_REPORT, waiting=f"{liar.name} is honest again"
    )
    return [
        _judge_time(f"{liar.name} loses its vote {NEXT_REPORT}", lost),
        _judge_views(status, liar.name),
        seen.unmoved(),
        _judge_time(f"honest again, it has it back {NEXT_REPORT}", regained),
        after.unmoved(),
    ]


def _judge_views(status: Any, liar: str) -> Point:
    """That status shows the lie, that it does not count, and why."""
    views = {name: site["agents"][liar] for name, site in status["sites"].items()}
    ok = all(view["state"] == "down" and not view["counts"] for view in views.values())
    why = status["agents"][liar]["why"]
    states = ", ".join(f"{name} {view['state']}" for name, view in views.items())
    seen = f"{states}; {why}"
    return Point("status shows its word, and why it does not count", seen, ok=ok and bool(why))


async def lose_agent(tour: Tour) -> list[Point]:
    """One agent dies: its last word holds until it is stale, and the others have theirs."""
    dead = _agents(tour)[-1]
    boot = _tell_agent(tour, dead)["boot"]
    dead.behave(Conduct.DEAD)
    silent, seen = await _watch_until(
        tour,
        lambda _: _tell_agent(tour, dead)["age_s"] >= 2 * HEARTBEAT_S,
        SILENCE,
        waiting=f"{dead.name} is dead",
    )
    told = _tell_agent(tour, dead)
    dead.behave(Conduct.HONEST)
    back, _ = await _watch_until(
        tour,
        lambda _: _tell_agent(tour, dead)["boot"] != boot,
        NEXT_REPORT,
        waiting=f"{dead.name} is back",
    )
    stale_after_s = tour.stage.system.health.stale_after_s
    return [
        _judge_time(f"status shows that {dead.name} is silent {SILENCE}", silent),
        Point(
            f"its last word counts until it is {stale_after_s:g} s old",
            f"{told['age_s']} s old, {'a vote' if told['has_vote'] else 'no vote'}",
            ok=told["has_vote"] is (told["age_s"] <= stale_after_s),
        ),
        seen.unmoved(),
        _judge_time(f"started again, it is heard {NEXT_REPORT}", back),
    ]


# ---------------------------------------------------------------- orders


async def drain_region(tour: Tour) -> list[Point]:
    """A region is drained and comes back by order: at once, whatever its checks say."""
    await order(tour.stage, VICTIM, OrderKind.DRAIN, reason=REASON)
    gone, drained = await _watch_until(
        tour, lambda one: one.site != VICTIM, AT_ONCE, waiting="it is drained", who=[HOME]
    )
    why = _explain_orders(tour)
    await order(tour.stage, VICTIM, OrderKind.NONE, reason=REASON)
    back, undrained = await _watch_until(
        tour, lambda one: one.site == VICTIM, AT_ONCE, waiting="it is undrained", who=[HOME]
    )
    return [
        _judge_time(f"answers leave {VICTIM} {AT_ONCE}", gone),
        drained.avoided(VICTIM),
        Point("explain says who ordered it and why", why, ok=f"by {OWNER}: {REASON}" in why),
        _judge_time(f"undrained, they return {AT_ONCE}", back),
        undrained.answered(),
    ]


def _explain_orders(tour: Tour) -> str:
    steps = tour.stage.server.insight.explain(WWW, "A", HOME.subnet)["steps"]
    return next((step["why"] for step in steps if step["name"] == "orders"), "no word of it")


# ---------------------------------------------------------------- Redis


async def lose_redis(tour: Tour) -> list[Point]:
    """Redis dies and comes back empty: answers and orders hold, and it is filled again."""
    stage, redis = tour.stage, tour.stage.redis
    assert redis is not None, "this step is walked with a Redis only"
    await order(stage, VICTIM, OrderKind.DRAIN, reason=REASON)
    redis.kill()
    lost, without = await _watch_until(
        tour, lambda _: not _tell_store(tour)["is_connected"], AT_ONCE, waiting="Redis is dead"
    )
    error = _tell_store(tour)["error"]
    await redis.start()
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(_read_until_filled(stage), name="another reader")
        filled, after = await _watch_until(
            tour, lambda _: reading.done(), RETURN, waiting="Redis is back, and empty"
        )
        reading.cancel()
    await order(stage, VICTIM, OrderKind.NONE, reason=REASON)
    return [
        _judge_time(f"status says that the store is away {AT_ONCE}", lost),
        Point("and why", str(error), ok=bool(error)),
        without.avoided(VICTIM),
        _judge_time(f"all agents and the order are back in an empty Redis {RETURN}", filled),
        after.avoided(VICTIM),
    ]


async def _read_until_filled(stage: Stage) -> None:
    """Reads as another name server would, until all that was lost is there again."""
    names = tuple(stage.agents)
    async with _connected(stage.system) as store:
        while True:
            with suppress(StoreError):
                holding = await store.read(names)
                ordered = {one.site for one in holding.orders if one.kind is OrderKind.DRAIN}
                if len(holding.reports) == len(names) and VICTIM in ordered:
                    return
            await asyncio.sleep(ASK_EVERY_S)


@asynccontextmanager
async def _connected(system: System) -> AsyncIterator[HealthStore]:
    """A connection of one's own to the demo's Redis."""
    store = open_store(system, {})
    try:
        yield store
    finally:
        await store.close()


# ---------------------------------------------------------------- what the steps share


async def _watch_until(
    tour: Tour,
    is_true: Callable[[Asked], bool],
    limit: Limit,
    *,
    waiting: str,
    who: Sequence[Network] = NETWORKS,
) -> tuple[float | None, Watch]:
    """When something became true, None when it did not in time, and what clients got until HOLD_S
    later.
    """
    settled = Settled(is_true, hold_s=HOLD_S)
    limit_s = limit.seconds + HOLD_S
    seen = await watch(tour, who, settled, limit_s=limit_s, waiting=waiting)
    since_s = settled.since_s
    return (since_s if since_s is not None and since_s <= limit.seconds else None), seen


def _judge_time(expected: str, took_s: float | None) -> Point:
    seen = "not in time" if took_s is None else f"after {took_s:.2f} s"
    return Point(expected, seen, ok=took_s is not None)


def _agents(tour: Tour) -> Sequence[StageAgent]:
    return tuple(tour.stage.agents.values())


def _has_vote(tour: Tour, agent: StageAgent) -> bool:
    return agent.name not in tour.voteless()


def _tell_agent(tour: Tour, agent: StageAgent) -> Any:
    """What status says of an agent."""
    return tour.stage.server.insight.status()["agents"][agent.name]


def _tell_store(tour: Tour) -> Any:
    """What status says of the store."""
    return tour.stage.server.insight.status()["store"]
