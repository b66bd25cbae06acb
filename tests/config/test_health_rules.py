# ruff: noqa: E501 - a row is read best on one line
"""One row a mistake about health, agents, orders, Redis or the admin port, and what reaches the
System.
"""

import base64
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest

from gslb.config.load import load
from gslb.model.agent import Agent
from gslb.model.check import Check, HttpCheck, TcpCheck
from gslb.model.order import Order, OrderKind
from gslb.model.place import Location
from gslb.model.system import (
    AdminSettings,
    EventSettings,
    HealthSettings,
    RedisSettings,
)

ONE, TWO = (base64.b64encode(bytes([octet]) * 32).decode() for octet in (1, 2))
DIGEST = "0123456789abcdef" * 4
SECRET = "hunter2-the-secret"
NOW = datetime(2026, 11, 24, tzinfo=UTC).timestamp()

MAIN = "zones: [z.yaml]\nsites: {eu: {addresses: [192.0.2.1]}, us: {addresses: [192.0.2.2]}}\n"
ZONE = "zone: g.example\nnameservers: {ns.x.example: []}\n"

KEY = "must be a public key: 44 characters of base64, as `gslb agent-key NAME` prints it"
TOKEN = "must be the SHA-256 of a token in 64 hexadecimal digits, never the token itself; `gslb token` prints both"
SITES = "allowed: eu, us"

# The text begins at line 3 of the main file.
ROWS = [
    # agents
    (f"agents: {{a: {{public_key: {ONE[:43]}}}}}", [f"3:26: agents.a.public_key: {KEY}"]),
    (f"agents: {{a: {{public_key: {ONE}x}}}}", [f"3:26: agents.a.public_key: {KEY}"]),
    (f"agents: {{a: {{public_key: {ONE[:42]}F=}}}}", [f"3:26: agents.a.public_key: {KEY}"]),
    (f"agents: {{a: {{public_key: {'A' * 44}}}}}", [f"3:26: agents.a.public_key: {KEY}"]),
    ("agents: {a: {public_key: 5}}", [f"3:26: agents.a.public_key: {KEY}"]),
    ("agents: {a: {public_key: []}}", ["3:14: agents.a.public_key: must be a public key (44 characters of base64) or a list, each a public key (44 characters of base64), not an empty one"]),
    (f"agents: {{a: {{public_key: [{ONE}, x]}}}}", [f"3:73: agents.a.public_key.1: {KEY}"]),
    (f"agents: {{a: {{public_key: {ONE}}}, b: {{public_key: [{TWO}, {ONE}]}}}}", ["3:136: agents.b.public_key.1: the same key as agents.a.public_key.0: each agent needs its own"]),
    ("agents: {a: {sites: [eu, uss]}}", [f"3:26: agents.a.sites.1: unknown site 'uss'; {SITES}; did you mean us?"]),
    ("agents: {a: {sites: []}}", ["3:14: agents.a.sites: must be a list of 1 to 10000 entries, each a name of letters, digits, '.', '_' and '-', not an empty one"]),
    ("agents: {a b: {}}", ["3:10: agents.a b: 'a b' is not a name; allowed: 1 to 63 letters, digits, '.', '_', '-', a letter or digit first"]),
    ("agents: {gslb: {}}", ["3:10: agents.gslb: gslb is the node's own name, under which its own probes report; rename one"]),
    ("agents: {a: {location: {asn: AS1}}}", ["3:30: agents.a.location.asn: must be a whole number from 1 to 4294967295, not 'AS1'"]),
    ("agents: {a: {location: {latitude: 1}}}", ["3:14: agents.a.location: latitude and longitude must be given together"]),
    ("agents: {a: {location: {longitude: 181, latitude: 1}}}", ["3:36: agents.a.location.longitude: must be a number from -180 to 180, not 181"]),
    ('agents: {a: {failure_domain: "a\\nb"}}', ["3:30: agents.a.failure_domain: 'a\\nb' must be one line of text, without control characters"]),
    (f"agents: {{a: {{failure_domain: {'x' * 64}}}}}", [f"3:30: agents.a.failure_domain: must be text of 1 to 63 characters, not '{'x' * 60}...'"]),
    ("agents: {a: {key: x}}", ["3:14: agents.a.key: unknown key; allowed: location, failure_domain, public_key, sites"]),
    (f"agents: {{{', '.join(f'a{one}: {{}}' for one in range(201))}}}", ["3:1: agents: must be a mapping (key: value) of at most 200 entries, not 201 of them"]),
    ("store: redis://192.0.2.9\nagents: {a: {}}", ["4:10: agents.a: no public_key: make one with `gslb agent-key a`"]),
    # one fault hides no other one
    ("agents: {a: {sites: [x]}, b: {public_key: x}, c: {sites: [uss]}}", [f"3:22: agents.a.sites.0: unknown site 'x'; {SITES}", f"3:43: agents.b.public_key: {KEY}", f"3:59: agents.c.sites.0: unknown site 'uss'; {SITES}; did you mean us?"]),
    # health
    ("health: {flap_hold_s: 700}", ["3:23: health.flap_hold_s: must be at most flap_hold_max_s (600), not 700"]),
    ("health: {flap_hold_max_s: 29.5}", ["3:27: health.flap_hold_max_s: must be at least flap_hold_s (30), not 29.5"]),
    ("health: {flap_hold_s: -1}", ["3:23: health.flap_hold_s: must be a number from 0 to 86400, not -1"]),
    ("health: {min_domains: 0}", ["3:23: health.min_domains: must be a whole number from 1 to 100, not 0"]),
    ("health: {min_domains: 101}", ["3:23: health.min_domains: must be a whole number from 1 to 100, not 101"]),
    ("health: {distrust_above: 1.1}", ["3:26: health.distrust_above: must be a number from 0 to 1, not 1.1"]),
    ("health: {max_withdrawn_per_min: 2}", ["3:33: health.max_withdrawn_per_min: must be a number from 0 to 1, not 2"]),
    ("health: {own_probes: off}", ["3:22: health.own_probes: must be true or false, not 'off'"]),
    ("health: {canaries: [{tcp: {port: 53}}]}", ["3:22: health.canaries.0.tcp: the key address is missing: a canary belongs to no site"]),
    ("health: {canaries: [{of: [{http: {}}, {tcp: {port: 1, address: 192.0.2.9}}]}]}", ["3:28: health.canaries.0.of.0.http: the key address is missing: a canary belongs to no site"]),
    ("health: {canaries: [{command: [/bin/true]}]}", ["3:22: health.canaries.0.command: a canary cannot be a command: what it must reach is an address"]),
    ("health: {canaries: [{interval_s: 1}]}", ["3:21: health.canaries.0: must hold exactly one of http, https, tcp, command, of, not none of them"]),
    ("health: {canary: []}", ["3:10: health.canary: unknown key; allowed: quorum, min_domains, stale_after_s, distrust_above, canaries, max_withdrawn, max_withdrawn_per_min, panic_below, min_capacity, flap_hold_s, flap_hold_max_s, own_probes; did you mean canaries?"]),
    # orders
    ("orders: {uss: {do: drain, reason: r}}", [f"3:10: orders.uss: unknown site 'uss'; {SITES}; did you mean us?"]),
    ("orders: {us: {do: drian, reason: r}}", ["3:19: orders.us.do: must be one of drain, up, down, not 'drian'"]),
    ("orders: {us: {do: drain}}", ["3:10: orders.us: the key reason is missing: Why, for people"]),
    ("orders: {us: {do: drain, reason: ' '}}", ["3:34: orders.us.reason: ' ' must be one line of text, without control characters"]),
    ("orders: {us: {do: drain, reason: r, until: 2026-12-01}}", ["3:44: orders.us.until: must be a time with its zone such as 2030-01-31T18:00:00Z, not '2026-12-01'"]),
    ("orders: {us: {do: drain, reason: r, until: 2026-12-01T10:00}}", ["3:44: orders.us.until: must be a time with its zone such as 2030-01-31T18:00:00Z, not '2026-12-01T10:00'"]),
    ("orders: {us: {do: drain, reason: r, until: 1800000000}}", ["3:44: orders.us.until: must be a time with its zone such as 2030-01-31T18:00:00Z, not 1800000000"]),
    # admin, events
    ("listen: {admin: 0.0.0.0:80}", ["3:17: listen.admin: 0.0.0.0:80 is not a loopback address: that needs a token in admin.tokens; `gslb token` makes one"]),
    ("listen: {admin: 0.0.0.0:80}\nadmin: {tokens: []}", ["3:17: listen.admin: 0.0.0.0:80 is not a loopback address: that needs a token in admin.tokens; `gslb token` makes one"]),
    (f"listen: {{admin: 0.0.0.0:80}}\nadmin: {{tokens: [{SECRET}]}}", [f"4:18: admin.tokens.0: {TOKEN}"]),
    (f"admin: {{tokens: {SECRET}}}", [f"3:17: admin.tokens: {TOKEN}"]),
    ("admin: {tokens: [12345]}", [f"3:18: admin.tokens.0: {TOKEN}"]),
    ("events: {webhook: ftp://x}", ["3:19: events.webhook: must be a URL that begins with https:// or http://"]),
    # store, redis, state_dir
    ("store: redis://192.0.2.9\nredis: {certificate_file: z.yaml}", ["4:1: redis: certificate_file and key_file must be given together"]),
    (f"store: redis://192.0.2.9\nredis: {{password_file: {SECRET}}}", ["4:24: redis.password_file: there is no such file; a path is absolute, or relative to the main file"]),
    ("store: rediss://192.0.2.9\nredis: {ca_file: .}", ["4:18: redis.ca_file: is not a regular file; a path is absolute, or relative to the main file"]),
    (f"store: redis://:{SECRET}@192.0.2.9\nredis: {{password_file: z.yaml}}", ["4:24: redis.password_file: store has a password, too: give one of them"]),
    (f"store: redis://u:{SECRET}@192.0.2.9\nredis: {{username: u}}", ["4:19: redis.username: store has a user name, too: give one of them"]),
    ("redis: {password: x}", ["3:9: redis.password: unknown key; allowed: prefix, username, password_file, sentinel_username, sentinel_password_file, ca_file, certificate_file, key_file, timeout_s; did you mean password_file?"]),
    ("redis: {timeout_s: 0}", ["3:20: redis.timeout_s: must be a number from 0.05 to 60, not 0"]),
    ("redis: {prefix: 'a{b}'}", ["3:17: redis.prefix: 'a{b}' is not a name; allowed: 1 to 63 letters, digits, '.', '_', '-', a letter or digit first"]),
    ("state_dir: z.yaml", ["3:12: state_dir: z.yaml: is not a directory"]),
    ("store: redis://redis.g.example", ["3:8: store: a host lies in the zone g.example, which is served here: name its address"]),
    ("store: redis+sentinel://192.0.2.9,G.Example./m", ["3:8: store: a host lies in the zone g.example, which is served here: name its address"]),
]  # fmt: skip

NO_STATE = "1:1: no state_dir: a name server that restarts without Redis begins with unknown health"
NAMED = "store: a host is a name: whoever resolves it must not need the zones served here"

WARNINGS = [
    ("agents: {a: {}}", ["3:10: agents.a: no public_key: make one with `gslb agent-key a`; until then its reports are not signed"]),
    ("health: {own_probes: false}", []),
    ("health: {min_domains: 2}", []),
    (f"health: {{min_domains: 3}}\nagents: {{a: {{public_key: {ONE}}}, b: {{public_key: {TWO}, failure_domain: a}}}}", ["3:23: health.min_domains: more than the failure domains that are declared (1): no report can take a site down"]),
    ("health: {canaries: [{tcp: {port: 53, address: 192.0.2.2}}]}", ["3:47: health.canaries.0.tcp.address: 192.0.2.2 belongs to the site us: a canary must not fail with it"]),
    ("orders: {us: {do: up, reason: r, until: 2026-11-24T00:00:00Z}}", ["3:41: orders.us.until: expired at 2026-11-24T00:00:00+00:00: it orders nothing any more"]),
    ("orders: {us: {do: up, reason: r, until: 2026-11-24T00:00:01Z}}", []),
    ("orders: {us: {do: up, reason: r, until: 2026-11-24T01:00:01+01:00}}", []),
    ("redis: {timeout_s: 2, prefix: x}", ["3:1: redis: not read: store is memory (prefix, timeout_s)"]),
    ("state_dir: s\nstore: redis://192.0.2.9", []),
    ("state_dir: s\nstore: redis://localhost", []),
    ("store: redis://192.0.2.9", [NO_STATE]),
    (f"state_dir: s\nstore: redis://:{SECRET}@192.0.2.9", ["4:8: store: the URL holds a password that every reader of this file sees; use redis.password_file"]),
    ("state_dir: s\nstore: redis://redis.other.example", [f"4:8: {NAMED}"]),
    ("state_dir: s\nstore: redis://xg.example", [f"4:8: {NAMED}"]),
    ("state_dir: s\nstore: redis+cluster://192.0.2.9\nredis: {sentinel_username: x, ca_file: z.yaml}", ["5:9: redis.sentinel_username: not read: store is redis+cluster://, without Sentinel", "5:31: redis.ca_file: not read: store is redis+cluster://, without TLS"]),
    ("state_dir: s\nstore: rediss+sentinel://192.0.2.9/m\nredis: {sentinel_username: x, ca_file: z.yaml}", []),
    ("events: {webhook: http://192.0.2.7/x}", ["3:19: events.webhook: http sends events unencrypted to another machine: use https"]),
    ("events: {webhook: 'http://[::1]:8080/x'}", []),
    ("events: {webhook: http://localhost/x}", []),
    ("events: {webhook: https://192.0.2.7/x}", []),
    (f"listen: {{admin: 0.0.0.0:80}}\nadmin: {{tokens: {DIGEST}}}", []),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), ROWS, ids=[row[0][:60] for row in ROWS])
def test_main_file_when_wrong(rows, text, expected):
    found = rows(MAIN + text, **{"z.yaml": ZONE})
    assert found == [f"gslb.yaml:{row}" for row in expected]
    assert SECRET not in "".join(found)


@pytest.mark.parametrize(("text", "expected"), WARNINGS, ids=[row[0][:60] for row in WARNINGS])
def test_main_file_when_doubtful(write, text, expected):
    found = load(write(MAIN + text, **{"z.yaml": ZONE}), at=NOW).warnings
    assert [str(one) for one in found] == [f"gslb.yaml:{row}" for row in expected]
    assert SECRET not in "".join(map(str, found))


def test_r17_a_store_inside_a_zone_of_ours_is_refused(rows):
    zone = ZONE.replace("g.example", "deep.g.example")
    assert rows(MAIN + "store: redis://r.g.example", **{"z.yaml": zone}) == []
    assert len(rows(MAIN + "store: redis://r.deep.g.example", **{"z.yaml": zone})) == 1


@pytest.mark.parametrize("key", ["agents: {a: {sites: [eu]}}", "orders: {eu: {do: up, reason: r}}"])
def test_a_site_with_a_fault_is_still_known(rows, key):
    main = f"sites: {{eu: {{addresses: [x]}}}}\n{key}\n"
    assert rows(main) == [
        "gslb.yaml:1:26: sites.eu.addresses.0: must be an IPv4 or IPv6 address, not 'x'"
    ]


def test_a_broken_store_says_nothing_about_keys_and_redis(rows):
    main = "store: redis://\nagents: {a: {}}\nredis: {certificate_file: gslb.yaml}\n"
    assert rows(main) == ["gslb.yaml:1:8: store: the URL has no host"]


def test_nothing_is_checked_when_nobody_probes(write):
    main = "sites: {eu: {addresses: [192.0.2.1], check: {http: {}}}}\nhealth: {own_probes: false}\n"
    told = "gslb.yaml:2:22: health.own_probes: nothing is checked: own_probes is false, and there are no agents"
    assert told in map(str, load(write(main)).warnings)
    keyed = f"{main}agents: {{a: {{public_key: {ONE}}}}}\n"
    assert told not in map(str, load(write(keyed)).warnings)


@pytest.mark.parametrize(
    ("key", "mode", "is_told"),
    [
        ("password_file", 0o600, False),
        ("password_file", 0o640, True),
        ("sentinel_password_file", 0o604, True),
        ("key_file", 0o644, True),
        ("certificate_file", 0o644, False),
    ],
)
def test_secret_when_others_may_read_it(write, key, mode, is_told):
    redis = {"certificate_file": "ca.pem", "key_file": "own.pem", key: "secret"}
    keys = ", ".join(f"{name}: {found}" for name, found in redis.items())
    main = f"state_dir: s\nstore: rediss+sentinel://192.0.2.9/m\nredis: {{{keys}}}\n"
    path = write(MAIN + main, **{"z.yaml": ZONE, "secret": "", "ca.pem": "", "own.pem": ""})
    Path("own.pem").chmod(0o600)
    Path("secret").chmod(mode)
    told = [(one.path, one.message) for one in load(path).warnings]
    message = "other users may read the file; chmod 600 keeps it to its owner"
    assert told == [(f"redis.{key}", message)] * is_told


@pytest.mark.parametrize(
    ("check", "told"),
    [
        ("command: [./no.sh]", "sites.a.check.command.0: ./no.sh: there is no such file"),
        ("command: [./z.yaml]", "sites.a.check.command.0: ./z.yaml: is not executable"),
        (
            "of: [{tcp: {port: 1}}, {command: [./no.sh]}]",
            "sites.a.check.of.1.command.0: ./no.sh: there is no such file",
        ),
        ("command: [/bin/true]", None),
    ],
)
def test_a_command_that_is_not_here_is_a_warning_because_agents_run_it(write, check, told):
    sites = f"zones: [z.yaml]\nsites: {{a: {{addresses: [192.0.2.1], check: {{{check}}}}}}}\n"
    path = write(sites, **{"z.yaml": ZONE})
    found = [f"{one.path}: {one.message}" for one in load(path).warnings]
    assert found == ([f"{told} on this machine"] if told else [])


def test_all_keys_reach_the_system(write):
    main = f"""\
listen: {{admin: "192.0.2.53:8053"}}
admin: {{tokens: [{DIGEST.upper()}]}}
events: {{webhook: https://u:p@hook.example/x}}
store: rediss+sentinel://192.0.2.61,192.0.2.62:1/main/2
state_dir: var/../state
redis:
  {{prefix: p, username: u, password_file: a.txt, sentinel_username: su,
   sentinel_password_file: a.txt, ca_file: a.txt, certificate_file: a.txt, key_file: a.txt,
   timeout_s: 0.25}}
health:
  {{quorum: 0.6, min_domains: 1, stale_after_s: 20, distrust_above: 0.4, max_withdrawn: 0.9,
   max_withdrawn_per_min: 0.3, panic_below: 0.1, min_capacity: 0.7, flap_hold_s: 1,
   flap_hold_max_s: 2, own_probes: false,
   canaries: [{{tcp: {{port: 53, address: 192.0.2.9}}, interval_s: 1}},
              {{https: {{address: "2001:db8::9"}}}}]}}
agents:
  a:
    location: {{country: DE, latitude: 50, longitude: 8.5, asn: 64500}}
    failure_domain: cloud a, region 1
    public_key: [{ONE}, {TWO}]
    sites: [us]
  b: {{public_key: {TWO.replace("AgIC", "AwIC", 1)}}}
orders:
  eu: {{do: down, reason: why, owner: me, until: 2030-01-01T01:00:00+01:00}}
  us: {{do: drain, reason: why}}
"""
    path = write(MAIN + main, **{"z.yaml": ZONE, "a.txt": ""})
    system, here = load(path).system, Path.cwd()
    file = str(here / "a.txt")
    assert system.store == "rediss+sentinel://192.0.2.61,192.0.2.62:1/main/2"
    assert system.state_dir == str(here / "state")
    assert system.redis == RedisSettings("p", "u", file, "su", file, file, file, file, 0.25)
    assert system.admin_access == AdminSettings((DIGEST,))
    assert system.events == EventSettings("https://u:p@hook.example/x")
    canaries = (
        Check((TcpCheck(53, ip_address("192.0.2.9")),), interval_s=1, timeout_s=1),
        Check((HttpCheck(443, "https", address=ip_address("2001:db8::9")),)),
    )
    assert system.health == HealthSettings(
        quorum=0.6,
        min_domains=1,
        stale_after_s=20,
        distrust_above=0.4,
        max_withdrawn=0.9,
        max_withdrawn_per_min=0.3,
        panic_below=0.1,
        min_capacity=0.7,
        flap_hold_s=1,
        flap_hold_max_s=2,
        own_probes=False,
        canaries=canaries,
    )
    first, second = system.agents.values()
    keys = (b"\1" * 32, b"\2" * 32)
    place = Location(country="DE", latitude=50, longitude=8.5, asn=64500)
    assert first == Agent("a", "cloud a, region 1", keys, place, frozenset({"us"}))
    assert second == Agent("b", "b", (b"\3" + b"\2" * 31,))
    until_at = datetime(2030, 1, 1, tzinfo=UTC).timestamp()
    assert system.orders == (
        Order("eu", OrderKind.DOWN, 0, owner="me", reason="why", until_at=until_at),
        Order("us", OrderKind.DRAIN, 0, owner="configuration", reason="why"),
    )
    assert file in system.files


def test_defaults_are_those_of_the_model(write):
    system = load(write("node: n")).system
    assert system.health == HealthSettings()
    assert system.redis == RedisSettings()
    assert system.admin_access == AdminSettings()
    assert system.events == EventSettings()


@pytest.mark.parametrize(
    "until",
    ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-W48-2T00:00Z"],
)
def test_until_when_far_away_loads(write, until):
    (order,) = load(
        write(f"{MAIN}orders: {{eu: {{do: up, reason: r, until: {until}}}}}", **{"z.yaml": ZONE})
    ).system.orders
    assert order.until_at is not None
