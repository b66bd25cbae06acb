import hashlib
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gslb.config.load import Configuration, load
from gslb.errors import ConfigError
from gslb.model.check import Check, HttpCheck, TcpCheck
from gslb.model.endpoint import Endpoint
from gslb.model.service import AllDown, FilterSpec
from gslb.model.system import DnsLimits, HealthSettings, LogSettings
from gslb.policy.latency import LatencyOptions
from gslb.policy.sticky import StickyOptions

ROOT = Path(__file__).parents[2]
CONTRACT = ROOT.parent / "shared" / "contract" / "gslb.yaml"
EXAMPLE = ROOT / "zones" / "gslb.yaml"

MAIN = """\
zones: [z.yaml]
geo: {maps: {office: [203.0.113.0/24]}}
sites:
  eu: {addresses: [192.0.2.1], location: {latitude: 1, longitude: 2}}
  us: {addresses: [192.0.2.2]}
"""
ZONE = """\
zone: g.example
nameservers: {ns.other.example: []}
"""


def service(text: str) -> str:
    """A zone file whose only service is www; its text begins at line 5, column 5."""
    lines = "".join(f"    {line}\n" for line in text.splitlines())
    return f"{ZONE}services:\n  www:\n{lines}"


@pytest.mark.parametrize("path", [EXAMPLE, CONTRACT], ids=["example", "contract"])
def test_contract_loads_unchanged(path):
    if not path.exists():
        pytest.skip(f"{path.name} of ../shared/contract is not here; the copy in zones/ is tested")
    found = load(path)
    system, (zone,) = found.system, found.zones
    assert found.warnings == ()
    assert (system.node, system.workers, system.store) == ("ns1", 1, "memory")
    assert list(map(str, system.dns)) == ["127.0.0.1:5300", "[::1]:5300"]
    assert system.admin == Endpoint("127.0.0.1", 8053)
    assert system.geo.databases == ("bundled",)
    assert system.geo.maps == {
        "office": (ip_network("203.0.113.0/24"), ip_network("2001:db8:ffff::/48"))
    }
    hold_s = system.health.flap_hold_s
    assert hold_s == (5 if path == EXAMPLE else HealthSettings().flap_hold_s)
    assert system.health == HealthSettings(
        quorum=0.5, stale_after_s=30, max_withdrawn=0.67, flap_hold_s=hold_s
    )
    assert (system.agents, system.orders, system.state_dir) == ({}, (), None)
    assert system.limits == DnsLimits(nsid="ns1")
    assert system.zones == (zone.source,)
    site = system.sites["eu-west"]
    assert site.addresses == (ip_address("127.0.1.1"), ip_address("fd00:0:0:1::1"))
    assert (site.country, site.point, site.capacity) == ("IE", (53.35, -6.26), 300)
    host = "www.gslb.shop.example"
    kind = HttpCheck(port=8080, path="/healthz", host=host, expect_body="ok")
    assert site.check == Check((kind,), interval_s=2, timeout_s=1, fall=3, rise=2)
    assert system.sites["ap-south"].check == site.check


def test_contract_services():
    services = {one.name: one for one in load(EXAMPLE).zones[0].source.services}
    assert list(services) == ["www", "api", "near", "split", "all", "pay", "cart", "cdn"]
    www = services["www"]
    assert (www.ttl_max, www.ttl_min, www.max_answers) == (60, 5, 1)
    assert [(one.name, one.weight) for one in www.candidates] == [
        ("eu-west", 3),
        ("us-east", 2),
        ("ap-south", 1),
    ]
    assert www.candidates[2].serves == {"continent:AS", "continent:OC", "map:office"}
    assert [spec.name for spec in www.policy] == ["health", "geo", "weighted"]
    assert (services["api"].ttl_max, services["api"].ttl_min) == (20, 5)
    assert services["api"].policy[1] == FilterSpec("latency", LatencyOptions(tolerance_ms=10))
    assert (services["near"].ttl_max, services["near"].ttl_min) == (30, 5)
    assert services["pay"].when_all_down == AllDown("last_good")
    assert services["cart"].policy[1].options == StickyOptions(ipv4_prefix=24, ipv6_prefix=56)
    assert [(one.site, one.cname) for one in services["cdn"].candidates] == [
        (None, "shop.cdn-a.example."),
        (None, "shop.cdn-b.example."),
    ]


def test_load_says_what_was_read(write):
    path = write(MAIN + "log: {decisions: d.jsonl}\n", **{"z.yaml": ZONE + "records: z.zone"})
    Path("z.zone").write_text("@ 60 A 192.0.2.7\n")
    system = load(path).system
    here = Path.cwd()
    assert system.files == tuple(str(here / name) for name in ("gslb.yaml", "z.yaml", "z.zone"))
    assert system.log == LogSettings(decisions=str(here / "d.jsonl"))
    sha = hashlib.sha256()
    for name in ("gslb.yaml", "z.yaml", "z.zone"):
        octets = Path(name).read_bytes()
        sha.update(len(octets).to_bytes(8, "big") + octets)
    assert system.digest == sha.hexdigest()[:12]


OWN = 'node: ns2\nlisten: {dns: ["127.0.0.1:5399"]}\nworkers: 2\nlog: {level: debug}\n'


@pytest.mark.parametrize(
    ("more", "is_shared"),
    [
        (OWN, True),
        ("health: {quorum: 0.7}\n", False),
        ("orders: {eu: {do: drain, reason: kernel}}\n", False),
    ],
    ids=["who and where a name server is", "a rule of health", "an order"],
)
def test_name_servers_of_one_system_have_one_shared_digest(write, more, is_shared):
    path = write(MAIN, **{"z.yaml": ZONE})
    first = load(path).system
    path.write_text(MAIN + more)
    second = load(path).system
    assert first.digest != second.digest
    assert (first.shared_digest == second.shared_digest) is is_shared
    Path("z.yaml").write_text(ZONE + "services: {www: {answers: {eu: {}}}}\n")
    assert load(path).system.shared_digest != second.shared_digest


def test_serial_is_the_newest_modification_time_of_the_zones_files(write):
    import os

    path = write(MAIN, **{"z.yaml": ZONE + "records: z.zone", "z.zone": "@ 60 A 192.0.2.7\n"})
    os.utime("z.yaml", (0, 1_700_000_000))
    os.utime("z.zone", (0, 1_600_000_000))
    assert load(path).zones[0].source.serial == 1_700_000_000


def test_all_keys_reach_the_system(write):
    main = """\
node: a.b
listen: {dns: ["0.0.0.0:53", "[::]:53"]}
workers: 64
health: {panic_below: 0.25}
edns:
  {udp_size: 4096, client_subnet: false, max_ipv4_prefix: 20, max_ipv6_prefix: 48,
   nsid: x, version: v}
tcp: {max_connections: 7, max_per_client: 3, idle_s: 4, message_s: 1.5}
log: {level: debug, format: json, decisions: stdout, decision_share: 1}
sites:
  a: {addresses: ["2001:db8::1"], check: {tcp: {port: 25}, interval_s: 1}}
  b: {addresses: ["2001:db8::2"], check: {https: {host: X.example., verify: false}}}
"""
    found = load(write(main))
    system = found.system
    assert (system.node, system.workers, system.admin) == ("a.b", 64, None)
    assert system.dns == (Endpoint("0.0.0.0", 53), Endpoint("::", 53))
    assert system.health.panic_below == 0.25
    assert system.limits == DnsLimits(4096, False, 20, 48, "x", "v", 7, 3, 4.0, 1.5)
    assert system.log == LogSettings("debug", "json", "stdout", 1.0)
    assert system.sites["a"].check == Check((TcpCheck(25),), interval_s=1, timeout_s=1)
    kind = HttpCheck(port=443, scheme="https", host="x.example", verify=False)
    assert system.sites["b"].check == Check((kind,), interval_s=5, timeout_s=2)
    assert [str(one) for one in found.warnings] == [
        "gslb.yaml:1:1: no zones: every query will be refused"
    ]


def test_nsid_when_empty_is_off(write):
    assert load(write("edns: {nsid: ''}")).system.limits.nsid is None


def test_workers_when_auto_is_one_for_each_core(write, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    assert load(write("workers: auto")).system.workers == 3


@pytest.mark.parametrize(
    ("text", "ttl"),
    [("ttl: 3", (3, 3)), ("ttl: 600", (600, 5)), ("ttl: {max: 60}", (60, 5)),
     ("ttl: {min: 10}", (30, 10)), ("ttl: {max: 4}", (4, 4)), ("max_answers: 2", (30, 5))],
)  # fmt: skip
def test_ttl_forms(write, text, ttl):
    path = write(MAIN, **{"z.yaml": service(f"{text}\nanswers: {{eu: {{}}}}")})
    (found,) = load(path).zones[0].source.services
    assert (found.ttl_max, found.ttl_min) == ttl


def test_fixed_addresses_when_all_down(write):
    text = "when_all_down: {addresses: [192.0.2.99]}\nanswers: {eu: {}}"
    (found,) = load(write(MAIN, **{"z.yaml": service(text)})).zones[0].source.services
    assert found.when_all_down == AllDown("addresses", (ip_address("192.0.2.99"),))


def test_geo_databases_are_watched_and_relative_to_the_main_file(write):
    write("", **{"etc__main.yaml": "", "etc/city.mmdb": ""})
    path = Path("etc/gslb.yaml")
    path.write_text("geo: {database: [bundled, city.mmdb]}")
    system = load(path).system
    city = str(Path.cwd() / "etc" / "city.mmdb")
    assert system.geo.databases == ("bundled", city)
    assert system.files == (str(Path.cwd() / "etc" / "gslb.yaml"), city)


def test_patterns_when_they_overlap_load_each_zone_once(write):
    path = write(
        "zones: [z/*.yaml, z/a.yaml]",
        **{"z/b.yaml": ZONE, "z/a.yaml": "zone: a.example\nnameservers: {n.x: []}"},
    )
    assert [zone.source.origin for zone in load(path).zones] == ["a.example", "g.example"]


def test_zones_when_they_nest_are_allowed(write):
    path = write(
        "zones: [a.yaml, b.yaml]", **{"a.yaml": ZONE, "b.yaml": ZONE.replace("g.ex", "sub.g.ex")}
    )
    assert len(load(path).zones) == 2


def test_problems_of_all_files_come_at_once(rows):
    main = "node: 5\nzones: [a.yaml, b.yaml, c.yaml]\nsites: {eu: {addresses: [x]}}\n"
    found = rows(
        main,
        **{
            "a.yaml": service("answers: {eu: {}, uss: {}}\npolicy: [helth]").replace("www", "x"),
            "b.yaml": ZONE + "records: b.zone\nfoo: 1\n",
            "b.zone": "@ 60 A 1.2.3\n@ 60 MX mail\nok 60 A 192.0.2.1\n",
        },
    )
    assert [row.split(": ")[0] for row in found] == [
        "a.yaml:6:14",
        "b.yaml:1:7",
        "b.yaml:4:1",
        "b.zone:1:1",
        "b.zone:2:1",
        "gslb.yaml:1:7",
        "gslb.yaml:2:25",
        "gslb.yaml:3:26",
    ]


def test_problem_when_an_alias_repeats_it_is_told_once(rows):
    main = (
        "sites:\n  a: {addresses: [192.0.2.1], check: &c {tcp: {port: 0}}}\n"
        "  b: {addresses: [192.0.2.2], check: *c}\n"
    )
    assert rows(main) == [
        "gslb.yaml:2:54: sites.a.check.tcp.port: must be a whole number from 1 to 65535, not 0"
    ]


def test_example_when_one_octet_is_cut_never_raises_anything_else(write):
    text = (ROOT / "zones/zones/shop.yaml").read_text()
    main = EXAMPLE.read_text()
    for cut in range(0, len(text), 97):
        path = write(main, **{"zones/shop.yaml": text[:cut] + text[cut + 1 :]})
        with pytest.raises(ConfigError):  # shop.zone is missing, so there is always a problem
            load(path)


TOKENS = st.sampled_from(
    ["zones", "sites", "zone", "services", "answers", "policy", "eu", "www", "g.example", "[",
     "]", "{", "}", ": ", ", ", "\n", "\n  ", "- ", "&a", "*a", "addresses", "192.0.2.1", "1",
     "-1", "0.5", "true", "null", "'", '"', "*", "..", "/", "ttl", "z.yaml", "check", "tcp",
     "port", "geo", "maps",
     "database", "records", "nameservers", "@", "\x00", "\ud800", "listen", "dns", "cname",
     "agents", "orders", "store", "redis://h", "health", "canaries", "of", "need", "command",
     "public_key", "until", "do", "down", "reason", "redis", "admin", "tokens", "a/b"]
)  # fmt: skip


@settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    main=st.lists(TOKENS, max_size=40).map("".join) | st.text(max_size=80),
    zone=st.lists(TOKENS, max_size=40).map("".join) | st.text(max_size=80),
)
def test_any_text_gives_a_configuration_or_config_error(write, main, zone):
    octets = [text.encode("utf-8", "surrogatepass") for text in (f"zones: [z.yaml]\n{main}", zone)]
    path = write(octets[0], **{"z.yaml": octets[1]})
    try:
        found = load(path)
    except ConfigError:
        pass
    else:
        assert isinstance(found, Configuration)
