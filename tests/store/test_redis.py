"""The store in one Redis: the contract, and what happens when Redis or the way to it fails."""

import asyncio
import time
from dataclasses import replace

import pytest

from gslb.errors import StoreError
from gslb.model.order import Order, OrderKind
from gslb.store import redis as redis_module
from gslb.store.base import MAX_NODES, MAX_OCTETS, Holding
from tests.redis_servers import Proxy, running
from tests.store.boards import SETTINGS, fresh_prefix, open_store, run_check, use
from tests.store.contract import CONTRACT, DRAIN, name_of

QUICK = replace(SETTINGS, timeout_s=0.25)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running(tmp_path_factory.mktemp("redis")) as started:
        yield started


@pytest.fixture
def settings():
    return replace(SETTINGS, prefix=fresh_prefix())


@pytest.mark.parametrize("check", CONTRACT, ids=name_of)
def test_redis_keeps_the_contract(server, check):
    run_check(check, server.url)


# ---------------------------------------------------------------- what is in the keys


def test_law_1_all_keys_have_one_hash_tag(server, settings):
    async def work(store):
        await store.put_report("fra", b"x")
        await store.put_order(DRAIN)
        await store.put_node("ns1", b"x")
        await store.add_event(b"x")

    use(server.url, settings, work)
    with server.client() as client:
        keys = {key.decode() for key in client.keys("*" + settings.prefix + "*")}
    names = ("report:fra", "changes", "orders", "nodes", "events")
    assert keys == {f"{{{settings.prefix}}}:{name}" for name in names}


def test_law_4_a_value_that_is_too_large_is_read_up_to_one_octet_over(server, settings):
    with server.client() as client:
        client.set(f"{{{settings.prefix}}}:report:fra", bytes(3 * MAX_OCTETS))
    found = use(server.url, settings, lambda store: store.read(["fra"]))
    assert len(found.reports["fra"]) == MAX_OCTETS + 1


def test_law_5_malformed_values_are_dropped_and_counted(server, settings):
    key = f"{{{settings.prefix}}}:"
    with server.client() as client:
        client.hset(f"{key}orders", "eu-west", b"no json")
        client.hset(f"{key}orders", "us-east", b"[[" * 100_000)
        client.hset(f"{key}orders", b"\xff", b"{}")
        client.hset(f"{key}nodes", b"a\nb", b"x")
        client.hset(f"{key}nodes", "ns1", b"said")
        client.lpush(f"{key}report:fra", b"a list")
        client.xadd(f"{key}changes", {b"agent": b"\x1b[2J"})

    async def work(store):
        await store.put_order(DRAIN)  # what cannot be read is replaced
        await store.put_report("sin", b"said")
        return await store.read(["fra", "sin"]), store.faults

    holding, faults = use(server.url, settings, work)
    assert holding == Holding({"sin": b"said"}, (DRAIN,), {"ns1": b"said"})
    assert faults == 1 + 4  # one when it was replaced; us-east, \xff, a\nb and fra when read


@pytest.mark.parametrize("name", ["changes", "orders", "nodes"])
def test_law_5_a_key_of_another_type_costs_only_itself(server, settings, name):
    with server.client() as client:
        client.set(f"{{{settings.prefix}}}:{name}", b"a string")
        client.set(f"{{{settings.prefix}}}:report:fra", b"said")

    async def work(store):
        return await store.read(["fra"]), store.faults

    holding, faults = use(server.url, settings, work)
    assert (holding, faults) == (Holding({"fra": b"said"}), 1)


def test_describe_shows_no_password():
    assert open_store("redis://ann:secret@127.0.0.1:1/2").describe() == (
        "redis://ann:***@127.0.0.1:1/2"
    )


# ---------------------------------------------------------------- the cursor


def test_law_3_a_stream_that_went_back_costs_one_read(server, settings):
    key = f"{{{settings.prefix}}}:changes"

    async def work(store):
        with server.client() as client:
            client.xadd(key, {"agent": "fra"}, id="9999999999999-0")
            await store.read(["fra"])
            client.delete(key)  # as after a failover: ids start lower
            await store.read(["fra"])
            waiter = asyncio.create_task(store.wait())
            await asyncio.sleep(0.05)
            await store.put_report("fra", b"x")
            async with asyncio.timeout(1.0):
                await waiter

    use(server.url, settings, work)


def test_law_3_wait_returns_after_a_while_whatever_comes(server, settings, monkeypatch):
    monkeypatch.setattr(redis_module, "WAKE_S", 0.3)
    monkeypatch.setattr(redis_module, "BLOCK_S", 0.1)

    async def work(store):
        await store.read(["fra"])
        began = time.monotonic()
        await store.wait()
        return time.monotonic() - began

    assert 0.29 <= use(server.url, settings, work) < 1.0


def test_law_4_a_newer_order_of_another_writer_is_not_overwritten(server, settings):
    """Somebody writes between comparing and setting: the set is not done, the comparison is."""
    key = f"{{{settings.prefix}}}:orders"

    class Slow:
        def __init__(self, line):
            self.line = line
            self.others = [replace(DRAIN, version=2000, reason="other")]

        async def ask(self, *commands):
            if commands[0] == ("MULTI",) and self.others:
                with server.client() as client:
                    client.hset(key, "eu-west", redis_module.dump_order(self.others.pop()))
            return await self.line.ask(*commands)

    async def work(store):
        order = replace(DRAIN, version=1500)
        await store._asking.run(lambda line: store._put_order(Slow(line), order))
        return (await store.read([])).orders

    (order,) = use(server.url, settings, work)
    assert (order.version, order.reason) == (2000, "other")


# ---------------------------------------------------------------- failures


async def failure(call):
    """The words of the StoreError that a call raises, and how long it took."""
    began = time.monotonic()
    with pytest.raises(StoreError) as raised:
        await call
    return str(raised.value), time.monotonic() - began


async def until_back(store):
    """Return once the store works again, as a caller would: trying again and again."""
    async with asyncio.timeout(8.0):
        while True:
            try:
                return await store.read(["fra"])
            except StoreError:
                await asyncio.sleep(0.02)


@pytest.fixture
def own_server(tmp_path):
    with running(tmp_path, "maxmemory-policy noeviction") as started:
        yield started


def test_law_5_a_hung_server_costs_a_few_timeouts(own_server):
    calls = {
        "read": lambda store: store.read(["fra"]),
        "put_report": lambda store: store.put_report("fra", b"x"),
        "put_order": lambda store: store.put_order(DRAIN),
        "events": lambda store: store.events(1),
    }

    async def work(store):
        await store.put_report("fra", b"kept")
        own_server.pause()
        try:
            told = [await failure(call(store)) for call in calls.values()]
            together = await asyncio.gather(*(failure(call(store)) for call in calls.values()))
        finally:
            own_server.resume()
        for words, took_s in (*told, *together):
            assert words == "no answer in time"
            assert took_s < 3 * QUICK.timeout_s + 0.25
        assert (await until_back(store)).reports.keys() == {"fra"}

    use(own_server.url, QUICK, work)


def test_law_5_wait_notices_a_hung_server(own_server, monkeypatch):
    monkeypatch.setattr(redis_module, "BLOCK_S", 0.1)

    async def work(store):
        await store.read([])
        waiter = asyncio.create_task(failure(store.wait()))
        await asyncio.sleep(0.05)
        own_server.pause()
        try:
            return await waiter
        finally:
            own_server.resume()

    words, took_s = use(own_server.url, QUICK, work)
    assert words == "no answer in time"
    assert took_s < 0.05 + 2 * 0.1 + 3 * QUICK.timeout_s + 0.25


def test_a_server_that_died_and_came_back_empty_is_found_again(own_server):
    async def work(store):
        await store.put_report("fra", b"x")
        own_server.kill()
        words, took_s = await failure(store.read(["fra"]))
        assert took_s < 3 * QUICK.timeout_s
        words, _ = await failure(store.read(["fra"]))
        assert "Connect call failed" in words
        own_server.start()
        assert await until_back(store) == Holding()
        await store.put_report("fra", b"y")
        assert (await store.read(["fra"])).reports == {"fra": b"y"}

    use(own_server.url, QUICK, work)


def test_wait_is_woken_by_the_death_of_the_server(own_server):
    async def work(store):
        await store.read([])
        waiter = asyncio.create_task(failure(store.wait()))
        await asyncio.sleep(0.05)
        own_server.kill()
        return await waiter

    _, took_s = use(own_server.url, SETTINGS, work)
    assert took_s < 0.8


def test_a_flushed_store_is_written_anew(own_server):
    async def work(store):
        await store.put_report("fra", b"x")
        await store.put_order(DRAIN)
        await store.read(["fra"])
        own_server.flush()
        assert await store.read(["fra"]) == Holding()
        waiter = asyncio.create_task(store.wait())
        await asyncio.sleep(0.05)
        await store.put_report("fra", b"y")
        async with asyncio.timeout(1.0):
            await waiter
        assert (await store.read(["fra"])).reports == {"fra": b"y"}

    use(own_server.url, SETTINGS, work)


def test_a_wrong_password_is_said_without_it(own_server):
    with own_server.client() as client:
        client.config_set("requirepass", "right")
    store = lambda password: f"redis://:{password}@{own_server.address}"  # noqa: E731
    words, _ = use(store("wrong-secret"), SETTINGS, lambda store: failure(store.read([])))
    assert words == "wrong user name or password"
    words, _ = use(own_server.url, SETTINGS, lambda store: failure(store.read([])))
    assert words == "wrong user name or password"
    assert use(store("right"), SETTINGS, lambda store: store.read([])) == Holding()


def test_a_password_file_is_read_again_for_each_connection(own_server, tmp_path):
    file = tmp_path / "password"
    file.write_text("wrong\n")
    with own_server.client() as client:
        client.config_set("requirepass", "right")

    async def work(store):
        assert (await failure(store.read([])))[0] == "wrong user name or password"
        file.write_text("right\n")
        assert await store.read([]) == Holding()
        file.unlink()
        await store.read([])  # the connection is still good

    use(own_server.url, replace(SETTINGS, password_file=str(file)), work)
    words, _ = use(
        own_server.url,
        replace(SETTINGS, password_file=str(file)),
        lambda store: failure(store.read([])),
    )
    assert words == f"{file}: No such file or directory"


def test_a_replica_refuses_writes_and_the_next_call_connects_anew(own_server):
    async def work(store):
        await store.put_report("fra", b"x")
        with own_server.client() as client:
            client.replicaof("127.0.0.1", 1)
            words, _ = await failure(store.put_report("fra", b"y"))
            assert "read only replica" in words
            client.replicaof("NO", "ONE")
            await store.put_report("fra", b"z")
            connected = [each for each in client.client_list() if each["cmd"] in ("set", "xadd")]
        assert len(connected) == 1
        assert (await store.read(["fra"])).reports == {"fra": b"z"}

    use(own_server.url, SETTINGS, work)


def test_a_full_server_refuses_writes_and_is_read_all_the_same(own_server):
    async def work(store):
        await store.put_report("fra", b"x")
        with own_server.client() as client:
            client.config_set("maxmemory", 1)
        words, _ = await failure(store.put_report("fra", b"y"))
        assert "used memory > 'maxmemory'" in words
        assert (await store.read(["fra"])).reports == {"fra": b"x"}

    use(own_server.url, SETTINGS, work)


def test_a_loading_server_is_a_store_error(tmp_path):
    """Redis answers LOADING while it reads a dump that was made slow."""
    with running(tmp_path) as server:
        with server.client() as client:
            client.mset({f"key{number}": b"x" * 500 for number in range(3000)})
            client.save()
        server.stop()
        file = server.directory / "redis.conf"
        slow = "\nkey-load-delay 1000\nloading-process-events-interval-bytes 1024\n"
        file.write_text(file.read_text() + slow)
        server.start(until_answering=False)

        async def work(store):
            until = time.monotonic() + 5.0
            words = "Connect call failed"
            while "Connect call failed" in words and time.monotonic() < until:
                words, _ = await failure(store.read([]))
            return words

        assert "loading" in use(server.url, SETTINGS, work)
        server.kill()


def test_what_is_no_redis_is_a_store_error():
    async def run():
        async def serve(reader, writer):
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            store = open_store(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}", QUICK)
            for _ in range(2):
                words, took_s = await failure(store.read(["fra"]))
                assert words
                assert took_s < 3 * QUICK.timeout_s + 0.25
            await store.close()

    asyncio.run(run())


# ---------------------------------------------------------------- the way there


def test_cancelled_in_flight_the_next_reply_is_the_right_one(server, settings):
    """Whatever the moment of the cancellation."""

    async def work(store):
        for agent in ("fra", "sin"):
            await store.put_report(agent, agent.encode())
        cancelled = 0
        for number in range(40):
            task = asyncio.create_task(store.read(["fra"]))
            await asyncio.sleep(number * 0.00005)
            cancelled += task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert (await store.read(["sin"])).reports == {"sin": b"sin"}
        assert cancelled

    with Proxy(server.port) as proxy:
        use(f"redis://127.0.0.1:{proxy.port}", settings, work)


def test_cancelled_while_the_reply_is_late_the_next_one_is_right(server, settings):
    async def work(store):
        for agent in ("fra", "sin"):
            await store.put_report(agent, agent.encode())
        proxy.delay_s = 0.1
        task = asyncio.create_task(store.read(["fra"]))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await store.read(["sin"])).reports == {"sin": b"sin"}

    with Proxy(server.port) as proxy:
        use(f"redis://127.0.0.1:{proxy.port}", settings, work)


@pytest.mark.parametrize("fault", ["blackhole", "cut", "reset", "refuse"])
def test_a_broken_way_is_a_store_error_and_heals(server, settings, fault):
    quick = replace(settings, timeout_s=QUICK.timeout_s)

    async def work(store):
        await store.put_report("fra", b"x")
        getattr(proxy, fault)()
        words, took_s = await failure(store.read(["fra"]))
        assert words
        assert took_s < 3 * QUICK.timeout_s + 0.25
        if fault == "blackhole":
            proxy.restore()
        if fault == "refuse":
            assert "Connect call failed" in (await failure(store.read(["fra"])))[0]
            proxy.accept()
        assert (await store.read(["fra"])).reports == {"fra": b"x"}

    with Proxy(server.port) as proxy:
        use(f"redis://127.0.0.1:{proxy.port}", quick, work)


def test_a_slow_way_within_the_timeout_is_borne(server, settings):
    async def work(store):
        proxy.delay_s = 0.1
        await store.put_report("fra", b"x")
        assert (await store.read(["fra"])).reports == {"fra": b"x"}

    with Proxy(server.port) as proxy:
        use(f"redis://127.0.0.1:{proxy.port}", settings, work)


def test_channel_law_1_after_any_error_the_server_is_found_anew(server, settings):
    with server.client() as client:
        client.set(f"{{{settings.prefix}}}:events", b"a string")

    async def work(store):
        await store.read([])
        assert proxy.accepted == 1
        assert "wrong kind of value" in (await failure(store.add_event(b"x")))[0]
        await store.read([])
        return proxy.accepted

    with Proxy(server.port) as proxy:
        assert use(f"redis://127.0.0.1:{proxy.port}", settings, work) == 2


def test_channel_law_2_a_connection_is_left_when_it_is_old(server, settings, monkeypatch):
    monkeypatch.setattr("gslb.store.channel.MAX_AGE_S", 0.0)

    async def work(store):
        for _ in range(3):
            await store.read([])
        return proxy.accepted

    with Proxy(server.port) as proxy:
        assert use(f"redis://127.0.0.1:{proxy.port}", settings, work) == 3


def test_one_connection_serves_many_calls(server, settings):
    async def work(store):
        await asyncio.gather(*(store.read(["fra"]) for _ in range(20)))
        return proxy.accepted

    with Proxy(server.port) as proxy:
        assert use(f"redis://127.0.0.1:{proxy.port}", settings, work) == 1


def test_a_read_while_nodes_are_many_drops_none_that_is_written(server, settings):
    """What is dropped of too many names is not the one that was just written."""

    async def work(store):
        for number in range(MAX_NODES):
            await store.put_node(f"dead{number}", b"x")
        for number in range(30):
            await store.put_node(f"live{number}", b"x")
            assert f"live{number}" in (await store.read([])).nodes

    use(server.url, settings, work)


def test_the_orders_of_the_store_are_bounded(server, settings, monkeypatch):
    monkeypatch.setattr(redis_module, "MAX_ORDERS", 2)

    async def work(store):
        for site in ("a", "b"):
            await store.put_order(Order(site, OrderKind.DRAIN, 1))
        words, _ = await failure(store.put_order(Order("c", OrderKind.DRAIN, 1)))
        assert words == "no room for an order: 2 sites have one already"
        await store.put_order(Order("a", OrderKind.UP, 2))

    use(server.url, settings, work)
