"""The configuration contract, served by a real process in front of real backends.

The contract lies beside the checkout; where it does not, the project's own copy of it in zones/ and
of its expectations in tests/data/ is what is tested. Every line is asked over UDP and TCP. A key or
a wording that nobody here understands fails the test.
"""

from __future__ import annotations

import re
import shutil
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import pytest
import yaml

from gslb.config.load import Configuration, load
from tests.app.world import ROOT, Serving, make_query, records, regions, serving
from tests.ports import free_port
from tests.server.test_sockets import has_ipv6

SHARED = ROOT.parent / "shared" / "contract"
OWN = ROOT / "zones"
PLACES = {
    "contract": (SHARED, SHARED / "expect.yaml"),
    "own": (OWN, ROOT / "tests" / "data" / "expect.yaml"),
}
ABSENT = "the contract is not beside this checkout (../shared/contract)"
PER_SOCKET = 500  # a connection is closed after 1,000
needs_contract = pytest.mark.skipif(not SHARED.is_dir(), reason=ABSENT)


def read_rows(path: Path) -> list[dict[str, Any]]:
    return [join_commas(row) for row in yaml.safe_load(path.read_text())]


def join_commas(row: dict[str, Any]) -> dict[str, Any]:
    """A line whose values have their commas back: `{a: b, c}` is `a: b` and a key c without value
    to YAML, where the one who wrote it meant `b, c`.
    """
    joined: dict[str, Any] = {}
    for key, value in row.items():
        if value is None and joined:
            last = next(reversed(joined))
            joined[last] = f"{joined[last]}, {key}"
        else:
            joined[key] = value
    return joined


def rows() -> Iterator[Any]:
    """Every line of both tables, with the place it belongs to."""
    for place, (_, path) in PLACES.items():
        found = read_rows(path) if path.is_file() else [{"q": "nothing A"}]
        marks = [needs_contract] if place == "contract" else []
        for number, row in enumerate(found):
            yield pytest.param(place, row, id=f"{place}-{number}-{row['q']}", marks=marks)


# ---------------------------------------------------------------- serving


def copy_with_free_ports(folder: Path, to: Path) -> tuple[Path, dict[str, int]]:
    """The configuration in another folder, the same but for its ports: something else, such as the
    demo, may have those.
    """
    shutil.copytree(folder / "zones", to / "zones")
    text = (folder / "gslb.yaml").read_text()
    web = free_port("127.0.1.1", "127.0.2.1", "127.0.3.1")
    ports = {"5300": free_port("127.0.0.1"), "8053": free_port("127.0.0.1"), "8080": web}
    for old, new in ports.items():
        text, count = re.subn(rf"(?<=[: ]){old}(?=[\",}}])", str(new), text)
        assert count == (2 if old == "5300" else 1)
    if not has_ipv6():  # many containers have none, and then nobody can listen there
        text = re.sub(r', "\[::1\]:\d+"', "", text)
    (to / "gslb.yaml").write_text(text)
    return to / "gslb.yaml", ports


@dataclass
class World:
    """A served configuration."""

    configuration: Configuration
    server: Serving

    @property
    def source(self):
        return self.configuration.zones[0].source

    @property
    def origin(self) -> dns.name.Name:
        return dns.name.from_text(self.source.origin)

    def addresses(self, site: str, rtype: str) -> list[str]:
        """A site's addresses of the family that a type asks for."""
        version = {"A": 4, "AAAA": 6}[rtype]
        found = self.configuration.system.sites[site].addresses
        return [str(address) for address in found if address.version == version]


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], World]]:
    """Starts each place's server when it is first asked for."""
    with ExitStack() as stack:
        started: dict[str, World] = {}

        def get(place: str) -> World:
            if place not in started:
                to = tmp_path_factory.mktemp(place)
                main, ports = copy_with_free_ports(PLACES[place][0], to)
                configuration = load(main)
                sites = configuration.system.sites
                hosts = {name: str(site.addresses[0]) for name, site in sites.items()}
                stack.enter_context(regions(hosts, ports["8080"]))
                server = serving(main, dns_port=ports["5300"], admin_port=ports["8053"])
                started[place] = World(configuration, stack.enter_context(server))
                started[place].server.wait_until_all_are("up")
            return started[place]

        yield get


class Asker:
    """Asks over one transport, many times on one socket."""

    def __init__(self, server: Serving, transport: str, host: str = "127.0.0.1") -> None:
        self._kind = socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM
        self.exchange = dns.query.tcp if transport == "tcp" else dns.query.udp
        self._where = (host, server.dns_port)
        self._asked = 0
        self._socket = self._open()

    def _open(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._where[0] else socket.AF_INET
        opened = socket.socket(family, self._kind)
        if self._kind == socket.SOCK_STREAM:
            opened.connect(self._where)
        return opened

    def __enter__(self) -> Asker:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, q: str, client: str | None = None) -> dns.message.Message:
        if self._asked % PER_SOCKET == PER_SOCKET - 1:
            self._socket.close()
            self._socket = self._open()
        self._asked += 1
        query = make_query(*q.split(), client)
        reply = self.exchange(
            query, self._where[0], port=self._where[1], timeout=5, sock=self._socket
        )
        # dnspython compares names without their case; RFC 1034 has it echoed as it came.
        assert reply.question[0].name.labels == query.question[0].name.labels
        assert not reply.flags & dns.flags.TC
        return reply


# ---------------------------------------------------------------- what the keys mean


@dataclass
class Case:
    """One line, asked over one transport. reply: to the first query."""

    world: World
    row: dict[str, Any]
    asker: Asker
    reply: dns.message.Message

    @property
    def rtype(self) -> str:
        return str(self.row["q"].split()[1])

    def again(self, times: int) -> Iterator[list[str]]:
        """The answers to more of the same queries."""
        for _ in range(times):
            yield records(self.asker.ask(self.row["q"], self.row.get("client")))


def check_client(case: Case, client: str) -> None:
    (option,) = (one for one in case.reply.options if isinstance(one, dns.edns.ECSOption))
    assert f"{option.address}/{option.srclen}" == client


def check_site(case: Case, site: str) -> None:
    assert records(case.reply) == case.world.addresses(site, case.rtype)


def check_scope(case: Case, scope: int | str) -> None:
    lowest = highest = scope
    if isinstance(scope, str):
        lowest, highest = map(int, re.fullmatch(r"at least (\d+), at most (\d+)", scope).groups())
    (option,) = (one for one in case.reply.options if isinstance(one, dns.edns.ECSOption))
    assert lowest <= option.scopelen <= highest


def check_why(case: Case, why: str) -> None:
    (name,) = re.fullmatch(r"map (\S+)", why).groups()
    qname, rtype = case.row["q"].split()
    page = f"/api/v1/explain?name={qname}&type={rtype}&client={case.row['client']}"
    status, told = case.world.server.get(page)
    (step,) = (step for step in told["steps"] if step["name"] == "geo")
    assert (status, told["location"]["map"]) == (200, name)
    assert f"map:{name} -> {case.row['site']}" in step["why"]


def check_share(case: Case, share: dict[str, float]) -> None:
    (total,) = map(int, re.fullmatch(r"(\d+) queries", case.row["over"]).groups())
    assert case.row["error"] == "at most one answer each"
    counts = Counter(map(tuple, case.again(total)))
    for site, part in share.items():
        got = counts.pop(tuple(case.world.addresses(site, case.rtype)))
        assert abs(got - part * total) <= 1
    assert not counts


def check_same_for(case: Case, same_for: str) -> None:
    found = re.fullmatch(r"(\d+) queries from one /24", same_for)
    total = int(found[1])
    clients = (f"198.51.100.{number % 256}/32" for number in range(total))
    answers = {tuple(records(case.asker.ask(case.row["q"], client))) for client in clients}
    assert len(answers) == 1
    assert len(answers.pop()) == 1


def check_count(case: Case, count: int) -> None:
    assert len(records(case.reply)) == count


def check_cname(case: Case, cname: list[str]) -> None:
    for rrset in case.reply.answer:
        assert (rrset.rdtype, len(rrset)) == (dns.rdatatype.CNAME, 1)
    got = [records(case.reply), *case.again(19)]
    assert {tuple(one) for one in got} == {(target,) for target in cname}


def check_rcode(case: Case, rcode: str) -> None:
    assert dns.rcode.to_text(case.reply.rcode()) == rcode


def check_aa(case: Case, aa: bool) -> None:
    assert bool(case.reply.flags & dns.flags.AA) is aa


def check_authority(case: Case, authority: str) -> None:
    (rrset,) = case.reply.authority
    assert case.reply.answer == []
    if authority == "SOA with negative_ttl":
        assert (rrset.name, rrset.rdtype) == (case.world.origin, dns.rdatatype.SOA)
        negative_ttl = case.world.source.negative_ttl
        assert (rrset.ttl, rrset[0].minimum) == (negative_ttl, negative_ttl)
    else:
        (owner,) = re.fullmatch(r"(\S+) NS", authority).groups()
        wanted = (dns.name.from_text(owner, case.world.origin), dns.rdatatype.NS)
        assert (rrset.name, rrset.rdtype) == wanted


def check_additional(case: Case, additional: str) -> None:
    got = {
        (str(rrset.name).removesuffix("."), ip_address(rdata.address))
        for rrset in case.reply.additional
        for rdata in rrset
    }
    if additional == "glue for both":
        servers = case.world.source.nameservers
        assert len(servers) == 2
        assert got == {(name, one) for name, listed in servers.items() for one in listed}
    else:
        (owner,) = re.fullmatch(r"(\S+) A", additional).groups()
        name = dns.name.from_text(owner, case.world.origin)
        assert [(one, address.version) for one, address in got] == [(str(name)[:-1], 4)]


def check_answer(case: Case, answer: str | list[str]) -> None:
    wanted = []
    for text in [f"{case.rtype} {answer}"] if isinstance(answer, str) else answer:
        rtype, data = text.split()
        if rtype == "CNAME":
            data = dns.name.from_text(data, case.world.origin).to_text()
        wanted.append((rtype, data))
    got = [
        (dns.rdatatype.to_text(rrset.rdtype), rdata.to_text())
        for rrset in case.reply.answer
        for rdata in rrset
    ]
    assert got == wanted


def check_nothing(case: Case, value: Any) -> None:
    """q is asked, over and error belong to share, a note is for people."""
    assert isinstance(value, str)


CHECKS: dict[str, Callable[[Case, Any], None]] = {
    "q": check_nothing,
    "client": check_client,
    "site": check_site,
    "scope": check_scope,
    "why": check_why,
    "share": check_share,
    "over": check_nothing,
    "error": check_nothing,
    "same_for": check_same_for,
    "count": check_count,
    "cname": check_cname,
    "rcode": check_rcode,
    "aa": check_aa,
    "authority": check_authority,
    "additional": check_additional,
    "answer": check_answer,
    "note": check_nothing,
}


def check_row(world: World, row: dict[str, Any], transport: str) -> None:
    """Asks a line's question and checks each key; what it leaves out is the usual."""
    assert set(row) <= set(CHECKS), "a key that nobody here understands"
    rcode = row.get("rcode", "NOERROR")
    usual = {"rcode": rcode, "aa": rcode != "REFUSED"}
    with Asker(world.server, transport) as asker:
        case = Case(world, row, asker, asker.ask(row["q"], row.get("client")))
        for key, value in {**usual, **row}.items():
            CHECKS[key](case, value)


# ---------------------------------------------------------------- tests


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize(("place", "row"), list(rows()))
def test_line_holds(worlds, place: str, row: dict[str, Any], transport: str):
    check_row(worlds(place), row, transport)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_ipv6_is_served_alike(worlds, transport: str):
    if not has_ipv6():
        pytest.skip("this machine has no IPv6 loopback")
    with Asker(worlds("own").server, transport, host="::1") as asker:
        reply = asker.ask("www.gslb.shop.example AAAA", "8.8.8.0/24")
    assert records(reply) == ["fd00:0:0:2::1"]


@needs_contract
def test_the_contract_loads_unchanged():
    found = load(SHARED / "gslb.yaml")
    assert found.warnings == ()
    assert [str(endpoint) for endpoint in found.system.dns] == ["127.0.0.1:5300", "[::1]:5300"]
    assert str(found.system.admin) == "127.0.0.1:8053"
    assert [
        check.kinds[0].port for site in found.system.sites.values() if (check := site.check)
    ] == ([8080] * 3)


@needs_contract
def test_our_copy_says_the_same_as_the_contract():
    ours, theirs = load(OWN / "gslb.yaml").system, load(SHARED / "gslb.yaml").system
    for name in ("node", "dns", "admin", "workers", "geo", "limits", "sites"):
        assert getattr(ours, name) == getattr(theirs, name)
    # The one key that ours adds: shorter than the default, so that nobody waits in the demo.
    assert ours.health == replace(theirs.health, flap_hold_s=5)
    assert [one.services for one in ours.zones] == [one.services for one in theirs.zones]
    table = [str(row) for row in read_rows(PLACES["own"][1])]
    assert [row for row in read_rows(PLACES["contract"][1]) if str(row) not in table] == []


def test_a_wrong_line_fails(worlds):
    world = worlds("own")
    www = {"q": "www.gslb.shop.example A", "client": "8.8.8.0/24"}
    for wrong in (
        {"site": "eu-west"},
        {"scope": 25},
        {"scope": "at least 25, at most 32"},
        {"rcode": "NXDOMAIN"},
        {"aa": False},
        {"count": 2},
        {"cname": ["a."]},
        {"answer": "192.0.2.1"},
        {"answer": ["CNAME mail"]},
        {"share": {"us-east": 0.5}, "over": "4 queries", "error": "at most one answer each"},
        {"unheard_of": 1},
    ):
        with pytest.raises((AssertionError, KeyError)):
            check_row(world, {**www, **wrong}, "udp")
    check_row(world, {**www, "site": "us-east"}, "udp")
