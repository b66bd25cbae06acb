"""What keys do in the demo: things go wrong, and are mended by the same key.

Laws:
1. A key whose thing is not on the stage does nothing and is not offered.
2. What cannot be done is a line among the events; the demo goes on.
3. `r` kills Redis (SIGKILL) and starts it again, empty: nothing of it is saved.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final

from gslb.admin.requests import OrderRequest
from gslb.app.stage import Stage
from gslb.app.stage_agents import Conduct, StageAgent
from gslb.errors import OrderError, StoreError
from gslb.model.order import OrderKind
from gslb.telemetry.logs import get_logger

OWNER: Final = "demo"
_NEXT: Final = MappingProxyType(
    {
        Conduct.HONEST: (Conduct.LYING, "make {} lie"),
        Conduct.LYING: (Conduct.DEAD, "kill {}"),
        Conduct.DEAD: (Conduct.HONEST, "START {}"),
    }
)
"""What becomes of an agent, and how that is offered."""

log = get_logger(__name__)


def tell_keys(stage: Stage) -> tuple[str, str]:
    """What may be pressed, in two lines; capitals mend what was done."""
    regions = [
        f"{number} {'stop' if stage.backends[name].is_running else 'START'} {name}"
        for number, name in enumerate(stage.system.sites, start=1)
        if name in stage.backends
    ]
    return f"keys: {'  '.join(regions)}", f"      {'  '.join(_tell_others(stage))}"


def _tell_others(stage: Stage) -> list[str]:
    found = []
    if (site := first_site(stage)) is not None:
        found.append(f"d {'UNDRAIN' if is_drained(stage, site) else 'drain'} {site}")
    if (agent := first_agent(stage)) is not None:
        found.append(f"a {_NEXT[agent.conduct][1].format(agent.name)}")
    if stage.redis is not None:
        found.append(f"r {'kill' if stage.redis.is_running else 'START'} Redis")
    return [*found, "t traffic", "q quit"]


def first_site(stage: Stage) -> str | None:
    """The site that is drained for show."""
    return next(iter(stage.backends), None)


def first_agent(stage: Stage) -> StageAgent | None:
    """The agent that lies and dies for show."""
    return next(iter(stage.agents.values()), None)


def is_drained(stage: Stage, site: str) -> bool:
    """Whether somebody has ordered it, by a key or another way."""
    order = stage.server.node.health.of(site).order
    return order is not None and order.kind is OrderKind.DRAIN


async def press(stage: Stage, key: str) -> None:
    """Does what a key stands for; nothing for any other one."""
    sites = list(stage.system.sites)
    if key.isascii() and key.isdigit() and 0 < int(key) <= len(sites):
        await toggle_backend(stage, sites[int(key) - 1])
    elif key in _DO:
        await _DO[key](stage)


async def toggle_backend(stage: Stage, site: str) -> None:
    """Stops the backend of a site, or starts it again; nothing for a site that has none."""
    backend = stage.backends.get(site)
    if backend is None:
        return
    if backend.is_running:
        await backend.stop()
        log.info("backend stopped", site=site)
        return
    try:
        await backend.start()
    except OSError as error:
        log.warning("backend not started", site=site, cause=error)
    else:
        log.info("backend started", site=site)


async def turn_agent(stage: Stage) -> None:
    """Has the first agent lie, then die, then live and be honest again."""
    agent = first_agent(stage)
    if agent is not None:
        agent.behave(_NEXT[agent.conduct][0])
        log.info("agent turned", agent=agent.name, conduct=agent.conduct)


async def turn_drain(stage: Stage) -> None:
    """Drains the first site, or takes that back."""
    site = first_site(stage)
    if site is None:
        return
    kind = OrderKind.NONE if is_drained(stage, site) else OrderKind.DRAIN
    try:
        await order(stage, site, kind, reason="key d")
    except OrderError as error:
        log.warning("order refused", cause=error)


async def order(stage: Stage, site: str, kind: OrderKind, *, reason: str) -> None:
    """Gives an order as the admin port does. Raises OrderError."""
    await stage.server.insight.place_order(OrderRequest(site, kind, reason, OWNER))


async def toggle_redis(stage: Stage) -> None:
    """Kills the demo's Redis, or starts it again (law 3)."""
    redis = stage.redis
    if redis is None:
        return
    if redis.is_running:
        redis.kill()
        log.info("redis killed")
        return
    try:
        await redis.start()
    except StoreError as error:
        log.warning("redis not started", cause=error)
    else:
        log.info("redis started, empty")


_DO: Final[Mapping[str, Callable[[Stage], Awaitable[None]]]] = MappingProxyType(
    {"a": turn_agent, "d": turn_drain, "r": toggle_redis}
)
