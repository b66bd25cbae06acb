"""The store of many processes: a Redis, alone, behind Sentinels, or a cluster.

    {prefix}:report:NAME  string   the sealed report of an agent
    {prefix}:changes      stream   (`agent`, NAME) or (`order`, SITE), about MAX_CHANGES long
    {prefix}:orders       hash     site -> gslb.store.order_text
    {prefix}:nodes        hash     name server -> what it says of itself
    {prefix}:events       stream   (`event`, octets), about MAX_EVENTS long

1. The braces are part of the keys: a cluster keeps all of them on one node.
2. Values are written before the notice of it, and the last notice is read before the values: a
   change in between wakes the reader once too often, never once too seldom.
3. Every read sets the cursor anew from what is there, so a stream that went back (a failover, a
   wipe) costs one re-read, not the future. `wait` returns after WAKE_S whatever comes.
4. A value that is too large is read up to one octet over MAX_OCTETS: the reader sees that it is,
   and its memory is not the writer's to fill.
5. A value of the wrong kind is dropped and counted, and nothing else suffers.
6. What the server is asked for is in the user lists of docs/redis.md: no scripts, no KEYS, no SCAN.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from itertools import islice

from redis.exceptions import ResponseError

from gslb.config.fields import parse_label
from gslb.errors import StoreError
from gslb.model.order import Order
from gslb.store.base import (
    MAX_EVENTS,
    MAX_NODES,
    MAX_OCTETS,
    MAX_ORDERS,
    MAX_STRANGERS,
    Holding,
    check_size,
)
from gslb.store.channel import Channel
from gslb.store.connection import Access, Command, Line, Reply
from gslb.store.location import Location
from gslb.store.order_text import check_order, dump_order, load_order
from gslb.telemetry.logs import get_limited_logger

MAX_CHANGES = 1000
CHANGES_READ = MAX_STRANGERS
"""Of the last changes, to see who reports. Few, because an agent could write large ones; how large
is for the server to bound (docs/redis.md).
"""
WAKE_S = 5.0
"""A reader that missed something reads again after this long at the latest."""
BLOCK_S = 1.0
"""How long one question for changes waits: a hung server is noticed that much later."""
ORDER_ATTEMPTS = 5
"""Of an order while other name servers write orders in the same millisecond."""

_START = "0-0"

_log = get_limited_logger(__name__)


class RedisStore:
    """A `HealthStore` in Redis, with two connections: to ask, and to wait.

    shown: what `describe` says. It connects when first used, and again after every failure; how
    soon to try again is the caller's business.
    """

    def __init__(self, access: Access, location: Location, *, prefix: str, shown: str) -> None:
        self._asking = Channel(access, location)
        self._waiting = Channel(access, location, patience_s=BLOCK_S)
        self._key = "{" + prefix + "}:"
        self._shown = shown
        self._cursor: str | bytes = _START
        self._faults = 0

    @property
    def faults(self) -> int:
        """How often a value could not be read because it was of the wrong kind."""
        return self._faults

    def describe(self) -> str:
        """Which server this is, for status: without a password."""
        return self._shown

    # ---------------------------------------------------------------- reports

    async def put_report(self, agent: str, octets: bytes) -> None:
        """See `HealthStore.put_report`."""
        check_size(octets)
        value = ("SET", f"{self._key}report:{agent}", octets)
        await self._asking.run(lambda line: self._put_report(line, value, agent))

    async def _put_report(self, line: Line, value: Command, agent: str) -> None:
        """The notice may fail: whoever spoils the stream only has readers come later (law 3)."""
        kept, noticed = await line.try_all((value, self._notice("agent", agent)))
        if isinstance(kept, ResponseError):
            raise kept
        if isinstance(noticed, ResponseError):
            self._count_fault("changes", str(noticed))

    async def read(self, agents: Collection[str]) -> Holding:
        """See `HealthStore.read`."""
        names = list(agents)
        commands: list[Command] = [
            ("XREVRANGE", f"{self._key}changes", "+", "-", "COUNT", CHANGES_READ),
            ("HGETALL", f"{self._key}orders"),
            ("HGETALL", f"{self._key}nodes"),
        ]
        commands += [("GETRANGE", f"{self._key}report:{name}", 0, MAX_OCTETS) for name in names]
        replies = await self._asking.run(lambda line: self._read(line, commands))
        changes, orders, nodes, *reports = replies
        self._cursor = changes[0][0] if changes else _START
        return Holding(
            reports={name: found for name, found in zip(names, reports, strict=True) if found},
            orders=tuple(self._orders(orders or ())),
            nodes=dict(self._nodes(nodes or ())),
            strangers=frozenset(islice(self._strangers(changes or (), set(names)), MAX_STRANGERS)),
        )

    async def _read(self, line: Line, commands: Sequence[Command]) -> list[Reply]:
        return list(self._usable(commands, await line.try_all(commands)))

    async def wait(self) -> None:
        """See `HealthStore.wait`. Returns after WAKE_S at the latest."""
        clock = asyncio.get_running_loop().time
        until = clock() + WAKE_S
        while (left_s := until - clock()) > 0:
            block_ms = max(1, round(1000 * min(left_s, BLOCK_S)))
            if await self._waiting.run(partial(self._wait, block_ms=block_ms)):
                return

    async def _wait(self, line: Line, *, block_ms: int) -> bool:
        """Whether something came behind the cursor in time."""
        head: Command = ("XREAD", "COUNT", 1, "BLOCK", block_ms, "STREAMS")
        (changes,) = await line.ask((*head, f"{self._key}changes", self._cursor))
        return changes is not None

    # ---------------------------------------------------------------- orders

    async def put_order(self, order: Order) -> None:
        """See `HealthStore.put_order`."""
        check_order(order)
        await self._asking.run(lambda line: self._put_order(line, order))

    async def _put_order(self, line: Line, order: Order) -> None:
        """Compare and set: other name servers may write at the same time."""
        key = f"{self._key}orders"
        octets = dump_order(order)
        for _ in range(ORDER_ATTEMPTS):
            _, found, count = await line.ask(
                ("WATCH", key), ("HGET", key, order.site), ("HLEN", key)
            )
            if found is None and count >= MAX_ORDERS:
                raise StoreError(f"no room for an order: {MAX_ORDERS} sites have one already")
            kept = self._maybe_order(order.site, found) if found is not None else None
            if kept is not None and kept.version > order.version:
                await line.ask(("UNWATCH",))
                return
            *_, done = await line.ask(
                ("MULTI",),
                ("HSET", key, order.site, octets),
                self._notice("order", order.site),
                ("EXEC",),
            )
            if done is not None:
                return
        raise StoreError("other name servers write orders all the time")

    # ---------------------------------------------------------------- nodes and events

    async def put_node(self, node: str, octets: bytes) -> None:
        """See `HealthStore.put_node`."""
        check_size(octets)
        key = f"{self._key}nodes"
        _, count = await self._ask(("HSET", key, node, octets), ("HLEN", key))
        if count > MAX_NODES:
            await self._drop_nodes(key, node, count - MAX_NODES)

    async def _drop_nodes(self, key: str, node: str, excess: int) -> None:
        """Drop some names, drawn by the server: those that live are written again, so it is the
        dead that go.
        """
        (drawn,) = await self._ask(("HRANDFIELD", key, excess + 1))
        others = [name for name in drawn if name != node.encode()][:excess]
        await self._ask(("HDEL", key, *others))

    async def add_event(self, octets: bytes) -> None:
        """See `HealthStore.add_event`."""
        check_size(octets)
        key = f"{self._key}events"
        await self._ask(("XADD", key, "MAXLEN", "~", MAX_EVENTS, "*", "event", octets))

    async def events(self, count: int) -> tuple[bytes, ...]:
        """See `HealthStore.events`."""
        key = f"{self._key}events"
        (entries,) = await self._ask(
            ("XREVRANGE", key, "+", "-", "COUNT", max(0, min(count, MAX_EVENTS)))
        )
        return tuple(fields[1] for _, fields in reversed(entries or ()))

    async def close(self) -> None:
        """See `HealthStore.close`."""
        await self._asking.close()
        await self._waiting.close()

    # ---------------------------------------------------------------- asking

    async def _ask(self, *commands: Command) -> list[Reply]:
        return await self._asking.run(lambda line: line.ask(*commands))

    def _notice(self, kind: str, name: str) -> Command:
        return ("XADD", f"{self._key}changes", "MAXLEN", "~", MAX_CHANGES, "*", kind, name)

    # ---------------------------------------------------------------- reading what was found

    def _usable(self, commands: Sequence[Command], replies: Sequence[Reply]) -> Iterator[Reply]:
        """The replies, None for a key of the wrong type (law 5). Raises other errors."""
        for command, reply in zip(commands, replies, strict=True):
            if not isinstance(reply, ResponseError):
                yield reply
            elif str(reply).startswith("WRONGTYPE"):
                self._count_fault(str(command[1]), "a key of another type")
                yield None
            else:
                raise reply

    def _orders(self, flat: Sequence[bytes]) -> Iterator[Order]:
        for name, octets in islice(_pairs(flat), MAX_ORDERS):
            order = self._maybe_order(name.decode(errors="replace"), octets)
            if order is not None:
                yield order

    def _maybe_order(self, site: str, octets: bytes) -> Order | None:
        try:
            return load_order(site, octets)
        except ValueError as error:
            self._count_fault(f"order for {site:.64}", str(error))
            return None

    def _nodes(self, flat: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
        for name, octets in islice(_pairs(flat), MAX_NODES):
            node = _maybe_name(name)
            if node is None or len(octets) > MAX_OCTETS:
                self._count_fault("node", "a name that is none, or a value that is too large")
            else:
                yield node, octets

    def _strangers(self, changes: Sequence[Reply], known: set[str]) -> Iterator[str]:
        """The names under which reports came lately that nobody has declared, each once."""
        told = set(known)
        for _, fields in changes:
            name = _maybe_name(fields[1]) if fields[0] == b"agent" else None
            if name is not None and name not in told:
                told.add(name)
                yield name

    def _count_fault(self, what: str, why: str) -> None:
        self._faults += 1
        _log.warning("value in the store dropped", what=what, why=why)


def _pairs(flat: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """The fields and values of a hash as RESP2 has them: one after the other."""
    return zip(flat[::2], flat[1::2], strict=True)


def _maybe_name(octets: bytes) -> str | None:
    try:
        return parse_label(octets.decode("ascii"))
    except ValueError:
        return None
