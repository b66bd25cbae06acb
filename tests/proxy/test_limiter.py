"""Verdicts in the data plane: shared, alone, and from the one to the other and back."""

import asyncio
from contextlib import asynccontextmanager, suppress

import pytest

from gslb.errors import StoreError
from gslb.model.proxy import RateLimit
from gslb.proxy import limiter as module
from gslb.proxy.limiter import DEADLINE_S, MAX_LATE, Limiter
from gslb.route.rate import RateVerdict
from gslb.store.connection import Access, Credentials
from gslb.store.location import Location
from gslb.store.rate_limit import RedisRateLimit
from gslb.store.target import parse_target
from tests.redis_servers import Proxy, running
from tests.store.boards import fresh_prefix

HOUR = RateLimit(requests=8, per_s=3600.0)
YES = RateVerdict(True, 8, 7, 1.0)


class Answers:
    """A shared counter that does what it is told: `yes`, `late` or `error`."""

    def __init__(self, does="yes"):
        self.does = does
        self.asked = 0

    async def run(self):
        await asyncio.Event().wait()

    async def take(self, rule_id, rule, key, *, cost):
        self.asked += 1
        if self.does == "late":
            await asyncio.Event().wait()
        if self.does == "error":
            raise StoreError("away")
        return YES


class Lines:
    """What was logged."""

    def __init__(self):
        self.events = []

    def info(self, event, **fields):
        self.events.append(event)

    def warning(self, event, **fields):
        self.events.append(f"{event}: {fields['cause']}")


@pytest.fixture
def lines(monkeypatch):
    found = Lines()
    monkeypatch.setattr(module, "_log", found)
    monkeypatch.setattr(module, "RETRY_S", 0.01)
    return found


@asynccontextmanager
async def limiting(shared, proxies=2):
    """A limiter that runs, with a clock that stands still."""
    limiter = Limiter(shared, lambda: proxies, clock=lambda: 100.0)
    task = asyncio.create_task(limiter.run())
    try:
        yield limiter
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(is_true):
    async with asyncio.timeout(5.0):
        while not is_true():  # noqa: ASYNC110 (no event tells of it)
            await asyncio.sleep(0.002)


async def take(limiter, count=1, rule=HOUR, key=b"eu/api@1"):
    """How many of so many requests at once are allowed."""
    verdicts = await asyncio.gather(*(limiter.take("eu/api", rule, key) for _ in range(count)))
    return sum(verdict.allowed for verdict in verdicts)


# ---------------------------------------------------------------- alone by configuration


@pytest.mark.parametrize(
    ("proxies", "allowed"), [(1, 8), (2, 4), (4, 2), (100, 1), (0, 8)], ids=str
)
def test_law_1_in_memory_all_is_counted_at_once_with_its_share(proxies, allowed):
    limiter = Limiter(None, lambda: proxies, clock=lambda: 100.0)
    verdicts = [limiter.take_now("eu/api", HOUR, b"k") for _ in range(10)]
    assert [verdict.allowed for verdict in verdicts] == [True] * allowed + [False] * (10 - allowed)
    assert (limiter.fallbacks, limiter.is_shared) == (0, False)


def test_law_1_take_and_take_now_count_together():
    limiter = Limiter(None, lambda: 1, clock=lambda: 100.0)
    limiter.take_now("eu/api", HOUR, b"k", cost=3.0)
    assert asyncio.run(limiter.take("eu/api", HOUR, b"k", cost=2.0)).remaining == 3


def test_law_1_run_ends_at_once_without_a_shared_counter():
    asyncio.run(Limiter(None, lambda: 1).run())


# ---------------------------------------------------------------- shared, and how it is lost


def test_law_3_before_the_first_answer_all_is_counted_alone(lines):
    limiter = Limiter(Answers(), lambda: 2, clock=lambda: 100.0)
    assert sum(limiter.take_now("eu/api", HOUR, b"k").allowed for _ in range(10)) == 4
    assert limiter.fallbacks == 10


def test_shared_verdicts_are_awaited(lines):
    async def run():
        async with limiting(Answers()) as limiter:
            await until(lambda: limiter.is_shared)
            assert limiter.take_now("eu/api", HOUR, b"k") is None
            assert await limiter.take("eu/api", HOUR, b"k") == YES
            return limiter.fallbacks

    assert asyncio.run(run()) == 0
    assert lines.events == ["rate limits are shared"]


def test_law_3_an_error_is_judged_here_and_asks_no_more(lines, monkeypatch):
    async def run():
        shared = Answers()
        async with limiting(shared) as limiter:
            await until(lambda: limiter.is_shared)
            monkeypatch.setattr(module, "RETRY_S", 60.0)
            shared.does, shared.asked = "error", 0
            allowed = [await take(limiter) for _ in range(6)]
            return allowed, shared.asked, limiter.fallbacks, limiter.take_now("r", HOUR, b"k")

    allowed, asked, fallbacks, verdict = asyncio.run(run())
    assert allowed == [1, 1, 1, 1, 0, 0]
    assert (asked, fallbacks) == (1, 6)
    assert verdict.allowed
    assert lines.events == ["rate limits are shared", "rate limits are counted alone: away"]


def test_law_2_and_3_late_answers_cost_the_deadline_until_there_are_too_many(lines, monkeypatch):
    async def run():
        shared = Answers()
        async with limiting(shared) as limiter:
            await until(lambda: limiter.is_shared)
            monkeypatch.setattr(module, "RETRY_S", 60.0)
            shared.does, shared.asked = "late", 0
            clock = asyncio.get_running_loop().time
            began = clock()
            states = []
            for _ in range(MAX_LATE + 5):
                await take(limiter)
                states.append(limiter.is_shared)
            return states, shared.asked, clock() - began

    states, asked, took_s = asyncio.run(run())
    assert states == [True] * (MAX_LATE - 1) + [False] * 6
    assert asked == MAX_LATE
    assert MAX_LATE * DEADLINE_S - 0.01 <= took_s < 20 * DEADLINE_S
    assert lines.events[1:] == ["rate limits are counted alone: no answer in time"]


def test_law_3_an_answer_in_time_forgives_late_ones(lines):
    async def run():
        shared = Answers()
        async with limiting(shared) as limiter:
            await until(lambda: limiter.is_shared)
            for does in ("late", "late", "yes", "late", "late"):
                shared.does = does
                await take(limiter)
            return limiter.is_shared, limiter.fallbacks

    assert asyncio.run(run()) == (True, 4)


def test_law_4_found_again_is_logged_once_and_failures_not_each_time(lines):
    async def run():
        shared = Answers("error")
        async with limiting(shared) as limiter:
            await until(lambda: shared.asked > 5)
            shared.does = "yes"
            await until(lambda: limiter.is_shared)
            shared.does = "error"
            await take(limiter, 20)
            asked = shared.asked
            await until(lambda: shared.asked > asked + 5)
            shared.does = "yes"
            await until(lambda: limiter.is_shared)

    asyncio.run(run())
    alone, found = "rate limits are counted alone: away", "rate limits are shared"
    assert lines.events == [alone, found, alone, found]


def test_law_3_a_slow_counter_is_not_gone_back_to(lines, monkeypatch):
    """It answers, but not within the deadline: the first question of a try has more time."""
    monkeypatch.setattr(module, "DEADLINE_S", 0.01)

    class Slow(Answers):
        async def take(self, rule_id, rule, key, *, cost):
            self.asked += 1
            await asyncio.sleep(0.03)
            return YES

    async def run():
        shared = Slow()
        async with limiting(shared) as limiter:
            await until(lambda: shared.asked >= 6)
            return limiter.is_shared

    assert asyncio.run(run()) is False
    assert lines.events == ["rate limits are counted alone: no answer in time"]


# ---------------------------------------------------------------- with a real server


PATIENT_S = 0.5
"""The deadline here: a busy machine is not to fail tests."""


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "DEADLINE_S", PATIENT_S)
    with running(tmp_path) as started:
        yield started


def counters(port, prefix, timeout_s=1.0):
    access = Access(Credentials(), None, timeout_s)
    location = Location(parse_target(f"redis://127.0.0.1:{port}"), access)
    return RedisRateLimit(access, location, prefix=prefix)


def test_two_limiters_share_one_limit_exactly(server, lines):
    prefix = fresh_prefix()

    async def run():
        first, second = (counters(server.port, prefix) for _ in range(2))
        async with limiting(first) as one, limiting(second) as other:
            await until(lambda: one.is_shared and other.is_shared)
            rounds = await asyncio.gather(*(take(each, 5) for each in (one, other, one, other)))
            return sum(rounds), one.fallbacks + other.fallbacks

    assert asyncio.run(run()) == (8, 0)


def test_killed_and_started_again(server, lines):
    async def run():
        async with limiting(counters(server.port, fresh_prefix())) as limiter:
            await until(lambda: limiter.is_shared)
            assert await take(limiter, 10) == 8
            server.kill()
            assert await take(limiter, 10) == 4  # alone, one of two proxies
            assert not limiter.is_shared
            server.start()
            await until(lambda: limiter.is_shared)
            return await take(limiter, 10)

    assert asyncio.run(run()) == 8  # it came back empty
    assert len(lines.events) == 3


def test_hung_costs_the_deadline_once(server, lines):
    async def run():
        with Proxy(server.port) as proxy:
            async with limiting(counters(proxy.port, fresh_prefix())) as limiter:
                await until(lambda: limiter.is_shared)
                proxy.blackhole()
                clock = asyncio.get_running_loop().time
                began = clock()
                assert await take(limiter, 10) == 4
                first_s = clock() - began
                assert limiter.take_now("eu/api", HOUR, b"other").allowed  # nobody waits any more
                proxy.restore()
                await until(lambda: limiter.is_shared)
                return first_s, await take(limiter, 10, key=b"new")

    first_s, allowed = asyncio.run(run())
    assert PATIENT_S - 0.01 <= first_s < 5 * PATIENT_S
    assert allowed == 8
