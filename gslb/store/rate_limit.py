"""Rate limits of a whole region, counted in Redis.

    {prefix}:rate:RULE:DIGEST  string  the doubles of a state of gslb.route.rate: (tokens, at) or
                                       (index, count, previous)

1. One script takes one request: it reads the state, decides and writes it, so nothing comes in
   between. Its arithmetic is that of gslb.route.rate, law by law, with a share of 1.
2. The time is the server's (TIME): one clock for the region, whatever the proxies' clocks say.
3. A key expires a second after its state says as much as none: nothing is ever cleaned up. A value
   of another length is of another kind of rule, and counts as none.
4. All that is asked for while a question is on its way goes with the next one: one pipeline for
   any number of requests, at most MAX_WAITING, and one connection for all of it.
5. Nothing is tried twice but what surely was not done: a script that the server does not know, a
   key that another node of a cluster owns.
6. The user needs `~{prefix}:rate:*` and +eval +evalsha +get +set +time.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b, sha1
from math import floor

from redis.exceptions import MovedError, NoScriptError, ResponseError

from gslb.errors import StoreError
from gslb.model.proxy import RateLimit
from gslb.route.rate import EPSILON, RateVerdict
from gslb.store.channel import Channel
from gslb.store.connection import Access, Argument, Command, Line, Reply, words
from gslb.store.location import Location

MAX_WAITING = 10_000
"""Requests that wait for one answer; more are failed at once, which the caller bears."""

NOW = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
"""
"""The server's time; tests put their own in its place."""

ARITHMETIC = """
local per_s, capacity = tonumber(ARGV[2]), math.max(1, tonumber(ARGV[3]))
local cost, epsilon = math.min(tonumber(ARGV[4]), capacity), tonumber(ARGV[5])
local kept = redis.call('GET', KEYS[1])
local allowed, left, reset_s, retry_s, state
retry_s = 0

if ARGV[6] == 'tokens' then
  local rate = tonumber(ARGV[1]) / per_s
  local tokens, at = capacity, now
  if kept and #kept == 16 then tokens, at = struct.unpack('<dd', kept) end
  tokens = math.min(capacity, tokens + math.max(0, now - at) * rate)
  at = math.max(at, now)
  allowed = tokens + epsilon >= cost
  if allowed then tokens = math.max(0, tokens - cost) else retry_s = (cost - tokens) / rate end
  left, reset_s = tokens, (capacity - tokens) / rate
  state = struct.pack('<dd', tokens, at)
else
  local index, count, previous = math.floor(now / per_s), 0, 0
  if kept and #kept == 24 then
    local last, before, earlier = struct.unpack('<ddd', kept)
    if index <= last then index, count, previous = last, before, earlier
    elseif index == last + 1 then previous = before end
  end
  local passed = math.min(1, math.max(0, now / per_s - index))
  local used = count + previous * (1 - passed)
  allowed = used + cost <= capacity + epsilon
  if allowed then
    count, used = count + cost, used + cost
  else
    local room, windows = capacity - cost, 0
    local excess = used - room
    if previous > 0 and excess / previous <= 1 - passed then
      windows = excess / previous
    else
      windows = 1 - passed
      if count > 0 then windows = windows + math.max(0, 1 - room / count) end
    end
    retry_s = windows * per_s
  end
  left, reset_s = math.max(0, capacity - used), 0
  if count > 0 then reset_s = (2 - passed) * per_s
  elseif previous > 0 then reset_s = (1 - passed) * per_s end
  state = struct.pack('<ddd', index, count, previous)
end

local keep_ms = math.min(math.ceil(reset_s * 1000) + 1000, 4e12)
redis.call('SET', KEYS[1], state, 'PX', string.format('%.0f', keep_ms))
return struct.pack('<ddddd', allowed and 1 or 0, capacity, left, reset_s, retry_s)
"""

_ANSWER = struct.Struct("<5d")


@dataclass(frozen=True, slots=True)
class Script:
    """A script and the name under which a server knows it."""

    text: str
    digest: str


def make_script(now: str) -> Script:
    """The script with the lines that set `now`."""
    text = now + ARITHMETIC
    return Script(text, sha1(text.encode(), usedforsecurity=False).hexdigest())


TAKE = make_script(NOW)


@dataclass(frozen=True, slots=True)
class _Ask:
    """One request that waits: what follows the script in its command, and who waits."""

    arguments: tuple[Argument, ...]
    verdict: asyncio.Future[RateVerdict]


class RedisRateLimit:
    """Counters that all proxies of a region share. Nothing is answered unless `run` runs."""

    def __init__(self, access: Access, location: Location, *, prefix: str) -> None:
        self._channel = Channel(access, location)
        self._key = "{" + prefix + "}:rate:"
        self._waiting: list[_Ask] = []
        self._wanted = asyncio.Event()

    async def run(self) -> None:
        """Ask the server for all who wait, for ever; when cancelled, close the connection."""
        try:
            while True:
                await self._wanted.wait()
                self._wanted.clear()
                asks, self._waiting = self._waiting, []
                await self._answer([ask for ask in asks if not ask.verdict.done()])
        finally:
            _fail(self._waiting, StoreError("the store is closed"))
            await self._channel.close()

    async def take(self, rule_id: str, rule: RateLimit, key: bytes, *, cost: float) -> RateVerdict:
        """Whether a request may go on in its region, which counts it if it may.

        key: from gslb.route.rate.compile_rate_key. Raises StoreError; the request may have been
        counted then.
        """
        if len(self._waiting) >= MAX_WAITING:
            raise StoreError(f"{MAX_WAITING} requests wait for the store already")
        verdict: asyncio.Future[RateVerdict] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Ask(compose_arguments(self._name(rule_id, key), rule, cost), verdict))
        self._wanted.set()
        return await verdict

    def _name(self, rule_id: str, key: bytes) -> str:
        """A key of bounded length that tells nobody who the client is."""
        return f"{self._key}{rule_id}:{blake2b(key, digest_size=16).hexdigest()}"

    async def _answer(self, asks: Sequence[_Ask]) -> None:
        if not asks:
            return
        try:
            replies = await self._channel.run(
                lambda line: evaluate(line, TAKE, [ask.arguments for ask in asks])
            )
        except StoreError as error:
            _fail(asks, error)
            return
        except BaseException:
            _fail(asks, StoreError("the store is closed"))
            raise
        for ask, reply in zip(asks, replies, strict=True):
            _settle(ask.verdict, reply)


def compose_arguments(name: str, rule: RateLimit, cost: float) -> tuple[Argument, ...]:
    """What follows the script in a command: the key, and the rule in exact numbers."""
    capacity = rule.requests if rule.sliding else (rule.burst or rule.requests)
    numbers = (rule.requests, rule.per_s, capacity, cost, EPSILON)
    return (1, name, *map(repr, map(float, numbers)), "window" if rule.sliding else "tokens")


async def evaluate(
    line: Line, script: Script, arguments: Sequence[tuple[Argument, ...]]
) -> list[Reply]:
    """The replies to one evaluation for each of arguments, in one pipeline, or in two if the server
    does not know the script yet. Errors of single ones are replies. Raises FAILURES.
    """
    replies = await line.try_all([("EVALSHA", script.digest, *each) for each in arguments])
    _raise_moved(replies)
    missed = [at for at, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
    if missed:
        again: list[Command] = [("EVALSHA", script.digest, *arguments[at]) for at in missed]
        again[0] = ("EVAL", script.text, *arguments[missed[0]])  # the server knows it from here on
        found = await line.try_all(again)
        _raise_moved(found)
        for at, reply in zip(missed, found, strict=True):
            replies[at] = reply
    return replies


def _raise_moved(replies: Sequence[Reply]) -> None:
    """All keys are on one node, so one that has moved means that nothing was done (law 5)."""
    for reply in replies:
        if isinstance(reply, MovedError):
            raise reply


def load_verdict(reply: Reply) -> RateVerdict:
    """A verdict from the script's answer. Raises StoreError for one that is none."""
    if isinstance(reply, ResponseError):
        raise StoreError(words(reply))
    if not isinstance(reply, bytes) or len(reply) != _ANSWER.size:
        raise StoreError("the store's answer is no verdict")
    allowed, capacity, left, reset_s, retry_after_s = _ANSWER.unpack(reply)
    return RateVerdict(
        allowed == 1.0, floor(capacity), floor(left + EPSILON), reset_s, retry_after_s
    )


def _settle(waiter: asyncio.Future[RateVerdict], reply: Reply) -> None:
    if waiter.done():  # it did not want to wait so long
        return
    try:
        waiter.set_result(load_verdict(reply))
    except StoreError as error:
        waiter.set_exception(error)


def _fail(asks: Sequence[_Ask], error: StoreError) -> None:
    for ask in asks:
        if not ask.verdict.done():
            ask.verdict.set_exception(error)
