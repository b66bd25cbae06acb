"""What uses the store ends when it is told to, at whatever moment."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gslb.model.system import RedisSettings
from gslb.store.open_redis import open_redis
from gslb.store.target import parse_target
from tests.redis_servers import running

TRIES = 300


def test_a_task_that_is_cancelled_while_it_writes_ends(tmp_path: Path):
    async def play(url: str) -> None:
        for number in range(TRIES):
            store = open_redis(parse_target(url), RedisSettings(), {}, shown="")
            task = asyncio.create_task(_keep_writing(store))
            await asyncio.sleep(0.003 * (number % 7) / 7)
            for _ in range(number % 5):
                await asyncio.sleep(0)
            task.cancel()
            _, pending = await asyncio.wait({task}, timeout=0.5)
            await store.close()  # whoever waits for a reply is woken by it
            assert not pending, number

    with running(tmp_path) as redis:
        asyncio.run(play(redis.url))


async def _keep_writing(store) -> None:
    while True:
        await store.put_report("fra", b"x" * 100)
