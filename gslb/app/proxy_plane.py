"""The data plane of a plan: the one place that names its concrete parts."""

from __future__ import annotations

import os
from collections.abc import Callable

from gslb.app.proxy_front import DataPlane, Plan, Runs, Tell
from gslb.proxy.limiter import Limiter, SharedLimit
from gslb.proxy.tier import Tier


def make_plane(
    plan: Plan, tell: Tell | None, known_proxies: Callable[[], int]
) -> tuple[DataPlane, Runs]:
    """One proxy in this process, and what must go on for it."""
    shared = _open_shared(plan)
    limiter = Limiter(shared, lambda: known_proxies() * plan.workers)
    tier = Tier(
        plan.proxy,
        affinity=plan.affinity,
        keys=plan.keys,
        limiter=limiter,
        tell=tell,
        share=1 / plan.workers,
    )
    return tier, {"rate limits": limiter.run} if shared is not None else {}


def _open_shared(plan: Plan) -> SharedLimit | None:
    """The counters that all proxies of the region share; None without a common store."""
    if plan.store == "memory":
        return None
    from gslb.store.open_redis import find_redis  # 20 MiB that a store in memory does not need
    from gslb.store.rate_limit import RedisRateLimit
    from gslb.store.target import parse_target

    access, location = find_redis(parse_target(plan.store), plan.redis, os.environ)
    return RedisRateLimit(access, location, prefix=plan.redis.prefix)
