"""Every key under `proxies` that the contract does not show, as the noun that it becomes."""

from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from gslb.config.load import load
from gslb.model.check import CommandCheck, HttpCheck, TcpCheck
from gslb.model.endpoint import Endpoint
from gslb.model.proxy import (
    AffinitySettings,
    Algorithm,
    BalanceSpec,
    CacheSettings,
    Certificate,
    CircuitSettings,
    HeaderChanges,
    HedgeSettings,
    HttpLimits,
    JwtMatch,
    KeyKind,
    KeySpec,
    Match,
    PassiveSettings,
    Priority,
    QueueSettings,
    RateLimit,
    Redirect,
    RetrySettings,
    Rewrite,
    ShedSettings,
    TextMatch,
    TextTest,
    Timeouts,
    UpstreamTls,
)

FILES = ("c.pem", "c.key", "d.pem", "d.key", "jwt.pub", "hs.key", "cookie.secret", "ca.pem")

WHOLE = """\
proxies:
  eu:
    site: eu
    listen:
      - address: "[2001:db8::1]:443"
        tls: {certificate: c.pem, key: c.key, more: [{certificate: d.pem, key: d.key}]}
        proxy_protocol: true
    trusted_proxies: ["2001:db8::7", 192.0.2.0/24]
    access_log: log/access.jsonl
    admin: "127.0.0.1:8054"
    workers: 4
    capacity: 500
    timeouts: {tls_s: 1, headers_s: 2, body_idle_s: 3, connect_s: 4, response_s: 5, total_s: 6,
               keep_alive_s: 7, tunnel_idle_s: 8, idle_upstream_s: 9}
    limits: {line_kb: 8, header_kb: 32, headers: 50, body_mb: 1.5, connections: 10,
             requests_per_connection: 11, body_octets_per_s: 13}
    shed: {max_in_flight: 14, max_lag_ms: 15}
    drain_timeout_s: 16
    routes:
      - name: all
        hosts: [WWW.Example]
        path: /a
        path_prefix: /
        path_regex: "/[a-z]"
        methods: [GET, PURGE]
        headers: {X-A: a, X-B: {prefix: b}, X-C: {regex: "c+"}, X-D: {present: true}}
        cookies: {Beta: "1"}
        query: {Q: {exact: q}}
        languages: [de, en-GB]
        client_networks: [192.0.2.7, "2001:db8::/120"]
        jwt: {key: hs.key, algorithms: [HS256, HS512], claims: {plan: beta, level: 3, ok: true},
              header: X-Token, audience: shop, issuer: us}
        pool: a
        priority: low
        rate_limit: {requests: 5, per_s: 60, key: "cookie:Sid", sliding: true}
        request_headers: {set: {X-S: s}, add: {X-T: t}, remove: [X-U]}
        response_headers: {add: {X-V: v}}
        rewrite: {regex: "/(.*)", replacement: "/x/\\\\1", add_prefix: /y, host: in.example:81}
        cache: true
      - {name: gone, path: /old, cache: false,
         redirect: {status: 301, scheme: https, host: n.example:8443, path: "/new?a=b"}}
      - {name: rest, pool: b, jwt: {key: jwt.pub}, cache: {max_size_mb: 2, max_entry_mb: 0.5}}
    pools:
      a:
        balance: {consistent_hash: {key: "query:u", bounded_load: 1.25}}
        backends:
          a1: {address: "[2001:db8::9]:80", max_connections: 3}
          a2: {address: "192.0.2.9:80", weight: 0}
        max_connections: 7
        check:
          of:
            - http: {method: HEAD}
            - https: {port: 8443, address: 192.0.2.8}
            - tcp: {}
            - command: [./check.sh, "1"]
          need: 3
          interval_s: 4
          fast_interval_s: 0.5
          init: up
        passive: {window_s: 1, error_share: 0.1, min_requests: 2, connect_failures: 3, eject_s: 4,
                  max_eject_s: 5, max_ejected: 0.6}
        affinity: {cookie: C, max_age_s: 60, secret_file: cookie.secret}
        retry: {attempts: 0, budget: 0.1, min_retries: 2, statuses: [500], buffer_kb: 3}
        hedge: {after_quantile: 0.9, max_extra: 0.1, min_samples: 10}
        circuit: {error_share: 0.1, min_requests: 2, window_s: 3, open_s: 4}
        queue: {size: 5, timeout_s: 6}
        slow_start_s: 7
        panic_below: 0.5
        drain_timeout_s: 8
        send_proxy: v2
        tls: {server_name: in.example, ca_file: ca.pem}
      b:
        backends: {b1: {address: "192.0.2.10:80"}}
        check: {http: {}, interval_s: 1}
        affinity: {client_ip: {}}
        send_proxy: v1
        tls: {verify: false}
"""


@pytest.fixture
def proxy(write):
    path = write(WHOLE, **dict.fromkeys(FILES, "x"))
    for name in FILES:
        Path(name).chmod(0o600)
    Path("check.sh").write_text("#!/bin/sh\n")
    Path("check.sh").chmod(0o700)
    found = load(path)
    assert found.warnings == ()
    return found.system.proxies["eu"]


def test_proxy(proxy, tmp_path):
    (listener,) = proxy.listeners
    assert listener.endpoint == Endpoint("2001:db8::1", 443)
    assert listener.certificates == tuple(
        Certificate(str(tmp_path / f"{name}.pem"), str(tmp_path / f"{name}.key")) for name in "cd"
    )
    assert listener.proxy_protocol is True
    assert proxy.trusted_proxies == (ip_network("2001:db8::7/128"), ip_network("192.0.2.0/24"))
    assert proxy.access_log == str(tmp_path / "log/access.jsonl")
    assert proxy.admin == Endpoint("127.0.0.1", 8054)
    assert (proxy.workers, proxy.capacity, proxy.drain_timeout_s) == (4, 500, 16)
    assert proxy.timeouts == Timeouts(1, 2, 3, 4, 5, 6, 7, 8, 9)
    assert proxy.limits == HttpLimits(8192, 32768, 50, 1572864, 10, 11, 13)
    assert proxy.shed == ShedSettings(14, 15)


def test_match(proxy, tmp_path):
    assert proxy.routes[0].match == Match(
        hosts=("www.example",),
        path="/a",
        path_prefix="/",
        path_regex="/[a-z]",
        methods=("GET", "PURGE"),
        headers={
            "x-a": TextMatch(TextTest.EXACT, "a"),
            "x-b": TextMatch(TextTest.PREFIX, "b"),
            "x-c": TextMatch(TextTest.REGEX, "c+"),
            "x-d": TextMatch(TextTest.PRESENT),
        },
        cookies={"Beta": TextMatch(TextTest.EXACT, "1")},
        query={"Q": TextMatch(TextTest.EXACT, "q")},
        languages=("de", "en-gb"),
        client_networks=(ip_network("192.0.2.7/32"), ip_network("2001:db8::/120")),
        jwt=JwtMatch(
            str(tmp_path / "hs.key"),
            {"plan": "beta", "level": 3, "ok": True},
            ("HS256", "HS512"),
            "x-token",
            "shop",
            "us",
        ),
    )


def test_route(proxy):
    first, gone, rest = proxy.routes
    assert (first.pools, first.priority) == ({"a": 1}, Priority.LOW)
    assert first.rate_limit == RateLimit(5, 60, None, KeySpec(KeyKind.COOKIE, "Sid"), sliding=True)
    assert first.request_headers == HeaderChanges({"X-S": "s"}, {"X-T": "t"}, ("X-U",))
    assert first.response_headers == HeaderChanges(add={"X-V": "v"})
    assert first.rewrite == Rewrite(None, "/(.*)", "/x/\\1", "/y", "in.example:81")
    assert first.cache == CacheSettings()
    assert (gone.pools, gone.cache) == ({}, None)
    assert gone.redirect == Redirect(301, "https", "n.example:8443", "/new?a=b")
    assert rest.cache == CacheSettings(2 * 1024 * 1024, 512 * 1024)


def test_pool(proxy, tmp_path):
    pool = proxy.pools["a"]
    key = KeySpec(KeyKind.QUERY, "u")
    assert pool.balance == BalanceSpec(Algorithm.CONSISTENT_HASH, key, 1.25)
    assert [one.max_connections for one in pool.backends] == [3, 7]
    assert [one.weight for one in pool.backends] == [1, 0]
    assert pool.passive == PassiveSettings(1, 0.1, 2, 3, 4, 5, 0.6)
    assert pool.affinity == AffinitySettings("C", 60, str(tmp_path / "cookie.secret"))
    assert pool.retry == RetrySettings(0, 0.1, 2, (500,), 3072)
    assert pool.hedge == HedgeSettings(0.9, 0.1, 10)
    assert pool.circuit == CircuitSettings(0.1, 2, 3, 4)
    assert pool.queue == QueueSettings(5, 6)
    assert (pool.slow_start_s, pool.panic_below, pool.drain_timeout_s) == (7, 0.5, 8)
    assert (pool.send_proxy, pool.starts_up) == (2, True)
    assert pool.tls == UpstreamTls("in.example", str(tmp_path / "ca.pem"))


def test_pool_by_default(proxy):
    pool = proxy.pools["b"]
    assert pool.balance == BalanceSpec(Algorithm.POWER_OF_TWO)
    assert (pool.affinity, pool.retry) == (AffinitySettings(), RetrySettings())
    assert (pool.passive, pool.hedge, pool.circuit) == (None, None, None)
    assert (pool.send_proxy, pool.starts_up) == (1, False)
    assert pool.tls == UpstreamTls(verify=False)
    assert pool.backends[0].max_connections is None


def test_each_backend_is_asked_at_its_own_address_and_port(proxy, tmp_path):
    for backend in proxy.pools["a"].backends:
        assert backend.check is not None
        http, https, tcp, command = backend.check.kinds
        own = ip_address(backend.address.host)
        assert http == HttpCheck(80, method="HEAD", address=own)
        assert https == HttpCheck(8443, "https", address=ip_address("192.0.2.8"))
        assert tcp == TcpCheck(80, own)
        assert command == CommandCheck((str(tmp_path / "check.sh"), "1"))
        assert (backend.check.need, backend.check.fast_interval_s) == (3, 0.5)
