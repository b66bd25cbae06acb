"""What real resolvers make of a delegated zone: each sentence of docs/delegation.md about them.

Unbound tells our servers its clients' networks; BIND's resolver tells nobody's, so to us it is one
client. One world for all cases; each ends calm.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

from tests.app.failstatic.load import Load
from tests.app.world import make_query, records, wait_for
from tests.delegation.world import (
    BRANCH,
    BRIEF_S,
    EU,
    FALL,
    INTERVAL_S,
    NEGATIVE_S,
    OFFICE,
    SERVERS,
    TIMEOUT_S,
    TTL_MAX,
    TTL_MIN,
    US_,
    ZONE,
    World,
    delegated,
)

RESOLVERS = ("unbound", "bind")
EUROPE, AMERICA, ELSEWHERE = "192.0.2.0/24", "198.51.7.0/24", "203.0.113.0/24"
FOLLOW_S = 1.5
"""What a name server may take to obey an order of another one, over the store."""
ROUND_S = 1.0
"""Resolvers count in whole seconds."""


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Iterator[World]:
    with delegated(tmp_path_factory.mktemp("delegated")) as made:
        yield made


def ask_parent(world: World, server: str, name: str) -> dns.message.Message:
    """What a server of the parent zone says, without recursion."""
    query = make_query(name)
    query.flags &= ~dns.flags.RD
    return dns.query.udp(query, getattr(world.block, server), timeout=5)


def ttl_of(reply: dns.message.Message) -> int:
    """The TTL of the last set of the answer, or of the SOA of a denial."""
    return (reply.answer or reply.authority)[-1].ttl


def scope_of(reply: dns.message.Message) -> int:
    (told,) = (one for one in reply.options if isinstance(one, dns.edns.ECSOption))
    return int(told.scopelen)


# ---------------------------------------------------------------- the way there


@pytest.mark.parametrize("server", ["nsd", "knot"])
def test_each_server_of_the_parent_refers_with_glue(world: World, server: str):
    reply = ask_parent(world, server, f"www.{ZONE}")
    assert not reply.flags & dns.flags.AA
    assert reply.answer == []
    assert {one.to_text() for rrset in reply.authority for one in rrset} == {
        f"{name}.{ZONE}." for name in SERVERS
    }
    glue = {str(rrset.name): rrset[0].to_text() for rrset in reply.additional}
    assert glue == {f"{name}.{ZONE}.": world.block.server(name) for name in SERVERS}


@pytest.mark.parametrize("resolver", RESOLVERS)
def test_names_resolve_from_the_root_downwards(world: World, resolver: str):
    reply = world.ask(resolver, "place")
    assert reply.rcode() == dns.rcode.NOERROR
    assert records(reply) == [EU if resolver == "unbound" else BRANCH]
    assert not reply.flags & dns.flags.AA
    assert world.answers(resolver, "any.each") == ["203.0.113.9"]


@pytest.mark.parametrize("resolver", RESOLVERS)
def test_the_name_that_people_know_leads_here(world: World, resolver: str):
    """The alias in the parent zone, and the service that it points to."""
    reply = world.ask(resolver, "www.shop.example.")
    assert [rrset.rdtype.name for rrset in reply.answer] == ["CNAME", "A"]
    assert records(reply) == [f"www.{ZONE}.", EU if resolver == "unbound" else BRANCH]


@pytest.mark.parametrize("resolver", RESOLVERS)
def test_name_servers_outside_of_the_zone_need_no_glue(world: World, resolver: str):
    assert world.answers(resolver, "www.outside.shop.example.") == [EU]


@pytest.mark.parametrize("resolver", RESOLVERS)
def test_where_glue_was_forgotten_resolvers_fail_though_the_server_answers(
    world: World, resolver: str
):
    name = "www.forgotten.shop.example."
    assert world.ask(resolver, name).rcode() == dns.rcode.SERVFAIL
    reply = dns.query.udp(make_query(name), world.block.server("ns1"), timeout=5)
    assert records(reply) == [EU]


@pytest.mark.parametrize("server", ["nsd", "knot"])
@pytest.mark.parametrize("label", ["hidden", "no-such-name"])
def test_records_and_wildcards_of_the_parent_end_at_the_delegation(
    world: World, server: str, label: str
):
    assert records(ask_parent(world, server, "no-such-name.shop.example")) == ["203.0.113.78"]
    reply = ask_parent(world, server, f"{label}.{ZONE}")
    assert (reply.answer, reply.flags & dns.flags.AA) == ([], 0)
    for resolver in RESOLVERS:
        assert world.ask(resolver, label).rcode() == dns.rcode.NXDOMAIN


@pytest.mark.parametrize("resolver", RESOLVERS)
def test_what_does_not_fit_is_truncated_and_asked_for_over_tcp(world: World, resolver: str):
    before = _tcp_queries(world)
    assert len(world.answers(resolver, "many")) == 90
    assert _tcp_queries(world) == before + 1
    assert len(world.answers(resolver, "many")) == 90
    assert _tcp_queries(world) == before + 1


def test_bind_takes_no_more_than_100_records(world: World):
    assert len(world.answers("unbound", "crowd")) == 135
    assert world.ask("bind", "crowd").rcode() == dns.rcode.SERVFAIL


def _tcp_queries(world: World) -> int:
    return sum(one.status()["counters"]["tcp_queries"] for one in world.servers.values())


# ---------------------------------------------------------------- who is answered what


@pytest.mark.parametrize(
    ("client", "site"), [(EUROPE, EU), (AMERICA, US_), (ELSEWHERE, EU), ("198.51.7.64/26", US_)]
)
def test_unbound_clients_are_answered_by_the_subnet_that_they_name(
    world: World, client: str, site: str
):
    assert world.answers("unbound", "place", client=client) == [site]


def test_unbound_clients_are_answered_by_the_network_that_they_are_in(world: World):
    office, branch = world.block.host(256 + 9), world.block.host(512 + 9)
    assert world.answers("unbound", "www", source=office) == [OFFICE]
    assert world.answers("unbound", "www", source=branch) == [BRANCH]
    assert {one["client"] for one in world.asked("www")} >= {
        f"{world.block.office}/24",
        f"{world.block.branch}/24",
    }


def test_bind_tells_nobodys_network_so_its_own_address_decides_for_all(world: World):
    office = world.block.host(256 + 9)
    for who in ({}, {"source": office}, {"client": AMERICA}, {"client": EUROPE}):
        assert world.answers("bind", "brief", **who) == [BRANCH]
    asked = [one for one in world.asked("brief") if one["client"] == world.bind_source]
    assert asked
    assert {one["scope_why"] for one in asked} == {
        "no client subnet in the query, so none in the answer"
    }


def test_what_a_private_client_is_told_is_not_told_to_others(world: World):
    """Found here: while the answer had scope 0, Unbound gave it to everybody."""
    assert world.answers("unbound", "checked", source="127.0.0.1") == [EU]
    assert world.answers("unbound", "checked", client=AMERICA) == [US_]
    assert world.answers("unbound", "checked", client=EUROPE) == [EU]


# ---------------------------------------------------------------- what caches keep


def test_a_second_client_inside_the_scope_is_answered_by_the_cache(world: World):
    first = world.ask("unbound", "place", client="198.51.100.0/24")
    assert (records(first), scope_of(first)) == ([US_], 16)
    asked = len(world.asked("place"))
    for client in ("198.51.0.0/24", "198.51.255.0/24", "198.51.100.0/24"):
        reply = world.ask("unbound", "place", client=client)
        assert (records(reply), scope_of(reply)) == ([US_], 16)
    assert len(world.asked("place")) == asked


def test_a_client_outside_of_the_scope_is_asked_for(world: World):
    world.ask("unbound", "place", client="198.51.100.0/24")
    asked = len(world.asked("place"))
    assert world.answers("unbound", "place", client="198.52.100.0/24") == [EU]
    assert len(world.asked("place")) == asked + 1


def test_an_answer_of_sticky_is_kept_for_one_network(world: World):
    for client in ("198.51.100.0/24", "198.51.101.0/24", "198.51.100.128/25"):
        assert scope_of(world.ask("unbound", "pinned", client=client)) == 24
    asked = sorted(one["client"] for one in world.asked("pinned"))  # by either server
    assert asked == ["198.51.100.0/24", "198.51.101.0/24"]


def test_bind_keeps_one_answer_for_all_its_clients(world: World):
    world.ask("bind", "place")
    asked = len(world.asked("place"))
    assert world.answers("bind", "place", client=AMERICA) == [BRANCH]
    assert world.answers("bind", "place", source=world.block.host(256 + 9)) == [BRANCH]
    assert len(world.asked("place")) == asked


@pytest.mark.parametrize("resolver", RESOLVERS)
def test_a_ttl_counts_down_and_what_is_over_is_asked_for_again(world: World, resolver: str):
    def look() -> dns.message.Message:
        return world.ask(resolver, "brief", client="192.0.2.0/24")

    wait_for(lambda: ttl_of(look()) == BRIEF_S)
    began, asked = time.monotonic(), len(world.asked("brief"))
    wait_for(lambda: ttl_of(look()) < BRIEF_S)
    assert len(world.asked("brief")) == asked
    wait_for(lambda: ttl_of(look()) == BRIEF_S)
    took_s = time.monotonic() - began
    assert len(world.asked("brief")) == asked + 1
    assert BRIEF_S - ROUND_S <= took_s <= BRIEF_S + 2 * ROUND_S


DENIALS = {"no such name": ("none", "A", dns.rcode.NXDOMAIN), "no such type": ("brief", "MX", 0)}


@pytest.mark.parametrize("resolver", RESOLVERS)
@pytest.mark.parametrize("denial", DENIALS)
def test_a_denial_is_kept_for_the_negative_ttl(world: World, resolver: str, denial: str):
    label, rtype, rcode = DENIALS[denial]
    name = f"{resolver}.{label}" if label == "none" else label
    wait_for(lambda: ttl_of(world.ask(resolver, name, rtype)) == NEGATIVE_S)
    asked = len(world.asked(name, rtype))
    reply = world.ask(resolver, name, rtype, client=AMERICA)  # another client: it is everybody's
    assert (reply.rcode(), reply.answer) == (rcode, [])
    assert reply.authority[0].rdtype.name == "SOA"
    assert len(world.asked(name, rtype)) == asked
    wait_for(lambda: ttl_of(world.ask(resolver, name, rtype)) < NEGATIVE_S)
    wait_for(lambda: ttl_of(world.ask(resolver, name, rtype)) == NEGATIVE_S)
    assert len(world.asked(name, rtype)) == asked + 1


# ---------------------------------------------------------------- what changes


class Clients(Load):
    """Queries of clients through a resolver, for ever other names or always the same one."""

    def __init__(self, world: World, resolver: str, name: str, client: str | None = None) -> None:
        host, port = world.resolvers[resolver]
        super().__init__(port, f"{name}.{ZONE}", host=host, pace_s=0.05)
        self._name, self._client = name, client

    def compose(self, number: int) -> bytes:
        name = self._name.replace("*", f"n{number}")
        return make_query(f"{name}.{ZONE}", client=self._client).to_wire()[2:]

    @property
    def slowest_s(self) -> float:
        return max(one.got_at - one.sent_at for one in self.answers)

    def last_seen(self, site: str) -> float:
        """When a client got the last answer with a site."""
        return max(one.got_at for one in self.answers if site in one.addresses)


@contextmanager
def american_clients(world: World) -> Iterator[Clients]:
    """Clients of Unbound that ask for `checked`, which is in America at first. None is lost."""
    wait_for(lambda: world.answers("unbound", "checked", client=AMERICA) == [US_])
    load = Clients(world, "unbound", "checked", AMERICA)
    load.start()
    try:
        wait_for(lambda: len(load.answers) > 20)
        yield load
        wait_for(lambda: load.answers[-1].addresses == {EU})
        sent = load.sent
        wait_for(lambda: load.sent > sent + 2 * ROUND_S / load.pace_s)
    finally:
        load.finish()
    assert load.lost == {}
    gone_at = load.last_seen(US_)
    assert {one.addresses for one in load.answers if one.sent_at > gone_at} == {frozenset({EU})}


def test_a_name_server_that_is_killed_costs_no_answer(world: World, record_property):
    loads = [Clients(world, resolver, "*.each") for resolver in RESOLVERS]
    for load in loads:
        load.start()
    try:
        wait_for(lambda: min(len(load.answers) for load in loads) > 20)
        world.kill("ns1")
        sent = [load.sent for load in loads]
        wait_for(lambda: all(load.sent > n + 60 for load, n in zip(loads, sent, strict=True)))
        world.serve("ns1")
    finally:
        for load in loads:
            load.finish()
    for load in loads:
        assert load.lost == {}
        assert {(one.rcode, *one.addresses) for one in load.answers} == {("NOERROR", "203.0.113.9")}
    slowest = {name: load.slowest_s for name, load in zip(RESOLVERS, loads, strict=True)}
    record_property("slowest answer, seconds", slowest)
    wait_for(world.is_calm)


def test_a_drain_is_seen_by_the_clients_no_later_than_planned(world: World, record_property):
    """The plan: a name server may take FOLLOW_S to obey, and what it said before lives for the TTL
    that it was given, at most the maximum of the service.
    """
    with american_clients(world) as load:
        ordered_at = time.time()
        world.order("ns1", "drain", "us", "--reason", "new switch")
    world.order("ns2", "undrain", "us")
    took_s = load.last_seen(US_) - ordered_at
    assert took_s <= FOLLOW_S + TTL_MAX + ROUND_S
    promised_at = max(one.got_at + one.ttl for one in load.answers if one.addresses == {US_})
    assert load.last_seen(US_) <= promised_at + ROUND_S
    record_property("seconds until the last answer with the drained site", took_s)
    wait_for(world.is_calm)


def test_a_site_that_dies_has_left_the_caches_in_the_time_that_the_page_adds_up(
    world: World, record_property
):
    with american_clients(world) as load:
        died_at = time.time()
        world.sites["us"].stop()
    world.sites["us"].start()
    took_s = load.last_seen(US_) - died_at
    assert took_s <= FALL * INTERVAL_S + TIMEOUT_S + 0.3 + TTL_MIN + ROUND_S
    record_property("seconds until the last answer with the dead site", took_s)
    wait_for(world.is_calm)
