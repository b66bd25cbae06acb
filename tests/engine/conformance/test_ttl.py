"""The TTL of answers that health decides (DESIGN law 7): short where a change is due, never 0."""

from __future__ import annotations

import pytest

from gslb.health.snapshot import HealthSnapshot, SiteHealth
from tests.engine.conformance.asking import (
    World,
    compile_text,
    geo_service,
    make_table,
    rel,
    rel_zone,
)
from tests.engine.conformance.octets import message, opt, question
from tests.engine.conformance.zones import REL

SITES = ("eu", "na", "other")


@pytest.mark.parametrize(
    ("up", "flip_s", "ttl"),
    [
        (True, None, 30),
        (True, 300.0, 30),
        (True, 12.0, 12),
        (True, 0.1, 5),
        (True, 0.0, 5),
        (None, None, 5),  # nothing is known yet, so anything may change
        (False, 1.0, 5),
    ],
)
def test_a_ttl_lies_between_the_services_bounds(up, flip_s, ttl):
    health = HealthSnapshot(1, dict.fromkeys(SITES, SiteHealth(up=up, flip_s=flip_s)))
    world = World(rel_zone(), table=make_table(), health=health)
    query = message(question(rel("geo")), additional=(opt(),))
    (rrset,) = world.send(query, "8.8.8.8").answer
    assert rrset.ttl == ttl


@pytest.mark.parametrize(("ttl_max", "ttl_min"), [(0, 0), (1, 0), (30, 0)])
def test_a_ttl_is_never_0(ttl_max, ttl_min):
    health = HealthSnapshot(1, dict.fromkeys(SITES, SiteHealth(flip_s=0.0)))
    service = geo_service(ttl_max=ttl_max, ttl_min=ttl_min)
    world = World(compile_text(REL, "rel.test.zone", service), health=health)
    (rrset,) = world.ask(rel("geo")).answer
    assert rrset.ttl == 1


def test_a_new_snapshot_is_answered_from_at_once():
    world = World(rel_zone(), table=make_table())
    query = message(question(rel("geo")))
    world.send(query, "8.8.8.8")
    down = HealthSnapshot(1, {"na": SiteHealth(up=False, reason="refused")})
    world.fast = world.fast.with_health(down)
    world.health = down
    (rrset,) = world.send(query, "8.8.8.8").answer
    assert "198.51.100.2" not in rrset.to_text()
