from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest

from gslb.health.snapshot import SiteHealth
from gslb.policy.base import Context, Step
from gslb.policy.chain import LONGEST_PERIOD, run_chain
from gslb.policy.registry import make_filter
from tests.policy.values import DOWN, PARIS, UP, all_down, candidate, cname, health, service, world

WORLD = world(eu_west="continent:EU", us_east="continent:NA", ap_south="default")
NOTHING_UP = health(
    eu_west=replace(DOWN, since_at=1_700_000_100.0),
    us_east=replace(DOWN, since_at=1_700_000_300.0),
    ap_south=replace(DOWN, since_at=1_700_000_300.0),
)


def run(of, candidates=WORLD, **context):
    return run_chain([make_filter(spec) for spec in of.policy], of, candidates, Context(**context))


def chosen(*args, **more):
    return [one.name for one in run(*args, **more).candidates]


def test_filters_run_in_the_operators_order():
    tiers = (candidate("a", weight=0, order=1), candidate("b", order=2), candidate("c", order=2))
    assert chosen(service("weighted", "failover", max_answers=9), tiers) == ["b", "c"]
    assert chosen(service("failover", "weighted", max_answers=9), tiers) == ["a"]


def test_every_step_and_its_reason_is_told():
    result = run(service("health", "geo", "weighted"), health=health(eu_west=UP), location=PARIS)
    assert [name for name, _ in result.steps] == ["health", "geo", "weighted", "max_answers"]
    assert result.why == (
        "health: all 3 stay",
        "geo: continent:EU -> eu-west (nobody left serves country:FR)",
        "weighted: turn 1 of 1 -> eu-west (eu-west 1)",
        "max_answers: 1 of 1 -> eu-west",
    )
    assert (result.all_down, result.fixed) == (False, ())


def test_max_answers_cuts_last():
    assert chosen(service("round_robin", max_answers=2), turn=1) == ["us-east", "ap-south"]
    result = run(service("round_robin", max_answers=2), turn=1)
    assert result.why[-1] == "max_answers: 2 of 3 -> us-east, ap-south"


def test_an_empty_chain_answers_the_first_ones():
    assert chosen(service(max_answers=2)) == ["eu-west", "us-east"]


def test_no_candidate_of_the_asked_family_is_nodata_not_an_error():
    result = run(service("health", "geo", "weighted"), ())
    assert (result.candidates, result.steps, result.period, result.all_down) == ((), (), 1, False)


def test_law_1_a_candidate_that_no_filter_removes_is_answered():
    result = run(service("health", "round_robin", max_answers=9), health=health(eu_west=DOWN))
    assert {one.name for one in result.candidates} == {"us-east", "ap-south"}


def test_law_2_geo_climbs_over_sites_that_health_removed():
    of = service("health", "geo")
    assert chosen(of, location=PARIS, health=health()) == ["eu-west"]
    assert chosen(of, location=PARIS, health=health(eu_west=DOWN)) == ["ap-south"]  # default
    assert chosen(of, location=PARIS, health=health(eu_west=DOWN, ap_south=DOWN)) == ["us-east"]


def test_law_8_all_down_answers_all_by_default_and_the_chain_goes_on():
    result = run(service("health", "geo"), health=NOTHING_UP, location=PARIS)
    assert [one.name for one in result.candidates] == ["eu-west"]
    assert result.all_down
    assert result.why[1] == "when_all_down: all -> eu-west, us-east, ap-south"
    assert result.why[2].startswith("geo: continent:EU -> eu-west")


def test_law_8_last_good_keeps_those_that_went_down_last():
    of = service("health", "round_robin", when_all_down=all_down("last_good"), max_answers=9)
    result = run(of, health=NOTHING_UP)
    assert [one.name for one in result.candidates] == ["us-east", "ap-south"]
    assert result.why[1] == (
        "when_all_down: last_good -> us-east, ap-south, up until 2023-11-14 22:18:20Z"
    )


def test_law_8_nodata_ends_the_chain():
    of = service("health", "geo", when_all_down=all_down("nodata"))
    result = run(of, health=NOTHING_UP, location=PARIS)
    assert (result.candidates, result.fixed, result.all_down, result.period) == ((), (), True, 1)
    assert [name for name, _ in result.steps] == ["health", "when_all_down"]
    assert result.why[-1] == "when_all_down: nodata -> no answer"


def test_law_8_addresses_are_handed_to_the_engine():
    fixed = ("192.0.2.99", "2001:db8::99")
    of = service("health", "weighted", when_all_down=all_down("addresses", *fixed))
    result = run(of, health=NOTHING_UP)
    assert (result.candidates, result.fixed) == ((), tuple(map(ip_address, fixed)))
    assert result.why[-1] == "when_all_down: addresses -> 192.0.2.99, 2001:db8::99"


def test_the_rule_is_not_applied_while_one_is_healthy():
    of = service("health", when_all_down=all_down("addresses", "192.0.2.99"))
    result = run(of, health=health(eu_west=DOWN, us_east=DOWN))
    assert ([one.name for one in result.candidates], result.fixed) == (["ap-south"], ())


def test_the_rule_is_not_applied_where_nobody_looks_at_health():
    of = service("geo", when_all_down=all_down("nodata"))
    assert chosen(of, health=NOTHING_UP, location=PARIS) == ["eu-west"]


def test_somebody_elses_name_stands_in_when_all_sites_are_down():
    of = service("health", "weighted", when_all_down=all_down("nodata"))
    assert chosen(of, (*WORLD, cname("cdn")), health=NOTHING_UP) == ["cdn"]


def test_law_9_a_held_site_is_answered_and_told():
    held = SiteHealth(up=False, since_at=1_700_000_000.0, held=True, reason="refused")
    result = run(service("health", "geo"), health=health(eu_west=held), location=PARIS)
    assert [one.name for one in result.candidates] == ["eu-west"]
    assert "held although down" in result.why[0]


@pytest.mark.parametrize(
    ("policy", "weights", "period"),
    [
        (("health", "geo"), (1, 1, 1), 1),
        (("weighted",), (3, 2, 1), 6),
        (("round_robin",), (1, 1, 1), 3),
        (("weighted", "round_robin"), (1, 1, 2), 12),  # 4 and 3
        (("weighted", "round_robin"), (3, 2, 1), 6),  # 6 and 3
    ],
)
def test_the_period_is_the_least_common_multiple(policy, weights, period):
    candidates = tuple(
        candidate(name, weight=weight) for name, weight in zip("abc", weights, strict=True)
    )
    of = service(*policy, max_answers=3)
    assert run(of, candidates).period == period
    once = [chosen(of, candidates, turn=turn) for turn in range(period)]
    again = [chosen(of, candidates, turn=turn) for turn in range(period, 2 * period)]
    assert once == again


def test_the_period_of_all_steps_is_bounded():
    class Slow:
        name, client_prefix = "slow", None

        def __init__(self, period):
            self.period = period

        def apply(self, candidates, context):
            return Step(tuple(candidates), "slow", self.period)

        def client_class(self, candidates, location, measurements):
            return None

    result = run_chain([Slow(4093), Slow(4096), Slow(2), Slow(16)], service(), WORLD, Context())
    assert result.period == 4096 <= LONGEST_PERIOD  # 4093 is prime and would lead past
