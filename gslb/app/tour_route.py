"""The route of the tour: all steps in order, those left out that the stage has nothing for."""

from __future__ import annotations

from typing import Final

from gslb.app.stage import Stage
from gslb.app.tour import Step
from gslb.app.tour_faults import drain_region, hear_a_lie, lose_agent, lose_redis
from gslb.app.tour_steps import (
    HOME,
    VICTIM,
    ZONE,
    ask_around,
    ask_else,
    count_split,
    explain_answer,
    fetch,
    lose_all,
    lose_region,
    regain_all,
    regain_region,
    start_up,
)
from gslb.app.traffic import WWW

REGIONS: Final = (
    Step("The regions are up", "waits for the first round of checks", start_up),
    Step(
        "Clients are sent to the region that serves them",
        f"asks for {WWW.rstrip('.')} with a client subnet (ECS), as resolvers do",
        ask_around,
    ),
    Step("What is answered works", f"fetches a page from the address for {HOME.label}", fetch),
    Step(
        "Weights are exact",
        f"asks for split.{ZONE.rstrip('.')} 60 times, weights 3 to 2 to 1",
        count_split,
    ),
    Step(
        "A region dies",
        f"stops {VICTIM}'s backend and asks from {HOME.place} every 20 ms",
        lose_region,
    ),
    Step("Every answer can be explained", f"explains the answer for {HOME.label}", explain_answer),
    Step("The region comes back", f"starts {VICTIM}'s backend and keeps asking", regain_region),
    Step(
        "Everything dies at once",
        "stops all backends and asks from all networks every 20 ms",
        lose_all,
    ),
    Step("Everything comes back", "starts all backends and keeps asking", regain_all),
)
AGENTS: Final = (
    Step("An agent lies", "has one agent sign that all sites are down", hear_a_lie),
    Step("An agent dies", "ends one agent, and starts it again", lose_agent),
)
ORDERS: Final = (
    Step("A region is drained", f"orders {VICTIM} drained, and takes it back", drain_region),
)
REDIS: Final = (
    Step("Redis is killed", f"drains {VICTIM}, kills Redis, starts an empty one", lose_redis),
)
REST: Final = (
    Step("The rest of DNS", "asks over TCP, and for names that are not answered here", ask_else),
)


def plan_route(stage: Stage) -> tuple[Step, ...]:
    """The steps that this stage has all parts for."""
    agents = AGENTS if stage.agents else ()
    redis = REDIS if stage.redis and stage.agents else ()
    return (*REGIONS, *agents, *ORDERS, *redis, *REST)
