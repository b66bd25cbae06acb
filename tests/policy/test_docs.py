"""docs/policies.md shows lines that the policies print: each is printed here, word for word."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

from gslb.health.snapshot import SiteHealth
from gslb.model.place import NOWHERE
from gslb.policy.base import Context
from gslb.policy.chain import run_chain
from gslb.policy.measured import AgentRow, AgentTimes, MeasuredTimes
from gslb.policy.registry import make_filter
from gslb.policy.ttl import ttl
from tests.policy.values import (
    DOWN,
    HELD,
    OFFICE,
    PARIS,
    UNKNOWN,
    UP,
    all_down,
    cname,
    health,
    make,
    ordered,
    service,
    world,
)

PAGE = (Path(__file__).parents[2] / "docs" / "policies.md").read_text("utf-8")
SHOWN = [
    line
    for block in re.findall(r"^```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]

WWW = world(
    eu_west="continent:EU continent:AF",
    us_east="continent:NA continent:SA country:GB",
    ap_south="continent:AS continent:OC map:office",
)


class Networks:
    generation = 1

    def client_rtt_ms(self, location, site):
        return {"eu-west": 28.0}.get(site)


FRANKFURT = AgentRow("fra", replace(PARIS, asn=64500), {"us-east": 25.0})
BOTH = (
    AgentRow("fra", PARIS, {"eu-west": 11.0, "us-east": 90.0}),
    AgentRow("par", PARIS, {"eu-west": 13.0, "us-east": 80.0}),
)
MEASURED = (
    MeasuredTimes(Networks(), AgentTimes(1, (FRANKFURT,))),
    MeasuredTimes(agents=AgentTimes(1, BOTH)),
)


def test_every_line_that_the_page_shows_is_printed():
    assert SHOWN
    assert [line for line in SHOWN if line not in set(printed())] == []


def test_every_filter_and_rule_shows_a_line():
    steps = ("health", "geo", "nearest", "latency", "failover", "weighted", "round_robin", "sticky")
    rules = ("orders", "max_answers", "when_all_down", "ttl")
    assert {line.split(":")[0] for line in SHOWN} == {*steps, *rules}


def printed() -> Iterator[str]:
    yield from chain_lines()
    yield from health_lines()
    yield from place_lines()
    yield from share_lines()
    yield from all_down_lines()
    yield from ttl_lines()
    yield from order_lines()


def chain_lines():
    candidates = tuple(
        replace(one, weight=weight, serves=frozenset(keys.split()))
        for one, weight, keys in zip(
            world(), (3, 2, 1), ("continent:EU", "continent:NA", "default"), strict=True
        )
    )
    of = service("health", "geo", "weighted")
    filters = [make_filter(spec) for spec in of.policy]
    yield from run_chain(
        filters, of, candidates, Context(health=health(eu_west=DOWN), location=PARIS)
    ).why


def health_lines():
    for state in (UP, DOWN, HELD, UNKNOWN):
        yield make("health").apply(WWW, Context(health=health(eu_west=state))).why
    yield make("health").apply(WWW[:1], Context(health=health(eu_west=DOWN))).why


def place_lines():
    for left, location in ((WWW, OFFICE), (WWW, PARIS), (WWW[1:], PARIS), (WWW, NOWHERE)):
        yield make("geo").apply(left, Context(location=location)).why
    for left, location in ((WWW, PARIS), (WWW, NOWHERE), ((cname("cdn"),), PARIS)):
        yield make("nearest", band=0.1).apply(left, Context(location=location)).why
    yield make("latency").apply(WWW, Context(location=PARIS)).why
    for measured in MEASURED:
        yield make("latency").apply(WWW, Context(location=PARIS, measurements=measured)).why
    yield make("latency").apply(WWW, Context(location=NOWHERE)).why


def share_lines():
    eu_west, us_east, ap_south = world()
    tiers = (us_east, replace(eu_west, order=2), replace(ap_south, order=2))
    yield make("failover").apply(tiers, Context()).why
    yield make("failover").apply(tiers[1:], Context()).why
    split = (replace(eu_west, weight=3), replace(us_east, weight=2), ap_south)
    for turn in (0, 1):
        yield make("weighted").apply(split, Context(turn=turn)).why
        yield make("round_robin").apply(split, Context(turn=turn)).why
    yield make("weighted").apply((replace(eu_west, weight=0), *split[1:]), Context()).why
    for network in ("192.0.2.0/24", "2001:db8::/56"):
        packed = ip_network(network).network_address.packed
        cart = Context(service="cart.gslb.shop.example", network=packed)
        yield make("sticky").apply((eu_west, us_east), cart).why


def order_lines():
    until = {"owner": "bob", "reason": "fire", "until_at": 1_769_860_800.0, "flip_s": 60.0}
    for candidates, states in (
        (world(), health(us_east=ordered("drain"))),
        (world(), health(us_east=ordered("down", **until))),
        (world(), health(eu_west=ordered("up", DOWN))),
        (world()[:2], health(eu_west=ordered("drain"), us_east=DOWN)),
        (world()[:1], health(eu_west=ordered("down"))),
    ):
        of, context = service("health"), Context(health=states)
        yield from run_chain([make("health")], of, candidates, context).why


def all_down_lines():
    later = replace(DOWN, since_at=1_700_000_300.0)
    states = health(eu_west=DOWN, us_east=later, ap_south=DOWN)
    fixed = all_down("addresses", "192.0.2.99", "2001:db8::99")
    for rule in (all_down("all"), all_down("last_good"), all_down("nodata"), fixed):
        of = service("health", when_all_down=rule)
        yield from run_chain([make("health")], of, world(), Context(health=states)).why


def ttl_lines():
    of = service("health", ttl_max=60, ttl_min=5)
    for state in (SiteHealth(), SiteHealth(flip_s=12.0), SiteHealth(flip_s=4.0), UNKNOWN):
        yield ttl(of, world(), health(eu_west=state))[1]
    yield ttl(service("geo", ttl_max=60), world(), health())[1]


def test_the_table_of_ttls_is_what_ttl_computes():
    rows = re.findall(
        r"^\| .* \| (\d+) x (\d+) s \| (\d+)(?:, the minimum)? \|$", PAGE, re.MULTILINE
    )
    assert len(rows) == 5
    for times, seconds, expected in rows:
        flip_s = float(seconds) * int(times)
        of = service("health", ttl_max=60, ttl_min=5)
        assert ttl(of, world(), health(eu_west=SiteHealth(flip_s=flip_s)))[0] == int(expected)
