# ruff: noqa: E501 - the contract is as it is
"""The contract of the regional tier: what each line of it and each of its comments is in nouns."""

import copy
import json
from ipaddress import ip_address, ip_network
from itertools import cycle
from pathlib import Path

import pytest
import trustme

from gslb.config.load import load
from gslb.config.yaml_tree import read_tree
from gslb.errors import ConfigError
from gslb.model.check import Check, HttpCheck, TcpCheck
from gslb.model.endpoint import Endpoint
from gslb.model.proxy import (
    AffinitySettings,
    Algorithm,
    Backend,
    BalanceSpec,
    CacheSettings,
    Certificate,
    Fault,
    HeaderChanges,
    HedgeSettings,
    JwtMatch,
    KeyKind,
    KeySpec,
    Listener,
    Match,
    PassiveSettings,
    Pool,
    Priority,
    QueueSettings,
    RateLimit,
    RetrySettings,
    Rewrite,
    Route,
    TextMatch,
    TextTest,
)

CONTRACT = """\
# The contract for a region's L7 tier: `gslb proxy proxy.yaml` runs every proxy named here, `gslb proxy proxy.yaml eu-west` one.
# tls/ is made by the tests beside a copy (a self-signed certificate, an Ed25519 key pair for the JWT route).
# The same file may also hold sites, zones and the rest. Keys may be added; the ones here are not renamed.
node: eu-west-l7-1
store: memory
proxies:
  eu-west:
    site: eu-west
    allow_faults: true
    listen:
      - {address: "127.0.1.1:8080"}
      - {address: "127.0.1.1:8443", tls: {certificate: tls/shop.pem, key: tls/shop.key}}
      - {address: "127.0.1.1:5432", mode: tcp, pool: db}
    health_path: /healthz
    trusted_proxies: [127.0.0.0/8]
    access_log: stdout
    routes:
      - {name: canary, headers: {X-Version: v2}, pool: web-v2}
      - name: api
        hosts: [www.gslb.shop.example, "*.api.example"]
        path_prefix: /api/
        pool: api
        rate_limit: {requests: 100, per_s: 1, burst: 200, key: client_ip}
        priority: high
        cost: 3
      - {name: static, path_prefix: /static/, pool: web, cache: {max_size_mb: 64}, compress: true}
      - {name: sockets, path_prefix: /ws/, pool: web}
      - {name: drill, path_prefix: /drill/, pool: web, fault: {delay_ms: 200, delay_share: 0.1, abort_status: 503, abort_share: 0.01}}
      - {name: beta, jwt: {key: tls/jwt.pub, claims: {plan: beta}}, pool: web-v2}
      - name: default
        pools: {web: 95, web-v2: 5}
        request_headers: {set: {X-Region: eu-west}, remove: [X-Debug]}
        response_headers: {set: {Strict-Transport-Security: max-age=63072000}}
        rewrite: {strip_prefix: /shop}
    pools:
      web:
        balance: least_connections
        backends:
          web1: {address: "127.0.1.11:9001", weight: 5}
          web2: {address: "127.0.1.12:9001", weight: 3}
          web3: {address: "127.0.1.13:9001", weight: 2, backup: true}
        check: {http: {path: /health, expect_status: [200], expect_json: {status: ok}}, interval_s: 2, timeout_s: 1, fall: 3, rise: 2}
        passive: {window_s: 30, error_share: 0.5, min_requests: 20, eject_s: 10, max_ejected: 0.5}
        affinity: {cookie: SERVERID}
        retry: {attempts: 1, budget: 0.2}
        hedge: {after_quantile: 0.95, max_extra: 0.05}
        slow_start_s: 10
        max_connections: 100
        queue: {size: 200, timeout_s: 2}
        panic_below: 0
        drain_timeout_s: 30
      web-v2: {balance: round_robin, backends: {v2: {address: "127.0.1.14:9001"}}}
      api: {balance: power_of_two, backends: {api1: {address: "127.0.1.15:9001"}, api2: {address: "127.0.1.16:9001"}}}
      db: {balance: least_connections, backends: {db1: {address: "127.0.1.17:5432"}}, check: {tcp: {}, interval_s: 2, timeout_s: 1, fall: 3, rise: 2}}
"""


@pytest.fixture
def proxy(write):
    """The one proxy of the contract, beside files as its comment asks for."""
    return load(write_contract(write)).system.proxies["eu-west"]


def write_contract(write):
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    issued = authority.issue_cert("www.gslb.shop.example", key_type=trustme.KeyType.ECDSA)
    path = write(
        CONTRACT,
        **{
            "tls/shop.pem": issued.cert_chain_pems[0].bytes(),
            "tls/shop.key": issued.private_key_pem.bytes(),
            "tls/jwt.pub": "-----BEGIN PUBLIC KEY-----\n",
        },
    )
    Path("tls/shop.key").chmod(0o600)
    return path


def test_contract_loads_without_a_warning(write, tmp_path):
    found = load(write_contract(write))
    assert found.warnings == ()
    assert (found.system.node, found.system.store) == ("eu-west-l7-1", "memory")
    assert found.system.files == tuple(
        str(tmp_path / name)
        for name in ("gslb.yaml", "tls/shop.pem", "tls/shop.key", "tls/jwt.pub")
    )


def test_listeners(proxy, tmp_path):
    pair = Certificate(str(tmp_path / "tls/shop.pem"), str(tmp_path / "tls/shop.key"))
    assert proxy.listeners == (
        Listener(Endpoint("127.0.1.1", 8080)),
        Listener(Endpoint("127.0.1.1", 8443), certificates=(pair,)),
        Listener(Endpoint("127.0.1.1", 5432), pool="db"),
    )


def test_proxy_itself(proxy):
    assert (proxy.name, proxy.site) == ("eu-west", "eu-west")
    assert proxy.allow_faults is True
    assert proxy.health_path == "/healthz"
    assert proxy.trusted_proxies == (ip_network("127.0.0.0/8"),)
    assert proxy.access_log == "stdout"
    assert (proxy.admin, proxy.workers, proxy.capacity) == (None, 1, None)


def test_routes_stand_in_the_order_of_the_file(proxy):
    assert [route.name for route in proxy.routes] == [
        *("canary", "api", "static", "sockets", "drill", "beta", "default")
    ]


def test_routes(proxy, tmp_path):
    routes = {route.name: route for route in proxy.routes}
    assert routes["canary"] == Route(
        "canary", Match(headers={"x-version": TextMatch(TextTest.EXACT, "v2")}), {"web-v2": 1}
    )
    assert routes["api"] == Route(
        "api",
        Match(hosts=("www.gslb.shop.example", "*.api.example"), path_prefix="/api/"),
        {"api": 1},
        priority=Priority.HIGH,
        cost=3.0,
        rate_limit=RateLimit(100, 1.0, 200, KeySpec(KeyKind.CLIENT_IP)),
    )
    assert routes["static"] == Route(
        "static",
        Match(path_prefix="/static/"),
        {"web": 1},
        cache=CacheSettings(max_octets=64 * 1024 * 1024),
        compress=True,
    )
    assert routes["sockets"] == Route("sockets", Match(path_prefix="/ws/"), {"web": 1})
    assert routes["drill"] == Route(
        "drill",
        Match(path_prefix="/drill/"),
        {"web": 1},
        fault=Fault(delay_ms=200, delay_share=0.1, abort_status=503, abort_share=0.01),
    )
    token = JwtMatch(str(tmp_path / "tls/jwt.pub"), {"plan": "beta"})
    assert routes["beta"] == Route("beta", Match(jwt=token), {"web-v2": 1})
    assert routes["default"] == Route(
        "default",
        Match(),
        {"web": 95, "web-v2": 5},
        request_headers=HeaderChanges(set={"X-Region": "eu-west"}, remove=("X-Debug",)),
        response_headers=HeaderChanges(set={"Strict-Transport-Security": "max-age=63072000"}),
        rewrite=Rewrite(strip_prefix="/shop"),
    )


def web_check(host):
    kind = HttpCheck(
        9001, path="/health", address=ip_address(host), expect_json=(("status", "ok"),)
    )
    return Check((kind,), interval_s=2, timeout_s=1, fall=3, rise=2)


def backend(name, host, **settings):
    return Backend(name, Endpoint(host, 9001), **settings)


def test_web_pool(proxy):
    assert proxy.pools["web"] == Pool(
        "web",
        tuple(
            backend(
                name,
                host,
                weight=weight,
                backup=name == "web3",
                max_connections=100,
                check=web_check(host),
            )
            for name, host, weight in (
                ("web1", "127.0.1.11", 5),
                ("web2", "127.0.1.12", 3),
                ("web3", "127.0.1.13", 2),
            )
        ),
        balance=BalanceSpec(Algorithm.LEAST_CONNECTIONS),
        passive=PassiveSettings(
            window_s=30, error_share=0.5, min_requests=20, eject_s=10, max_ejected=0.5
        ),
        affinity=AffinitySettings(cookie="SERVERID"),
        retry=RetrySettings(attempts=1, budget=0.2),
        hedge=HedgeSettings(after_quantile=0.95, max_extra=0.05),
        queue=QueueSettings(size=200, timeout_s=2),
        slow_start_s=10,
        panic_below=0,
        drain_timeout_s=30,
    )


def test_other_pools(proxy):
    assert list(proxy.pools) == ["web", "web-v2", "api", "db"]
    assert proxy.pools["web-v2"] == Pool(
        "web-v2",
        (backend("v2", "127.0.1.14"),),
        balance=BalanceSpec(Algorithm.ROUND_ROBIN),
        starts_up=True,
    )
    assert proxy.pools["api"] == Pool(
        "api",
        (backend("api1", "127.0.1.15"), backend("api2", "127.0.1.16")),
        balance=BalanceSpec(Algorithm.POWER_OF_TWO),
        starts_up=True,
    )
    kind = TcpCheck(5432, address=ip_address("127.0.1.17"))
    check = Check((kind,), interval_s=2, timeout_s=1, fall=3, rise=2)
    db1 = Backend("db1", Endpoint("127.0.1.17", 5432), check=check)
    balance = BalanceSpec(Algorithm.LEAST_CONNECTIONS)
    assert proxy.pools["db"] == Pool("db", (db1,), balance=balance)


def test_a_pool_of_the_contract_takes_each_form_of_balance(write):
    text = CONTRACT.replace(
        "balance: power_of_two", 'balance: {consistent_hash: {key: "header:X-User"}}'
    ).replace("balance: round_robin", "balance: {maglev: {key: path}}")
    write_contract(write)
    Path("gslb.yaml").write_text(text)
    pools = load(Path("gslb.yaml")).system.proxies["eu-west"].pools
    key = KeySpec(KeyKind.HEADER, "x-user")
    assert pools["api"].balance == BalanceSpec(Algorithm.CONSISTENT_HASH, key)
    assert pools["web-v2"].balance == BalanceSpec(Algorithm.MAGLEV, KeySpec(KeyKind.PATH))


def test_contract_needs_allow_faults(write):
    write_contract(write)
    Path("gslb.yaml").write_text(CONTRACT.replace("    allow_faults: true\n", ""))
    with pytest.raises(ConfigError) as caught:
        load(Path("gslb.yaml"))
    (problem,) = caught.value.problems
    assert problem.path == "proxies.eu-west.routes.4.fault"
    assert problem.message.startswith("needs allow_faults: true")


def test_a_changed_certificate_changes_no_digest_but_is_watched(write, tmp_path):
    path = write_contract(write)
    first = load(path).system
    Path("tls/shop.pem").write_text("another")
    second = load(path).system
    assert (first.digest, first.shared_digest) == (second.digest, second.shared_digest)
    assert str(tmp_path / "tls/shop.pem") in second.files


def test_proxies_are_no_part_of_what_name_servers_share(write):
    path = write_contract(write)
    with_proxies = load(path).system
    Path("gslb.yaml").write_text("node: eu-west-l7-1\n")
    without = load(path).system
    assert with_proxies.shared_digest == without.shared_digest
    assert with_proxies.digest != without.digest


JUNK = (None, "x y", -1, [], {}, [[]], {"a": {}})


def paths(value, at=()):
    """The path of every value in plain data."""
    yield at
    if isinstance(value, dict):
        for key, one in value.items():
            yield from paths(one, (*at, key))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from paths(one, (*at, index))


def test_contract_when_any_value_is_another_raises_nothing_else(write):
    """Each value in turn becomes some kind of junk: there is a problem or a System, never a
    crash.
    """
    write_contract(write)
    data = read_tree(CONTRACT.encode(), "x").data
    refused = 0
    tried = [path for path in paths(data) if path[:1] == ("proxies",)]
    for path, junk in zip(tried, cycle(JUNK), strict=False):
        changed = copy.deepcopy(data)
        parent = changed
        for key in path[:-1]:
            parent = parent[key]
        parent[path[-1]] = junk
        Path("gslb.yaml").write_text(json.dumps(changed))
        try:
            load(Path("gslb.yaml"))
        except ConfigError:
            refused += 1
    assert len(tried) > 150
    assert refused > len(tried) * 0.8
