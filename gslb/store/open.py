"""The store that a configuration names.

Two things may come from the environment, so that an agent and a name server with one configuration
file can be different users of one Redis: see gslb.store.open_redis.
"""

from __future__ import annotations

from collections.abc import Mapping

from gslb.errors import ConfigError, Problem
from gslb.model.system import System
from gslb.store.base import HealthStore
from gslb.store.memory import MemoryStore
from gslb.store.target import parse_target, redacted


def open_store(system: System, environ: Mapping[str, str]) -> HealthStore:
    """The store of a configuration. It connects when it is first used, so this never waits.

    environ: of this process. Raises ConfigError for a URL that is none.
    """
    if system.store == "memory":
        return MemoryStore()
    from gslb.store.open_redis import open_redis  # 20 MiB that a store in memory does not need

    try:
        target = parse_target(system.store)
    except ValueError as error:
        file = system.files[0] if system.files else "configuration"
        raise ConfigError([Problem(file, 0, 0, "store", str(error))]) from None
    return open_redis(target, system.redis, environ, shown=redacted(system.store))
