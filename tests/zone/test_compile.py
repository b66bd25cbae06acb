# ruff: noqa: E501 - a row is read best on one line
"""What of a zone is made, and every fault that keeps one from loading."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from gslb.model.service import Candidate, FilterSpec, Service, Site
from gslb.model.zone import ZoneSource
from gslb.wire import codes
from gslb.wire.names import from_text
from gslb.zone.compile import compile_zone
from gslb.zone.records import soa_minimum
from gslb.zone.tree import Zone

HEAD = "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n"  # four lines
NS1 = {"ns1.z.test": (ip_address("192.0.2.1"), ip_address("2001:db8::1"))}
SITE = Site("s", (ip_address("192.0.2.9"),))
POLICY = (FilterSpec("health"),)


def service(name: str, *, cname: str | None = None, **more: Any) -> Service:
    site = None if cname else SITE
    return Service(name, (Candidate("one", site=site, cname=cname),), POLICY, **more)


def build(master: str | None = None, **more: Any) -> tuple[Zone | None, list[str]]:
    """The zone and its faults, one text each: `line N: ...` or `path: ...`, warnings marked."""
    zone, faults = compile_zone(ZoneSource("z.test", "z.yaml", master=master, **more))
    return zone, [
        ("warning: " if one.is_warning else "")
        + (f"line {one.line}: " if one.master else f"{one.path}: ")
        + one.message
        for one in faults
    ]


def loads(master: str | None = None, **more: Any) -> Zone:
    zone, faults = build(master, **more)
    assert faults == []
    assert zone is not None
    return zone


# --- what is made


def test_soa_and_ns_and_glue_are_made_from_the_yaml_file():
    zone = loads(nameservers=NS1, contact="dns.admin@z.test", negative_ttl=17, serial=42)
    assert zone.soa.rdatas[0][:2] == (from_text("ns1.z.test."), from_text("dns\\.admin.z.test."))
    assert zone.soa.rdatas[0][2][:4] == (42).to_bytes(4, "big")
    assert (zone.soa.ttl, soa_minimum(zone.soa), zone.negative_soa.ttl) == (3600, 17, 17)
    assert zone.nodes[zone.origin].rrsets[codes.NS].rdatas == ((from_text("ns1.z.test."),),)
    assert zone.delegation() == (("ns1.z.test.", NS1["ns1.z.test"]),)


def test_the_contact_is_hostmaster_unless_told():
    zone = loads(nameservers=NS1)
    assert zone.soa.rdatas[0][1] == from_text("hostmaster.z.test.")


def test_what_the_master_file_has_is_not_made():
    zone = loads(HEAD, negative_ttl=300, serial=42)
    assert zone.soa.rdatas[0][2] == bytes(
        octet for field in range(1, 6) for octet in (0, 0, 0, field)
    )
    assert zone.negative_soa.ttl == 5


@pytest.mark.parametrize("serial", [0, 1, 2**31 - 1, 2**31, 2**32 - 1])
def test_rfc1982_a_serial_is_any_number_of_32_bits(serial):
    zone = loads(f"$TTL 60\n@ SOA ns h {serial} 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n")
    assert zone.soa.rdatas[0][2][:4] == serial.to_bytes(4, "big")


def test_records_that_are_there_twice_are_kept_once():
    zone = loads(HEAD + "x MX 10 M\nx MX 10 m\nx A 192.0.2.1\nx A 192.0.2.1\n")
    rrsets = zone.nodes[from_text("x.z.test.")].rrsets
    assert {rtype: len(rrset.rdatas) for rtype, rrset in rrsets.items()} == {15: 1, 1: 1}


def test_a_service_may_stand_beside_records_of_other_types():
    zone = loads(HEAD + "www TXT x\n@ MX 10 ns\n", services=(service("www"), service("@")))
    assert zone.nodes[from_text("www.z.test.")].service is not None
    assert zone.nodes[zone.origin].service is not None


def test_every_name_between_a_record_and_the_zone_exists():
    zone = loads(HEAD + "a.b.c A 192.0.2.1\n", services=(service("x.y"),))
    texts = ("@", "ns", "a.b.c", "b.c", "c", "x.y", "y")
    assert set(zone.nodes) == {from_text(text, zone.origin) for text in texts}


# --- faults of the master file


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("x A nonsense", "line 5: Text input is malformed."),
        ("x CNAME ns\nx A 192.0.2.1",
            "line 5: x.z.test. has a CNAME and other data; a CNAME must stand alone"),
        ("x A 192.0.2.1\nx CNAME ns",
            "line 6: x.z.test. has a CNAME and other data; a CNAME must stand alone"),
        ("x CNAME a\nx CNAME b", "line 6: a second CNAME at x.z.test.; one is allowed"),
        ("@ SOA ns h 2 2 3 4 5", "line 5: a second SOA at z.test.; one is allowed"),
        ("x SOA ns h 2 2 3 4 5", "line 5: SOA belongs at z.test. only"),
        ("x DNAME y",
            "line 5: DNAME is not supported; allowed: CNAME for one name, a wildcard CNAME for many"),
        ("* NS ns", "line 5: NS at a wildcard has no meaning (RFC 4592 4.2); name the delegated child"),
        ("x.other. A 192.0.2.1", "line 5: x.other. is outside the zone z.test."),
        ("x NSEC y A", "line 5: NSEC is not allowed: this server does not serve zones that were signed elsewhere"),
        ("x TYPE255 \\# 0", "line 5: ANY is a type of queries, not of data"),
        ("x TYPE41 \\# 0", "line 5: OPT is a type of queries, not of data"),
        ("x TYPE0 \\# 0", "line 5: TYPE0 is a type of queries, not of data"),
        ("x TYPE128 \\# 0", "line 5: NXNAME is a type of queries, not of data"),
        (f"x TYPE65280 \\# 60001 {'00' * 60001}",
            "line 5: more than 60000 octets at one name and type"),
        ("@ NS nowhere", "line 3: name server nowhere.z.test. has no address in the zone"),
    ],
)  # fmt: skip
def test_a_fault_of_the_master_file_keeps_the_zone_from_loading(lines, expected):
    zone, faults = build(HEAD + lines + "\n")
    assert zone is None
    assert faults == [expected]


def test_a_name_server_may_be_no_alias():
    zone, faults = build("$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns CNAME a\na A 192.0.2.1\n")
    assert zone is not None
    assert faults == ["warning: line 3: points to ns.z.test., which is a CNAME (RFC 2181 10.3)"]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("x 60 A 192.0.2.1\nx 30 A 192.0.2.2",
            "line 5: records of one name and type have different TTLs; all get the lowest, 30"),
        ("x MX 10 y\ny CNAME ns", "line 5: points to y.z.test., which is a CNAME (RFC 2181 10.3)"),
        ("sub NS ns\nx.sub TXT x", "line 6: never answered: sub.z.test. is delegated"),
        ("sub NS ns\nsub TXT x", "line 6: never answered: sub.z.test. is delegated"),
        ("sub NS ns\nx.sub NS ns", "line 6: never answered: sub.z.test. is delegated"),
        ("sub NS ns.sub", "line 5: name server ns.sub.z.test. has no address in the zone"),
    ],
)  # fmt: skip
def test_what_is_doubtful_is_a_warning(lines, expected):
    zone, faults = build(HEAD + lines + "\n")
    assert zone is not None
    assert faults == [f"warning: {expected}"]


@pytest.mark.parametrize("lines", ["x MX 0 .", "x MX 10 nowhere", "sub NS ns.elsewhere."])
def test_what_is_no_fault(lines):
    loads(HEAD + lines + "\n")


def test_all_faults_are_told_at_once():
    zone, faults = build(HEAD + "a A x\nb DNAME c\nc CNAME d\nc A 192.0.2.1\n")
    assert zone is None
    assert [fault.partition(":")[0] for fault in faults] == ["line 5", "line 6", "line 7"]


# --- faults of the YAML file


@pytest.mark.parametrize(
    ("master", "more", "expected"),
    [
        (None, {},
            ["nameservers: the zone needs name servers: here, or as NS in the master file"]),
        ("$TTL 60\n@ SOA ns h 1 2 3 4 5\n", {},
            ["nameservers: the zone needs name servers: here, or as NS in the master file"]),
        (None, {"nameservers": {"ns.z.test": ()}},
            ["nameservers.ns.z.test: lies inside the zone, so it needs addresses: the parent must hold them as glue"]),
        (None, {"nameservers": {"ns.z.test": (), "ns2.z.test": ()}},
            [f"nameservers.{ns}.z.test: lies inside the zone, so it needs addresses: the parent must hold them as glue" for ns in ("ns", "ns2")]),
        ("ns 60 TXT x\n", {"nameservers": {"ns.z.test": ()}},
            ["nameservers.ns.z.test: lies inside the zone, so it needs addresses: the parent must hold them as glue"]),
        (HEAD, {"nameservers": {"other.z.test": ()}},
            ["nameservers.other.z.test: lies inside the zone, so it needs addresses: the parent must hold them as glue"]),
        ("$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\n", {"nameservers": {"ns.z.test": ()}},
            ["nameservers.ns.z.test: lies inside the zone, so it needs addresses: the parent must hold them as glue"]),
        (None, {"nameservers": NS1, "contact": "nobody"},
            ["contact: 'nobody' is no mail address; allowed: a mail address"]),
        (None, {"nameservers": NS1, "contact": "a@b..c"},
            ["contact: 'a.b..c.' is not a domain name: A DNS label is empty.; allowed: a mail address"]),
        (None, {"nameservers": NS1, "services": (service("x." + "y" * 64),)},
            [f"services.x.{'y' * 64}: 'x.{'y' * 64}' is not a domain name: A DNS label is > 63 octets long."]),
        (None, {"nameservers": NS1, "services": (service("x.other."),)},
            ["services.x.other.: x.other. is outside the zone z.test."]),
        (None, {"nameservers": NS1, "services": (service("x"), service("X"))},
            ["services.X: the same name as service 'x'"]),
        (None, {"nameservers": NS1, "services": (service("ns1"),)},
            ["services.ns1: the master file or nameservers already hold A, AAAA at ns1.z.test."]),
        (None, {"nameservers": NS1, "services": (service("@", cname="a.b"),)},
            ["services.@: answers with cname are not allowed at the zone's own name (RFC 1034 3.6.2)"]),
        (HEAD + "x TXT x\n", {"services": (service("x", cname="a.b"),)},
            ["services.x: the master file or nameservers already hold TXT at x.z.test."]),
        (HEAD + "x CNAME y\n", {"services": (service("x"),)},
            ["services.x: the master file or nameservers already hold CNAME at x.z.test."]),
        (HEAD + "sub NS ns\n", {"services": (service("x.sub"),)},
            ["services.x.sub: lies in the delegated zone sub.z.test., where this server answers nothing"]),
        (None, {"nameservers": NS1, "negative_ttl": 300, "services": (service("x"),)},
            ["warning: negative_ttl: negative answers live 300 s, longer than a service's answer (30 s)"]),
        (HEAD.replace("4 5", "4 55"), {"services": (service("x"),)},
            ["warning: line 2: negative answers live 55 s, longer than a service's answer (30 s)"]),
    ],
)  # fmt: skip
def test_a_fault_of_the_yaml_file(master, more, expected):
    zone, faults = build(master, **more)
    assert faults == expected
    assert (zone is not None) is all(fault.startswith("warning: ") for fault in faults)


def test_an_origin_that_is_no_name():
    zone, (fault,) = compile_zone(ZoneSource("a..b", "z.yaml"))
    assert zone is None
    assert (fault.path, fault.message) == (
        "zone",
        "'a..b' is not a domain name: A DNS label is empty.",
    )


def test_a_name_server_outside_needs_no_address():
    zone = loads(nameservers={"ns.elsewhere.test": ()})
    assert zone.delegation() == (("ns.elsewhere.test.", ()),)


def test_an_address_of_the_master_file_serves_a_name_server():
    zone = loads("ns 60 A 192.0.2.7\n", nameservers={"ns.z.test": ()})
    assert zone.delegation() == (("ns.z.test.", (ip_address("192.0.2.7"),)),)
