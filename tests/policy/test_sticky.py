from __future__ import annotations

from collections import Counter
from ipaddress import ip_network

import pytest
from pydantic import ValidationError

from gslb.policy.base import Context
from gslb.policy.sticky import _draw
from tests.policy.values import candidate, make, names

CART = "cart.gslb.shop.example"
THREE = {"eu-west": 3, "us-east": 2, "ap-south": 1}
NETWORKS = [bytes((10, high, low, 0)) for high in range(16) for low in range(256)]


def pack(network: str) -> bytes:
    return ip_network(network).network_address.packed


def order(network: bytes, weights: dict[str, int], name: str = CART) -> list[str]:
    candidates = tuple(candidate(each, weight=weight) for each, weight in weights.items())
    return names(make("sticky").apply(candidates, Context(service=name, network=network)))


@pytest.mark.parametrize(
    ("network", "weighted", "equal"),
    [
        ("192.0.2.0/24", "us-east eu-west ap-south", "us-east ap-south eu-west"),
        ("198.51.100.0/24", "ap-south us-east eu-west", "ap-south us-east eu-west"),
        ("203.0.113.0/24", "eu-west ap-south us-east", "ap-south eu-west us-east"),
        ("8.8.8.0/24", "eu-west us-east ap-south", "eu-west us-east ap-south"),
        ("2001:db8::/56", "us-east eu-west ap-south", "us-east ap-south eu-west"),
        ("2001:db8:ffff:ff00::/56", "us-east ap-south eu-west", "us-east ap-south eu-west"),
    ],
)
def test_law_4_known_answers_outlive_restarts_and_versions(network, weighted, equal):
    """These never change: a new order would move every client of every sticky service at once."""
    assert order(pack(network), THREE) == weighted.split()
    assert order(pack(network), dict.fromkeys(THREE, 1)) == equal.split()


def test_law_4_the_draw_is_the_published_hash():
    """The first 52 bits, as a share, of what `b2sum -l 64` makes of the three fields."""
    assert _draw(pack("192.0.2.0/24"), CART, "eu-west") == 0.4112449964631314
    assert _draw(pack("2001:db8::/56"), CART, "us-east") == 0.6537846006526816
    assert _draw(b"", "", "") == 0.20029645133190732


def test_law_4_shares_follow_the_weights_over_4096_networks():
    """Exact counts, within 2 % of the ideal ones: 2048 each; 2048, 1365 and 683; 3686 and 410."""
    assert count({"eu-west": 1, "us-east": 1}) == {"eu-west": 2032, "us-east": 2064}
    assert count(THREE) == {"eu-west": 1975, "us-east": 1410, "ap-south": 711}
    assert count({"a": 9, "b": 1}) == {"a": 3688, "b": 408}


def count(weights):
    return Counter(order(network, weights)[0] for network in NETWORKS)


def test_law_4_a_lost_site_moves_only_its_own_clients():
    left = {name: weight for name, weight in THREE.items() if name != "us-east"}
    for network in NETWORKS:
        before, after = order(network, THREE), order(network, left)
        assert after == [name for name in before if name != "us-east"]


def test_law_4_more_weight_only_attracts():
    for network in NETWORKS[:1024]:
        before, after = order(network, THREE)[0], order(network, {**THREE, "ap-south": 2})[0]
        assert after in (before, "ap-south")


def test_law_4_the_order_of_the_configuration_does_not_matter():
    turned = dict(reversed(THREE.items()))
    assert all(order(network, THREE) == order(network, turned) for network in NETWORKS[:256])


def test_services_spread_differently():
    assert any(order(network, THREE) != order(network, THREE, "pay") for network in NETWORKS[:8])


def test_lengths_keep_neighbouring_fields_apart():
    assert _draw(b"", "ab", "c") != _draw(b"", "a", "bc")


def test_weight_0_takes_no_part_unless_all_are_0():
    assert order(NETWORKS[0], {"a": 0, "b": 1, "c": 0}) == ["b"]
    assert order(NETWORKS[0], {"a": 0, "b": 0}) == order(NETWORKS[0], {"a": 1, "b": 1})


def test_the_turn_changes_nothing():
    candidates = tuple(candidate(each) for each in "abc")
    steps = {make("sticky").apply(candidates, Context(turn=turn)) for turn in range(9)}
    assert len(steps) == 1
    assert steps.pop().period == 1


def test_why_names_the_network():
    step = make("sticky").apply((candidate("a"),), Context(network=pack("192.0.2.0/24")))
    assert step.why == "sticky: 192.0.2.0/24 -> a"
    step = make("sticky", ipv6_prefix=48).apply(
        (candidate("a"),), Context(network=pack("2001:db8::/48"))
    )
    assert step.why == "sticky: 2001:db8::/48 -> a"
    assert (
        make("sticky").apply((candidate("a"),), Context()).why
        == "sticky: client without an address -> a"
    )


def test_the_client_network_is_as_long_as_told():
    assert make("sticky").client_prefix == (24, 56)
    assert make("sticky", ipv4_prefix=16, ipv6_prefix=48).client_prefix == (16, 48)


@pytest.mark.parametrize(
    "options", [{"ipv4_prefix": 0}, {"ipv4_prefix": 33}, {"ipv6_prefix": 65}, {"ipv6_prefix": "56"}]
)
def test_prefixes_out_of_range_are_refused(options):
    with pytest.raises(ValidationError, match=next(iter(options))):
        make("sticky", **options)
