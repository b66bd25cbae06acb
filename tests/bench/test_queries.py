"""The queries that the benchmark sends are what it says they are; dnspython reads them."""

import ipaddress
from collections import Counter

import dns.edns
import dns.flags
import dns.message
import dns.rdatatype
import pytest

from tests.bench.content import HOST_LABELS, SITES, ZONE, site_for
from tests.bench.noise import noise
from tests.bench.queries import DECK_SIZE, plain_queries, read_frames, resolver_queries

PLAIN_CHECKED = 2_000
DECK = b"".join(resolver_queries(DECK_SIZE))
MESSAGES = [dns.message.from_wire(octets) for octets in read_frames(DECK)]


def option_of(message, kind):
    return next((option for option in message.options if isinstance(option, kind)), None)


def label_of(message):
    return message.question[0].name.to_text().lower().partition(".")[0]


def test_a_deck_holds_the_shares_exactly():
    # 20 types (12 A, 5 AAAA, 3 HTTPS), DO or not, 16 subnets (8 none, 7 IPv4, 1 IPv6),
    # 10 names (1 missing): each with each.
    assert DECK_SIZE == 20 * 2 * 16 * 10 == len(MESSAGES)
    types = Counter(dns.rdatatype.to_text(message.question[0].rdtype) for message in MESSAGES)
    assert types == {"A": 3840, "AAAA": 1600, "HTTPS": 960}
    assert sum(bool(message.ednsflags & dns.flags.DO) for message in MESSAGES) == DECK_SIZE // 2
    subnets = Counter(
        getattr(option_of(message, dns.edns.ECSOption), "family", 0) for message in MESSAGES
    )
    assert subnets == {0: 3200, 1: 2800, 2: 400}
    assert sum(label_of(message) not in HOST_LABELS for message in MESSAGES) == DECK_SIZE // 10


def test_every_resolver_query_is_in_the_zone_with_a_client_cookie_of_eight_octets():
    for message in MESSAGES:
        cookie = option_of(message, dns.edns.CookieOption)
        assert (len(cookie.client), len(cookie.server)) == (8, 0)
        assert message.question[0].name.to_text().lower().endswith(f".{ZONE}.")
        assert message.payload == 1232


def test_names_come_in_random_case():
    letters = "".join(message.question[0].name.to_text() for message in MESSAGES)
    upper = sum(letter.isupper() for letter in letters)
    lower = sum(letter.islower() for letter in letters)
    # Six standard deviations of that many fair coins.
    assert abs(upper - lower) < 6 * (upper + lower) ** 0.5


def test_no_datagram_comes_twice_within_a_run_or_between_warm_up_and_run():
    run = list(read_frames(b"".join(resolver_queries(30_000))))
    warm_up = list(read_frames(b"".join(resolver_queries(10_000, start=30_000))))
    assert len({octets[2:] for octets in run + warm_up}) == 40_000


def test_the_same_arguments_give_the_same_octets():
    assert b"".join(resolver_queries(500)) == DECK[: len(b"".join(resolver_queries(500)))]
    assert b"".join(resolver_queries(500, seed=1)) != b"".join(resolver_queries(500))


def test_plain_asks_one_name_from_as_many_networks_as_queries():
    frames = b"".join(plain_queries(PLAIN_CHECKED))
    messages = [dns.message.from_wire(octets) for octets in read_frames(frames)]
    subnets = [option_of(message, dns.edns.ECSOption) for message in messages]
    assert {message.question[0].to_text() for message in messages} == {f"www.{ZONE}. IN A"}
    assert len({subnet.address for subnet in subnets}) == PLAIN_CHECKED
    assert {(subnet.family, subnet.srclen, subnet.scopelen) for subnet in subnets} == {(1, 24, 0)}


def test_client_networks_are_public():
    options = [option_of(message, dns.edns.ECSOption) for message in MESSAGES]
    addresses = [ipaddress.ip_address(option.address) for option in options if option]
    assert [str(address) for address in addresses if not address.is_global] == []


def test_client_subnets_hold_no_bits_behind_their_prefix():
    for message in MESSAGES:
        option = option_of(message, dns.edns.ECSOption)
        if option:
            ipaddress.ip_network(f"{option.address}/{option.srclen}", strict=True)
            assert option.srclen == {1: 24, 2: 56}[option.family]


@pytest.mark.parametrize(
    ("continent", "country", "name"),
    [
        ("EU", "FR", "eu-west"),
        ("AF", "KE", "eu-west"),
        ("SA", "BR", "us-east"),
        ("AS", "TR", "ap-south"),
        ("EU", "TR", "ap-south"),
    ],
)
def test_the_site_of_a_place_is_its_countrys_else_its_continents(continent, country, name):
    site = site_for(continent, country)
    assert site in SITES
    assert site.name == name


def test_a_place_without_a_rule_has_no_site():
    assert site_for("AN", "AQ") is None
    assert site_for(None, None) is None


def test_noise_is_the_same_for_the_same_seed_and_partly_readable():
    first = list(noise(1_000, seed=3))
    assert first == list(noise(1_000, seed=3))
    assert first != list(noise(1_000, seed=4))
    readable = sum(is_readable(octets) for octets in first)
    # Of each hundred at least the 40 that resolvers send, never the 5 cut and the 10 of garbage.
    assert 400 <= readable <= 850


def is_readable(octets):
    try:
        dns.message.from_wire(octets)
    except (dns.exception.DNSException, ValueError):
        return False
    return True
