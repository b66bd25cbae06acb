# ruff: noqa: E501 - a row is read best on one line
"""Proxies beside sites, beside each other, beside the name server and beside their own faults."""

import pytest

from gslb.config.load import load


def one_proxy(name="eu", site="eu", listen="192.0.2.1:80", extra=""):
    pools = '{web: {backends: {b: {address: "192.0.2.9:80"}}}}'
    return (
        f'  {name}: {{site: {site}, listen: [{{address: "{listen}"}}], '
        f"routes: [{{name: r, pool: web}}], pools: {pools}{extra}}}\n"
    )


SITES = "sites: {eu: {addresses: [192.0.2.1]}, us: {addresses: [192.0.2.2]}}\n"


def told(write, text):
    return [str(one) for one in load(write(text)).warnings]


def test_a_site_must_be_declared_where_sites_are(rows, write):
    text = "proxies:\n" + one_proxy(site="uss")
    assert told(write, text) == []
    assert rows(SITES + text) == [
        "gslb.yaml:3:14: proxies.eu.site: unknown site 'uss'; allowed: eu, us; did you mean us?"
    ]
    assert rows(SITES + text.replace("uss", "us")) == []


def test_two_proxies_that_cannot_share_a_machine(write):
    text = "proxies:\n" + one_proxy("a") + one_proxy("b")
    assert told(write, text) == [
        (
            "gslb.yaml:3:36: proxies.b.listen.0.address: 192.0.2.1:80 is used by "
            "proxies.a.listen.0.address already: not both can run on one machine"
        )
    ]


@pytest.mark.parametrize(
    ("site", "listen", "is_told"),
    [
        ("eu", "0.0.0.0:80", True),
        ("us", "0.0.0.0:80", False),
        ("eu", "[::]:80", False),
        ("eu", "192.0.2.1:81", False),
        ("us", "192.0.2.1:80", True),
    ],
)
def test_two_proxies_and_all_addresses(write, site, listen, is_told):
    text = "proxies:\n" + one_proxy("a") + one_proxy("b", site, listen)
    assert bool(told(write, text)) is is_told


@pytest.mark.parametrize(
    ("listen", "path"),
    [('dns: ["192.0.2.1:80"]', "listen.dns.0"), ('dns: ["0.0.0.0:80"]', "listen.dns.0")],
)
def test_a_proxy_and_the_name_server(write, listen, path):
    text = f"listen: {{{listen}}}\nproxies:\n" + one_proxy()
    (warning,) = told(write, text)
    assert warning.endswith(f"is used by {path} already: not both can run on one machine")


def test_default_listeners_of_the_name_server_are_not_in_the_way(write):
    assert told(write, "proxies:\n" + one_proxy(listen="127.0.0.1:5300")) == []


def test_an_open_admin_port_needs_a_token(rows):
    text = "proxies:\n" + one_proxy(extra=', admin: "192.0.2.1:8054"')
    (problem,) = rows(text)
    assert "needs a token in admin.tokens" in problem
    assert rows(f"admin: {{tokens: {'ab' * 32}}}\n{text}") == []


def test_only_what_is_broken_is_left_out(rows):
    """A fault of shape in one listener, route, pool or key hides no other fault, in the same proxy
    or in another; and what is left out is not told to be missing.
    """
    text = """\
proxies:
  eu:
    site: eu
    allow_faults: maybe
    limits: {headers: none}
    listen: [{address: x}, {address: "192.0.2.1:80", mode: tcp, pool: bad}]
    routes: [{name: 5}, {name: r, pool: wep, fault: {abort_share: 1}}, {name: r, pool: bad}]
    pools: {bad: {balance: best}, web: {backends: {b: {address: "192.0.2.9:80", weight: 0}}}}
  us: {site: us}
  ap: {site: ap, listen: [{address: "192.0.2.1:80"}], pools: {}, routes: [{name: a, pool: none}]}
"""
    assert rows(text) == [
        f"gslb.yaml:{row}"
        for row in (
            "4:19: proxies.eu.allow_faults: must be true or false, not 'maybe'",
            "5:23: proxies.eu.limits.headers: must be a whole number from 10 to 10000, not 'none'",
            (
                "6:24: proxies.eu.listen.0.address: must be an address and port such as 127.0.0.1:53"
                " or [::1]:53, not 'x'"
            ),
            (
                "7:21: proxies.eu.routes.0.name: must be a name of letters, digits, '.', '_' and '-',"
                " not 5"
            ),
            (
                "7:41: proxies.eu.routes.1.pool: unknown pool 'wep'; allowed: bad, web; did you mean"
                " web?"
            ),
            "7:79: proxies.eu.routes.2.name: r is the name of proxies.eu.routes.1 already",
            "8:13: proxies.eu.pools.bad: the key backends is missing: The servers, by name",
            (
                "8:28: proxies.eu.pools.bad.balance: 'best' is no algorithm; allowed: round_robin,"
                " least_connections, least_response_time, power_of_two, ip_hash, consistent_hash,"
                " maglev"
            ),
            "8:41: proxies.eu.pools.web.backends: no backend can be chosen: every weight is 0",
            "9:3: proxies.us: the key listen is missing: Where clients connect",
            "9:3: proxies.us: the key pools is missing: The backends, in pools, by name",
            (
                "10:55: proxies.ap.pools: must be a mapping (key: value) of at most 1000 entries, not"
                " an empty one"
            ),
        )
    ]


def test_proxies_that_are_no_mapping(rows):
    assert rows("proxies: 5") == [
        "gslb.yaml:1:10: proxies: must be a mapping (key: value) of at most 100 entries, not 5"
    ]
    assert rows("proxies: {a b: {}}")[0] == (
        "gslb.yaml:1:11: proxies.a b: 'a b' is not a name; allowed: 1 to 63 letters, digits, '.', "
        "'_', '-', a letter or digit first"
    )


def test_a_store_of_proxies_alone_needs_no_state_dir(write):
    text = "store: redis://192.0.2.50:6379/0\nproxies:\n" + one_proxy()
    assert told(write, text) == []


TCP = """\
proxies:
  eu:
    site: eu
    listen: [{address: "192.0.2.1:53", mode: tcp, pool: db}]
    pools: {db: {backends: {a: {address: "192.0.2.9:53"}, b: {address: "192.0.2.8:53"}}, KEY}}
"""


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("balance: least_connections", []),
        ("balance: {maglev: {key: client_ip}}", []),
        ("affinity: {client_ip: {}}", []),
        (
            "balance: {maglev: {key: path}}",
            ["5:114: proxies.eu.pools.db.balance.maglev.key: never seen: only tcp listeners use this pool; take client_ip"],
        ),
        (
            "affinity: {cookie: c}",
            ["5:109: proxies.eu.pools.db.affinity.cookie: never seen: only tcp listeners use this pool; take client_ip: {}"],
        ),
    ],
)  # fmt: skip
def test_a_pool_of_tcp_listeners_knows_the_client_alone(rows, key, problem):
    assert rows(TCP.replace("KEY", key)) == [f"gslb.yaml:{row}" for row in problem]


def test_a_pool_of_tcp_listeners_and_of_a_route_may_read_requests(rows):
    text = TCP.replace("KEY", "affinity: {cookie: c}").replace(
        "listen: [", 'listen: [{address: "192.0.2.1:80"}, '
    )
    assert rows(text + "    routes: [{name: r, pool: db}]\n") == []


def test_doubts_about_listeners(write):
    text = TCP.replace("KEY", "hedge: {}").replace("pool: db}]", "pool: db, proxy_protocol: true}]")
    assert told(write, text + "    routes: [{name: r, redirect: {scheme: https}}]\n") == [
        "gslb.yaml:4:77: proxies.eu.listen.0.proxy_protocol: has no effect: trusted_proxies is empty, so no header is believed",
        "gslb.yaml:5:90: proxies.eu.pools.db.hedge: not read: only tcp listeners use this pool",
        "gslb.yaml:6:5: proxies.eu.routes: not read: no listener has mode http",
    ]


def test_http_listeners_need_a_route(rows):
    text = TCP.replace(", mode: tcp, pool: db", "").replace(", KEY", "")
    (problem,) = rows(text)
    assert problem.startswith("gslb.yaml:2:3: proxies.eu: no routes: every request")
