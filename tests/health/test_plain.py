"""Health and orders as plain data and back."""

import json
from dataclasses import replace

import pytest

from gslb.health.plain import dump_health, dump_order, load_health, load_order
from gslb.health.snapshot import AgentHealth, HealthSnapshot, SiteHealth
from gslb.model.order import Order, OrderKind

ORDER = Order("eu", OrderKind.DRAIN, 1_795_000_000_000, "alice", "kernel", 5.0, 99.5)
HEALTH = HealthSnapshot(
    7,
    {
        "eu": SiteHealth(up=True, flip_s=2.0, since_at=9.0, reason="checks pass", order=ORDER),
        "us": SiteHealth(up=False, since_at=9.5, held=True, flaps=2, well_since_at=11.0),
        "ap": SiteHealth(up=None, flip_s=0.5, withdrawn_at=12.0),
    },
    ("panic",),
    {"fra": AgentHealth(has_vote=False, why="its canaries fail"), "iad": AgentHealth(True)},
)


TAKEN_BACK = dump_order(replace(ORDER, kind=OrderKind.NONE))


def through_json(told):
    return json.loads(json.dumps(told))


def test_law_1_what_is_dumped_is_loaded_the_same():
    assert load_order(through_json(dump_order(ORDER))) == ORDER
    assert load_health(through_json(dump_health(HEALTH))) == HEALTH


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"kind": "sleep"}, "sleep"),
        ({"kind": None}, "None"),
        ({"version": "7"}, "version must be int"),
        ({"version": True}, "version must be int"),
        ({"until_at": "never"}, "until_at must be"),
        ({"created_at": float("nan")}, "finite"),
        ({"owner": None}, "owner must be str"),
        ({"more": 1}, "exactly these fields"),
    ],
)
def test_law_2_an_order_of_another_shape_is_refused(change, why):
    with pytest.raises(ValueError, match=why):
        load_order({**dump_order(ORDER), **change})


@pytest.mark.parametrize(
    "told",
    [
        None,
        [],
        {},
        {**dump_health(HEALTH), "alerts": "panic"},
        {**dump_health(HEALTH), "alerts": [1]},
        {**dump_health(HEALTH), "generation": None},
        {**dump_health(HEALTH), "sites": {"eu": {"up": True}}},
        {**dump_health(HEALTH), "sites": {"eu": []}},
        {
            **dump_health(HEALTH),
            "sites": {"eu": {**dump_health(HEALTH)["sites"]["eu"], "order": TAKEN_BACK}},
        },
        {**dump_health(HEALTH), "agents": {"fra": {"has_vote": 1, "why": ""}}},
    ],
)
def test_law_2_health_of_another_shape_is_refused(told):
    with pytest.raises(ValueError):
        load_health(told)


def test_an_order_of_any_kind_is_kept():
    for kind in OrderKind:
        order = replace(ORDER, kind=kind, until_at=None)
        assert load_order(through_json(dump_order(order))) == order
