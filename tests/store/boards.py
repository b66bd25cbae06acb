"""Redis stores for tests, each test with keys of its own."""

import asyncio
import itertools
import os
from dataclasses import replace

from gslb.model.system import RedisSettings
from gslb.store.open_redis import open_redis
from gslb.store.target import parse_target, redacted

SETTINGS = RedisSettings(timeout_s=1.0)

_numbers = itertools.count()


def fresh_prefix():
    return f"test{os.getpid()}-{next(_numbers)}"


def open_store(url, settings=SETTINGS, environ=None):
    return open_redis(parse_target(url), settings, environ or {}, shown=redacted(url))


def run_check(check, url, settings=SETTINGS):
    """Run one part of the contract over stores on one board."""
    settings = replace(settings, prefix=fresh_prefix())

    async def run():
        stores = []

        async def make():
            stores.append(open_store(url, settings))
            return stores[-1]

        try:
            await check(make)
        finally:
            for store in stores:
                await store.close()

    asyncio.run(run())


def use(url, settings, work):
    """Run an async function on a store, and close the store."""

    async def run():
        store = open_store(url, settings)
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(run())
