from pathlib import Path

import pytest

from gslb.app.suppose import suppose_health
from gslb.config.load import load

EXAMPLE = Path(__file__).parents[2] / "zones" / "gslb.yaml"
AT = 1_800_000_000.0


@pytest.fixture(scope="module")
def system():
    return load(EXAMPLE).system


def told(system, *down):
    health = suppose_health(system, down, AT)
    return {name: (health.of(name).up, health.of(name).held) for name in system.sites}, health


def test_every_site_is_up_and_calm(system):
    states, health = told(system)
    assert set(states.values()) == {(True, False)}
    assert {health.of(name).flip_s for name in system.sites} == {6.0}  # 3 checks of 2 s
    assert health.alerts == ()


def test_a_site_that_is_supposed_down_says_so(system):
    states, health = told(system, "us-east", "us-east")
    assert states == {
        "eu-west": (True, False),
        "us-east": (False, False),
        "ap-south": (True, False),
    }
    gone = health.of("us-east")
    assert (gone.reason, gone.since_at, gone.flip_s) == ("supposed", AT, 4.0)


def test_those_that_go_down_when_the_budget_is_used_up_are_held(system):
    # Capacities 300, 200, 100 of 600; at most 0.67 may be withdrawn.
    states, health = told(system, "us-east", "eu-west", "ap-south")
    assert states == {
        "us-east": (False, False),
        "eu-west": (False, True),
        "ap-south": (False, False),
    }
    assert health.of("us-east").since_at == AT - 2
    assert health.alerts == (
        "withdrawal budget: eu-west is down but held: withdrawing it would pass 67 % of capacity",
    )


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("us-west", "there is no site 'us-west'; allowed: eu-west, us-east, ap-south"),
        ("", "there is no site ''; allowed: eu-west, us-east, ap-south"),
    ],
)
def test_what_is_no_site_is_refused(system, name, why):
    with pytest.raises(ValueError) as caught:
        suppose_health(system, [name], AT)
    assert str(caught.value) == why


def test_a_site_that_nobody_checks_cannot_go_down(tmp_path):
    main = tmp_path / "gslb.yaml"
    main.write_text("node: a\nsites: {a: {addresses: [192.0.2.1]}}\n")
    with pytest.raises(ValueError, match="a has no check, so it is always up"):
        suppose_health(load(main).system, ["a"], AT)
