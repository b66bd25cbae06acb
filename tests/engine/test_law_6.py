"""Law 6 over random worlds: no cached (answer, scope) may serve a client who would have been
answered otherwise, and no scope is longer than that needs.

The universe is cut to eight bits for each family (`ecs_max_*`), so that all of it is enumerated.
The judge runs the chain on each client's own place and network; it knows no classes and no runs.
"""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_network
from itertools import product
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from gslb.engine.engine import Engine
from gslb.model.order import Order, OrderKind
from gslb.model.service import AllDown
from gslb.model.system import DnsLimits
from gslb.policy.base import NO_MEASUREMENTS, Context
from gslb.policy.chain import run_chain
from gslb.policy.measured import AgentRow, AgentTimes, MeasuredTimes
from gslb.policy.registry import make_filter
from gslb.wire.ecs import is_private
from tests.engine.builders import (
    DOWN,
    HELD,
    UNKNOWN,
    UP,
    ask,
    candidate,
    health,
    make_world,
    place,
    service,
    sites_of,
    step,
)

CAP = 8
"""Bits of a client's address that may matter."""
BITS = {4: 32, 6: 128}
NAMES = "abcd"
PLACES = (
    place("DE", "EU", latitude=50.0, longitude=8.0),
    place("DE", "EU", city="Bern", asn=1, latitude=47.0, longitude=7.0),
    place("FR", "EU", latitude=48.9, longitude=2.3),
    place("FR", "EU"),
    place("JP", "AS", asn=2, latitude=35.7, longitude=139.7),
    place("US", "NA", map="office", latitude=39.0, longitude=-77.0),
)
KEYS = ("map:office", "asn:2", "city:Bern", "country:DE", "country:FR", "continent:EU", "default")
POINTS = (None, (50.0, 8.0), (50.0, 8.3), (35.0, 139.0), (-33.9, 18.4))

networks_ = st.one_of(
    st.builds(
        lambda bits, n: f"{IPv4Address(n >> 32 - bits << 32 - bits)}/{bits}",
        st.integers(1, CAP + 4),
        st.integers(0, 2**32 - 1),
    ),
    st.builds(
        lambda bits, n: f"{IPv6Address(n >> 128 - bits << 128 - bits)}/{bits}",
        st.integers(1, CAP + 4),
        st.integers(0, 2**128 - 1),
    ),
)
maps_ = st.dictionaries(networks_, st.sampled_from(PLACES), min_size=4, max_size=14)
lengths_ = st.integers(1, CAP + 3)
choosing_ = st.one_of(
    st.just(step("geo")),
    st.just(step("geo")),
    st.builds(lambda band: step("nearest", band=band), st.sampled_from((0.0, 0.05, 3.0))),
    st.builds(lambda ms: step("latency", tolerance_ms=ms), st.sampled_from((0.0, 10.0, 40.0))),
    st.just(step("failover")),
    st.builds(lambda v4, v6: step("sticky", ipv4_prefix=v4, ipv6_prefix=v6), lengths_, lengths_),
)
policies_ = st.builds(
    lambda looks, chosen, last: [*looks, *chosen, *last],
    st.sampled_from(((step("health"),), (step("health"),), ())),
    st.lists(choosing_, min_size=1, max_size=2, unique_by=lambda one: one.name),
    st.sampled_from(((), (step("weighted"),), (step("round_robin"),))),
)


@st.composite
def services_(draw):
    candidates = [
        candidate(
            number,
            name,
            at=draw(st.sampled_from(POINTS)),
            serves=" ".join(draw(st.lists(st.sampled_from(KEYS), max_size=3))),
            weight=draw(st.integers(1, 3)),
            order=draw(st.sampled_from((1, 1, 2))),
            families=draw(st.sampled_from(("46", "46", "4"))),
        )
        for number, name in enumerate(NAMES[: draw(st.integers(1, 4))], 1)
    ]
    rule = AllDown(draw(st.sampled_from(("all", "last_good", "nodata"))))
    most = draw(st.integers(1, 2))
    return service(draw(policies_), candidates, max_answers=most, when_all_down=rule)


DRAINED = replace(UP, order=Order("any", OrderKind.DRAIN, 1))
FORCED_DOWN = replace(UP, order=Order("any", OrderKind.DOWN, 1))
STATES = (UP, UP, UP, DOWN, DOWN, HELD, UNKNOWN, DRAINED, FORCED_DOWN)
health_ = st.fixed_dictionaries({name: st.sampled_from(STATES) for name in NAMES}).map(
    lambda sites: health(**sites)
)


rows_ = st.builds(
    AgentRow,
    st.sampled_from(("fra", "par")),
    st.sampled_from(PLACES),
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from((1.0, 8.0, 30.0, 90.0)), min_size=1),
)
measured_ = st.lists(rows_, max_size=3).map(
    lambda rows: MeasuredTimes(agents=AgentTimes(len(rows), tuple(rows)))
)


class Client(NamedTuple):
    """A client network of CAP bits. family: 4 or 6."""

    family: int
    prefix: int

    @property
    def address(self):
        number = self.prefix << BITS[self.family] - CAP
        return IPv4Address(number) if self.family == 4 else IPv6Address(number)

    @property
    def is_public(self):
        """The resolver's address decides for private ones, unless a map names them."""
        return not is_private(BITS[self.family], int(self.address))


CLIENTS = [Client(family, prefix) for family in (4, 6) for prefix in range(1 << CAP)]
PUBLIC = [one for one in CLIENTS if one.is_public]
askers_ = st.integers(0, 2**32 - 1).map(random.Random)
"""Who picks the clients: a world takes many of them, and seeds are cheap to draw."""


def pick_clients(draw: random.Random, places, count: int, among=PUBLIC) -> list[Client]:
    """Clients of some: half of them anywhere, half around the edges of the map."""
    edges = [
        Client(net.version, (int(net[at]) >> BITS[net.version] - CAP) + off & (1 << CAP) - 1)
        for net in map(ip_network, places)
        for at in (0, -1)
        for off in (-1, 0, 1)
    ]
    known = [one for one in edges if one in among] or among
    return [draw.choice(among if draw.random() < 0.5 else known) for _ in range(count)]


def block_of(client: Client, scope: int) -> list[Client]:
    """All client networks inside one block of scope bits around a client's."""
    spare = CAP - scope
    first = client.prefix >> spare << spare
    return [Client(client.family, first + n) for n in range(1 << spare)]


class Judge:
    """What a client must get, by running the chain on its own place."""

    def __init__(self, world, of):
        self.table, self.of, self.measurements = world.table, of, world.measurements
        self.candidates = of.candidates
        self.filters = [make_filter(spec) for spec in of.policy]
        self.tells_apart = len({self._signature(one, b"") for one in self.table.locations}) > 1
        self.signature = cache(self._signature)
        self.behaviour = cache(self._behaviour)

    def network(self, client):
        """What `sticky` reads."""
        lengths = [one.client_prefix for one in self.filters if one.client_prefix]
        if not lengths:
            return b""
        length = min(lengths[0][0 if client.family == 4 else 1], CAP)
        bits = BITS[client.family]
        cut = int(client.address) >> bits - length << bits - length
        return cut.to_bytes(bits // 8, "big")

    def _signature(self, location, network):
        classes = (
            one.client_class(self.candidates, location, self.measurements) for one in self.filters
        )
        return (*classes, network)

    def signature_of(self, client):
        """What the filters say that they tell apart; private clients that no map names are decided
        otherwise, unless nobody is told apart.
        """
        place, network = self.table.locate(client.address), self.network(client)
        is_known = client.is_public or place.map is not None
        if (self.tells_apart or network) and not is_known:
            return "private"
        return self.signature(place, network)

    def _behaviour(self, location, network, down):
        snapshot = health(**dict.fromkeys(down, DOWN))
        found, turn, period = [], 0, 1
        while turn < period:
            context = Context(
                "www.gslb.test.", snapshot, location, network, turn, self.measurements
            )
            chosen = run_chain(self.filters, self.of, self.candidates, context)
            found.append(tuple(one.name for one in chosen.candidates))
            turn, period = turn + 1, chosen.period
        return tuple(found)

    def behaviour_of(self, client, down):
        """The answers of a whole period, in order, with these sites down."""
        return self.behaviour(self.table.locate(client.address), self.network(client), down)


def make_judged(of, places, measurements=NO_MEASUREMENTS):
    limits = DnsLimits(ecs_max_ipv4=CAP, ecs_max_ipv6=CAP)
    world = make_world(of, places=places, limits=limits, measurements=measurements)
    return world, Judge(world, of)


def ask_as(engine, client: Client, source: int = CAP, rtype: str = "A"):
    """The answer for a client whose resolver tells `source` bits of its address."""
    bits = BITS[client.family]
    shift = bits - source
    number = int(client.address) >> shift << shift
    address = IPv4Address(number) if client.family == 4 else IPv6Address(number)
    return ask(engine, "www", rtype, ecs=f"{address}/{source}")


@settings(max_examples=40)
@given(of=services_(), places=maps_, snapshot=health_, draw=askers_, measured=measured_)
def test_law_6_the_scope_is_the_shortest_that_parts_nobody(of, places, snapshot, draw, measured):
    """By enumeration: the first of all blocks around the client, the largest first, whose clients
    are of one signature.
    """
    world, judge = make_judged(of, places, measured)
    engine = world.engine(snapshot)
    for client in pick_clients(draw, places, 24, CLIENTS):
        expected = next(
            scope
            for scope in range(CAP + 1)
            if len({judge.signature_of(one) for one in block_of(client, scope)}) == 1
        )
        got = ask_as(engine, client)
        # Resolvers keep negative answers for everybody, so those say scope 0 (RFC 7871 7.4).
        assert got.scope == (expected if got.addresses else 0)


@settings(max_examples=60)
@given(of=services_(), places=maps_, draw=askers_, measured=measured_)
def test_law_6_inside_a_scope_everybody_gets_the_same_whatever_the_health(
    of, places, draw, measured
):
    world, judge = make_judged(of, places, measured)
    engine = world.engine()
    names = [one.name for one in of.candidates]
    states = [
        tuple(name for name, up in zip(names, flags, strict=True) if not up)
        for flags in product((True, False), repeat=len(names))
    ]
    for client in pick_clients(draw, places, 6):
        block = block_of(client, ask_as(engine, client).scope)
        for down in states:
            assert len({judge.behaviour_of(one, down) for one in block}) == 1


@settings(max_examples=60)
@given(of=services_(), places=maps_, draw=askers_, measured=measured_)
def test_law_6_an_answer_is_what_the_chain_says_of_the_clients_own_place(
    of, places, draw, measured
):
    """The whole period of each client, one after the other, by a new engine for each."""
    world, judge = make_judged(of, places, measured)
    names = sites_of(of)
    for client in pick_clients(draw, places, 12):
        engine = world.engine()
        for expected in judge.behaviour_of(client, ()):
            got = ask_as(engine, client).addresses
            assert tuple(names[address] for address in got) == expected


class ResolverCache:
    """The cache of RFC 7871 7.3.1: networks by scope, the longest match is returned."""

    def __init__(self):
        self.answers = {}

    def find(self, client, rtype):
        for scope in range(CAP, -1, -1):
            key = (rtype, client.family, scope, client.prefix >> CAP - scope)
            if key in self.answers:
                return self.answers[key]
        return None

    def keep(self, client, rtype, source, got):
        """source: the bits told; the answer is for the first address behind them."""
        first = client.prefix >> CAP - source << CAP - source
        key = (rtype, client.family, got.scope, first >> CAP - got.scope)
        self.answers[key] = got.addresses


@settings(max_examples=80)
@given(
    of=services_(),
    places=maps_,
    snapshot=health_,
    draw=askers_,
    measured=measured_,
)
def test_law_6_no_cached_answer_serves_a_client_who_would_be_answered_otherwise(
    of, places, snapshot, draw, measured
):
    """A resolver with a cache against a new engine for each query, health fixed. Its clients are
    public and private: what one is told must not become another one's.
    """
    world, _ = make_judged(of, places, measured)
    resolver = ResolverCache()
    for client in pick_clients(draw, places, 60, CLIENTS):
        source, rtype = draw.randint(1, CAP), draw.choice(("A", "AAAA"))
        cached = resolver.find(client, rtype)
        if cached is not None:
            assert cached == ask_as(world.engine(snapshot), client, rtype=rtype).addresses
        else:
            got = ask_as(world.engine(snapshot), client, source, rtype)
            resolver.keep(client, rtype, source, got)


@settings(max_examples=60)
@given(of=services_(), places=maps_, snapshot=health_, draw=askers_, measured=measured_)
def test_law_6_a_ground_that_was_measured_later_answers_like_one_made_with_the_times(
    of, places, snapshot, draw, measured
):
    """`Ground.with_measurements` divides clients anew, twice; nothing of the times before stays."""
    world, _ = make_judged(of, places, measured)
    other = MeasuredTimes(agents=AgentTimes(9, (AgentRow("x", PLACES[0], {"a": 1.0, "b": 70.0}),)))
    ground = make_judged(of, places, other)[0].ground.with_measurements(measured)
    for client in pick_clients(draw, places, 30):
        source, rtype = draw.randint(1, CAP), draw.choice(("A", "AAAA"))
        expected = ask_as(world.engine(snapshot), client, source, rtype)
        got = ask_as(Engine(ground, snapshot), client, source, rtype)
        assert (got.addresses, got.scope) == (expected.addresses, expected.scope)


def test_law_6_an_address_finer_than_the_cap_makes_no_difference():
    """11.128.0.0/9 lies behind the first address of 11.0.0.0/8, so nobody can be told from it."""
    of = service(
        "geo", (candidate(1, "a", serves="country:DE"), candidate(2, "b", serves="default"))
    )
    places = {"9.0.0.0/8": PLACES[0], "11.128.0.0/9": PLACES[0]}
    engine = make_judged(of, places)[0].engine()
    assert ask(engine, "www", ecs="11.200.0.0/24").addresses == ["198.51.100.2"]
    assert ask(engine, "www", ecs="9.200.0.0/32").addresses == ["198.51.100.1"]
    # Its own address, unlike a subnet, is looked up as it is.
    assert ask(engine, "www", source="11.200.0.1").addresses == ["198.51.100.1"]
