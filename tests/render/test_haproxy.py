from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from gslb.config.load import load
from gslb.render.features import FEATURES, Grade, Missing
from gslb.render.haproxy import Rendered, render_haproxy
from tests.render.making import (
    LISTEN,
    POOL,
    complain,
    read,
    with_pool,
    with_proxy,
    with_route,
)

HERE = Path(__file__).parent
CONTRACT = HERE.parents[2] / "shared" / "contract" / "proxy.yaml"

needs_haproxy = pytest.mark.skipif(
    shutil.which("haproxy") is None, reason="haproxy is not installed"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that configurations name."""
    folder = tmp_path_factory.mktemp("render")
    tls = folder / "tls"
    tls.mkdir()
    issued = trustme.CA().issue_cert("www.gslb.shop.example")
    (tls / "shop.pem").write_bytes(b"".join(each.bytes() for each in issued.cert_chain_pems))
    for name in ("shop.key", "shop.pem.key"):
        (tls / name).write_bytes(issued.private_key_pem.bytes())
    for name, key in (
        ("jwt.pub", ed25519.Ed25519PrivateKey.generate()),
        ("rsa.pub", rsa.generate_private_key(public_exponent=65537, key_size=2048)),
    ):
        pem = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        (tls / name).write_bytes(pem)
    (tls / "secret").write_bytes(b"0123456789abcdef" * 4)
    return folder


# ---------------------------------------------------------------- the contract


def render_contract(folder: Path) -> Rendered:
    file = folder / "contract.yaml"
    file.write_bytes((HERE / "contract.yaml").read_bytes())
    return render_haproxy(tuple(load(file).system.proxies.values()))


@pytest.mark.skipif(not CONTRACT.is_file(), reason="the contract is not beside this checkout")
def test_the_contract_here_is_the_contract():
    assert (HERE / "contract.yaml").read_text() == CONTRACT.read_text()


def test_the_contract_renders_as_it_did(folder: Path):
    rendered = render_contract(folder)
    golden = (HERE / "contract.cfg").read_text()
    assert rendered.text.replace(str(folder), "/etc/gslb") == golden


@needs_haproxy
def test_haproxy_takes_the_contract(folder: Path):
    assert complain(render_contract(folder).text, folder) == ""


def test_what_the_contract_misses_is_told_with_its_place(folder: Path):
    missing = {
        each.place.removeprefix("proxies.eu-west.") for each in render_contract(folder).missing
    }
    assert missing == {
        "routes.api.cost",
        "routes.drill.fault.delay_ms",
        "routes.beta.jwt",
        "pools.web.affinity.cookie",
        "pools.web.hedge",
        "pools.web.passive.eject_s",
    }


def test_a_key_under_another_name_is_left_to_people(folder: Path):
    (told,) = render_contract(folder).by_hand
    assert told.place == "proxies.eu-west.listen.tls.key"
    assert told.how.endswith(f"{folder}/tls/shop.pem.key -> {folder}/tls/shop.key")


# ---------------------------------------------------------------- small ones

JWT = {"key": "tls/rsa.pub", "algorithms": ["RS256"]}
CHECK = {"http": {}, "interval_s": 1, "timeout_s": 1}
TLS = {"certificate": "tls/shop.pem", "key": "tls/shop.pem.key"}
TCP = {"address": "127.0.0.1:18432", "mode": "tcp", "pool": "w"}
MANY = {f"w{at}": POOL for at in range(7)}

Case = tuple[dict[str, Any], tuple[str, ...], tuple[str, ...]]

CASES: dict[str, Case] = {
    # settings; features told besides those of every file; lines or parts of them
    "nothing": (with_proxy(), (), ("bind 127.0.0.1:18080 id 1 proto h1",)),
    "ipv6": (with_proxy(listen=[{"address": "[::1]:18080"}]), (), ("bind [::1]:18080",)),
    "tls": (with_proxy(listen=[LISTEN | {"tls": TLS}]), (), ("ssl-min-ver TLSv1.2",)),
    "tls-key-elsewhere": (
        with_proxy(listen=[LISTEN | {"tls": TLS | {"key": "tls/shop.key"}}]),
        ("listen.tls.key",),
        (),
    ),
    "proxy-protocol": (
        with_proxy(
            listen=[LISTEN, {"address": "127.0.0.1:18081", "proxy_protocol": True}],
            trusted_proxies=["192.0.2.0/24", "2001:db8::/32"],
        ),
        (),
        (
            "acl trusted src -- 192.0.2.0/24 2001:db8::/32",
            "tcp-request connection expect-proxy layer4 if trusted { so_id 2 }",
        ),
    ),
    "tcp": (
        {"listen": [TCP], "pools": {"w": POOL}},
        (),
        ("frontend p0:tcp:127.0.0.1:18432", "default_backend p0:w:tcp"),
    ),
    "tcp-with-tls": ({"listen": [TCP | {"tls": TLS}], "pools": {"w": POOL}}, (), ("mode tcp",)),
    "both": (with_proxy(listen=[LISTEN, TCP]), ("pools.both",), ("backend p0:w\n",)),
    "health": (
        with_proxy(health_path="/up"),
        (),
        ("monitor-uri /up", "monitor fail if { nbsrv(p0:w) lt 1 }"),
    ),
    "health-of-a-split": (
        with_route(pools={"w0": 3, "w1": 2, "w2": 2, "w3": 1})
        | {"pools": MANY, "health_path": "/up"},
        ("routes.pools.split",),
        (
            "monitor fail if { nbsrv(p0:w0) lt 1 } { nbsrv(p0:w1) lt 1 }",
            "monitor fail if { nbsrv(p0:w0) lt 1 } { nbsrv(p0:w3) lt 1 }",
            "{ var(txn.draw) -m int 3:4 }",
        ),
    ),
    "health-of-a-wide-split": (
        with_route(pools=dict.fromkeys(MANY, 1)) | {"pools": MANY, "health_path": "/up"},
        ("routes.pools.split", "health_path.pools"),
        (),
    ),
    "log": (with_proxy(access_log="stdout"), ("access_log",), ("log stdout format raw daemon",)),
    "log-file": (with_proxy(access_log="a.log"), ("access_log.file",), ()),
    "admin": (with_proxy(admin="127.0.0.1:18053"), ("admin",), ()),
    "capacity": (with_proxy(capacity=50), ("capacity",), ()),
    "timeouts": (
        with_proxy(timeouts={"total_s": 5, "tls_s": 1, "body_idle_s": 20, "connect_s": 0.05}),
        ("timeouts.total_s", "timeouts.tls_s"),
        ("timeout connect 50ms", "timeout client 20000ms"),
    ),
    "limits": (
        with_proxy(
            limits={
                "body_mb": 1,
                "headers": 50,
                "requests_per_connection": 5,
                "body_octets_per_s": 9,
                "connections": 7,
            }
        ),
        (
            "limits.body_mb",
            "limits.headers",
            "limits.requests_per_connection",
            "limits.body_octets_per_s",
        ),
        ("tune.http.maxhdr 50", "maxconn 7", "gt 1048576"),
    ),
    "shed": (with_proxy(shed={"max_in_flight": 5}), ("shed",), ()),
    "hosts": (
        with_route(hosts=["a.example", "*.b.example"]),
        (),
        ("acl r:host var(txn.host) -m str -- a.example", "-m end -- .b.example"),
    ),
    "many-hosts": (with_route(hosts=[f"h{at}.example" for at in range(100)]), (), ("h99.example",)),
    "odd-patterns": (
        with_route(
            path_regex='/it\'s \\d "x" #[$]{1,2}',
            headers={"X-A'b": "-v $HOME #\"'", "X-E": "", "X-P": {"prefix": "%[src]"}},
            cookies={"a!b": {"present": True}},
            query={"a": {"regex": "x,y\\)"}},
        ),
        (),
        ("-m len 0", "-m reg --", "'-v $HOME #\"'\\''"),
    ),
    "odd-query": (with_route(query={"a,b": "c"}), ("routes.query.name",), ("is never taken",)),
    "languages": (with_route(languages=["de", "en-gb"]), ("routes.languages",), ("en\\-gb",)),
    "networks": (with_route(client_networks=["192.0.2.0/24"]), (), ("src -- 192.0.2.0/24",)),
    "jwt": (
        with_route(jwt=JWT | {"claims": {"plan": "beta", "n": 3, "ok": True}, "issuer": "me"}),
        (),
        ("jwt_verify(txn.jwt_alg,", "-m int eq 3", "-m bool true"),
    ),
    "jwt-header-and-audience": (
        with_route(jwt=JWT | {"header": "X-Token", "audience": "us"}),
        ("routes.jwt.audience",),
        ("http-request set-var(txn.jwt) req.fhdr(x-token)",),
    ),
    "jwt-eddsa": (
        with_route(jwt={"key": "tls/jwt.pub"}),
        ("routes.jwt.algorithms",),
        ("route r is never taken",),
    ),
    "jwt-secret": (
        with_route(jwt={"key": "tls/secret", "algorithms": ["HS256"]}),
        ("routes.jwt.secret",),
        ("route r is never taken",),
    ),
    "jwt-odd-claims": (
        with_route(jwt=JWT | {"claims": {"a": None}}),
        ("routes.jwt.claims",),
        ("route r is never taken",),
    ),
    "redirect": (
        with_route(redirect={"status": 308, "scheme": "https", "path": "/50%"}),
        (),
        ("'https://%[var(txn.authority)]/50%%?%[query]' code 308",),
    ),
    "rewrite": (
        with_route(rewrite={"strip_prefix": "/a.b", "add_prefix": "/50%", "host": "h.example:1"}),
        (),
        (r"replace-path '\A/a\.b(/.*)\z' '\1'", "set-path '/50%%%[path]'", "Host h.example:1"),
    ),
    "rewrite-regex": (
        with_route(rewrite={"regex": "(a)\"',\\)", "replacement": "\\1b"}),
        (),
        ("regsub(",),
    ),
    "rewrite-odd": (
        with_route(rewrite={"regex": "(?P<n>a)", "replacement": "\\g<n>"}),
        ("routes.rewrite.replacement",),
        (),
    ),
    "header-changes": (
        with_route(
            request_headers={"set": {"X-A": "a %[src] '\"# b"}, "add": {"X-B": ""}},
            response_headers={"remove": ["X-C"]},
        ),
        (),
        ("set-header X-A 'a %%[src] '\\''\"# b'", "http-response del-header X-C"),
    ),
    "priority": (
        with_route(priority="low"),
        ("routes.priority",),
        ("set-priority-class int(10)",),
    ),
    "cost": (with_route(cost=2), ("routes.cost",), ()),
    "rate": (
        with_route(rate_limit={"requests": 10, "per_s": 2, "burst": 30, "key": "header:X-User"}),
        ("routes.rate_limit",),
        ("store gpc0,gpc0_rate(6000ms)", "type string len 64", "ge 30 }"),
    ),
    "fault": (
        with_route(fault={"abort_share": 0.25, "delay_ms": 5, "delay_share": 1})
        | {"allow_faults": True},
        ("routes.fault.delay",),
        ("{ rand(1000000) lt 250000 }",),
    ),
    "cache": (with_route(cache=True), ("routes.cache",), ("filter cache p0:r",)),
    "cache-and-compress": (
        with_route(cache={"max_size_mb": 1.5}, compress=True),
        ("routes.cache", "routes.compress"),
        ("total-max-size 1\n", "max-object-size 524288", "compression algo gzip"),
    ),
    "round-robin": (with_pool(balance="round_robin"), (), ("balance roundrobin",)),
    "response-time": (
        with_pool(balance="least_response_time"),
        ("pools.balance.least_response_time",),
        ("balance leastconn",),
    ),
    "ip-hash": (
        with_pool(balance="ip_hash"),
        ("pools.balance.ip_hash",),
        ("balance hash var(txn.client)",),
    ),
    "bounded-hash": (
        with_pool(balance={"consistent_hash": {"key": "cookie:u", "bounded_load": 1.25}}),
        ("pools.balance.consistent_hash",),
        ("hash-balance-factor 125", "set-var(txn.key,ifnotexists) var(txn.client)"),
    ),
    "query-hash": (
        with_pool(balance={"consistent_hash": {"key": "query:a,b"}}),
        ("pools.balance.consistent_hash",),
        ('urlp("a,b")',),
    ),
    "maglev": (with_pool(balance={"maglev": {"key": "path"}}), ("pools.balance.maglev",), ()),
    "weights": (
        with_pool(
            backends={
                "a": {"address": "192.0.2.1:80", "weight": 1000},
                "b": {"address": "192.0.2.2:80", "weight": 1},
                "c": {"address": "[2001:db8::1]:80", "weight": 0, "backup": True},
            }
        ),
        ("pools.backends.weight",),
        (
            "server a 192.0.2.1:80 weight 256",
            "server b 192.0.2.2:80 weight 1",
            "server c [2001:db8::1]:80 weight 0 backup",
            "option allbackups",
        ),
    ),
    "check": (
        with_pool(check=CHECK | {"init": "up", "fast_interval_s": 0.5}, slow_start_s=5),
        ("pools.check.host",),
        ("check inter 1000ms fall 3 rise 2 fastinter 500ms", "slowstart 5000ms"),
    ),
    "check-json": (
        with_pool(
            check=CHECK
            | {"http": {"host": "h.example", "port": 81, "expect_json": {"a.b": "it's"}}}
        ),
        ("pools.check.init", "pools.check.expect_json"),
        ("hdr Host h.example", "port 81", "http-check expect rstring"),
    ),
    "check-https": (
        with_pool(check=CHECK | {"http": None, "https": {"verify": False}, "init": "up"}),
        ("pools.check.host",),
        ("check-ssl verify none",),
    ),
    "check-tcp": (
        with_pool(check={"tcp": {"send": "PING\r\n", "expect": "+PONG", "max_ms": 50}}),
        ("pools.check.init", "pools.check.max_ms"),
        ("tcp-check send-binary 50494e470d0a", "tcp-check expect binary 2b504f4e47"),
    ),
    "check-several": (
        with_pool(check={"of": [{"tcp": {}}, {"http": {}}]}),
        ("pools.check.init", "pools.check.of"),
        ("option tcp-check",),
    ),
    "check-command": (
        with_pool(check={"command": ["/bin/true"]}),
        ("pools.check.init", "pools.check.command"),
        (),
    ),
    "passive": (
        with_pool(passive={}, check={"tcp": {}, "init": "up"}),
        ("pools.passive", "pools.passive.eject"),
        ("observe layer7 error-limit 5 on-error fail-check",),
    ),
    "passive-without-check": (
        with_pool(passive={}),
        ("pools.passive", "pools.passive.eject", "pools.passive.check"),
        (),
    ),
    "affinity": (
        with_pool(affinity={"cookie": "C", "max_age_s": 60}),
        ("pools.affinity.signature",),
        ('attr "Max-Age=60"',),
    ),
    "affinity-by-address": (
        with_pool(affinity={"client_ip": {}}),
        (),
        ("stick on var(txn.client)",),
    ),
    "no-retry": (with_pool(retry={"attempts": 0}), (), ("retries 0",)),
    "retry": (
        with_pool(retry={"budget": 0.5, "statuses": [500, 502, 599], "buffer_kb": 1}),
        ("pools.retry.budget", "pools.retry.statuses", "pools.retry.buffer_kb"),
        ("response-timeout 500 502\n",),
    ),
    "hedge": (with_pool(hedge={}), ("pools.hedge",), ()),
    "circuit": (with_pool(circuit={}), ("pools.circuit",), ()),
    "panic": (with_pool(panic_below=0.5), ("pools.panic_below",), ()),
    "drain": (with_pool(drain_timeout_s=5), ("pools.drain_timeout_s",), ()),
    "ceiling": (
        with_pool(max_connections=5),
        (),
        ("maxconn 5", "if { be_conn_free eq 0 }"),
    ),
    "queue": (
        with_pool(max_connections=5, queue={"size": 9, "timeout_s": 1}),
        ("pools.queue",),
        ("timeout queue 1000ms", "if { queue ge 9 }"),
    ),
    "send-proxy": (
        with_pool(send_proxy="v2"),
        (),
        ("send-proxy-v2", "http-request set-src var(txn.peer)"),
    ),
    "upstream-tls": (
        with_pool(tls={}, check={"tcp": {}, "init": "up"}),
        (),
        ("no-check-ssl", "ssl sni req.hdr(host),host_only verify required ca-file @system-ca"),
    ),
    "upstream-tls-by-name": (
        with_pool(tls={"server_name": "in.example", "verify": False}),
        (),
        ("sni 'str(\"in.example\")' verify none",),
    ),
}

ALWAYS = {"site", "timeouts.body_idle_s", "limits.header_kb"}
USUAL = {"pools.retry.default_budget"}
BY_TEXT = {(grade, how): key for key, (grade, how) in FEATURES.items()}


def feature_of(told: Missing) -> str:
    exact = BY_TEXT.get((told.grade, told.how))
    return exact or next(
        key for (grade, how), key in BY_TEXT.items() if told.how.startswith(f"{how}: ")
    )


def told_by(rendered: Rendered) -> set[str]:
    everything = (*rendered.missing, *rendered.approximated, *rendered.by_hand)
    return {feature_of(each) for each in everything}


@pytest.mark.parametrize("case", CASES)
def test_what_is_rendered_and_what_is_told(folder: Path, case: str):
    proxy, features, parts = CASES[case]
    rendered = render_haproxy(read(folder, proxy))
    assert told_by(rendered) - ALWAYS - USUAL == set(features)
    assert [part for part in parts if part not in rendered.text] == []


@needs_haproxy
@pytest.mark.parametrize("case", CASES)
def test_haproxy_takes_it_without_a_warning(folder: Path, case: str):
    rendered = render_haproxy(read(folder, CASES[case][0]))
    assert complain(rendered.text, folder) == ""


def test_each_grade_is_told_apart(folder: Path):
    rendered = render_haproxy(read(folder, with_pool(hedge={})))
    assert [str(each) for each in rendered.missing] == [
        "missing: proxies.p0.pools.w.hedge: no second request is sent"
    ]
    assert {each.grade for each in rendered.approximated} == {Grade.APPROXIMATED}
    assert rendered.by_hand == ()


def test_several_proxies_share_what_there_is_once(folder: Path):
    more = with_proxy(workers=3, limits={"headers": 50}, listen=[{"address": "127.0.0.1:18081"}])
    rendered = render_haproxy(read(folder, with_proxy(), more))
    assert "nbthread 3\n" in rendered.text
    assert "tune.http.maxhdr 100\n" in rendered.text
    assert {each.place for each in rendered.approximated if "largest" in each.how} == {
        "proxies.p0",
        "proxies.p1",
    }
    if shutil.which("haproxy"):
        assert complain(rendered.text, folder) == ""


def test_no_secret_is_in_the_text(folder: Path):
    secret = (folder / "tls" / "secret").read_text()
    jwt = {"key": "tls/secret", "algorithms": ["HS256"]}
    proxy = with_route(jwt=jwt)
    proxy["pools"]["w"] = POOL | {"affinity": {"cookie": "C", "secret_file": "tls/secret"}}
    text = render_haproxy(read(folder, proxy)).text
    assert secret not in text
    assert "tls/secret" not in text


def test_every_feature_that_is_not_whole_is_told_by_a_case():
    told = {feature for _, features, _ in CASES.values() for feature in features}
    shortfalls = {key for key, feature in FEATURES.items() if feature.grade is not Grade.CARRIED}
    assert shortfalls - told - ALWAYS - USUAL == {"global"}  # which needs two proxies, above


def test_a_feature_says_one_thing():
    assert len(BY_TEXT) == len(FEATURES)
    assert all(re.fullmatch(r"[^\n|]+", how) for _, how in FEATURES.values())
