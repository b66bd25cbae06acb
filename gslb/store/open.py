"""The store that a configuration names.

Two things may come from the environment, so that an agent and a name server with one configuration
file can be different users of one Redis: USERNAME and PASSWORD_FILE. They beat the configuration,
which beats the URL.
"""

from __future__ import annotations

from collections.abc import Mapping

from gslb.errors import ConfigError, Problem
from gslb.model.system import RedisSettings, System
from gslb.store.connection import Access, Credentials, TlsFiles
from gslb.store.location import Location
from gslb.store.memory import MemoryStore
from gslb.store.redis import RedisStore
from gslb.store.target import Target, parse_target, redacted

USERNAME = "GSLB_REDIS_USERNAME"
PASSWORD_FILE = "GSLB_REDIS_PASSWORD_FILE"  # noqa: S105 (the name of a variable that names a file)


def open_store(system: System, environ: Mapping[str, str]) -> MemoryStore | RedisStore:
    """The store of a configuration. It connects when it is first used, so this never waits.

    environ: of this process. Raises ConfigError for a URL that is none.
    """
    if system.store == "memory":
        return MemoryStore()
    try:
        target = parse_target(system.store)
    except ValueError as error:
        file = system.files[0] if system.files else "configuration"
        raise ConfigError([Problem(file, 0, 0, "store", str(error))]) from None
    return open_redis(target, system.redis, environ, shown=redacted(system.store))


def open_redis(
    target: Target, settings: RedisSettings, environ: Mapping[str, str], *, shown: str
) -> RedisStore:
    """A store in the Redis that a target names. shown: what status says of it."""
    tls = None
    if target.is_tls:
        tls = TlsFiles(settings.ca_file, settings.certificate_file, settings.key_file)
    user = Credentials(
        environ.get(USERNAME) or settings.username or target.username,
        target.password,
        environ.get(PASSWORD_FILE) or settings.password_file,
    )
    watcher = Credentials(settings.sentinel_username, None, settings.sentinel_password_file)
    access = Access(user, tls, settings.timeout_s, target.database)
    location = Location(target, Access(watcher, tls, settings.timeout_s))
    return RedisStore(access, location, prefix=settings.prefix, shown=shown)
