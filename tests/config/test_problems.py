# ruff: noqa: E501 - a row is read best on one line
"""One row a mistake: what the operator wrote, and the exact line that tells about it."""

from pathlib import Path

import pytest

from gslb.config.load import load
from gslb.errors import ConfigError

SITES = "sites: {eu: {addresses: [192.0.2.1]}, us: {addresses: [192.0.2.2]}}\n"
MAIN = f"zones: [z.yaml]\ngeo: {{maps: {{office: [203.0.113.0/24]}}}}\n{SITES}"
ZONE = "zone: g.example\nnameservers: {ns.x.example: []}\n"

KEYS = (
    "node, listen, workers, store, redis, state_dir, geo, health, edns, tcp, log, zones, sites, "
    "agents, orders, proxies, admin, events"
)

MAIN_ROWS = [
    ("", ["1:1: must be a mapping (key: value), not nothing"]),
    ("- a", ["1:1: must be a mapping (key: value), not a list"]),
    ("nodes: a", [f"1:1: nodes: unknown key; allowed: {KEYS}; did you mean node?"]),
    ("zzz: a", [f"1:1: zzz: unknown key; allowed: {KEYS}"]),
    ("node: 7", ["1:7: node: must be a name of letters, digits, '.', '_' and '-', not 7"]),
    ("node: a b", ["1:7: node: 'a b' is not a name; allowed: 1 to 63 letters, digits, '.', '_', '-', a letter or digit first"]),
    ("workers: 65", ["1:10: workers: must be a whole number from 1 to 64 or auto, not 65"]),
    ("workers: yes", ["1:10: workers: must be a whole number from 1 to 64 or auto, not 'yes'"]),
    ("listen: {dns: []}", ["1:10: listen.dns: must be a list of 1 to 64 entries, each an address and port such as 127.0.0.1:53 or [::1]:53, not an empty one"]),
    ("listen: {dns: [localhost:53]}", ["1:16: listen.dns.0: must be an address and port such as 127.0.0.1:53 or [::1]:53, not 'localhost:53'"]),
    ('listen: {dns: ["::1:53"]}', ["1:16: listen.dns.0: must be an address and port such as 127.0.0.1:53 or [::1]:53, not '::1:53'"]),
    ("listen: {dns: ['[127.0.0.1]:53']}", ["1:16: listen.dns.0: must be an address and port such as 127.0.0.1:53 or [::1]:53, not '[127.0.0.1]:53'"]),
    ("listen: {dns: [127.0.0.1:0]}", ["1:16: listen.dns.0: the port must be a whole number from 1 to 65535, not 0"]),
    ("listen: {dns: [127.0.0.1:53, 127.0.0.1:53]}", ["1:30: listen.dns.1: 127.0.0.1:53 is listed twice"]),
    ("listen: {dns: [127.0.0.1:53], admin: 127.0.0.1:53}", ["1:38: listen.admin: 127.0.0.1:53 is used by listen.dns already"]),
    ("health: {quorum: 1.5}", ["1:18: health.quorum: must be a number from 0 to 1, not 1.5"]),
    ("health: {quorum: half}", ["1:18: health.quorum: must be a number from 0 to 1, not 'half'"]),
    ("health: {max_withdrawn: -0.1}", ["1:25: health.max_withdrawn: must be a number from 0 to 1, not -0.1"]),
    ("health: {stale_after_s: 1e999}", ["1:25: health.stale_after_s: must be a number from 1 to 86400, not inf"]),
    ("edns: {client_subnet: yes}", ["1:23: edns.client_subnet: must be true or false, not 'yes'"]),
    ("edns: {udp_size: 0512}", ["1:18: edns.udp_size: must be a whole number from 512 to 4096, not '0512'"]),
    ("edns: {udp_size: 1232.0}", ["1:18: edns.udp_size: must be a whole number from 512 to 4096, not 1232.0"]),
    ("log: {level: trace}", ["1:14: log.level: must be one of debug, info, warning, error, not 'trace'"]),
    ("geo: {database: none.mmdb}", ["1:17: geo.database: none.mmdb: there is no such file; allowed: bundled, or the path of an mmdb file"]),
    ("geo: {maps: {a: [10.0.0.1/8]}}", ["1:18: geo.maps.a.0: 10.0.0.1/8 has bits set behind its prefix; did you mean 10.0.0.0/8?"]),
    ("geo: {maps: {a: [x]}}", ["1:18: geo.maps.a.0: must be a network such as 192.0.2.0/24 or 2001:db8::/48, not 'x'"]),
    ('geo: {maps: {a: ["2001:db8::/65"]}}', ["1:18: geo.maps.a.0: 2001:db8::/65 is longer than /64, the longest IPv6 prefix allowed"]),
    ("geo: {maps: {a: [10.0.0.0/8], b: [10.0.0.0/8]}}", ["1:35: geo.maps.b.0: 10.0.0.0/8 is listed twice, first at geo.maps.a.0"]),
    ("zones: [none.yaml]", ["1:9: zones.0: none.yaml: cannot be read: No such file or directory"]),
    ("zones: [z/*.yaml]", ["1:9: zones.0: z/*.yaml matches no file in ."]),
    ("zones: [.]", ["1:9: zones.0: .: cannot be read: it is not a regular file"]),
    ("sites: {a: {}}", ["1:9: sites.a: the key addresses is missing: The VIPs of the site: A answers take the IPv4 ones, AAAA the IPv6 ones"]),
    ("sites: {a: {addresses: [1.2.3]}}", ["1:25: sites.a.addresses.0: must be an IPv4 or IPv6 address, not '1.2.3'"]),
    ("sites: {a: {addresses: [0.0.0.0]}}", ["1:25: sites.a.addresses.0: 0.0.0.0 cannot be the address of a server"]),
    ("sites: {a: {addresses: ['ff02::1']}}", ["1:25: sites.a.addresses.0: ff02::1 cannot be the address of a server"]),
    ("sites: {a: {addresses: [192.0.2.1]}, b: {addresses: [192.0.2.1]}}", ["1:54: sites.b.addresses.0: 192.0.2.1 is listed twice, first at sites.a.addresses.0"]),
    ("sites: {a b: {addresses: [192.0.2.1]}}", ["1:9: sites.a b: 'a b' is not a name; allowed: 1 to 63 letters, digits, '.', '_', '-', a letter or digit first"]),
    ("sites: {a: {addresses: [192.0.2.1], location: {country: UK}}}", ["1:57: sites.a.location.country: 'UK' is not an ISO 3166-1 code such as DE or US; did you mean GB?"]),
    ("sites: {a: {addresses: [192.0.2.1], location: {country: NO}}}", []),
    ("sites: {a: {addresses: [192.0.2.1], location: {latitude: 1}}}", ["1:37: sites.a.location: latitude and longitude must be given together"]),
    ("sites: {a: {addresses: [192.0.2.1], capacity: 0}}", ["1:47: sites.a.capacity: must be a number above 0 and of at most 1000000000, not 0"]),
    ("sites: {a: {addresses: [192.0.2.1], check: {}}}", ["1:37: sites.a.check: must hold exactly one of http, https, tcp, command, of, not none of them"]),
    ("sites: {a: {addresses: [192.0.2.1], check: {http: {}, tcp: {port: 1}}}}", ["1:37: sites.a.check: must hold exactly one of http, https, tcp, command, of, not http and tcp"]),
    ("sites: {a: {addresses: [192.0.2.1], check: {http: {}, interval_s: 1, timeout_s: 1.5}}}", ["1:81: sites.a.check.timeout_s: must be at most interval_s (1), not 1.5"]),
    ("sites: {a: {addresses: [192.0.2.1], check: {http: {path: x}}}}", ["1:58: sites.a.check.http.path: must be a path that begins with / and holds no spaces, not 'x'"]),
    ("sites: {a: {addresses: [192.0.2.1], check: {http: {verify: true}}}}", ["1:52: sites.a.check.http.verify: unknown key; allowed: port, path, host, address, method, headers, expect_status, expect_body, expect_json, max_ms"]),
    ("sites: {a: {addresses: [192.0.2.1], check: {http: {expect_status: 200}}}}", ["1:67: sites.a.check.http.expect_status: must be a list of 1 to 100 entries, each a whole number from 100 to 599, not 200"]),
    ("a: [", ["1:5: not valid YAML: while parsing a flow node expected the node content, but found '<stream end>'"]),
]  # fmt: skip

SITE_NAMES = "allowed: eu, us, or any other name with a cname"

# The text of a service; its first line is line 5, column 5 of z.yaml.
SERVICE_ROWS = [
    ("answers: {eu: {}, uss: {}}", [f"5:23: services.www.answers.uss: unknown site 'uss'; {SITE_NAMES}; did you mean us?"]),
    ("answers: {}", ["5:5: services.www.answers: no answers: name at least one site, or any other name with a cname"]),
    ("ttl: 5", ["4:3: services.www: the key answers is missing: The possible answers, by the name of a site; or by any other name with a `cname`"]),
    ("answers: {eu: {cname: a.example.}}", ["5:27: services.www.answers.eu.cname: eu is a site and has a cname: only one of them can be answered; rename the answer"]),
    ("answers: {c: {cname: a}}", ["5:26: services.www.answers.c.cname: 'a' must be an absolute name such as a.example."]),
    ("answers: {c: {cname: a..b.}}", ["5:26: services.www.answers.c.cname: 'a..b.' has an empty label"]),
    ("answers: {c: {cname: a.b.}}\nmax_answers: 2", ["6:18: services.www.max_answers: must be 1 where an answer is a cname, not 2"]),
    ("answers: {eu: {weight: 10001}}", ["5:28: services.www.answers.eu.weight: must be a whole number from 0 to 10000, not 10001"]),
    ("answers: {eu: {weight: 017}}", ["5:28: services.www.answers.eu.weight: must be a whole number from 0 to 10000, not '017'"]),
    ("answers: {eu: {weight: 0}, us: {weight: 0}}", ["5:5: services.www.answers: no answer can be chosen: weighted with every weight 0"]),
    ("answers: {eu: {weight: 0}}\npolicy: [failover]", []),
    ("answers: {eu: {weight: 0}, us: {}}", []),
    ("answers: {eu: {}}\npolicy: []", ["6:5: services.www.policy: must be a list of 1 to 16 entries, each one of health, geo, nearest, latency, failover, weighted, round_robin, sticky or a mapping (key: value), not an empty one"]),
    ("answers: {eu: {}}\npolicy: [helth]", ["6:14: services.www.policy.0: 'helth' is no filter; allowed: health, geo, nearest, latency, failover, weighted, round_robin, sticky; did you mean health?"]),
    ("answers: {eu: {}}\npolicy: [{sticky: 24}]", ["6:14: services.www.policy.0: must be the name of a filter, or {name: {options}}, not a mapping"]),
    ("answers: {eu: {}}\npolicy: [{sticky: {ipv4_prefix: 33}}]", ["6:37: services.www.policy.0.sticky.ipv4_prefix: must be a whole number from 1 to 32, not 33"]),
    ("answers: {eu: {}}\npolicy: [{nearest: {bend: 1}}]", ["6:25: services.www.policy.0.nearest.bend: unknown key; allowed: band; did you mean band?"]),
    ("answers: {eu: {}}\npolicy: [health, weighted, health]", ["6:32: services.www.policy.2: the filter health stands twice in this policy"]),
    ("answers: {eu: {}}\npolicy: [health, weighted, sticky]", ["6:32: services.www.policy.2: weighted has ordered the answers already: one of weighted, round_robin, sticky"]),
    ("answers: {eu: {}}\npolicy: [nearest, health]\nwhen_all_down: nodata", ["6:23: services.www.policy.1: must stand before nearest where when_all_down is nodata: no answer is for all"]),
    ("answers: {eu: {}}\npolicy: [failover, health]\nwhen_all_down: nodata", []),
    ("answers: {eu: {}}\npolicy: [geo]", ["6:14: services.www.policy.0: geo has nothing to choose by: no answer has serves"]),
    ("answers: {eu: {serves: [country:UK]}}\npolicy: [geo]", ["5:29: services.www.answers.eu.serves.0: 'UK' is not an ISO 3166-1 code such as DE or US; did you mean GB?"]),
    ("answers: {eu: {serves: [contry:DE]}}\npolicy: [geo]", ["5:29: services.www.answers.eu.serves.0: 'contry:DE' is no place; allowed: map:, asn:, city:, subdivision:, country:, continent:, default; did you mean country?"]),
    ("answers: {eu: {serves: [continent:XX]}}\npolicy: [geo]", ["5:29: services.www.answers.eu.serves.0: continent:XX is unknown; allowed: AF, AN, AS, EU, NA, OC, SA"]),
    ("answers: {eu: {serves: [asn:AS1]}}\npolicy: [geo]", ["5:29: services.www.answers.eu.serves.0: asn:AS1 must be a number such as asn:64500"]),
    ("answers: {eu: {serves: [subdivision:VA]}}\npolicy: [geo]", ["5:29: services.www.answers.eu.serves.0: subdivision:VA must be a country and a code or name, as the database has it, such as subdivision:US-VA or subdivision:US-Virginia"]),
    ("answers: {eu: {serves: [subdivision:US-]}}\npolicy: [geo]", ["5:29: services.www.answers.eu.serves.0: subdivision:US- must be a country and a code or name, as the database has it, such as subdivision:US-VA or subdivision:US-Virginia"]),
    ("answers: {eu: {serves: [subdivision:US-VA, subdivision:US-North Carolina, subdivision:DE-Baden-Württemberg]}}\npolicy: [geo]", []),
    ("answers: {eu: {serves: [map:offices]}}\npolicy: [geo]", ["5:29: services.www.answers.eu.serves.0: unknown map 'offices'; allowed: office; did you mean office?"]),
    ("answers: {eu: {}}\nttl: -1", ["6:10: services.www.ttl: must be a whole number from 0 to 604800, not -1"]),
    ("answers: {eu: {}}\nttl: 12:30", ["6:10: services.www.ttl: must be a whole number of seconds, or {max, min}, not '12:30'"]),
    ("answers: {eu: {}}\nttl: {max: 5, min: 6}", ["6:24: services.www.ttl.min: must be at most max (5), not 6"]),
    ("answers: {eu: {}}\nwhen_all_down: last", ["6:20: services.www.when_all_down: must be one of all, last_good, nodata or {addresses: [...]}, not 'last'"]),
    ("answers: {eu: {}}\nwhen_all_down: {addresses: [x]}", ["6:33: services.www.when_all_down.addresses.0: must be an IPv4 or IPv6 address, not 'x'"]),
    ("answers: {eu: {}}\nwhen_all_down: {word: all}", ["6:5: services.www.when_all_down: the key addresses is missing: The addresses that are answered", "6:21: services.www.when_all_down.word: unknown key; allowed: addresses"]),
    ("answers: {eu: {}}\nmax_answers: 0", ["6:18: services.www.max_answers: must be a whole number from 1 to 64, not 0"]),
]  # fmt: skip

ZONE_ROWS = [
    ("", ["1:1: must be a mapping (key: value), not nothing"]),
    ("services: {}", ["1:1: the key zone is missing: The zone's absolute name"]),
    ("zone: a b", ["1:7: zone: 'a b' is not a domain name: labels hold letters, digits, - and _, and no - at an end"]),
    ("zone: münchen.example", ["1:7: zone: 'münchen.example' is not ASCII; write an international name in its xn-- form"]),
    (f"zone: {'a' * 64}.example", [f"1:7: zone: the label '{'a' * 60}...' has 64 characters; at most 63 are allowed"]),
    (f"zone: {'a.' * 127}a", ["1:7: zone: the name has 255 characters; at most 253 are allowed"]),
    ("zone: g.example", ["1:1: the zone needs name servers: here, or as NS in the master file"]),
    ("zone: g.example\nnameservers: {ns.x.: [], NS.X: []}", ["2:26: nameservers.NS.X: the same name server as ns.x.: case does not count"]),
    (ZONE + "contact: me", ["3:10: contact: must be a mail address, not 'me'"]),
    (ZONE + "negative_ttl: 86401", ["3:15: negative_ttl: must be a whole number from 0 to 86400, not 86401"]),
    (ZONE + "records: none.zone", ["3:10: records: none.zone: cannot be read: No such file or directory"]),
    (ZONE + "records: ../x.zone", ["3:10: records: ../x.zone: cannot be read: it lies outside the main file's directory ."]),
    (ZONE + "records: /dev/zero", ["3:10: records: /dev/zero: cannot be read: it lies outside the main file's directory ."]),
    (ZONE + 'records: "a\\0b"', ["3:10: records: 'a\\x00b' holds characters that no file name should have"]),
    (ZONE + "services: {www.: {answers: {eu: {}}}}", ["3:12: services.www.: 'www.' must be relative to the zone: without a final dot"]),
    (ZONE + "services: {w w: {answers: {eu: {}}}}", ["3:12: services.w w: 'w w' is not a domain name: labels hold letters, digits, - and _, and no - at an end"]),
    (ZONE + "services: {a: {answers: {eu: {}}}, A: {answers: {eu: {}}}}", ["3:36: services.A: the same service as a: case does not count"]),
    (ZONE + "services: {'@': {answers: {c: {cname: a.b.}}}}", ["3:12: services.@: answers with cname are not allowed at the zone's own name (RFC 1034 3.6.2)"]),
]  # fmt: skip


def under(file: str, expected: list[str]) -> list[str]:
    return [f"{file}:{row}" for row in expected]


@pytest.mark.parametrize(("text", "expected"), MAIN_ROWS, ids=[row[0] for row in MAIN_ROWS])
def test_main_file(rows, text, expected):
    assert rows(text) == under("gslb.yaml", expected)


@pytest.mark.parametrize(("text", "expected"), SERVICE_ROWS, ids=[row[0] for row in SERVICE_ROWS])
def test_service(rows, text, expected):
    lines = "".join(f"    {line}\n" for line in text.splitlines())
    assert rows(MAIN, **{"z.yaml": f"{ZONE}services:\n  www:\n{lines}"}) == under(
        "z.yaml", expected
    )


@pytest.mark.parametrize(("text", "expected"), ZONE_ROWS, ids=[row[0][:40] for row in ZONE_ROWS])
def test_zone_file(rows, text, expected):
    assert rows(MAIN, **{"z.yaml": text}) == under("z.yaml", expected)


def test_main_file_when_missing(write):
    write("")
    with pytest.raises(ConfigError) as caught:
        load(Path("none.yaml"))
    assert str(caught.value) == "none.yaml: cannot be read: No such file or directory"


def test_main_file_when_a_directory(write):
    write("")
    Path("d").mkdir()
    with pytest.raises(ConfigError) as caught:
        load(Path("d"))
    assert str(caught.value) == "d: cannot be read: it is not a regular file"


def test_main_file_when_too_large(rows):
    assert rows("# " + "x" * 2_000_000) == ["gslb.yaml: cannot be read: it is larger than 2 MB"]


def test_zones_when_two_files_have_the_same(rows):
    found = rows("zones: ['*.z']", **{"a.z": ZONE, "b.z": ZONE.replace("g.", "G.")})
    assert found == ["b.z:1:7: zone: g.example is the zone of a.z already"]


def test_master_file_faults_have_its_lines(rows):
    zone = {
        "z.yaml": ZONE + "records: z.zone",
        "z.zone": "$TTL 60\n@ A 1.2.3.4\n@ FOO x\n@ A 1.2.3\n",
    }
    assert [row.split(": ")[0] for row in rows(MAIN, **zone)] == ["z.zone:3:1", "z.zone:4:1"]


def test_master_file_when_not_utf_8(rows):
    zone = {"z.yaml": ZONE + "records: z.zone", "z.zone": b'$TTL 60\n@ TXT "\xfc"\n'}
    assert rows(MAIN, **zone) == ["z.zone:2:8: not UTF-8 text; write other octets as \\DDD"]


def test_master_file_when_a_link_leads_outside(rows, tmp_path, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "z.zone"
    outside.write_text("@ 60 A 192.0.2.1\n")
    (tmp_path / "z.zone").symlink_to(outside)
    assert rows(MAIN, **{"z.yaml": ZONE + "records: z.zone"}) == [
        "z.yaml:3:10: records: z.zone: cannot be read: it lies outside the main file's directory ."
    ]


def test_nameserver_when_inside_the_zone_needs_an_address(rows):
    found = rows(MAIN, **{"z.yaml": "zone: g.example\nnameservers: {ns.g.example: []}"})
    assert (
        "z.yaml:2:15: nameservers.ns.g.example: lies inside the zone, so it needs addresses: "
        "the parent must hold them as glue"
    ) in found


WARNING_ROWS = [
    ("answers: {eu: {serves: [default]}}\npolicy: [geo, health]", "z.yaml:6:19: services.www.policy.1: stands behind geo: a client whose sites are down gets no other sites"),
    ("answers: {eu: {serves: [default]}}\npolicy: [health]", "z.yaml:5:5: services.www.answers: serves is not read: geo is not in the policy"),
    ("answers: {eu: {}}\npolicy: [nearest]", "z.yaml:5:15: services.www.answers.eu: eu has no latitude and longitude: nearest cannot tell how far it is"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), WARNING_ROWS)
def test_warnings(write, text, expected):
    lines = "".join(f"    {line}\n" for line in text.splitlines())
    found = load(write(MAIN, **{"z.yaml": f"{ZONE}services:\n  www:\n{lines}"}))
    assert [str(warning) for warning in found.warnings] == [expected]


def test_service_name_when_it_repeats_the_zone_is_doubtful(write):
    text = ZONE + "services: {www.g.example: {answers: {eu: {}}}}"
    (warning,) = load(write(MAIN, **{"z.yaml": text})).warnings
    assert warning.message == "service names are relative: this one is www.g.example.g.example"
