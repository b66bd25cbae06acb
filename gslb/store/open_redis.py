"""A store in Redis, made from what the configuration says.

USERNAME and PASSWORD_FILE of the environment beat the configuration, which beats the URL.
"""

from __future__ import annotations

from collections.abc import Mapping

from gslb.model.system import RedisSettings
from gslb.store.connection import Access, Credentials, TlsFiles
from gslb.store.location import Location
from gslb.store.redis import RedisStore
from gslb.store.target import Target

USERNAME = "GSLB_REDIS_USERNAME"
PASSWORD_FILE = "GSLB_REDIS_PASSWORD_FILE"  # noqa: S105 (the name of a variable that names a file)


def open_redis(
    target: Target, settings: RedisSettings, environ: Mapping[str, str], *, shown: str
) -> RedisStore:
    """A store in the Redis that a target names. shown: what status says of it."""
    access, location = find_redis(target, settings, environ)
    return RedisStore(access, location, prefix=settings.prefix, shown=shown)


def find_redis(
    target: Target, settings: RedisSettings, environ: Mapping[str, str]
) -> tuple[Access, Location]:
    """Who we are to the Redis that a target names, and where it is."""
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
    return access, Location(target, Access(watcher, tls, settings.timeout_s))
