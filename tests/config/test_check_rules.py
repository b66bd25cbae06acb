# ruff: noqa: E501 - a row is read best on one line
"""One row a mistake in a check, and what a good one becomes."""

from ipaddress import ip_address
from pathlib import Path

import pytest

from gslb.config.load import load
from gslb.model.check import Check, CommandCheck, HttpCheck, TcpCheck

# The text of a check; it begins at 2:44 of the main file.
BEFORE = "zones: []\nsites: {a: {addresses: [192.0.2.1], check: "
KIND = "must hold exactly one of http, https, tcp, command"

ROWS = [
    ("{}", ["37: check: must hold exactly one of http, https, tcp, command, of, not none of them"]),
    ("{http: {}, of: [{http: {}}, {http: {}}]}", ["37: check: must hold exactly one of http, https, tcp, command, of, not http and of"]),
    ("{of: [{http: {}}]}", ["45: check.of: must be a list of 2 to 16 entries, each a mapping (key: value), not 1 of them"]),
    ("{of: [{http: {}}, {}]}", [f"62: check.of.1: {KIND}, not none of them"]),
    ("{of: [{http: {}}, {http: {}, tcp: {port: 1}}]}", [f"62: check.of.1: {KIND}, not http and tcp"]),
    ("{of: [{http: {}}, {htp: {}}]}", ["63: check.of.1.htp: unknown key; allowed: http, https, tcp, command; did you mean http?"]),
    ("{of: [{http: {}}, {tcp: {}}]}", ["63: check.of.1.tcp: the key port is missing: TCP port"]),
    ("{of: [{http: {}}, {tcp: {port: 1}}], need: 3}", ["87: check.need: must be at most 2, as of has so many entries, not 3"]),
    ("{of: [{http: {}}, {tcp: {port: 1}}], need: 0}", ["87: check.need: must be all, any or a whole number from 1 to 16, not 0"]),
    ("{of: [{http: {}}, {tcp: {port: 1}}], need: anny}", ["87: check.need: must be all, any or a whole number from 1 to 16, not 'anny'; did you mean any?"]),
    ("{of: [{http: {}}, {tcp: {port: 1}}], need: true}", ["87: check.need: must be all, any or a whole number from 1 to 16, not true"]),
    ("{http: {}, need: any}", ["55: check.need: is read only where the check has of"]),
    ("{http: {}, interval_s: 1, fast_interval_s: 1.5}", ["87: check.fast_interval_s: must be at most interval_s (1), not 1.5"]),
    ("{http: {method: HEAD, expect_body: ok}}", ["66: check.http.expect_body: cannot hold: the answer to HEAD has no body"]),
    ("{of: [{tcp: {port: 1}}, {http: {method: HEAD, expect_json: {a: 1}}}]}", ["90: check.of.1.http.expect_json: cannot hold: the answer to HEAD has no body"]),
    ("{http: {method: PUT}}", ["60: check.http.method: must be one of GET, HEAD, POST, OPTIONS, not 'PUT'"]),
    ("{http: {method: get}}", ["60: check.http.method: must be one of GET, HEAD, POST, OPTIONS, not 'get'"]),
    ("{http: {address: www.x.example}}", ["61: check.http.address: must be an IPv4 or IPv6 address, not 'www.x.example'"]),
    ("{http: {headers: {Host: x}}}", ["62: check.http.headers.Host: Host cannot be set: the probe sends its own; use the key host"]),
    ("{http: {headers: {connection: x}}}", ["62: check.http.headers.connection: connection cannot be set: the probe sends its own"]),
    ("{http: {headers: {Content-Length: '1'}}}", ["62: check.http.headers.Content-Length: Content-Length cannot be set: the probe sends its own"]),
    ("{http: {headers: {Transfer-Encoding: x}}}", ["62: check.http.headers.Transfer-Encoding: Transfer-Encoding cannot be set: the probe sends its own"]),
    ("{http: {headers: {A B: x}}}", ["62: check.http.headers.A B: 'A B' is not the name of a header"]),
    ("{http: {headers: {A: x, a: x}}}", ["68: check.http.headers.a: the same header as A: case does not count"]),
    ('{http: {headers: {A: "s3cret\\r\\nB: c"}}}', ["65: check.http.headers.A: must be printable ASCII text of at most 2000 characters, without spaces around it; put a number in quotes"]),
    ("{http: {headers: {A: 5}}}", ["65: check.http.headers.A: must be printable ASCII text of at most 2000 characters, without spaces around it; put a number in quotes"]),
    ("{http: {expect_json: {a..b: 1}}}", ["66: check.http.expect_json.a..b: 'a..b' must be keys and indexes joined with dots, such as checks.0.status"]),
    ("{http: {expect_json: {a: [1]}}}", ["66: check.http.expect_json.a: must be text, a number, true, false or null, not a list"]),
    ("{http: {expect_json: {a: 1e999}}}", ["69: check.http.expect_json.a: must be text, a number, true, false or null, not inf"]),
    ("{http: {max_ms: 0}}", ["60: check.http.max_ms: must be a number above 0 and of at most 3600000, not 0"]),
    ("{tcp: {port: 1, send: ''}}", ["66: check.tcp.send: must be text of 1 to 1000 characters, not ''"]),
    ("{command: /bin/true}", ["54: check.command: must be a list of 1 to 100 entries, each text of at most 1000 characters, not '/bin/true'"]),
    ("{command: []}", ["45: check.command: must be a list of 1 to 100 entries, each text of at most 1000 characters, not an empty one"]),
    ("{command: [ping, -c1]}", ["45: check.command: must begin with the path of a program such as /usr/bin/ping: neither PATH nor a shell is asked"]),
    ("{command: [/bin/sleep, 1]}", ["67: check.command.1: must be text of at most 1000 characters, not 1"]),
    ('{command: [/bin/echo, "a\\0b"]}', ["45: check.command: must not hold NUL characters: no program can be given them"]),
]  # fmt: skip

WARNINGS = [
    ("{http: {max_ms: 2000}}", "60: check.http.max_ms: has no effect: the check ends after timeout_s (2) anyway"),
    ("{of: [{tcp: {port: 1}}, {tcp: {port: 1, max_ms: 500}}], timeout_s: 0.3}", "92: check.of.1.tcp.max_ms: has no effect: the check ends after timeout_s (0.3) anyway"),
    ("{tcp: {port: 1}, interval_s: 31}", "73: check.interval_s: 31 is longer than health.stale_after_s (30): what is reported is stale before it is checked again"),
]  # fmt: skip


def under(expected: list[str]) -> list[str]:
    return [f"gslb.yaml:2:{row.replace(': ', ': sites.a.', 1)}" for row in expected]


@pytest.mark.parametrize(("text", "expected"), ROWS, ids=[row[0] for row in ROWS])
def test_check_when_wrong(rows, text, expected):
    assert rows(f"{BEFORE}{text}}}}}") == under(expected)


@pytest.mark.parametrize(("text", "expected"), WARNINGS)
def test_check_when_doubtful(write, text, expected):
    found = load(write(f"{BEFORE}{text}}}}}")).warnings
    assert [str(one) for one in found if one.path != "zones"] == under([expected])


def check_of(write, text: str) -> Check | None:
    return load(write(f"{BEFORE}{text}}}}}")).system.sites["a"].check


def test_every_key_of_http_reaches_the_check(write):
    text = """\
{https: {port: 8443, path: /x, host: h.example, address: 192.0.2.9, method: POST,
  headers: {X-A: "1", Accept: text/html}, expect_status: [204], expect_body: b,
  expect_json: {a.0: null, b: 1.5, c: yes, d: true}, max_ms: 250, verify: false},
  interval_s: 4, fast_interval_s: 1, timeout_s: 3, fall: 7, rise: 8}"""
    kind = HttpCheck(
        port=8443,
        scheme="https",
        path="/x",
        host="h.example",
        address=ip_address("192.0.2.9"),
        method="POST",
        headers=(("X-A", "1"), ("Accept", "text/html")),
        expect_status=(204,),
        expect_body="b",
        expect_json=(("a.0", None), ("b", 1.5), ("c", "yes"), ("d", True)),
        max_ms=250,
        verify=False,
    )
    assert check_of(write, text) == Check((kind,), 4, 3, 7, 8, 1, 1)


def test_every_key_of_tcp_reaches_the_check(write):
    text = '{tcp: {port: 25, address: "2001:db8::9", send: "a\\r\\n", expect: "250", max_ms: 9}}'
    kind = TcpCheck(25, ip_address("2001:db8::9"), "a\r\n", "250", 9)
    assert check_of(write, text) == Check((kind,))


@pytest.mark.parametrize(
    ("command", "argv"),
    [
        ("[/bin/true]", ("/bin/true",)),
        ("[./probe.sh, a b, '']", ("{here}/probe.sh", "a b", "")),
        ("[checks/../probe.sh]", ("{here}/probe.sh",)),
    ],
)
def test_command_is_relative_to_the_main_file(write, command, argv):
    here = str(Path.cwd())
    expected = tuple(one.replace("{here}", here) for one in argv)
    assert check_of(write, f"{{command: {command}}}") == Check((CommandCheck(expected),))


@pytest.mark.parametrize(
    ("need", "count"),
    [("", 3), (", need: all", 3), (", need: any", 1), (", need: 2", 2), (", need: 3", 3)],
)
def test_need_is_a_number_of_parts(write, need, count):
    found = check_of(
        write, f"{{of: [{{http: {{}}}}, {{tcp: {{port: 1}}}}, {{command: [/x]}}]{need}}}"
    )
    assert found == Check((HttpCheck(80), TcpCheck(1), CommandCheck(("/x",))), need=count)
