"""One worker process: `python -m gslb.app.worker FILE FD [UDP TCP]...`, started by
`gslb.app.workers`. FD: the pipe to its leader. UDP TCP: sockets to answer on, for each address;
without them it opens its own.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from gslb.app.assemble import Assembled, assemble
from gslb.app.count import count_node
from gslb.app.node import Node
from gslb.app.process import ignore_signals, raise_descriptor_limit, settle_memory
from gslb.app.reload import Reloader
from gslb.app.workers import MAX_LINE, Line, load_times, read_lines
from gslb.errors import GslbError
from gslb.health.plain import load_health
from gslb.health.snapshot import HealthSnapshot
from gslb.policy.measured import AgentTimes
from gslb.server.sockets import Pair
from gslb.telemetry import logs

TELL_EVERY_S = 2.0  # adding up the answers of 20,000 plans takes some 20 ms


async def run_worker(assembled: Assembled, pipe: socket.socket, pairs: Sequence[Pair] = ()) -> None:
    """Answers until the leader closes the pipe, from the first health that it is told on: it does
    not take its share of the queries before (R22).
    """
    reader, writer = await asyncio.open_connection(sock=pipe, limit=MAX_LINE)
    lines = read_lines(reader)
    health = await _first_health(lines)
    if health is None:
        return
    node = Node(assembled, health, endpoints=assembled.system.dns, share=True, pairs=pairs)
    reloader = Reloader(assembled, lambda new: node.apply(new, node.health))
    settle_memory()
    await node.start()
    async with asyncio.TaskGroup() as group:
        times = AgentTimes()
        telling = group.create_task(_tell(node, writer), name="tell the leader")
        async for line in lines:
            if "health" in line:
                node.take_health(_keep_known(node, load_health(line["health"])))
            if "times" in line:
                times = load_times(line["times"])
                await node.take_times(times)
            if "reload" in line and await reloader.reload():
                await node.take_times(times)  # a reload begins without them
        telling.cancel()
    await node.close()
    writer.close()


async def _first_health(lines: AsyncIterator[Line]) -> HealthSnapshot | None:
    """The first snapshot, which the leader sends before anything else; None when it is gone."""
    async for line in lines:
        return load_health(line["health"])
    return None


def _keep_known(node: Node, health: HealthSnapshot) -> HealthSnapshot:
    """The snapshot, and what was known last of sites that only this worker's configuration has:
    the leader is a reload ahead of its workers, and a site that it has dropped was perhaps down.
    """
    left = {name: node.health.of(name) for name in node.assembled.system.sites}
    return replace(health, sites={**left, **health.sites})


async def _tell(node: Node, writer: asyncio.StreamWriter) -> None:
    """Writes the counters every TELL_EVERY_S while the leader is there."""
    with suppress(ConnectionError):  # it is gone, as its lines will say by their end
        while True:
            answers = [[*key, number] for key, number in node.count_answers().items()]
            line = {"counters": dict(count_node(node)), "answers": answers}
            writer.write(json.dumps(line).encode() + b"\n")
            await writer.drain()
            await asyncio.sleep(TELL_EVERY_S)


def main() -> None:
    """Runs one worker; exit status 1 when it cannot start."""
    ignore_signals()
    raise_descriptor_limit()
    path, *numbers = sys.argv[1:]
    try:
        assembled = assemble(Path(path))
        logs.configure(assembled.system.log)
        pipe, *opened = [socket.socket(fileno=int(number)) for number in numbers]
        for each in opened:
            each.setblocking(False)
        asyncio.run(run_worker(assembled, pipe, list(zip(opened[::2], opened[1::2], strict=True))))
    except GslbError as error:
        sys.exit(f"gslb: {error}")


if __name__ == "__main__":
    main()
