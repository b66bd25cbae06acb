"""The store over TLS with user lists, behind Sentinels, and in a cluster."""

import asyncio
import itertools
import socket
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from gslb.errors import StoreError
from gslb.model.system import RedisSettings
from gslb.store.base import Holding
from tests.redis_servers import Server, clustered, make_tls, wait_until, watched
from tests.store.boards import fresh_prefix, open_store, run_check, use
from tests.store.contract import CORE, DRAIN, name_of

ACL = Path(__file__).with_name("acl.conf")
ADMIN = ("test-admin", "admin-secret")
AGENT = {"username": "gslb-agent-fra", "password": "agent-secret"}
SERVER = {"username": "gslb-server", "password": "server-secret"}


# ---------------------------------------------------------------- TLS and user lists


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return make_tls(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory, files):
    """A server that takes TLS only, and users of acl.conf only (and the one that arranges)."""
    directory = tmp_path_factory.mktemp("guarded")
    admin = f"user {ADMIN[0]} on >{ADMIN[1]} ~* &* +@all\n"
    (directory / "users.conf").write_text(ACL.read_text() + admin)
    lines = [f"aclfile {directory}/users.conf"]
    with Server(directory / "redis", lines, tls=files, user=ADMIN) as server:
        yield server


@pytest.fixture
def board(guarded, tmp_path, files):
    """Settings of users by name; the keys are those of acl.conf, so the server is emptied."""
    guarded.flush()

    def settings(username, password):
        file = tmp_path / username
        file.write_text(password + "\n")
        return RedisSettings(
            username=username,
            password_file=str(file),
            ca_file=files.ca_file,
            certificate_file=files.certificate_file,
            key_file=files.key_file,
        )

    return settings


def test_an_agent_and_a_name_server_work_with_the_rights_of_acl_conf(guarded, board):
    async def run():
        agent = open_store(guarded.url, board(**AGENT))
        server = open_store(guarded.url, board(**SERVER))
        assert await server.read(["fra"]) == Holding()
        waiter = asyncio.create_task(server.wait())
        await asyncio.sleep(0.05)
        await agent.put_report("fra", b"sealed")
        async with asyncio.timeout(2.0):
            await waiter
        for version in (1, 3, 2):
            await server.put_order(replace(DRAIN, version=version))
        await server.put_node("ns1", b"said")
        await server.add_event(b"happened")
        holding = await server.read(["fra"])
        assert holding == Holding(
            {"fra": b"sealed"}, (replace(DRAIN, version=3),), {"ns1": b"said"}
        )
        assert await server.events(5) == (b"happened",)
        await agent.close()
        await server.close()

    asyncio.run(run())


def test_a_name_server_may_drop_names_that_are_too_many(guarded, board, monkeypatch):
    monkeypatch.setattr("gslb.store.redis.MAX_NODES", 1)

    async def work(store):
        await store.put_node("ns1", b"x")
        await store.put_node("ns2", b"x")
        return (await store.read([])).nodes

    assert use(guarded.url, board(**SERVER), work) == {"ns2": b"x"}


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.put_report("sin", b"x"),
        lambda store: store.read(["fra"]),
        lambda store: store.wait(),
        lambda store: store.put_order(DRAIN),
        lambda store: store.put_node("ns1", b"x"),
        lambda store: store.add_event(b"x"),
        lambda store: store.events(1),
    ],
    ids=["another's report", "read", "wait", "order", "node", "event", "events"],
)
def test_an_agent_may_do_nothing_else(guarded, board, call):
    async def work(store):
        with pytest.raises(StoreError, match="not permitted"):
            await call(store)
        await store.put_report("fra", b"x")

    use(guarded.url, board(**AGENT), work)


DENIED = {
    "gslb-agent-fra": [
        ("GET", "{gslb}:report:fra"),
        ("SET", "{gslb}:report:fra", "x", "GET"),
        ("GETRANGE", "{gslb}:report:fra", 0, 1),
        ("DEL", "{gslb}:report:fra"),
        ("SET", "{gslb}:report:sin", "x"),
        ("SET", "{gslb}:changes", "x", "GET"),
        ("XADD", "{gslb}:events", "*", "event", "x"),
        ("XREAD", "STREAMS", "{gslb}:changes", "0"),
        ("XREVRANGE", "{gslb}:changes", "+", "-"),
        ("HSET", "{gslb}:orders", "eu-west", "x"),
    ],
    "gslb-server": [
        ("SET", "{gslb}:report:fra", "x"),
        ("DEL", "{gslb}:orders"),
        ("HSET", "{gslb}:report:fra", "x", "x"),
        ("XADD", "other", "*", "event", "x"),
        ("HGETALL", "other"),
    ],
}
DENIED_TO_ALL = [
    ("FLUSHALL",),
    ("FLUSHDB",),
    ("KEYS", "*"),
    ("SCAN", "0"),
    ("CONFIG", "GET", "*"),
    ("ACL", "LIST"),
    ("EVAL", "return 1", "0"),
    ("CLIENT", "LIST"),
    ("SHUTDOWN",),
    ("REPLICAOF", "NO", "ONE"),
    ("PUBLISH", "channel", "x"),
]


@pytest.mark.parametrize(
    ("user", "command"),
    [
        (user, command)
        for user in (AGENT, SERVER)
        for command in DENIED[user["username"]] + DENIED_TO_ALL
    ],
    ids=lambda value: value["username"] if isinstance(value, dict) else " ".join(map(str, value)),
)
def test_what_a_user_may_not_do_is_refused(guarded, user, command):
    allowed = replace(guarded, user=(user["username"], user["password"]))
    with allowed.client() as client, pytest.raises(redis.exceptions.NoPermissionError):
        client.execute_command(*command)


def test_nobody_comes_in_without_a_name(guarded, board, files):
    nameless = RedisSettings(
        ca_file=files.ca_file, certificate_file=files.certificate_file, key_file=files.key_file
    )

    async def work(store):
        with pytest.raises(StoreError, match="wrong user name or password"):
            await store.read([])

    use(guarded.url, nameless, work)


def test_a_server_of_another_authority_is_refused(guarded, board, tmp_path):
    other = make_tls(tmp_path / "other")

    async def work(store):
        with pytest.raises(StoreError, match="CERTIFICATE_VERIFY_FAILED"):
            await store.read([])

    use(guarded.url, replace(board(**SERVER), ca_file=other.ca_file), work)


def test_a_server_with_a_certificate_for_another_name_is_refused(tmp_path):
    files = make_tls(tmp_path / "tls", "redis.example")
    settings = RedisSettings(
        ca_file=files.ca_file, certificate_file=files.certificate_file, key_file=files.key_file
    )

    async def work(store):
        with pytest.raises(StoreError, match="IP address mismatch"):
            await store.read([])

    server = Server(tmp_path / "redis", tls=files)
    server.start(until_answering=False)
    try:
        _wait_until_taken(server)
        use(server.url, settings, work)
    finally:
        server.kill()


def _wait_until_taken(server):
    """The client of the harness checks names, too, so it cannot ask this one."""

    def is_taken():
        with socket.create_connection(("127.0.0.1", server.port), 1.0):
            return True

    wait_until(is_taken, "it listens", 5.0)


def test_a_client_without_a_certificate_is_refused(guarded, board):
    settings = replace(board(**SERVER), certificate_file=None, key_file=None)

    async def work(store):
        with pytest.raises(StoreError):
            await store.read([])

    use(guarded.url, settings, work)


def test_a_missing_certificate_file_is_named(guarded, board, tmp_path):
    settings = replace(board(**SERVER), ca_file=str(tmp_path / "gone.pem"))

    async def work(store):
        with pytest.raises(StoreError, match="No such file or directory"):
            await store.read([])

    use(guarded.url, settings, work)


# ---------------------------------------------------------------- Sentinel


@pytest.fixture(scope="module")
def group(tmp_path_factory):
    with watched(tmp_path_factory.mktemp("watched")) as started:
        yield started


@pytest.mark.parametrize("check", CORE, ids=name_of)
def test_the_contract_holds_behind_sentinels(group, check):
    run_check(check, group.url)


def test_a_sentinel_that_hangs_delays_nobody(group):
    async def work(store):
        group.sentinels[0].pause()
        try:
            async with asyncio.timeout(0.9):  # less than a timeout
                await store.put_report("fra", b"x")
        finally:
            group.sentinels[0].resume()

    use(group.url, RedisSettings(prefix=fresh_prefix()), work)


def test_a_master_that_no_sentinel_knows_is_named(group):
    url = group.url.replace("/gslb", "/other")

    async def work(store):
        with pytest.raises(StoreError, match=r"no Sentinel knows the master other: 127\.0\.0\.1:"):
            await store.read([])

    use(url, RedisSettings(), work)


def test_a_failover_is_followed_and_what_is_written_afterwards_is_read(group):
    """Runs last of those behind Sentinels: the first master is dead afterwards."""
    settings = RedisSettings(prefix=fresh_prefix(), timeout_s=0.5)

    async def until(succeeds):
        async with asyncio.timeout(15.0):
            for delay_s in itertools.repeat(0.05):
                with suppress(StoreError):
                    if await succeeds():
                        return
                await asyncio.sleep(delay_s)

    async def run():
        agent, reader = (open_store(group.url, settings) for _ in range(2))

        async def is_written():
            await agent.put_report("fra", b"after")
            return True

        async def is_read():
            return (await reader.read(["fra"])).reports == {"fra": b"after"}

        await agent.put_report("fra", b"before")
        assert (await reader.read(["fra"])).reports == {"fra": b"before"}
        old = group.master()
        old.kill()
        await until(is_written)
        await until(is_read)
        assert group.wait_for_failover(old) is not old
        await agent.put_report("fra", b"later")
        async with asyncio.timeout(2.0):
            await reader.wait()
        await agent.close()
        await reader.close()

    asyncio.run(run())


# ---------------------------------------------------------------- Cluster


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    with clustered(tmp_path_factory.mktemp("cluster")) as started:
        yield started


@pytest.mark.parametrize("check", CORE, ids=name_of)
def test_the_contract_holds_in_a_cluster(nodes, check):
    run_check(check, f"redis+cluster://{nodes[0].address}")


def test_a_node_that_does_not_own_the_keys_leads_to_the_one_that_does(nodes):
    async def work(store):
        await store.put_report("fra", b"x")
        async with asyncio.timeout(2.0):
            await store.wait()
        await store.put_order(DRAIN)
        return await store.read(["fra"])

    settings = RedisSettings(prefix=fresh_prefix())
    holding = use(f"redis+cluster://{nodes[1].address}", settings, work)
    assert holding == Holding({"fra": b"x"}, (DRAIN,))


def test_the_nodes_of_the_url_are_asked_in_turn(nodes):
    async def work(store):
        with pytest.raises(StoreError):
            await store.put_report("fra", b"x")
        await store.put_report("fra", b"x")

    url = f"redis+cluster://127.0.0.1:1,{nodes[1].address}"
    use(url, RedisSettings(prefix=fresh_prefix()), work)
