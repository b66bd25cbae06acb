"""The part of docs/configuration.md about proxies: an example, and the mappings under `proxies`."""

from __future__ import annotations

from pydantic import BaseModel

from gslb.config import proxy_pool_schema as pool
from gslb.config import proxy_route_schema as route
from gslb.config import proxy_schema as proxy

PROXY_EXAMPLE = """\
# proxy.yaml
node: eu-west-l7-1
store: memory
proxies:
  eu-west:
    site: eu-west
    listen:
      - {address: "192.0.2.1:80"}
      - address: "192.0.2.1:443"
        tls: {certificate: tls/shop.pem, key: tls/shop.key,
              more: [{certificate: tls/api.pem, key: tls/api.key}]}
      - {address: "192.0.2.1:5432", mode: tcp, pool: db}
    health_path: /healthz
    trusted_proxies: [203.0.113.0/24]
    access_log: access.jsonl
    admin: "127.0.0.1:8054"
    workers: auto
    timeouts: {response_s: 30}
    limits: {body_mb: 100}
    routes:
      - {name: plain, hosts: [shop.example], redirect: {status: 308, scheme: https,
                                                        host: www.shop.example}}
      - name: api
        hosts: [www.shop.example, "*.api.example"]
        path_prefix: /api/
        methods: [GET, POST]
        headers: {X-Version: {regex: "v[12]"}}
        pool: api
        rate_limit: {requests: 100, burst: 200, key: "header:X-User"}
        priority: high
        cost: 3
      - {name: static, path_prefix: /static/, pool: web, cache: {max_size_mb: 256}, compress: true}
      - {name: staff, client_networks: [198.51.100.0/24], cookies: {beta: {present: true}},
         pool: web-v2}
      - name: default
        pools: {web: 95, web-v2: 5}
        request_headers: {set: {X-Region: eu-west}, remove: [X-Debug]}
        response_headers: {add: {Strict-Transport-Security: max-age=63072000}}
        rewrite: {strip_prefix: /shop}
    pools:
      web:
        balance: least_connections
        backends:
          web1: {address: "10.0.0.11:9001", weight: 5}
          web2: {address: "10.0.0.12:9001", weight: 3}
          web3: {address: "10.0.0.13:9001", backup: true}
        check: {http: {path: /health, expect_json: {status: ok}}, interval_s: 2, timeout_s: 1}
        passive: {error_share: 0.5, eject_s: 10}
        affinity: {cookie: SERVERID, secret_file: affinity.secret}
        retry: {attempts: 1, budget: 0.2}
        hedge: {after_quantile: 0.95}
        circuit: {}
        max_connections: 100
        queue: {size: 200, timeout_s: 2}
        slow_start_s: 10
      web-v2: {backends: {v2: {address: "10.0.0.14:9001"}}}
      api:
        balance: {consistent_hash: {key: "header:X-User", bounded_load: 1.25}}
        backends:
          api1: {address: "10.0.0.15:9443"}
          api2: {address: "10.0.0.16:9443"}
        check: {https: {host: api.example}, init: up}
        tls: {server_name: api.example, ca_file: tls/ca.pem}
      db:
        balance: least_connections
        backends:
          db1: {address: "10.0.0.17:5432"}
          db2: {address: "[2001:db8::17]:5432", backup: true}
        check: {tcp: {}, interval_s: 2}
        send_proxy: v2
"""

_ROUTE = "proxies.NAME.routes"
_POOL = "proxies.NAME.pools.NAME"

PROXY_SECTIONS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("proxies.NAME", proxy.ProxyEntry),
    ("proxies.NAME.listen", proxy.ListenerEntry),
    ("proxies.NAME.listen.tls", proxy.ListenerTlsEntry),
    ("proxies.NAME.timeouts", proxy.TimeoutsEntry),
    ("proxies.NAME.limits", proxy.LimitsEntry),
    ("proxies.NAME.shed", proxy.ShedEntry),
    (_ROUTE, route.RouteEntry),
    (f"{_ROUTE}.headers.NAME", route.TextEntry),
    (f"{_ROUTE}.jwt", route.JwtEntry),
    (f"{_ROUTE}.redirect", route.RedirectEntry),
    (f"{_ROUTE}.rate_limit", route.RateLimitEntry),
    (f"{_ROUTE}.request_headers", route.HeadersEntry),
    (f"{_ROUTE}.rewrite", route.RewriteEntry),
    (f"{_ROUTE}.fault", route.FaultEntry),
    (f"{_ROUTE}.cache", route.CacheEntry),
    (_POOL, pool.PoolEntry),
    (f"{_POOL}.balance", pool.BalanceEntry),
    (f"{_POOL}.balance.consistent_hash", pool.HashEntry),
    (f"{_POOL}.backends.NAME", pool.BackendEntry),
    (f"{_POOL}.check", pool.PoolCheckEntry),
    (f"{_POOL}.check.http", pool.PoolHttpEntry),
    (f"{_POOL}.check.https", pool.PoolHttpsEntry),
    (f"{_POOL}.check.tcp", pool.PoolTcpEntry),
    (f"{_POOL}.passive", pool.PassiveEntry),
    (f"{_POOL}.affinity", pool.AffinityEntry),
    (f"{_POOL}.retry", pool.RetryEntry),
    (f"{_POOL}.hedge", pool.HedgeEntry),
    (f"{_POOL}.circuit", pool.CircuitEntry),
    (f"{_POOL}.queue", pool.QueueEntry),
    (f"{_POOL}.tls", pool.UpstreamTlsEntry),
)
