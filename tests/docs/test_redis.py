"""docs/redis.md: its files start a real Redis, its users may do what they must, its sizes hold."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from gslb.model.report import Report
from gslb.model.system import RedisSettings
from gslb.probe.prober import pace_s
from gslb.store import base
from gslb.store import redis as store_redis
from gslb.store.envelope import seal
from gslb.store.open_redis import PASSWORD_FILE, USERNAME, open_redis
from gslb.store.redis import RedisStore
from gslb.store.target import parse_target
from tests.docs.pages import ROOT, Fence, fences, pages
from tests.redis_servers import MASTER, Server, TlsFiles, make_tls, wait_until
from tests.store.contract import DRAIN
from tests.store.reports import KEY, many_sites

PAGE = "docs/redis.md"
TEXT = pages()[PAGE]
PLAIN, TLS, REPLICATED = (one for one in fences("conf") if one.file == "redis.conf")
USERS, OTHERS = (one for one in fences("conf") if one.file == "users.acl")
(PROXIES,) = (one for one in fences("conf") if one.file == "proxies.acl")
(SENTINEL,) = (one for one in fences("conf") if one.file == "sentinel.conf")
ADMIN = ("admin", "admin-secret")


def lines(fence: Fence) -> str:
    """A file without its first line, which names it."""
    return fence.text.split("\n", 1)[1]


def prepare(
    folder: Path, text: str, *arguments: str, tls: TlsFiles | None = None, users: str = ""
) -> Server:
    """A server that starts with a file of the page; only addresses, ports and paths are ours."""
    folder.mkdir(parents=True)
    server = Server(folder, arguments=arguments, tls=tls, user=ADMIN if users else None)
    (folder / "users.acl").write_text(users)
    own = {r"^bind .*": "", r"\b6379\b": str(server.port), r"\b26379\b": str(server.port)}
    own |= {"/etc/redis/users.acl": str(folder / "users.acl"), r"192\.0\.2\.\d+": "127.0.0.1"}
    if tls is not None:
        own |= {r"\S+/redis\.pem": tls.certificate_file, r"\S+/redis\.key": tls.key_file}
        own |= {r"\S+/ca\.pem": tls.ca_file}
    for pattern, ours in own.items():
        text = re.sub(pattern, ours, text, flags=re.MULTILINE)
    (folder / "redis.conf").write_text(f"{text}\nbind 127.0.0.1\ndir {folder}\n")
    return server


def open_as(server: Server, folder: Path, user: str, password: str) -> RedisStore:
    """The store as a user of the page has it."""
    file = folder / f"{user}.password"
    file.write_text(password)
    environ = {USERNAME: user, PASSWORD_FILE: str(file)}
    target = parse_target(server.url)
    store = open_redis(target, RedisSettings(), environ, shown=server.url)
    assert isinstance(store, RedisStore)
    return store


def users() -> str:
    """All users of the page, and one who may look."""
    return (
        lines(USERS)
        + lines(OTHERS)
        + lines(PROXIES)
        + f"user {ADMIN[0]} on >{ADMIN[1]} ~* &* +@all\n"
    )


def test_the_users_are_those_that_the_tests_run_with() -> None:
    assert lines(USERS) == (ROOT / "tests" / "store" / "acl.conf").read_text()


def test_a_redis_of_the_page_serves_agents_and_name_servers(tmp_path: Path) -> None:
    async def work(agent: RedisStore, node: RedisStore) -> None:
        await agent.put_report("fra", b"x")
        await node.put_order(DRAIN)
        held = await node.read(["fra"])
        assert (held.reports, held.orders) == ({"fra": b"x"}, (DRAIN,))
        await agent.close()
        await node.close()

    with prepare(tmp_path / "redis", lines(PLAIN) + lines(REPLICATED), users=users()) as server:
        agent = open_as(server, tmp_path, "gslb-agent-fra", "agent-secret")
        node = open_as(server, tmp_path, "gslb-server", "server-secret")
        asyncio.run(work(agent, node))
        with server.client() as client:
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_a_redis_of_the_page_takes_tls_only(tmp_path: Path) -> None:
    files = make_tls(tmp_path / "tls")
    with prepare(tmp_path / "redis", lines(TLS), tls=files) as server, server.client() as client:
        assert client.ping()


def test_a_sentinel_of_the_page_watches_the_master(tmp_path: Path) -> None:
    with prepare(tmp_path / "redis", lines(PLAIN) + lines(REPLICATED), users=users()) as master:
        text = re.sub(r"192\.0\.2\.61 6379", f"127.0.0.1 {master.port}", lines(SENTINEL))
        with prepare(tmp_path / "sentinel", text, "--sentinel") as sentinel:
            with sentinel.client() as client:
                wait_until(
                    lambda: client.sentinel_master(MASTER)["runid"], "it has asked the master", 5
                )
                told = client.sentinel_master(MASTER)
            assert (told["flags"], told["down-after-milliseconds"]) == ("master", 2000)


# ---------------------------------------------------------------- what it says in numbers


SIZES = re.findall(r"^\| ([\d,]+) \| ([\d,]+) \| ([\d.]+) \|", TEXT, re.MULTILINE)


@pytest.mark.parametrize(("sites", "octets", "rate"), SIZES)
def test_reports_are_as_large_and_as_frequent_as_the_page_says(
    sites: str, octets: str, rate: str
) -> None:
    count = int(sites.replace(",", ""))
    report: Report = many_sites(count)
    assert len(seal(report, KEY)) == pytest.approx(int(octets.replace(",", "")), rel=0.05)
    assert float(rate) <= 1 / pace_s(count)


def test_the_sizes_of_keys_are_the_limits() -> None:
    assert len(SIZES) == 3
    bounds = {
        "report:NAME": f"{base.MAX_OCTETS // 1024} KiB",
        "changes": f"about {store_redis.MAX_CHANGES:,} entries",
        "orders": f"{base.MAX_ORDERS:,} orders",
        "nodes": f"{base.MAX_NODES:,} names",
        "events": f"about {base.MAX_EVENTS:,} entries",
    }
    listed = re.findall(r"^\| `\{gslb\}:(\S+)` \| \w+ \| ([^|]+) \|", TEXT, re.MULTILINE)
    assert dict(listed) == bounds


def test_the_variables_are_named() -> None:
    assert f"`{USERNAME}`" in TEXT
    assert f"`{PASSWORD_FILE}`" in TEXT
