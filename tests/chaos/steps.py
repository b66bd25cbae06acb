"""What is done to the region while clients ask, one step after the other.

Each step ends in the state in which it began, and waits for what it has caused to be seen: by the
proxy's status, and by so many requests of clients after it.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from tests.chaos.backend import DELAY_MS
from tests.chaos.clients import Load
from tests.chaos.world import BACKENDS, ChaosError, World

SLOW_MS: Final = 600.0
_STOPPED_S: Final = 20.0

Step = Callable[[World, Load, int], Awaitable[None]]


async def leave_alone(world: World, load: Load, settle: int) -> None:
    """Nothing happens: what the others are compared with."""
    await load.more(2 * settle)


async def kill(name: str, world: World, load: Load, settle: int) -> None:
    """A backend dies at once and comes back."""
    await world.stop_backend(name, signal.SIGKILL)
    await world.until_state(name, "down")
    await load.more(settle)
    await world.start_backend(name)
    await world.until_state(name, "up")
    await load.more(settle)


async def restart(name: str, world: World, load: Load, settle: int) -> None:
    """A backend ends gently, unannounced, and comes back."""
    await world.stop_backend(name, signal.SIGTERM)
    await world.start_backend(name)
    await world.until_state(name, "up")
    await load.more(settle)


async def hang(name: str, world: World, load: Load, settle: int) -> None:
    """A backend stops answering, its connections open, and goes on later."""
    process = world.backends[name]
    process.send_signal(signal.SIGSTOP)
    try:
        await world.until_state(name, "down")
        await load.more(settle)
    finally:
        process.send_signal(signal.SIGCONT)
    await world.until_state(name, "up")
    await load.more(settle)


async def slow(name: str, world: World, load: Load, settle: int) -> None:
    """A backend becomes slow: its checks fail, its answers come, and late."""
    await world.set_delay(name, SLOW_MS)
    await world.until_state(name, "down")
    await load.more(settle)
    await world.set_delay(name, DELAY_MS)
    await world.until_state(name, "up")
    await load.more(settle)


async def drain(name: str, world: World, load: Load, settle: int) -> None:
    """A backend is drained, replaced, and taken back: how a new version is rolled out."""
    await world.order(name, "drain")
    await world.until_idle(name)
    await world.stop_backend(name, signal.SIGTERM)
    await world.start_backend(name)
    await world.until_state(name, "up")
    await world.order(name, "none")
    await load.more(settle)


async def reload(world: World, load: Load, settle: int) -> None:
    """Another configuration, and back again."""
    for is_changed in (True, False):
        world.write(is_changed=is_changed)
        await world.reload()
        await load.more(settle)


async def replace(world: World, load: Load, settle: int) -> None:
    """A new process takes the place of the proxy."""
    old = world.proxy
    await world.start_proxy("--replace")
    status = await asyncio.to_thread(old.wait, _STOPPED_S)
    if status != 0:
        raise ChaosError(f"the proxy that was replaced ended with {status}")
    await load.more(settle)


STEPS: Final[dict[str, Step]] = {
    "nothing": leave_alone,
    "kill b1": partial(kill, "b1"),
    "restart b2": partial(restart, "b2"),
    "hang b3": partial(hang, "b3"),
    "slow b1": partial(slow, "b1"),
    **{f"drain {name}": partial(drain, name) for name in BACKENDS},
    "reload": reload,
    "hot restart": replace,
}
