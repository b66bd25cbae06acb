"""What becomes of each part of a proxy's file in an HAProxy configuration: the one list of it.

The renderer tells what it leaves out by the keys of FEATURES only, and the manual's table is made
of them, so neither can say something else than the other.

Laws:
1. CARRIED does the same. APPROXIMATED is there and differs as told. BY_HAND is there once somebody
   has done what is told. MISSING is not there.
2. A default of ours that HAProxy lacks is not told of every file: only what the file asks for
   beyond it is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Grade(StrEnum):
    """How much of a feature there is."""

    CARRIED = "carried over"
    APPROXIMATED = "approximated"
    BY_HAND = "by hand"
    MISSING = "missing"


class Feature(NamedTuple):
    """how: what HAProxy does instead, or with."""

    grade: Grade
    how: str


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that is not as the file says. place: the keys that lead there, joined with dots;
    routes by their name.
    """

    place: str
    grade: Grade
    how: str

    def __str__(self) -> str:
        return f"{self.grade}: {self.place}: {self.how}"


class Notes:
    """What is told of one proxy, in the order it was found, each once."""

    def __init__(self, proxy: str) -> None:
        self._root = f"proxies.{proxy}"
        self._found: dict[Missing, None] = {}

    def add(self, feature: str, *path: str, detail: str = "") -> None:
        """A feature of FEATURES at a place below the proxy. detail: what this case adds to it."""
        grade, how = FEATURES[feature]
        how = f"{how}: {detail}" if detail else how
        assert grade is not Grade.CARRIED, feature
        self._found[Missing(".".join((self._root, *path)), grade, how)] = None

    def of(self, grade: Grade) -> tuple[Missing, ...]:
        """Those of one grade."""
        return tuple(one for one in self._found if one.grade is grade)


def _carried(how: str) -> Feature:
    return Feature(Grade.CARRIED, how)


def _approximated(how: str) -> Feature:
    return Feature(Grade.APPROXIMATED, how)


def _missing(how: str) -> Feature:
    return Feature(Grade.MISSING, how)


_LISTENING = {
    "listen": _carried("`bind`; all HTTP listeners are one frontend, each TCP one its own"),
    "listen.tls": _carried("`bind ssl crt`, the first certificate for unknown names, TLS 1.2 on"),
    "listen.tls.key": Feature(
        Grade.BY_HAND,
        "HAProxy reads a certificate's key from a file of the same name and `.key`: link it there",
    ),
    "listen.proxy_protocol": _carried("`expect-proxy layer4` for trusted sources"),
    "trusted_proxies": _carried("`set-src` from X-Forwarded-For, up to 5 proxies in a row"),
    "health_path": _carried("`monitor-uri` and `monitor fail`"),
    "health_path.pools": _approximated(
        "of more than 6 pools only those are watched that have half of the weight on their own"
    ),
    "site": _approximated(
        "no load is reported; the site's health is known by the health path alone"
    ),
    "access_log": _approximated("a JSON line for each request, without candidates and reasons"),
    "access_log.file": _missing("HAProxy writes to stdout, stderr or syslog, to no file"),
    "admin": _missing("orders and status need HAProxy's own runtime socket"),
    "capacity": _missing("load is not reported"),
    "workers": _carried("`nbthread`, at most 64; ceilings are not divided"),
    "drain_timeout_s": _carried("`hard-stop-after`"),
    "global": _approximated("HAProxy has it once for all proxies: the largest of them is taken"),
    "timeouts": _carried("connect, headers, keep-alive, tunnel, queue: a `timeout` each"),
    "timeouts.body_idle_s": _approximated(
        "`timeout client`; a backend's body is given `response_s` between octets"
    ),
    "timeouts.total_s": _missing("no deadline spans queue and retries"),
    "timeouts.tls_s": _missing("a handshake has the time of `headers_s`"),
    "limits.connections": _carried("`maxconn` of the frontend"),
    "limits.body_mb": _approximated("413 by Content-Length; a chunked body is not counted"),
    "limits.header_kb": _approximated("`tune.bufsize`; more is answered 400, not 414 or 431"),
    "limits.headers": _approximated("`tune.http.maxhdr`; more is answered 400, not 431"),
    "limits.requests_per_connection": _missing("a connection is kept for any number of requests"),
    "limits.body_octets_per_s": _missing("a body that trickles is cut off by nothing"),
    "shed": _missing("requests are not refused by load or lag"),
}

_MATCHING = {
    "routes": _carried("`set-var(txn.route)` in order: the first that matches is taken"),
    "routes.hosts": _carried("`-m str` and `-m end` on the host without port and case"),
    "routes.path": _carried("`-m str`"),
    "routes.path_prefix": _carried("`-m beg`, at the border of a segment"),
    "routes.path_regex": _carried("`-m reg` by PCRE2, anchored at both ends"),
    "routes.methods": _carried("`method`"),
    "routes.headers": _carried("`req.fhdr`; of several lines one must match"),
    "routes.cookies": _carried("`req.cook`; of several of a name one must match"),
    "routes.query": _carried("`urlp`, decoded; a parameter without `=` is not seen"),
    "routes.query.name": _missing("a name with other than letters, digits, `_.~-` cannot be asked"),
    "routes.languages": _approximated("the language that is named first, whatever the qualities"),
    "routes.client_networks": _carried("`src`, after `trusted_proxies`"),
    "routes.jwt": _carried("`jwt_verify` with RS and ES algorithms; `exp`, `nbf`, `iss`, claims"),
    "routes.jwt.algorithms": _missing("HAProxy 2.6 verifies no EdDSA and no PS signatures"),
    "routes.jwt.secret": _missing("the secret of an HS algorithm would stand in the configuration"),
    "routes.jwt.claims": _missing("HAProxy 2.6 cannot compare null, fractions and odd names"),
    "routes.jwt.audience": _approximated("`aud` must be a text; a list of them never matches"),
}

_ACTING = {
    "routes.pools": _carried("`use_backend`"),
    "routes.pools.split": _approximated(
        "sticky by a hash of the address, but not the clients that gslb picks; more of them move "
        "when a weight changes"
    ),
    "routes.redirect": _carried("`http-request redirect location`"),
    "routes.rewrite": _carried("`set-path`, `replace-path`, `regsub`, Host by `set-header`"),
    "routes.rewrite.replacement": _missing("only `\\1` to `\\9` can stand in a replacement"),
    "routes.request_headers": _carried("`http-request del-header`, `set-header`, `add-header`"),
    "routes.response_headers": _carried("`http-response del-header`, `set-header`, `add-header`"),
    "routes.priority": _approximated("`set-priority-class` in the queue; nothing is shed by it"),
    "routes.cost": _missing("every request weighs the same"),
    "routes.rate_limit": _approximated(
        "a stick table and a sliding rate over the burst's time, in this process alone, without "
        "RateLimit headers"
    ),
    "routes.fault.abort": _carried("`http-request return` by `rand`"),
    "routes.fault.delay": _missing("nothing delays a request"),
    "routes.cache": _approximated(
        "HAProxy's small cache: no revalidation, no collapsing, no entry over half of it"
    ),
    "routes.compress": _approximated("gzip, for every route of the same pool"),
}

_POOLS = {
    "pools.balance.round_robin": _carried("`balance roundrobin`"),
    "pools.balance.least_connections": _carried("`balance leastconn`"),
    "pools.balance.power_of_two": _carried("`balance random(2)`"),
    "pools.balance.least_response_time": _missing("least connections instead"),
    "pools.balance.ip_hash": _approximated("`balance hash src`, consistent: other choices"),
    "pools.balance.consistent_hash": _approximated("`balance hash`, consistent: other choices"),
    "pools.balance.maglev": _missing("a consistent hash instead"),
    "pools.balance.bounded_load": _carried("`hash-balance-factor`, at least 101"),
    "pools.backends": _carried("`server` with weight, backup and `maxconn`"),
    "pools.backends.weight": _approximated("scaled down: HAProxy's weights end at 256"),
    "pools.check": _carried("`http-check`, `tcp-check`, `inter`, `fastinter`, `rise`, `fall`"),
    "pools.check.host": _approximated(
        "asked in HTTP/1.0 without a Host where the check names none"
    ),
    "pools.check.init": _approximated("a backend counts as up until its first check fails"),
    "pools.check.expect_json": _approximated("a regular expression looks for the key and value"),
    "pools.check.of": _missing("several checks of one backend: only the first is made"),
    "pools.check.command": _missing("no program is run"),
    "pools.check.max_ms": _missing("only `timeout_s` bounds an answer"),
    "pools.passive": _approximated(
        "`observe`: so many errors in a row count as a failed check, instead of a share of them"
    ),
    "pools.passive.eject": _missing(
        "no ejection for a time that grows, no ceiling on how much is out: checks bring it back"
    ),
    "pools.passive.check": _missing("HAProxy observes traffic only where it also checks"),
    "pools.affinity.cookie": _carried("`cookie insert indirect`, which names no address"),
    "pools.affinity.signature": _missing("the cookie is not signed: a client can pick its backend"),
    "pools.affinity.client_ip": _carried("`stick on src`"),
    "pools.retry": _carried("`retries`, `redispatch`, `retry-on`; idempotent methods only"),
    "pools.retry.budget": _missing("retries are not held to a share of the requests"),
    "pools.retry.default_budget": _approximated(
        "retries are bounded by `attempts` alone, not by a share of the requests"
    ),
    "pools.retry.statuses": _missing("HAProxy 2.6 retries no other statuses than its own list"),
    "pools.retry.buffer_kb": _approximated("requests are retried that fit in one buffer"),
    "pools.hedge": _missing("no second request is sent"),
    "pools.circuit": _missing("a pool is never left alone as a whole"),
    "pools.queue": _approximated("a full queue refuses who comes, not who matters least"),
    "pools.slow_start_s": _carried("`slowstart`"),
    "pools.panic_below": _missing("backends that are down are never used"),
    "pools.drain_timeout_s": _approximated("a drained backend keeps its sessions without an end"),
    "pools.send_proxy": _carried("`send-proxy`, `send-proxy-v2`"),
    "pools.tls": _carried("`ssl`, `sni`, `verify`, `ca-file`"),
    "pools.both": _approximated(
        "a pool of HTTP routes and of a TCP listener is two backends: both check and count alone"
    ),
}

FEATURES: Mapping[str, Feature] = _LISTENING | _MATCHING | _ACTING | _POOLS
"""By the key in the file that asks for it, below `proxies.NAME`."""
