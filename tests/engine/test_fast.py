"""The fast path says octet by octet what the engine says, and is used.

A twin engine over the same ground is asked the same in the same order, so both take the same turns.
"""

from __future__ import annotations

import random
import struct
from collections import Counter
from dataclasses import dataclass, replace
from ipaddress import ip_address
from itertools import chain

import dns.edns
import dns.message
import pytest

from gslb.engine import fast
from gslb.engine.engine import refuse_type
from gslb.engine.fast import FastPath, is_denied_type, keep
from gslb.model.service import AllDown
from gslb.model.system import DnsLimits
from tests.engine.builders import (
    DOWN,
    HELD,
    UNKNOWN,
    UP,
    World,
    alias,
    ask,
    ask_sites,
    candidate,
    health,
    make_table,
    make_zone,
    place,
    service,
    wire_name,
)

MASTER = """
plain   300 IN A     192.0.2.7
        300 IN AAAA  2001:db8::7
        300 IN HTTPS 1 . alpn=h2
text    300 IN TXT   "some text"
odd     300 IN TYPE97 \\# 2 0102
mail    300 IN MX    10 plain
alias   300 IN CNAME plain
away    300 IN CNAME www.example.com.
chain   300 IN CNAME www
sub     300 IN NS    ns.sub
ns.sub  300 IN A     192.0.2.8
a.b.c   300 IN A     192.0.2.10
*.wild  300 IN A     192.0.2.9
big     300 IN TXT   ( "LONG" "LONG" "x" )
""".replace("LONG", "x" * 250)

TRIO = (
    candidate(1, "a", weight=3, serves="default"),
    candidate(2, "b", weight=2, serves="default"),
    candidate(3, "c", serves="country:DE", families="4"),
)
NAMES = (alias("one"), alias("two"))
SERVICES = (
    service("health geo weighted", TRIO),
    service("health geo weighted", TRIO, name="twin"),
    service("health sticky", TRIO, name="pin", max_answers=2),
    service("health round_robin", TRIO[:2], name="nodata", when_all_down=AllDown("nodata")),
    service("weighted", NAMES, name="cdn"),
    service("round_robin", (*TRIO, NAMES[0]), name="mixed"),
    service("health", TRIO[2:], name="four"),
)
PLACES = {
    "9.0.0.0/8": place("DE", "EU"),
    "9.9.0.0/16": place("FR", "EU"),
    "2a00::/16": place("DE", "EU"),
}
ZONES = (
    make_zone(*SERVICES, master=MASTER),
    make_zone(service("weighted", TRIO, name="@"), origin="deep.gslb.test"),
    make_zone(master="plain 60 IN A 192.0.2.77\n", origin="example.org"),
)


def make_world(**limits):
    return World(ZONES, make_table(PLACES), limits=DnsLimits(**limits))


WORLDS = {
    "plain": make_world(),
    "nsid": make_world(nsid="ns1"),
    "no-ecs": make_world(ecs=False),
    "small": make_world(udp_size=512),
    "coarse": make_world(ecs_max_ipv4=12, ecs_max_ipv6=20),
}

# --- the queries ---------------------------------------------------------------------------------

EXISTING = (
    *("@", "www", "twin", "pin", "nodata", "cdn", "mixed", "four", "plain", "text", "odd", "mail"),
    *("alias", "away", "chain", "sub", "ns.sub", "a.b.c", "b.c", "wild", "*.wild", "big", "ns1"),
    *("deep", "example.org.", "plain.example.org."),
)
MISSING = (
    *("nope", "a.nope", "x.www", "ww", "x.b.c", "x.plain", "longer-than-most-names", "nope.deep"),
    *("x.wild", "x.y.wild", "x.sub", "nope.example.org.", "example.com.", "test.", "."),
)
IN, CH, ANY_CLASS = 1, 3, 255
TYPES = (
    *(1, 28, 65, 97, 5, 16, 2, 6, 15, 255, 43, 64, 257, 65280),  # 97 is 65 in lower case
    *(41, 128, 249, 250, 251, 252, 253, 254, 0, 0x4141, 0x6161),
)
FLAGS = (0x0000, 0x0100, 0x0110, 0x0120, 0x0130, 0x0140, 0x0300, 0x0500, 0x0180, 0x8100, 0x2100)


def option(code, octets):
    return struct.pack("!HH", code, len(octets)) + octets


def ecs(text):
    return option(8, dns.edns.ECSOption.from_text(text).to_wire())


SUBNETS = (
    *("9.1.2.0/24", "9.9.2.0/24", "8.8.8.0/24", "9.0.0.0/8", "9.1.2.3/32", "2a00:1::/48"),
    *("2600::/56", "10.1.2.0/24", "0.0.0.0/0", "::/0", "fd00::/32"),
)
OPTIONS = (
    *map(ecs, SUBNETS),
    *map(ecs, SUBNETS),
    option(10, b"cookie01"),
    option(10, b"cookie02"),
    option(10, b"cookie01" + bytes(range(16))),
    option(10, b"short"),
    option(3, b""),
    option(11, b""),
    option(12, b"\0" * 20),
    option(65001, b"\0\x0a\0\x08cookie03"),  # looks as if a cookie stood at its end
    option(65001, ecs("9.1.2.0/24")),
)
BROKEN = (
    option(8, b""),
    option(8, b"\0\1\x18\x18\x09\1\2"),
    option(8, b"\0\1\x18\0\x09\1"),
    option(8, b"\0\3\x18\0\x09\1\2"),
    option(8, b"\0\1\x14\0\x09\1\x02"),
    option(10, b"cookie01")[:-3],
    b"\0\x0a\0\x05cookie04",  # its end is no option
    b"\0\x08\0",
)


@dataclass(frozen=True)
class Ask:
    """One query. options: None sends no OPT."""

    name: str
    qtype: int
    qclass: int = IN
    flags: int = 0x0100
    options: tuple[bytes, ...] | None = None
    size: int = 1232
    opt_ttl: int = 0
    upper: int = 0
    rest: bytes = b""
    source: str = "203.0.113.53"

    @property
    def octets(self):
        opt = b""
        if self.options is not None:
            body = b"".join(self.options)
            opt = struct.pack("!BHHIH", 0, 41, self.size, self.opt_ttl, len(body)) + body
        head = struct.pack("!HHHHHH", 0x1234, self.flags, 1, 0, 0, int(bool(opt)))
        return head + self.question + opt + self.rest

    @property
    def packed_source(self):
        return ip_address(self.source).packed

    @property
    def question(self):
        """upper: a bit for each octet of the name that is to be upper case."""
        name = bytes(
            octet - 32 if self.upper >> n % 16 & 1 and 97 <= octet <= 122 else octet
            for n, octet in enumerate(wire_name(self.name))
        )
        return name + struct.pack("!HH", self.qtype, self.qclass)


SOURCES = ("203.0.113.53", "9.1.1.1", "9.9.1.1", "2a00::1", "::ffff:9.1.1.1", "2600::1")
STATES = (UP, DOWN, HELD, UNKNOWN)


def make_usual(draw):
    """What resolvers send."""
    return Ask(
        name=draw.choice(EXISTING if draw.random() < 0.8 else MISSING),
        qtype=draw.choice(TYPES[:4]),
        flags=draw.choice(FLAGS[:4]),
        options=None if draw.random() < 0.3 else pick_some(draw, OPTIONS, 2),
        upper=draw.getrandbits(16),
        source=draw.choice(SOURCES),
    )


def make_unusual(draw):
    """What nobody should send."""
    return Ask(
        name=draw.choice(EXISTING + MISSING),
        qtype=draw.choice(TYPES),
        qclass=draw.choice((IN, IN, IN, CH, ANY_CLASS, 0, 0x4100)),
        flags=draw.choice(FLAGS),
        options=None if draw.random() < 0.3 else pick_some(draw, OPTIONS + BROKEN, 4),
        size=draw.choice((0, 511, 512, 1232, 4096, 65535)),
        opt_ttl=draw.choice((0, 0, 0x8000, 0x8001, 0x10000, 0x10008000, 0xFF000000)),
        rest=draw.choice((b"", b"", b"\0", b"\0\0\x29")),
    )


def make_odd(draw):
    """A usual query with one thing that is not."""
    strange = make_unusual(draw)
    field = draw.choice(("qtype", "qclass", "flags", "options", "size", "opt_ttl", "rest"))
    asked = make_usual(draw)
    if field in ("size", "opt_ttl"):
        asked = replace(asked, options=asked.options or ())
    return replace(asked, **{field: getattr(strange, field)})


def make_broken(draw):
    """A usual query that something happened to on its way."""
    asked = make_usual(draw)
    octets = bytearray(asked.octets)
    octets[draw.randrange(len(octets))] = draw.randrange(256)
    if draw.random() < 0.5:
        del octets[draw.randrange(len(octets)) :]
    return bytes(octets), asked.packed_source


def make_health(draw):
    return {name: draw.choice(STATES) for name in "abc"}


def pick_some(draw, options, most):
    return tuple(draw.choices(options, k=draw.randint(0, most)))


MAKERS = (make_usual, make_odd, make_unusual, make_broken, make_health)


def make_moves(seed, length=700):
    draw = random.Random(seed)
    makers = draw.choices(MAKERS, weights=(80, 20, 5, 10, 1), k=length)
    return [make(draw) for make in makers]


def play(world, moves):
    """Asks both twins the same, move by move; a dictionary is a new health."""
    engine, path = world.engine(), FastPath(world.engine())
    for number, move in enumerate(moves):
        if isinstance(move, dict):
            snapshot = health(generation=number, **move)
            engine, path = engine.with_health(snapshot), path.with_health(snapshot)
            continue
        octets, source = move if isinstance(move, tuple) else (move.octets, move.packed_source)
        assert path.answer(octets, source) == engine.answer(octets, source), move
    assert +path.engine.plans.count_answers() == +engine.plans.count_answers()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("world", WORLDS)
def test_the_fast_path_equals_the_engine(world, seed):
    """Twice, so that what was learned in the first round answers in the second."""
    play(WORLDS[world], make_moves(seed) * 2)


def test_most_of_these_moves_are_answered_by_the_fast_path():
    """Else the test above would prove little."""
    path = FastPath(WORLDS["plain"].engine())
    asked = [move for move in make_moves(0) if isinstance(move, Ask)] * 2
    for move in asked:
        path.answer(move.octets, move.packed_source)
    assert path.counts.general < len(asked) * 0.5


@pytest.mark.parametrize("name", [*EXISTING, *MISSING])
def test_every_name_and_type_is_answered_as_the_engine_does(name):
    moves = [
        Ask(name, qtype, options=options, upper=upper)
        for upper in (0, 0x5A5A)
        for qtype in TYPES
        for options in (None, (), (ecs("9.1.2.0/24"), option(10, b"cookie01")))
    ]
    play(WORLDS["plain"], moves + moves)


@pytest.mark.parametrize("name", ["hostmaster", "x.hostmaster", "x.ns1", "x.y.ns1"])
def test_a_denial_below_a_name_of_the_soa_says_the_same(name):
    """One octet is allowed to differ: which of two equal names the SOA's names point to."""
    world = WORLDS["plain"]
    octets, source = Ask(name, 1).octets, b"\x08\x08\x08\x08"
    quick, general = (
        dns.message.from_wire(each.answer(octets, source))
        for each in (FastPath(world.engine()), world.engine())
    )
    assert quick == general
    assert quick.authority == general.authority
    assert quick.authority[0].ttl == general.authority[0].ttl


# --- it is used ----------------------------------------------------------------------------------

COOKIE = option(10, b"cookie77")
USED = {
    "service A": Ask("www", 1),
    "service AAAA": Ask("www", 28),
    "service with subnet": Ask("www", 1, options=(ecs("9.1.2.0/24"), COOKIE)),
    "service with a private subnet": Ask("www", 1, options=(ecs("10.1.2.0/24"),)),
    "sticky service": Ask("pin", 1, options=(COOKIE, ecs("9.1.2.0/24"))),
    "CNAME service": Ask("cdn", 1, options=()),
    "CNAME service HTTPS": Ask("cdn", 65),
    "service at the apex": Ask("deep", 1),
    "service HTTPS": Ask("www", 65, options=(COOKIE,)),
    "family that a service lacks": Ask("four", 28),
    "static A": Ask("plain", 1, options=(ecs("9.1.2.0/24"),)),
    "static HTTPS": Ask("plain", 65),
    "static MX": Ask("mail", 15),
    "static CNAME": Ask("alias", 1),
    "ANY": Ask("plain", 255),
    "SOA": Ask("@", 6),
    "NODATA": Ask("plain", 16, options=()),
    "empty non-terminal": Ask("b.c", 1),
    "NXDOMAIN": Ask("nope", 1, options=(COOKIE,)),
    "referral": Ask("sub", 1),
}


@pytest.mark.parametrize("asked", USED.values(), ids=USED)
def test_the_second_ask_is_fast(asked):
    path = FastPath(WORLDS["plain"].engine())
    path.answer(asked.octets, asked.packed_source)
    assert path.counts.general <= 1
    slow = path.counts.general
    again = replace(asked, upper=0x5A5A, flags=0x0130)
    for source in SOURCES:
        assert path.answer(again.octets, ip_address(source).packed)
    assert path.counts.general == slow


@pytest.mark.parametrize("asked", USED.values(), ids=USED)
def test_after_a_swap_of_health_the_first_ask_is_fast(asked):
    path = FastPath(WORLDS["plain"].engine())
    path.answer(asked.octets, asked.packed_source)
    slow = path.counts.general
    path = path.with_health(health(a=DOWN))
    assert path.answer(asked.octets, asked.packed_source)
    assert path.counts.general == slow


def test_names_that_do_not_exist_are_fast_at_once():
    path = FastPath(WORLDS["plain"].engine())
    for n in range(200):
        path.answer(Ask(f"{'x' * (n % 20)}{n}.nope", 1).octets, b"\x08\x08\x08\x08")
    assert path.counts.general == 0
    assert len(path.static._denials) < 30
    assert path.static.entries == {}


@pytest.mark.parametrize(
    "asked",
    [
        Ask("x.wild", 1),
        Ask("x.sub", 1),
        Ask("example.com.", 1),
        Ask("big", 16),
        Ask("nodata", 1),
        Ask("www", 1, qclass=ANY_CLASS),
        Ask("www", 1, flags=0x2100),
        Ask("www", 1, opt_ttl=0x10000, options=()),
        Ask("www", 1, options=(), rest=b"\0"),
        Ask("www", 1, rest=b"\0"),
        Ask("www", 1, options=BROKEN[-1:]),
    ],
    ids=lambda asked: asked.name,
)
def test_what_is_unusual_is_left_to_the_engine(asked):
    down = health(a=DOWN, b=DOWN, c=DOWN)
    path = FastPath(WORLDS["plain"].engine(down))
    path.answer(Ask("www", 1).octets, asked.packed_source)
    for expected in (2, 3, 4):
        path.answer(asked.octets, asked.packed_source)
        assert path.counts.general == expected


def test_an_nsid_is_left_to_the_engine_only_where_there_is_one():
    asked = Ask("www", 1, options=(option(3, b""),))
    for world, slow in (("plain", 1), ("nsid", 2)):
        path = FastPath(WORLDS[world].engine())
        for _ in range(2):
            path.answer(asked.octets, asked.packed_source)
        assert path.counts.general == slow


def test_octets_behind_a_message_are_counted_over_every_swap():
    path = FastPath(WORLDS["plain"].engine())
    for generation, rest in enumerate((b"", b"\0", b"", b"\0\0")):
        asked = Ask("www", 1, rest=rest)
        path.answer(asked.octets, asked.packed_source)
        path = path.with_health(health(generation=generation))
    assert (path.counts.general, path.counts.trailing) == (3, 2)


# --- laws and bounds -----------------------------------------------------------------------------


def test_law_2_only_names_that_exist_are_entries():
    path = FastPath(WORLDS["plain"].engine())
    for name in EXISTING + MISSING:
        for qtype in TYPES:
            path.answer(Ask(name, qtype).octets, b"\x08\x08\x08\x08")
    held = {key[:-4] for key in (*path.static.entries, *path.static.desks)}
    assert held <= {wire_name(name) for name in EXISTING}
    assert {wire_name(name) for name in ("www", "plain", "b.c", "sub")} <= held


def test_law_3_health_is_forgotten_and_statics_are_kept():
    www = SERVICES[0]
    path = FastPath(WORLDS["plain"].engine(health()))
    assert ask_sites(path, www) == ["a"]
    ask(path, "plain")
    slow = path.counts.general
    later = path.with_health(health(generation=2, a=DOWN))
    assert later.static is path.static
    assert ask_sites(later, www) == ["b"]
    assert ask_sites(path, www) == ["b"]  # the old one goes on with its own health: turn 2 of 5
    assert ask(later, "plain").addresses == ["192.0.2.7"]
    assert later.counts.general == slow == 2


def test_law_3_the_turn_goes_on_over_a_swap():
    www = SERVICES[0]
    path = FastPath(WORLDS["plain"].engine(health()))
    order = []
    for generation in range(2, 12):
        order += ask_sites(path, www)
        path = path.with_health(health(generation=generation))
    assert Counter(order[:5]) == Counter(order[5:]) == {"a": 3, "b": 2}


def test_full_memories_are_emptied_and_answers_stay_right():
    world = WORLDS["plain"]
    engine, path = world.engine(), FastPath(world.engine())
    static = path.static
    memories = {
        fast.MAX_ENTRIES: (static.entries, static.desks),
        fast.MAX_KNOWN: (path._known,),
        fast.MAX_OPTS: (path._opts,),
    }
    for size in range(600, 604):
        for most, full in memories.items():
            for memory in full:
                memory.clear()
                memory.update((n.to_bytes(4, "big"), None) for n in range(most))
        for name in ("plain", "www", "alias", "sub", "pin", "b.c", "cdn"):
            for qtype in (1, 28, 65):
                asked = Ask(name, qtype, size=size, options=(COOKIE,))
                octets, source = asked.octets, asked.packed_source
                for _ in range(2):  # from the engine, then from what was learned
                    assert path.answer(octets, source) == engine.answer(octets, source)
        for memory in chain(*memories.values()):
            assert 0 < len(memory) <= 7 * 3


def test_keep_empties_a_full_memory_first():
    memory = {}
    for n in range(7):
        keep(memory, bytes((n,)), n, most=3)
        assert len(memory) <= 3
        assert memory[bytes((n,))] == n
    assert memory == {b"\6": 6}


def test_the_bounds_are_what_the_memory_was_reckoned_with():
    memory = dict.fromkeys((n.to_bytes(4, "big") for n in range(fast.MAX_ENTRIES)), 0)
    keep(memory, b"new", 1)
    assert memory == {b"new": 1}


@pytest.mark.parametrize("octets", [230, 255, 256, 257, 300])
def test_a_name_too_long_is_malformed_below_a_zone_as_well(octets):
    """Names of up to 255 octets are names (RFC 1035 2.3.4); the zone's own take eleven."""
    labels = b"".join(b"\x09" + b"x" * 9 for _ in range((octets - 11) // 10))
    rest = octets - 11 - len(labels)
    labels += bytes((rest - 1,)) + b"y" * (rest - 1) if rest else b""
    tail = wire_name("@") + struct.pack("!HH", 1, IN)
    query = struct.pack("!HHHHHH", 7, 0, 1, 0, 0, 0) + labels + tail
    assert len(labels) + len(wire_name("@")) == octets
    play(WORLDS["plain"], [(query, b"\x08\x08\x08\x08")] * 2)


@pytest.mark.parametrize("length", [63, 64, 0x80, 0xC0])
def test_a_label_too_long_is_malformed_below_a_zone_as_well(length):
    tail = wire_name("@") + struct.pack("!HH", 1, IN)
    head = struct.pack("!HHHHHH", 7, 0, 1, 0, 0, 0)
    query = head + bytes((length,)) + b"x" * length + tail
    play(WORLDS["plain"], [(query, b"\x08\x08\x08\x08")] * 2)


def test_no_type_is_denied_that_the_engine_refuses():
    denied = {qtype for qtype in range(2**16) if is_denied_type(*divmod(qtype, 256))}
    refused = {qtype for qtype in range(2**16) if refuse_type(qtype, is_tcp=False)}
    assert denied & refused == set()
    assert {1, 28, 65, 127, 256, 65280} <= denied
