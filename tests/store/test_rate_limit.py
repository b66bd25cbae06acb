"""The region's counters in one Redis: the arithmetic of both twins, and failures on the way."""

import asyncio
import random
from contextlib import asynccontextmanager, suppress
from itertools import pairwise

import pytest

from gslb.errors import StoreError
from gslb.model.proxy import RateLimit
from gslb.route.rate import RateTable
from gslb.store import rate_limit
from gslb.store.connection import Access, Credentials
from gslb.store.location import Location
from gslb.store.rate_limit import (
    RedisRateLimit,
    compose_arguments,
    evaluate,
    load_verdict,
    make_script,
)
from gslb.store.target import parse_target
from tests.redis_servers import Proxy, clustered, running
from tests.store.boards import fresh_prefix

HOUR = RateLimit(requests=5, per_s=3600.0)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running(tmp_path_factory.mktemp("redis")) as started:
        yield started


@asynccontextmanager
async def counting(url, prefix, *, timeout_s=1.0):
    """A limit whose `run` runs."""
    target = parse_target(url)
    access = Access(Credentials(target.username, target.password), None, timeout_s)
    shared = RedisRateLimit(access, Location(target, access), prefix=prefix)
    task = asyncio.create_task(shared.run())
    try:
        yield shared
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def take(shared, count=1, rule=HOUR, key=b"key", cost=1.0):
    verdicts = await asyncio.gather(
        *(shared.take("eu/api", rule, key, cost=cost) for _ in range(count))
    )
    return [verdict.allowed for verdict in verdicts]


# ---------------------------------------------------------------- both twins

RULES = {
    "bucket": RateLimit(requests=10, per_s=1.0),
    "bucket of a burst": RateLimit(requests=100, per_s=7.0, burst=3),
    "slow bucket": RateLimit(requests=1, per_s=0.3),
    "window": RateLimit(requests=10, per_s=1.0, sliding=True),
    "odd window": RateLimit(requests=7, per_s=0.7, sliding=True),
    "long window": RateLimit(requests=3, per_s=3600.0, sliding=True),
}
GIVEN_TIME = make_script("local now = tonumber(ARGV[7])")


def draws(rule, count=300):
    """Times and costs: bursts, waits of about a window, long waits, a clock that goes back."""
    chance = random.Random(7)
    now = 1_700_000_000.0
    for _ in range(count):
        steps = (0.0, 0.01, rule.per_s / rule.requests, rule.per_s, 2.5 * rule.per_s, -0.5)
        now += chance.choice(steps) * chance.random()
        yield now, chance.choice((1.0, 1.0, 1.0, 3.0, 0.25, 50.0))


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_law_1_redis_and_memory_give_the_same_verdicts(server, rule):
    asked = list(draws(rule))
    table = RateTable()
    expected = [table.take(rule, b"k", now=now, cost=cost) for now, cost in asked]
    name = "{" + fresh_prefix() + "}:rate:x"
    arguments = [(*compose_arguments(name, rule, cost), repr(now)) for now, cost in asked]

    async def run():
        access = Access(Credentials(), None, 1.0)
        line = await access.connect(parse_target(server.url).hosts[0])
        try:
            replies = []
            for each in arguments:  # one by one: a key may expire while the given time stands still
                replies += await evaluate(line, GIVEN_TIME, [each])
                await line.ask(("PERSIST", name))
            return replies
        finally:
            await line.close()

    found = [load_verdict(reply) for reply in asyncio.run(run())]
    assert found == expected
    assert {verdict.allowed for verdict in found} == {True, False}


def test_law_2_the_time_is_the_servers(server, monkeypatch):
    monkeypatch.setattr("time.time", lambda: 0.0)
    prefix = fresh_prefix()

    async def run():
        async with counting(server.url, prefix) as shared:
            return await shared.take("eu/api", HOUR, b"key", cost=1.0)

    verdict = asyncio.run(run())
    assert (verdict.allowed, verdict.limit, verdict.remaining) == (True, 5, 4)
    with server.client() as client:
        (name,) = client.keys("{" + prefix + "}*")
        octets = client.get(name)
        seconds, _ = client.time()
    assert name.startswith(b"{" + prefix.encode() + b"}:rate:eu/api:")
    assert abs(rate_limit.struct.unpack("<dd", octets)[1] - seconds) < 60


@pytest.mark.parametrize(
    ("rule", "keep_s"),
    [
        pytest.param(RateLimit(requests=10, per_s=10.0), 1 + 1, id="one token comes back in 1 s"),
        pytest.param(RateLimit(requests=10, per_s=10.0, sliding=True), 20 + 1, id="two windows"),
    ],
)
def test_law_3_keys_expire_when_they_say_nothing_more(server, rule, keep_s):
    prefix = fresh_prefix()

    async def run():
        async with counting(server.url, prefix) as shared:
            await take(shared, rule=rule)

    asyncio.run(run())
    with server.client() as client:
        (name,) = client.keys("{" + prefix + "}*")
        left_s = client.pttl(name) / 1000
    assert keep_s / 2 - 1 < left_s <= keep_s


@pytest.mark.parametrize(
    "value", [b"", b"x" * 15, b"x" * 24, b"x" * 100], ids=["empty", "short", "window", "long"]
)
def test_law_3_a_value_of_another_kind_counts_as_none(server, value):
    prefix = fresh_prefix()

    async def run():
        async with counting(server.url, prefix) as shared:
            await take(shared, 5)
            with server.client() as client:
                (name,) = client.keys("{" + prefix + "}*")
                client.set(name, value)
            return await take(shared, 6)

    assert asyncio.run(run()) == [True] * 5 + [False]


def test_a_key_of_another_type_is_an_error_for_that_key_alone(server):
    prefix = fresh_prefix()

    async def run():
        async with counting(server.url, prefix) as shared:
            await take(shared)
            with server.client() as client:
                (name,) = client.keys("{" + prefix + "}*")
                client.delete(name)
                client.lpush(name, b"x")
            return await asyncio.gather(
                shared.take("eu/api", HOUR, b"key", cost=1.0),
                shared.take("eu/api", HOUR, b"other", cost=1.0),
                return_exceptions=True,
            )

    broken, fine = asyncio.run(run())
    assert isinstance(broken, StoreError)
    assert fine.allowed


# ---------------------------------------------------------------- together


def test_law_4_many_at_once_are_one_pipeline(server):
    prefix = fresh_prefix()

    async def run():
        async with counting(server.url, prefix) as shared:
            await take(shared, rule=RateLimit(requests=100, per_s=3600.0))
            lines = []
            real = rate_limit.evaluate

            async def watch(line, script, arguments):
                lines.append(len(arguments))
                return await real(line, script, arguments)

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(rate_limit, "evaluate", watch)
                allowed = await take(shared, 200, RateLimit(requests=100, per_s=3600.0))
            return lines, allowed

    lines, allowed = asyncio.run(run())
    assert lines == [200]
    assert allowed == [True] * 99 + [False] * 101


def test_two_proxies_share_one_limit_exactly(server):
    prefix = fresh_prefix()
    rule = RateLimit(requests=100, per_s=36_000.0)

    async def run():
        async with counting(server.url, prefix) as one, counting(server.url, prefix) as other:
            rounds = await asyncio.gather(*(take(each, 30, rule) for each in (one, other) * 4))
            return sum(map(sum, rounds))

    assert asyncio.run(run()) == 100


def test_rules_and_clients_count_by_themselves(server):
    async def run():
        async with counting(server.url, fresh_prefix()) as shared:
            first = await take(shared, 6)
            other_client = await take(shared, 1, key=b"other")
            other_rule = await shared.take("eu/web", HOUR, b"key", cost=1.0)
            return first, other_client, other_rule.allowed

    assert asyncio.run(run()) == ([True] * 5 + [False], [True], True)


def test_law_4_no_more_wait_than_fit(server, monkeypatch):
    monkeypatch.setattr(rate_limit, "MAX_WAITING", 3)

    async def run():
        async with counting(server.url, fresh_prefix()) as shared:
            asks = [shared.take("r", HOUR, b"k", cost=1.0) for _ in range(5)]
            return await asyncio.gather(*asks, return_exceptions=True)

    found = asyncio.run(run())
    assert [isinstance(each, StoreError) for each in found] == [False] * 3 + [True] * 2


# ---------------------------------------------------------------- failures


def test_law_5_a_script_that_was_forgotten_is_sent_again(server):
    async def run():
        async with counting(server.url, fresh_prefix()) as shared:
            await take(shared)
            with server.client() as client:
                client.script_flush()
            return await take(shared, 5)

    assert asyncio.run(run()) == [True] * 4 + [False]


def test_a_waiter_that_goes_away_disturbs_nobody(server):
    async def run():
        async with counting(server.url, fresh_prefix()) as shared:
            tasks = [asyncio.create_task(shared.take("r", HOUR, b"k", cost=1.0)) for _ in range(3)]
            await asyncio.sleep(0)
            tasks[1].cancel()
            found = await asyncio.gather(*tasks, return_exceptions=True)
            return [getattr(each, "remaining", None) for each in found]

    found = asyncio.run(run())
    assert found[1] is None
    assert (found[0], found[2]) in ((4, 3), (4, 2))


def test_who_does_not_wait_for_the_answer_disturbs_nobody(server):
    async def run():
        with Proxy(server.port) as proxy:
            url = f"redis://127.0.0.1:{proxy.port}"
            async with counting(url, fresh_prefix()) as shared:
                await take(shared)
                proxy.delay_s = 0.05
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.01):
                        await take(shared)
                return await take(shared, 4)  # what came too late was counted all the same

    assert asyncio.run(run()) == [True] * 3 + [False]


def test_all_who_asked_are_gone_before_they_are_asked_for(server):
    async def run():
        async with counting(server.url, fresh_prefix()) as shared:
            asking = asyncio.create_task(shared.take("r", HOUR, b"k", cost=1.0))
            await asyncio.sleep(0)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            return (await shared.take("r", HOUR, b"k", cost=1.0)).remaining

    assert asyncio.run(run()) in (3, 4)


def test_a_dead_server_is_an_error_and_its_return_is_used(tmp_path):
    with running(tmp_path) as server:

        async def run():
            async with counting(server.url, fresh_prefix()) as shared:
                assert await take(shared, 5) == [True] * 5
                server.kill()
                with pytest.raises(StoreError):
                    await take(shared)
                server.start()
                return await take(shared, 6)  # empty: the limit begins anew

        assert asyncio.run(run()) == [True] * 5 + [False]


def test_a_hung_server_fails_within_its_timeout(server):
    async def run():
        with Proxy(server.port) as proxy:
            url = f"redis://127.0.0.1:{proxy.port}"
            async with counting(url, fresh_prefix(), timeout_s=0.1) as shared:
                await take(shared)
                proxy.blackhole()
                async with asyncio.timeout(2.0):
                    with pytest.raises(StoreError, match="no answer in time"):
                        await take(shared)
                proxy.restore()
                return await take(shared)

    assert asyncio.run(run()) == [True]


def test_who_waits_when_it_ends_is_told(server):
    async def run():
        with Proxy(server.port) as proxy:
            url = f"redis://127.0.0.1:{proxy.port}"
            async with counting(url, fresh_prefix(), timeout_s=5.0) as shared:
                await take(shared)
                proxy.blackhole()
                on_its_way = asyncio.create_task(shared.take("r", HOUR, b"k", cost=1.0))
                await asyncio.sleep(0.01)
                waiting = asyncio.create_task(shared.take("r", HOUR, b"k", cost=1.0))
                await asyncio.sleep(0)
            return await asyncio.gather(on_its_way, waiting, return_exceptions=True)

    assert [str(error) for error in asyncio.run(run())] == ["the store is closed"] * 2


def test_law_5_a_cluster_sends_to_the_node_that_owns_the_key(tmp_path):
    with clustered(tmp_path) as nodes:

        async def run():
            url = f"redis+cluster://{nodes[1].address}"
            async with counting(url, fresh_prefix()) as shared:
                return await take(shared, 6)

        assert asyncio.run(run()) == [True] * 5 + [False]


def test_law_6_these_rights_are_enough(tmp_path):
    prefix = fresh_prefix()
    rights = f"on >secret resetkeys resetchannels -@all ~{{{prefix}}}:rate:*"
    user = f"user limiter {rights} +eval +evalsha +get +set +time"
    with running(tmp_path, user) as server:

        async def run():
            url = f"redis://limiter:secret@127.0.0.1:{server.port}"
            async with counting(url, prefix) as shared:
                return await take(shared, 6)

        assert asyncio.run(run()) == [True] * 5 + [False]


@pytest.mark.parametrize("reply", [None, 1, b"", b"x" * 39, [b"x"]], ids=repr)
def test_an_answer_that_is_no_verdict_is_an_error(reply):
    with pytest.raises(StoreError, match="no verdict"):
        load_verdict(reply)


def test_the_draws_of_the_contract_go_back_in_time():
    times = [now for now, _ in draws(RULES["bucket"])]
    assert any(later < earlier for earlier, later in pairwise(times))
