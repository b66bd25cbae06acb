# ruff: noqa: E501 - a row is read best on one line
"""One row a mistake under `proxies`: what is written, and file:line:column with what is told."""

from pathlib import Path

import pytest

from gslb.config.load import load
from gslb.errors import ConfigError

HEAD = 'proxies:\n  eu:\n    site: eu\n    listen: [{address: "192.0.2.1:80"}]\n'
ROUTES = "    routes: [{name: r, pool: web}]\n"
ONE = 'backends: {b: {address: "192.0.2.9:80"}}'
TWO = 'backends: {b: {address: "192.0.2.9:80"}, c: {address: "192.0.2.9:81"}}'
POOLS = f"    pools: {{web: {{{ONE}}}}}\n"

# The routes are line 5.
ROUTE_ROWS = [
    ("{pool: web}", ["5:14: proxies.eu.routes.0: the key name is missing: Name in logs and metrics, and of its rate limit; each route has its own"]),
    ("{name: r}", ["5:14: proxies.eu.routes.0: must hold exactly one of pool, pools, redirect, not none of them"]),
    ("{name: r, pool: web, pools: {web: 1}}", ["5:14: proxies.eu.routes.0: must hold exactly one of pool, pools, redirect, not pool and pools"]),
    ("{name: r, pool: wep}", ["5:30: proxies.eu.routes.0.pool: unknown pool 'wep'; allowed: web; did you mean web?"]),
    ("{name: r, pools: {web: 1, wep: 1}}", ["5:40: proxies.eu.routes.0.pools.wep: unknown pool 'wep'; allowed: web; did you mean web?"]),
    ("{name: r, pools: {web: 0}}", ["5:24: proxies.eu.routes.0.pools: no pool can be chosen: every weight is 0"]),
    ("{name: r, pools: {}}", ["5:24: proxies.eu.routes.0.pools: must be a mapping (key: value) of at most 100 entries, not an empty one"]),
    ("{name: r, pools: {web: 1001}}", ["5:37: proxies.eu.routes.0.pools.web: must be a whole number from 0 to 1000, not 1001"]),
    ("{name: r, path: /a, pool: web}, {name: r, pool: web}", ["5:53: proxies.eu.routes.1.name: r is the name of proxies.eu.routes.0 already"]),
    ("{name: r r, pool: web}", ["5:21: proxies.eu.routes.0.name: 'r r' is not a name; allowed: 1 to 63 letters, digits, '.', '_', '-', a letter or digit first"]),
    ("{name: r, pool: web, prefix: /a}", ["5:35: proxies.eu.routes.0.prefix: unknown key; allowed: name, hosts, path, path_prefix, path_regex, methods, headers, cookies, query, languages, client_networks, jwt, pool, pools, redirect, priority, cost, rate_limit, request_headers, response_headers, rewrite, fault, cache, compress; did you mean path_prefix?"]),
    ("{name: r, pool: web, path: a}", ["5:41: proxies.eu.routes.0.path: must be a path that begins with / and holds no spaces, not 'a'"]),
    ('{name: r, pool: web, path_prefix: "/a?b"}', ["5:48: proxies.eu.routes.0.path_prefix: '/a?b' holds a ?: only the path is compared"]),
    ('{name: r, pool: web, path_regex: "("}', ["5:47: proxies.eu.routes.0.path_regex: '(' is not a regular expression: missing ), unterminated subpattern at position 0"]),
    ('{name: r, pool: web, path_regex: "/(a+)+b"}', ["5:47: proxies.eu.routes.0.path_regex: '/(a+)+b' repeats what repeats, as (a+)+ does: some requests would take ages; take one repetition away"]),
    ('{name: r, pool: web, hosts: ["*"]}', ["5:43: proxies.eu.routes.0.hosts.0: '*' is no host: a * may only stand as `*.` before a domain"]),
    ('{name: r, pool: web, hosts: ["a.*.example"]}', ["5:43: proxies.eu.routes.0.hosts.0: 'a.*.example' is no host: a * may only stand as `*.` before a domain"]),
    ('{name: r, pool: web, hosts: ["a.example:80"]}', ["5:43: proxies.eu.routes.0.hosts.0: 'a.example:80' has a port: hosts are matched without it"]),
    ('{name: r, pool: web, hosts: [a_.example, "a b"]}', ["5:55: proxies.eu.routes.0.hosts.1: 'a b' is not a domain name: labels hold letters, digits, - and _, and no - at an end"]),
    ("{name: r, pool: web, methods: [get]}", ["5:45: proxies.eu.routes.0.methods.0: 'get' never matches: methods are GET, in capitals"]),
    ("{name: r, pool: web, methods: [TRACE]}", ["5:45: proxies.eu.routes.0.methods.0: TRACE is refused whatever the route: no request with it comes here"]),
    ("{name: r, pool: web, headers: {X-A: 1}}", ["5:50: proxies.eu.routes.0.headers.X-A: must be text of at most 1000 characters or a mapping (key: value), not 1"]),
    ("{name: r, pool: web, headers: {X A: b}}", ["5:45: proxies.eu.routes.0.headers.X A: 'X A' is not a name of letters, digits and !#$%&'*+.^_`|~-"]),
    ("{name: r, pool: web, headers: {X-A: {}}}", ["5:45: proxies.eu.routes.0.headers.X-A: must hold exactly one of exact, prefix, regex, present, not none of them"]),
    ("{name: r, pool: web, headers: {X-A: {exact: a, prefix: b}}}", ["5:45: proxies.eu.routes.0.headers.X-A: must hold exactly one of exact, prefix, regex, present, not exact and prefix"]),
    ("{name: r, pool: web, headers: {X-A: a, x-a: b}}", ["5:53: proxies.eu.routes.0.headers.x-a: the same header as X-A: case does not count"]),
    ("{name: r, pool: web, cookies: {c: {present: false}}}", ["5:58: proxies.eu.routes.0.cookies.c.present: must be true, not false"]),
    ('{name: r, pool: web, query: {q: {regex: "["}}}', ["5:54: proxies.eu.routes.0.query.q.regex: '[' is not a regular expression: unterminated character set at position 0"]),
    ("{name: r, pool: web, languages: [d-]}", ["5:47: proxies.eu.routes.0.languages.0: 'd-' is not a language such as de or en-GB"]),
    ("{name: r, pool: web, client_networks: [192.0.2.1/24]}", ["5:53: proxies.eu.routes.0.client_networks.0: 192.0.2.1/24 has bits set behind its prefix; did you mean 192.0.2.0/24?"]),
    ("{name: r, pool: web, jwt: {}}", ["5:35: proxies.eu.routes.0.jwt: the key key is missing: File of the public key (PEM), or of the shared secret where `algorithms` are HS ones"]),
    ("{name: r, pool: web, jwt: {key: none.pub}}", ["5:46: proxies.eu.routes.0.jwt.key: there is no such file; a path is absolute, or relative to the main file"]),
    ("{name: r, pool: web, jwt: {key: k, algorithms: [none]}}", ["5:62: proxies.eu.routes.0.jwt.algorithms.0: must be one of EdDSA, ES256, ES384, ES512, RS256, RS384, RS512, PS256, PS384, PS512, HS256, HS384, HS512, not 'none'"]),
    ("{name: r, pool: web, jwt: {key: k, algorithms: [RS256, HS256]}}", ["5:49: proxies.eu.routes.0.jwt.algorithms: must be those of one kind of key, not of RSA and a shared secret: a key that verifies by several can be made to verify what it should not"]),
    ("{name: r, pool: web, jwt: {key: k, claims: {a: []}}}", ["5:58: proxies.eu.routes.0.jwt.claims.a: must be text, a number, true, false or null, not a list"]),
    ("{name: r, redirect: {status: 200}}", ["5:43: proxies.eu.routes.0.redirect.status: must be one of 301, 302, 303, 307, 308, not 200"]),
    ("{name: r, redirect: {status: 301}}", ["5:24: proxies.eu.routes.0.redirect: leads back to the same address: give scheme, host or path"]),
    ("{name: r, redirect: {host: 'a b'}}", ["5:41: proxies.eu.routes.0.redirect.host: 'a b' is not a domain name: labels hold letters, digits, - and _, and no - at an end"]),
    ("{name: r, redirect: {host: 'a.example:99999'}}", ["5:41: proxies.eu.routes.0.redirect.host: must be a host such as www.example, with or without a port, not 'a.example:99999'"]),
    ("{name: r, pool: web, priority: urgent}", ["5:45: proxies.eu.routes.0.priority: must be one of low, normal, high, not 'urgent'"]),
    ("{name: r, pool: web, cost: 0}", ["5:41: proxies.eu.routes.0.cost: must be a number above 0 and of at most 10000, not 0"]),
    ("{name: r, pool: web, rate_limit: {per_s: 1}}", ["5:35: proxies.eu.routes.0.rate_limit: the key requests is missing: Requests in `per_s`, each counted as the route's `cost`"]),
    ("{name: r, pool: web, rate_limit: {requests: 1, burst: 0}}", ["5:68: proxies.eu.routes.0.rate_limit.burst: must be a whole number from 1 to 1000000000, not 0"]),
    ("{name: r, pool: web, rate_limit: {requests: 1, key: ip}}", ["5:66: proxies.eu.routes.0.rate_limit.key: must be client_ip, host, path, uri, header:NAME, cookie:NAME, query:NAME, not 'ip'"]),
    ("{name: r, pool: web, rate_limit: {requests: 1, key: header}}", ["5:66: proxies.eu.routes.0.rate_limit.key: header needs a name: header:NAME"]),
    ("{name: r, pool: web, rate_limit: {requests: 1, key: 'path:a'}}", ["5:66: proxies.eu.routes.0.rate_limit.key: path takes no name: write path, not 'path:a'"]),
    ("{name: r, pool: web, rate_limit: {requests: 1, key: client_up}}", ["5:66: proxies.eu.routes.0.rate_limit.key: must be client_ip, host, path, uri, header:NAME, cookie:NAME, query:NAME, not 'client_up'; did you mean client_ip?"]),
    ("{name: r, pool: web, rate_limit: {requests: 1, key: 5}}", ["5:66: proxies.eu.routes.0.rate_limit.key: must be client_ip, host, path, uri, header:NAME, cookie:NAME, query:NAME, not 5"]),
    ("{name: r, pool: web, request_headers: {set: {Host: a}}}", ["5:59: proxies.eu.routes.0.request_headers.set.Host: Host cannot be changed: the proxy writes its own; use rewrite.host"]),
    ("{name: r, pool: web, request_headers: {remove: [Connection]}}", ["5:62: proxies.eu.routes.0.request_headers.remove.0: Connection cannot be changed: the proxy writes its own"]),
    ("{name: r, pool: web, response_headers: {add: {Content-Length: '5'}}}", ["5:60: proxies.eu.routes.0.response_headers.add.Content-Length: Content-Length cannot be changed: the proxy writes its own"]),
    ("{name: r, pool: web, response_headers: {set: {Transfer-Encoding: chunked}}}", ["5:60: proxies.eu.routes.0.response_headers.set.Transfer-Encoding: Transfer-Encoding cannot be changed: the proxy writes its own"]),
    ("{name: r, pool: web, request_headers: {set: {Upgrade: h2c}}}", ["5:59: proxies.eu.routes.0.request_headers.set.Upgrade: Upgrade cannot be changed: the proxy writes its own"]),
    ('{name: r, pool: web, request_headers: {set: {X-A: "a\\r\\nb"}}}', ["5:64: proxies.eu.routes.0.request_headers.set.X-A: must be printable ASCII text of at most 4000 characters, without spaces around it; put a number in quotes"]),
    ("{name: r, pool: web, request_headers: {set: {X-A: 1}}}", ["5:64: proxies.eu.routes.0.request_headers.set.X-A: must be printable ASCII text of at most 4000 characters, without spaces around it; put a number in quotes"]),
    ("{name: r, pool: web, request_headers: {set: {X-A: a, x-a: b}}}", ["5:67: proxies.eu.routes.0.request_headers.set.x-a: the same header as X-A: case does not count"]),
    ("{name: r, pool: web, rewrite: {replacement: a}}", ["5:45: proxies.eu.routes.0.rewrite.replacement: is read only beside regex"]),
    ("{name: r, pool: web, rewrite: {regex: '/(a)', replacement: '\\2'}}", ["5:73: proxies.eu.routes.0.rewrite.replacement: '\\\\2' does not fit regex: invalid group reference 2 at position 1"]),
    ("{name: r, pool: web, rewrite: {strip_prefix: shop}}", ["5:59: proxies.eu.routes.0.rewrite.strip_prefix: must be a path that begins with / and holds no spaces, not 'shop'"]),
    ("{name: r, pool: web, fault: {abort_share: 0.1}}", ["5:35: proxies.eu.routes.0.fault: needs allow_faults: true at the proxy, as it breaks requests on purpose"]),
    ("{name: r, pool: web, fault: {abort_share: 1.5}}", ["5:56: proxies.eu.routes.0.fault.abort_share: must be a number from 0 to 1, not 1.5"]),
    ("{name: r, pool: web, fault: {abort_status: 200}}", ["5:57: proxies.eu.routes.0.fault.abort_status: must be a whole number from 400 to 599, not 200"]),
    ("{name: r, pool: web, cache: {max_entry_mb: 65}}", ["5:57: proxies.eu.routes.0.cache.max_entry_mb: must be at most max_size_mb (64), not 65"]),
    ("{name: r, pool: web, cache: {max_size_mb: 0.5}}", ["5:56: proxies.eu.routes.0.cache.max_size_mb: must be at least max_entry_mb (1), not 0.5"]),
    ("{name: r, pool: web, cache: 64}", ["5:42: proxies.eu.routes.0.cache: must be true or false or a mapping (key: value), not 64"]),
    ("{name: r, pool: web, compress: gzip}", ["5:45: proxies.eu.routes.0.compress: must be true or false, not 'gzip'"]),
    ("{name: a, pool: 5}, {name: b, path: /b, pool: wep}, {name: c, cost: x, pool: web}, {name: b, pool: web}", ["5:30: proxies.eu.routes.0.pool: must be a name of letters, digits, '.', '_' and '-', not 5", "5:60: proxies.eu.routes.1.pool: unknown pool 'wep'; allowed: web; did you mean web?", "5:82: proxies.eu.routes.2.cost: must be a number above 0 and of at most 10000, not 'x'", "5:104: proxies.eu.routes.3.name: b is the name of proxies.eu.routes.1 already"]),
]  # fmt: skip

# The pool `web` begins at 6:13.
POOL_ROWS = [
    ("{}", ["6:13: proxies.eu.pools.web: the key backends is missing: The servers, by name"]),
    ("{backends: {}}", ["6:19: proxies.eu.pools.web.backends: must be a mapping (key: value) of at most 1000 entries, not an empty one"]),
    ("{backends: {b: {}}}", ["6:30: proxies.eu.pools.web.backends.b: the key address is missing: Its IP address and port"]),
    ('{backends: {b: {address: "web1.example:80"}}}', ["6:43: proxies.eu.pools.web.backends.b.address: must be IP:PORT such as 192.0.2.10:8080, not 'web1.example:80': no name is asked"]),
    ('{backends: {b: {address: "192.0.2.9"}}}', ["6:43: proxies.eu.pools.web.backends.b.address: must be an address and port such as 127.0.0.1:53 or [::1]:53, not '192.0.2.9'"]),
    ('{backends: {b: {address: "192.0.2.9:0"}}}', ["6:43: proxies.eu.pools.web.backends.b.address: the port must be a whole number from 1 to 65535, not 0"]),
    ('{backends: {b: {address: "0.0.0.0:80"}}}', ["6:43: proxies.eu.pools.web.backends.b.address: 0.0.0.0 cannot be the address of a server"]),
    ('{backends: {b: {address: "192.0.2.9:80", weight: 1001}}}', ["6:67: proxies.eu.pools.web.backends.b.weight: must be a whole number from 0 to 1000, not 1001"]),
    ('{backends: {b: {address: "192.0.2.9:80", weight: 0}}}', ["6:19: proxies.eu.pools.web.backends: no backend can be chosen: every weight is 0"]),
    ('{backends: {b: {address: "192.0.2.9:80", max_connections: 0}}}', ["6:76: proxies.eu.pools.web.backends.b.max_connections: must be a whole number from 1 to 1000000, not 0"]),
    ('{backends: {b b: {address: "192.0.2.9:80"}}}', ["6:30: proxies.eu.pools.web.backends.b b: 'b b' is not a name; allowed: 1 to 63 letters, digits, '.', '_', '-', a letter or digit first"]),
    (f"{{{ONE}, balance: fastest}}", ["6:70: proxies.eu.pools.web.balance: 'fastest' is no algorithm; allowed: round_robin, least_connections, least_response_time, power_of_two, ip_hash, consistent_hash, maglev"]),
    (f"{{{ONE}, balance: least_connection}}", ["6:70: proxies.eu.pools.web.balance: 'least_connection' is no algorithm; allowed: round_robin, least_connections, least_response_time, power_of_two, ip_hash, consistent_hash, maglev; did you mean least_connections?"]),
    (f"{{{ONE}, balance: 5}}", ["6:70: proxies.eu.pools.web.balance: must be the name of an algorithm, or {name: {options}}, not 5"]),
    (f"{{{ONE}, balance: {{maglev: {{key: path}}, ip_hash: {{}}}}}}", ["6:61: proxies.eu.pools.web.balance: must be the name of an algorithm, or {name: {options}}, not a mapping"]),
    (f"{{{ONE}, balance: {{maglev: {{keys: path}}}}}}", ["6:80: proxies.eu.pools.web.balance.maglev.keys: unknown key; allowed: key, bounded_load; did you mean key?"]),
    (f"{{{ONE}, balance: {{maglev: {{key: paths}}}}}}", ["6:85: proxies.eu.pools.web.balance.maglev.key: must be client_ip, host, path, uri, header:NAME, cookie:NAME, query:NAME, not 'paths'; did you mean path?"]),
    (f"{{{ONE}, balance: {{consistent_hash: {{bounded_load: 0.9}}}}}}", ["6:103: proxies.eu.pools.web.balance.consistent_hash.bounded_load: must be a number from 1 to 100, not 0.9"]),
    (f"{{{ONE}, balance: {{round_robin: {{key: path}}}}}}", ["6:85: proxies.eu.pools.web.balance.round_robin.key: unknown key; allowed: none"]),
    (f"{{{ONE}, check: {{}}}}", ["6:61: proxies.eu.pools.web.check: must hold exactly one of http, https, tcp, command, of, not none of them"]),
    (f"{{{ONE}, check: {{http: {{}}, tcp: {{}}}}}}", ["6:61: proxies.eu.pools.web.check: must hold exactly one of http, https, tcp, command, of, not http and tcp"]),
    (f"{{{ONE}, check: {{http: {{}}, init: maybe}}}}", ["6:85: proxies.eu.pools.web.check.init: must be one of up, down, not 'maybe'"]),
    (f"{{{ONE}, check: {{tcp: {{}}, timeout_s: 6}}}}", ["6:89: proxies.eu.pools.web.check.timeout_s: must be at most interval_s (5), not 6"]),
    (f"{{{ONE}, check: {{of: [{{http: {{}}}}, {{tcp: {{port: 0}}}}]}}}}", ["6:99: proxies.eu.pools.web.check.of.1.tcp.port: must be a whole number from 1 to 65535, not 0"]),
    (f"{{{ONE}, passive: {{error_share: 0}}}}", ["6:84: proxies.eu.pools.web.passive.error_share: must be a number above 0 and of at most 1, not 0"]),
    (f"{{{ONE}, passive: {{eject_s: 400}}}}", ["6:80: proxies.eu.pools.web.passive.eject_s: must be at most max_eject_s (300), not 400"]),
    (f"{{{ONE}, passive: {{max_eject_s: 10}}}}", ["6:84: proxies.eu.pools.web.passive.max_eject_s: must be at least eject_s (30), not 10"]),
    (f"{{{ONE}, affinity: {{}}}}", ["6:61: proxies.eu.pools.web.affinity: must hold exactly one of cookie, client_ip, not none of them"]),
    (f"{{{ONE}, affinity: {{cookie: a, client_ip: {{}}}}}}", ["6:61: proxies.eu.pools.web.affinity: must hold exactly one of cookie, client_ip, not cookie and client_ip"]),
    (f"{{{ONE}, affinity: {{client_ip: {{}}, max_age_s: 5}}}}", ["6:87: proxies.eu.pools.web.affinity.max_age_s: is read only beside cookie"]),
    (f"{{{ONE}, affinity: {{cookie: a b}}}}", ["6:80: proxies.eu.pools.web.affinity.cookie: 'a b' is not a name of letters, digits and !#$%&'*+.^_`|~-"]),
    (f"{{{ONE}, affinity: {{cookie: a, secret_file: none}}}}", ["6:96: proxies.eu.pools.web.affinity.secret_file: there is no such file; a path is absolute, or relative to the main file"]),
    (f"{{{ONE}, retry: {{attempts: -1}}}}", ["6:79: proxies.eu.pools.web.retry.attempts: must be a whole number from 0 to 10, not -1"]),
    (f"{{{ONE}, retry: {{statuses: [200]}}}}", ["6:80: proxies.eu.pools.web.retry.statuses.0: must be a whole number from 400 to 599, not 200"]),
    (f"{{{TWO}, hedge: {{after_quantile: 1}}}}", ["6:115: proxies.eu.pools.web.hedge.after_quantile: must be a number above 0 and below 1, not 1"]),
    (f"{{{TWO}, hedge: {{max_extra: 2}}}}", ["6:110: proxies.eu.pools.web.hedge.max_extra: must be a number above 0 and of at most 1, not 2"]),
    (f"{{{ONE}, queue: {{timeout_s: 0}}}}", ["6:80: proxies.eu.pools.web.queue.timeout_s: must be a number above 0 and of at most 600, not 0"]),
    (f"{{{ONE}, circuit: {{error_share: 2}}}}", ["6:84: proxies.eu.pools.web.circuit.error_share: must be a number above 0 and of at most 1, not 2"]),
    (f"{{{ONE}, send_proxy: 1}}", ["6:73: proxies.eu.pools.web.send_proxy: must be one of v1, v2, not 1"]),
    (f"{{{ONE}, panic_below: 50}}", ["6:74: proxies.eu.pools.web.panic_below: must be a number from 0 to 1, not 50"]),
    (f"{{{ONE}, tls: {{ca_file: none.pem}}}}", ["6:76: proxies.eu.pools.web.tls.ca_file: there is no such file; a path is absolute, or relative to the main file"]),
]  # fmt: skip

# The key is line 7.
KEY_ROWS = [
    ("sites: eu", ["7:5: proxies.eu.sites: unknown key; allowed: site, allow_faults, listen, health_path, trusted_proxies, access_log, routes, pools, admin, workers, capacity, timeouts, limits, shed, drain_timeout_s; did you mean site?"]),
    ("workers: 0", ["7:14: proxies.eu.workers: must be a whole number from 1 to 64 or auto, not 0"]),
    ("health_path: healthz", ["7:18: proxies.eu.health_path: must be a path that begins with / and holds no spaces, not 'healthz'"]),
    ("trusted_proxies: [x]", ["7:23: proxies.eu.trusted_proxies.0: must be a network such as 192.0.2.0/24 or 2001:db8::/48, not 'x'"]),
    ('admin: "192.0.2.1:8054"', ["7:12: proxies.eu.admin: 192.0.2.1:8054 is not a loopback address: that needs a token in admin.tokens; `gslb token` makes one"]),
    ('admin: "192.0.2.1:80"', ["7:12: proxies.eu.admin: 192.0.2.1:80 is not a loopback address: that needs a token in admin.tokens; `gslb token` makes one", "7:12: proxies.eu.admin: 192.0.2.1:80 is used by proxies.eu.listen.0.address already"]),
    ("timeouts: {connect: 1}", ["7:16: proxies.eu.timeouts.connect: unknown key; allowed: tls_s, headers_s, body_idle_s, connect_s, response_s, total_s, keep_alive_s, tunnel_idle_s, idle_upstream_s; did you mean connect_s?"]),
    ("timeouts: {tls_s: 0}", ["7:23: proxies.eu.timeouts.tls_s: must be a number from 0.05 to 3600, not 0"]),
    ("limits: {headers: 5}", ["7:23: proxies.eu.limits.headers: must be a whole number from 10 to 10000, not 5"]),
    ("shed: {max_lag_ms: 0}", ["7:24: proxies.eu.shed.max_lag_ms: must be a number from 1 to 60000, not 0"]),
    ("capacity: 0", ["7:15: proxies.eu.capacity: must be a number above 0 and of at most 1000000000, not 0"]),
    ("drain_timeout_s: -1", ["7:22: proxies.eu.drain_timeout_s: must be a number from 0 to 86400, not -1"]),
]  # fmt: skip

# The listeners are line 4.
LISTEN_ROWS = [
    ("[]", ["4:5: proxies.eu.listen: must be a list of 1 to 64 entries, each a mapping (key: value), not an empty one"]),
    ("{}", ["4:5: proxies.eu.listen: must be a list of 1 to 64 entries, each a mapping (key: value), not a mapping"]),
    ("[{}]", ["4:14: proxies.eu.listen.0: the key address is missing: IP address and port"]),
    ('[{address: "192.0.2.1"}]', ["4:24: proxies.eu.listen.0.address: must be an address and port such as 127.0.0.1:53 or [::1]:53, not '192.0.2.1'"]),
    ('[{address: "192.0.2.1:80", mode: udp}]', ["4:46: proxies.eu.listen.0.mode: must be one of http, tcp, not 'udp'"]),
    ('[{address: "192.0.2.1:80", mode: tcp}]', ["4:14: proxies.eu.listen.0: the key pool is missing: where mode is tcp, connections go to a pool"]),
    ('[{address: "192.0.2.1:80", mode: tcp, pool: wep}]', ["4:57: proxies.eu.listen.0.pool: unknown pool 'wep'; allowed: web; did you mean web?"]),
    ('[{address: "192.0.2.1:80", pool: web}]', ["4:40: proxies.eu.listen.0.pool: is read only where mode is tcp: here routes name the pools"]),
    ('[{address: "192.0.2.1:80"}, {address: "192.0.2.1:80"}]', ["4:51: proxies.eu.listen.1.address: 192.0.2.1:80 is used by proxies.eu.listen.0.address already"]),
    ('[{address: "192.0.2.1:80"}, {address: "0.0.0.0:80"}, {address: "[::]:80"}]', ["4:51: proxies.eu.listen.1.address: 0.0.0.0:80 is used by proxies.eu.listen.0.address already"]),
    ('[{address: "192.0.2.1:80", tls: {certificate: a.pem}}]', ["4:40: proxies.eu.listen.0.tls: the key key is missing: File of its private key (PEM); only its owner should be able to read it"]),
    ('[{address: "192.0.2.1:80", tls: {certificate: a.pem, key: .}}]', ["4:59: proxies.eu.listen.0.tls.certificate: there is no such file; a path is absolute, or relative to the main file", "4:71: proxies.eu.listen.0.tls.key: is not a regular file; a path is absolute, or relative to the main file"]),
    ('[{address: "192.0.2.1:80", tls: {certificate: k, key: k, more: [{certificate: k, key: b.key}]}}]', ["4:99: proxies.eu.listen.0.tls.more.0.key: there is no such file; a path is absolute, or relative to the main file"]),
    ('[{address: x}, {address: "192.0.2.1:80", pool: web}]', ["4:24: proxies.eu.listen.0.address: must be an address and port such as 127.0.0.1:53 or [::1]:53, not 'x'", "4:54: proxies.eu.listen.1.pool: is read only where mode is tcp: here routes name the pools"]),
]  # fmt: skip

ROUTE_WARNINGS = [
    ("{name: a, pool: web}, {name: b, path: /b, pool: web}, {name: c, pool: web}", ["5:36: proxies.eu.routes.1: never taken: a stands before it and takes every request", "5:68: proxies.eu.routes.2: never taken: a stands before it and takes every request"]),
    ("{name: a, path: /a, pool: web}, {name: b, path: /a, pool: web}", ["5:46: proxies.eu.routes.1: never taken: a stands before it and takes the same requests"]),
    ("{name: a, path_prefix: /api/, pool: web, rewrite: {strip_prefix: /shop}}", ["5:79: proxies.eu.routes.0.rewrite.strip_prefix: has no effect: the paths of this route begin with /api/"]),
    ("{name: a, path_prefix: /shopping, pool: web, rewrite: {strip_prefix: /shop}}", ["5:83: proxies.eu.routes.0.rewrite.strip_prefix: has no effect: the paths of this route begin with /shopping"]),
    ("{name: a, path: /shop/a, pool: web, rewrite: {strip_prefix: /shop}}", []),
    ("{name: a, path_prefix: /, pool: web, rewrite: {strip_prefix: /shop}}", []),
    ("{name: a, path: /b, pool: web, rewrite: {strip_prefix: /shop}}", ["5:69: proxies.eu.routes.0.rewrite.strip_prefix: has no effect: the paths of this route begin with /b"]),
    ("{name: a, pool: web, cost: 3, rate_limit: {requests: 2}}", ["5:67: proxies.eu.routes.0.rate_limit.requests: less than cost (3): each request takes all that is allowed at once"]),
    ("{name: a, pool: web, cost: 3, rate_limit: {requests: 5, burst: 2}}", ["5:77: proxies.eu.routes.0.rate_limit.burst: less than cost (3): each request takes all that is allowed at once"]),
    ("{name: a, pool: web, rate_limit: {requests: 5, burst: 2, sliding: true}}", ["5:68: proxies.eu.routes.0.rate_limit.burst: not read: a sliding window allows no burst"]),
    ("{name: a, pool: web}, {name: b, path: /b, redirect: {scheme: https}, compress: true}", ["5:36: proxies.eu.routes.1: never taken: a stands before it and takes every request", "5:83: proxies.eu.routes.1.compress: not read: a redirect asks no backend"]),
    ("{name: a, pool: web, jwt: {key: k, algorithms: [HS256, HS512]}}, {name: b, pool: web}", ["5:46: proxies.eu.routes.0.jwt.key: other users may read the file; chmod 600 keeps it to its owner"]),
    ('{name: r, pool: web, path_regex: "(/[a-z]+)+"}', []),
]  # fmt: skip

POOL_WARNINGS = [
    (f"{{{ONE}}}, web2: {{{ONE}}}", ["6:62: proxies.eu.pools.web2: not used: no route and no listener names this pool"]),
    ('{backends: {b: {address: "192.0.2.9:80", backup: true}}}', ["6:19: proxies.eu.pools.web.backends: all of them are backup: none is used before the others"]),
    ('{backends: {b: {address: "192.0.2.9:80"}, c: {address: "192.0.2.9:80"}}}', ["6:73: proxies.eu.pools.web.backends.c.address: 192.0.2.9:80 is the address of b already"]),
    (f"{{{ONE}, hedge: {{}}}}", ["6:61: proxies.eu.pools.web.hedge: has no effect: the pool has one backend, and the second request needs another"]),
    (f"{{{TWO}, hedge: {{}}}}", []),
    (f"{{{ONE}, retry: {{attempts: 1}}}}", ["6:79: proxies.eu.pools.web.retry.attempts: more than the other backends (0), each of which is tried once"]),
    (f"{{{ONE}, retry: {{attempts: 0}}}}", []),
    (f"{{{ONE}, queue: {{size: 1}}}}", ["6:61: proxies.eu.pools.web.queue: has no effect: without max_connections no request has to wait"]),
    (f"{{{ONE}, max_connections: 1, queue: {{size: 1}}}}", []),
    (f"{{{ONE}, panic_below: 0.5}}", ["6:74: proxies.eu.pools.web.panic_below: has no effect: without check and passive every backend counts as healthy"]),
    (f"{{{ONE}, check: {{tcp: {{}}}}, panic_below: 0.5}}", []),
    (f"{{{ONE}, tls: {{verify: false, ca_file: k}}}}", ["6:91: proxies.eu.pools.web.tls.ca_file: not read: verify is false"]),
    (f"{{{ONE}, affinity: {{cookie: a, secret_file: k}}}}", ["6:96: proxies.eu.pools.web.affinity.secret_file: other users may read the file; chmod 600 keeps it to its owner"]),
    (f"{{{ONE}, check: {{command: [./none]}}}}", ["6:79: proxies.eu.pools.web.check.command.0: ./none: there is no such file on this machine"]),
]  # fmt: skip

KEY_WARNINGS = [
    ("trusted_proxies: [0.0.0.0/0]", ["7:23: proxies.eu.trusted_proxies.0: 0.0.0.0/0 is everybody: any client may choose the address it counts as"]),
    ("timeouts: {response_s: 61}", ["7:28: proxies.eu.timeouts.response_s: has no effect: total_s (60) is over before"]),
    ("timeouts: {total_s: 1}", []),
    ("timeouts: {connect_s: 3, total_s: 2.5}", ["7:27: proxies.eu.timeouts.connect_s: has no effect: total_s (2.5) is over before"]),
    ('admin: "127.0.0.1:80"', []),
]  # fmt: skip


def with_routes(text):
    return f"{HEAD}    routes: [{text}]\n{POOLS}"


def with_pool(text):
    return f"{HEAD}{ROUTES}    pools: {{web: {text}}}\n"


def with_key(text):
    return f"{HEAD}{ROUTES}{POOLS}    {text}\n"


def with_listeners(text):
    return f"proxies:\n  eu:\n    site: eu\n    listen: {text}\n{ROUTES}{POOLS}"


def cases(*tables):
    return [
        pytest.param(make(text), expected, id=text[:70])
        for make, table in tables
        for text, expected in table
    ]


FAULTS = cases(
    (with_routes, ROUTE_ROWS),
    (with_pool, POOL_ROWS),
    (with_key, KEY_ROWS),
    (with_listeners, LISTEN_ROWS),
)
DOUBTS = cases((with_routes, ROUTE_WARNINGS), (with_pool, POOL_WARNINGS), (with_key, KEY_WARNINGS))


@pytest.fixture
def problems(write):
    """The problems of a main file, and the warnings of one that loads; `k` is a file."""

    def read(main):
        path = write(main, k="x")
        Path("k").chmod(0o644)
        try:
            return [], [str(one) for one in load(path).warnings]
        except ConfigError as error:
            return [str(one) for one in error.problems], []

    return read


@pytest.mark.parametrize(("main", "expected"), FAULTS)
def test_proxy_when_wrong(problems, main, expected):
    assert problems(main) == ([f"gslb.yaml:{row}" for row in expected], [])


@pytest.mark.parametrize(("main", "expected"), DOUBTS)
def test_proxy_when_doubtful(problems, main, expected):
    assert problems(main) == ([], [f"gslb.yaml:{row}" for row in expected])


def test_a_smallest_proxy_has_no_warning(problems):
    assert problems(HEAD + ROUTES + POOLS) == ([], [])
