"""Whether a request is within its rate limit: the arithmetic, and counters in memory.

The Redis script does the same arithmetic on the same numbers (IEEE doubles, in this order), so both
give the same verdicts. `now` is in seconds of any clock that both counters of a key share.

Laws of both:
1. A rule with share s allows rate = requests x s / per_s a second. The share is 1 where all proxies
   count together, and 1 / proxies where each counts alone.
2. A request weighs cost, at most what the rule ever allows at once (its capacity); one that is
   refused weighs nothing. EPSILON is forgiven, so that a whole second gives a whole token.
3. A clock that goes back counts as one that stands still. A state of the other kind is none: the
   operator has changed the rule.

Token bucket, capacity = max(1, (burst or requests) x s); state (tokens, at):
4. Without a state, tokens = capacity. With one, tokens = min(capacity, tokens + max(0, now - at) x
   rate). at = max(at, now).
5. Allowed if tokens + EPSILON >= cost; then tokens = max(0, tokens - cost). The state is kept in
   either case.
6. remaining = floor(tokens + EPSILON). reset = (capacity - tokens) / rate. Retry after (cost -
   tokens) / rate, if refused.

Sliding window, capacity = max(1, requests x s), burst is not read; state (index, count, previous):
7. Windows are per_s long; the request's is index = floor(now / per_s). Without a state, count =
   previous = 0. With an index of one more than the state's, previous = count and count = 0; of more
   than that, both are 0; of less, index is the state's.
8. f = min(1, max(0, now / per_s - index)) of the window has passed; used = count + previous x (1 -
   f): who asked evenly in the window before is counted exactly. Allowed if used + cost <= capacity
   + EPSILON; then count = count + cost and used = used + cost.
9. remaining = floor(max(0, capacity - used) + EPSILON). reset = (2 - f) x per_s if count > 0, (1 -
   f) x per_s if only previous > 0, else 0.
10. Retry, if refused, when used has fallen to room = capacity - cost, in windows of per_s: with
    excess = used - room, after excess / previous if that is at most 1 - f; else after 1 - f +
    max(0, 1 - room / count), without the last part if count is 0.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from ipaddress import IPv6Network
from math import ceil, floor
from typing import TYPE_CHECKING, NamedTuple

from gslb.model.place import Address
from gslb.model.proxy import KeySpec, RateLimit
from gslb.route.keys import compile_value, plain_client

if TYPE_CHECKING:
    from gslb.http1.head import Request

EPSILON = 1e-9
"""Of a token; no more than rounding takes from it."""

KEYS = 100_000
"""Keys that are counted in memory; some 30 MB. Of more the longest unseen are forgotten, and with
them what they had used up."""

KEY_OCTETS = 64
"""Longer values are counted by their digest."""

State = tuple[float, ...]


class RateVerdict(NamedTuple):
    """limit: what is allowed at once. remaining: of it, now. reset_s: until all of it is allowed
    again. retry_after_s: until this request would be allowed, 0 if it is.
    """

    allowed: bool
    limit: int
    remaining: int
    reset_s: float
    retry_after_s: float = 0.0


class Draw(NamedTuple):
    """A request that asks. now, cost and share: see the laws."""

    now: float
    cost: float
    share: float = 1.0


def draw_tokens(rule: RateLimit, state: State | None, draw: Draw) -> tuple[RateVerdict, State]:
    """The verdict of a token bucket and its next state (tokens, at). Laws 4 to 6."""
    capacity = max(1.0, (rule.burst or rule.requests) * draw.share)
    rate = rule.requests * draw.share / rule.per_s
    cost = min(draw.cost, capacity)
    tokens, at = state if state is not None and len(state) == 2 else (capacity, draw.now)
    tokens = min(capacity, tokens + max(0.0, draw.now - at) * rate)
    at = max(at, draw.now)
    allowed = tokens + EPSILON >= cost
    retry_after_s = 0.0 if allowed else (cost - tokens) / rate
    if allowed:
        tokens = max(0.0, tokens - cost)
    reset_s = (capacity - tokens) / rate
    verdict = RateVerdict(allowed, floor(capacity), floor(tokens + EPSILON), reset_s, retry_after_s)
    return verdict, (tokens, at)


def draw_window(rule: RateLimit, state: State | None, draw: Draw) -> tuple[RateVerdict, State]:
    """The verdict of a sliding window and its next state (index, count, previous). Laws 7 to 10."""
    capacity = max(1.0, rule.requests * draw.share)
    cost = min(draw.cost, capacity)
    index, count, previous = _turn_window(state, floor(draw.now / rule.per_s))
    passed = min(1.0, max(0.0, draw.now / rule.per_s - index))
    used = count + previous * (1.0 - passed)
    allowed = used + cost <= capacity + EPSILON
    retry_after_s = 0.0
    if allowed:
        count, used = count + cost, used + cost
    else:
        windows = _windows_until(capacity - cost, used, (passed, count, previous))
        retry_after_s = windows * rule.per_s
    remaining = floor(max(0.0, capacity - used) + EPSILON)
    reset_s = _windows_left(passed, count, previous) * rule.per_s
    verdict = RateVerdict(allowed, floor(capacity), remaining, reset_s, retry_after_s)
    return verdict, (index, count, previous)


def _turn_window(state: State | None, index: int) -> tuple[float, float, float]:
    if state is None or len(state) != 3:
        return index, 0.0, 0.0
    last, count, previous = state
    if index <= last:
        return last, count, previous
    return index, 0.0, count if index == last + 1 else 0.0


def _windows_left(passed: float, count: float, previous: float) -> float:
    if count > 0:
        return 2.0 - passed
    return 1.0 - passed if previous > 0 else 0.0


def _windows_until(room: float, used: float, window: tuple[float, float, float]) -> float:
    """How many windows pass until what is used has fallen to room. window: what has passed of it,
    count, previous.
    """
    passed, count, previous = window
    excess = used - room
    if previous > 0 and excess / previous <= 1.0 - passed:
        return excess / previous
    return 1.0 - passed + (max(0.0, 1.0 - room / count) if count > 0 else 0.0)


class RateTable:
    """Counters in memory, for keys of any rules; the longest unseen are forgotten first."""

    __slots__ = ("_keys", "_states")

    def __init__(self, keys: int = KEYS) -> None:
        self._keys = keys
        self._states: OrderedDict[bytes, State] = OrderedDict()

    def take(
        self, rule: RateLimit, key: bytes, *, now: float, cost: float, share: float = 1.0
    ) -> RateVerdict:
        """Whether a request may go on, which counts it if it may. Costs 3 us.

        key: from compile_rate_key. now: monotonic seconds. share: law 1.
        """
        states = self._states
        draw = draw_window if rule.sliding else draw_tokens
        verdict, states[key] = draw(rule, states.get(key), Draw(now, cost, share))
        states.move_to_end(key)
        if len(states) > self._keys:
            states.popitem(last=False)
        return verdict

    def __len__(self) -> int:
        return len(self._states)


def rate_key(rule_id: str, spec: KeySpec, request: Request, client: Address) -> bytes:
    """What a request is counted under. Where it is asked for often, compile_rate_key is cheaper."""
    return compile_rate_key(rule_id, spec)(request, client)


def compile_rate_key(rule_id: str, spec: KeySpec) -> Callable[[Request, Address], bytes]:
    """What makes the keys that requests are counted under.

    rule_id: names the rule in all proxies that count together, say `eu-west/api`. A key is the rule
    and then `@` and the client (an IPv6 one by its /64), or `=` and the value, or `#` and its
    digest, so that nobody sends a value that is another's address.
    """
    find = compile_value(spec)
    prefix = rule_id.encode()

    def read(request: Request, client: Address) -> bytes:
        value = None if find is None else find(request)
        if value is None:
            return b"%b@%b" % (prefix, tell_network(client))
        if len(value) <= KEY_OCTETS:
            return b"%b=%b" % (prefix, value)
        return b"%b#%b" % (prefix, blake2b(value, digest_size=16).hexdigest().encode())

    return read


def tell_network(client: Address) -> bytes:
    """The text of an IPv4 address, or of the /64 of an IPv6 one."""
    client = plain_client(client)
    if client.version == 4:
        return str(client).encode()
    return str(IPv6Network((client.packed, 64), strict=False)).encode()


def compose_rate_fields(verdict: RateVerdict) -> bytes:
    """The header lines that tell a client where it stands, whole seconds rounded up: the three
    RateLimit fields, and Retry-After if it was refused (RFC 9110 10.2.3).
    """
    lines = b"RateLimit-Limit: %d\r\nRateLimit-Remaining: %d\r\nRateLimit-Reset: %d\r\n" % (
        verdict.limit,
        verdict.remaining,
        ceil(verdict.reset_s),
    )
    if verdict.allowed:
        return lines
    return lines + b"Retry-After: %d\r\n" % max(1, ceil(verdict.retry_after_s))
