"""Where the server is that is written to.

1. One server: the one that the URL names.
2. Sentinel: the master as the highest configuration epoch has it, among the answers of more than
   half of the Sentinels. A Sentinel that was cut off has an old epoch, so it misleads nobody; if
   fewer answer, what they say is better than nothing.
3. Cluster: every key has one hash tag, so one node owns them all; any other node says which one it
   is (MOVED). It is remembered until it fails, then the nodes of the URL are asked in turn.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from redis.exceptions import MovedError, RedisError

from gslb.model.endpoint import Endpoint
from gslb.store.connection import FAILURES, Access, words
from gslb.store.target import Target, Topology


class NoMasterError(RedisError):
    """No Sentinel knows the master. It is a RedisError, so FAILURES has it."""


@dataclass(slots=True)
class Location:
    """Where a target is now. sentinels: how Sentinels are connected to."""

    target: Target
    sentinels: Access
    _owner: Endpoint | None = None
    _turn: int = 0

    async def find(self) -> Endpoint:
        """The server to connect to. Raises FAILURES."""
        if self.target.topology is Topology.SENTINEL:
            return await find_master(self.target, self.sentinels)
        hosts = self.target.hosts
        return self._owner or hosts[self._turn % len(hosts)]

    def follow(self, moved: MovedError, asked: Endpoint) -> None:
        """Remember the owner that a node named; without a host it means its own."""
        self._owner = Endpoint(moved.host or asked.host, moved.port)

    def forget(self) -> None:
        """Note that the server that was found has failed."""
        self._owner = None
        self._turn += 1


@dataclass(slots=True)
class _Poll:
    """The answers of Sentinels: (epoch, master), and the last failure."""

    masters: list[tuple[int, Endpoint]] = field(default_factory=list)
    failure: str = ""


async def find_master(target: Target, sentinels: Access) -> Endpoint:
    """The master that Sentinels name (law 2). Raises NoMasterError."""
    poll = _Poll()
    asking = [
        asyncio.create_task(_ask(host, target.master, sentinels, poll), name=f"sentinel {host}")
        for host in target.hosts
    ]
    try:
        for answer in asyncio.as_completed(asking):
            await answer
            if len(poll.masters) > len(target.hosts) / 2:
                break
    finally:
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
    if not poll.masters:
        raise NoMasterError(f"no Sentinel knows the master {target.master}: {poll.failure}")
    return max(poll.masters, key=lambda known: known[0])[1]


async def _ask(host: Endpoint, master: str, sentinels: Access, poll: _Poll) -> None:
    """Add what one Sentinel says."""
    try:
        async with asyncio.timeout(sentinels.timeout_s):
            line = await sentinels.connect(host)
            try:
                (flat,) = await line.ask(("SENTINEL", "MASTER", master))
            finally:
                await line.close()
        known = dict(zip(flat[::2], flat[1::2], strict=True))
        endpoint = Endpoint(known[b"ip"].decode(), int(known[b"port"]))
        poll.masters.append((int(known[b"config-epoch"]), endpoint))
    except (*FAILURES, KeyError) as error:
        poll.failure = f"{host}: {words(error)}"
