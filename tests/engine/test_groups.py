"""From the octets of subnets and source addresses to client keys."""

from __future__ import annotations

from ipaddress import ip_address

import dns.edns
import pytest

from gslb.engine import groups
from gslb.engine.clients import Classifier, make_space, one_class
from gslb.engine.groups import ClientGroup, Memory, OptionUse, cut, network_of, plain_address
from gslb.model.service import FilterSpec
from gslb.policy.base import NO_MEASUREMENTS
from gslb.policy.registry import make_filter
from tests.engine.builders import candidate, make_table, place, subnet

DE = place("DE", "EU")
TABLE = make_table({"9.0.0.0/8": DE, "9.9.0.0/16": place("FR", "EU"), "2a00::/16": DE})
LONGEST = (24, 56)
PAIR = (candidate(1, "a", serves="country:DE"), candidate(2, "b", serves="default"))


def make_group(**more):
    classes = Classifier(make_space(TABLE, LONGEST)).classes(
        [make_filter(FilterSpec("geo"))], PAIR, NO_MEASUREMENTS, key="geo"
    )
    return ClientGroup(classes, longest=LONGEST, **more)


def payload(text):
    return dns.edns.ECSOption.from_text(text).to_wire()


def option(code, octets):
    return code.to_bytes(2, "big") + len(octets).to_bytes(2, "big") + octets


def packed(text):
    return ip_address(text).packed


GERMANY, ELSEWHERE = (make_group().client(packed(a), None).key for a in ("9.1.1.1", "8.8.8.8"))


def test_germany_is_not_elsewhere():
    assert GERMANY != ELSEWHERE


@pytest.mark.parametrize(
    ("ecs", "source", "key", "scope", "address"),
    [
        ("9.1.2.0/24", "8.8.8.8", GERMANY, 13, "9.1.2.0"),
        ("9.9.2.0/24", "9.1.1.1", ELSEWHERE, 16, "9.9.2.0"),
        ("9.1.2.3/32", "8.8.8.8", GERMANY, 13, "9.1.2.0"),
        ("9.0.0.0/8", "8.8.8.8", GERMANY, 13, "9.0.0.0"),
        ("2a00:1::/32", "8.8.8.8", GERMANY, 16, "2a00:1::"),
        ("2a00:1:2:3:4::/128", "8.8.8.8", GERMANY, 16, "2a00:1:2::"),
        ("10.1.2.0/24", "9.1.1.1", GERMANY, 8, "9.1.1.1"),
        ("192.168.0.0/16", "8.8.8.8", ELSEWHERE, 16, "8.8.8.8"),
        ("fd00::/32", "2a00::7", GERMANY, 7, "2a00::7"),
        ("0.0.0.0/0", "9.1.1.1", GERMANY, 0, "9.1.1.1"),
        ("::/0", "9.1.1.1", GERMANY, 0, "9.1.1.1"),
    ],
)
def test_law_1_and_2_who_decides_and_the_scope(ecs, source, key, scope, address):
    client = make_group().client(packed(source), subnet(ecs))
    assert client == (key, scope, ip_address(address))


@pytest.mark.parametrize("source", ["9.1.2.3", "::ffff:9.1.2.3", "2a00::1"])
def test_law_1_without_a_subnet_the_source_address_decides(source):
    client = make_group().client(packed(source), None)
    assert (client.key, client.scope) == (GERMANY, 0)
    assert make_group().learn_source(packed(source)) == GERMANY


@pytest.mark.parametrize(
    ("ecs", "expected"),
    [("9.1.2.0/24", True), ("10.1.2.0/24", False), ("0.0.0.0/0", False), ("::/0", False)],
)
def test_law_1_a_subnet_decides_unless_it_is_private_or_empty(ecs, expected):
    assert make_group().is_told_by(subnet(ecs)) is expected


def test_law_1_a_private_subnet_that_a_map_names_decides():
    table = make_table({"10.1.0.0/16": place("DE", "EU", map="lab")})
    classes = Classifier(make_space(table, LONGEST)).classes(
        [make_filter(FilterSpec("geo"))], PAIR, NO_MEASUREMENTS, key="geo"
    )
    group = ClientGroup(classes, longest=LONGEST)
    client = group.client(packed("8.8.8.8"), subnet("10.1.2.0/24"))
    assert client[1:] == (16, ip_address("10.1.2.0"))
    assert client.key == classes.of_ipv4(0x0A010203) != group.learn_source(packed("8.8.8.8"))


def test_law_2_sticky_leaves_a_private_subnet_to_the_source_address_and_its_block():
    client = make_group(networks=(24, 56)).client(packed("9.1.2.3"), subnet("10.1.2.0/24"))
    assert client == ((GERMANY, packed("9.1.2.0")), 8, ip_address("9.1.2.3"))


def test_law_2_the_network_in_the_key_lengthens_the_scope():
    group = make_group(networks=(20, 48))
    client = group.client(packed("8.8.8.8"), subnet("9.1.255.0/24"))
    assert client.key == (GERMANY, packed("9.1.240.0"))
    assert client.scope == 20
    assert group.client(b"\x08\x08\x08\x08", subnet("2a00:1:2:3::/64")).key == (
        GERMANY,
        packed("2a00:1:2::"),
    )


def test_law_2_no_network_is_finer_than_the_longest_subnet():
    client = make_group(networks=(32, 64)).client(packed("8.8.8.8"), subnet("9.1.2.3/32"))
    assert client.key == (GERMANY, packed("9.1.2.0"))
    assert client.scope == 24


def test_a_source_address_is_cut_to_the_network_as_it_is():
    group = make_group(networks=(32, 64))
    assert group.learn_source(packed("9.1.2.3")) == (GERMANY, packed("9.1.2.3"))
    assert group.learn_source(packed("2a00::1:2:3:4")) == (GERMANY, packed("2a00::"))


def test_a_group_that_tells_nobody_apart_has_one_key_and_scope_0():
    group = ClientGroup(one_class(TABLE), longest=LONGEST)
    assert group.is_uniform
    for ecs in ("9.1.2.0/24", "8.8.8.0/24", "2a00::/56", "10.0.0.0/8"):
        assert group.client(packed("8.8.8.8"), subnet(ecs))[:2] == (0, 0)


def test_a_group_with_networks_is_never_uniform():
    assert not ClientGroup(one_class(TABLE), longest=LONGEST, networks=(24, 56)).is_uniform


@pytest.mark.parametrize(
    "ecs", ["9.1.2.0/24", "9.0.0.0/8", "2a00::/56", "10.0.0.0/8", "0.0.0.0/0", "9.1.2.3/32"]
)
@pytest.mark.parametrize("networks", [None, (16, 32)])
def test_a_learned_subnet_says_what_the_general_look_up_says(ecs, networks):
    group = make_group(networks=networks)
    told = group.learn_options(option(8, payload(ecs)))
    client = group.client(packed("9.1.1.1"), subnet(ecs))
    sent = payload(ecs)
    echo = option(8, sent[:3] + bytes((client.scope,)) + sent[4:])
    assert told[1] == len(echo).to_bytes(2, "big") + echo
    assert told[0] == (client.key if group.is_told_by(subnet(ecs)) else None)
    assert group.by_options == {option(8, sent): told}


def test_no_options_leave_it_to_the_source_address():
    assert make_group().learn_options(b"") == (None, b"\0\0")


@pytest.mark.parametrize(
    "octets", [b"", b"\0\1\x18", b"\0\1\x18\0\x09\1", b"\0\1\x18\x18\x09\1\2", b"\0\3\0\0"]
)
def test_a_malformed_subnet_is_not_remembered(octets):
    group = make_group()
    assert group.learn_options(option(8, octets)) is None
    assert group.by_options == {}


@pytest.mark.parametrize("octets", [b"\0", b"\0\x08\0", b"\0\x0a\0\x08abc", b"\0\x0a\0\0\0"])
def test_options_cut_short_are_left_to_the_general_path(octets):
    assert make_group().learn_options(octets) is None


def test_a_second_subnet_is_ignored():
    first, second = option(8, payload("10.0.0.0/8")), option(8, payload("9.1.2.0/24"))
    assert make_group().learn_options(first + second)[0] is None
    assert make_group().learn_options(second + first)[0] == GERMANY


def test_other_options_beside_a_subnet_change_nothing_and_are_not_remembered():
    group = make_group()
    alone = group.learn_options(option(8, payload("9.1.2.0/24")))
    for n in range(20):
        beside = option(65001, bytes((n,))) + option(8, payload("9.1.2.0/24")) + option(3, b"")
        assert group.learn_options(beside) == alone
    assert len(group.by_options) == 1


def test_what_the_operator_does_not_let_count_does_not():
    sent = option(8, payload("9.1.2.0/24"))
    deaf = make_group(use=OptionUse(ecs=False))
    assert deaf.learn_options(sent) == (None, b"\0\0")
    named = make_group(use=OptionUse(nsid=True))
    assert named.learn_options(option(3, b"")) is None
    assert named.learn_options(sent)[0] == GERMANY


def test_law_3_memory_is_bounded_and_answers_stay_right_when_it_is_emptied(monkeypatch):
    """Two groups share the bound."""
    monkeypatch.setattr(groups, "MAX_REMEMBERED", 5)
    memory = Memory()
    pair = [make_group(memory=memory), make_group(memory=memory, networks=(24, 56))]
    held = []
    for n in range(30):
        for group in pair:
            key = group.learn_source(packed(f"9.{n}.0.1"))
            told = group.learn_options(option(8, payload(f"9.{n}.0.0/24")))
            kind = ELSEWHERE if n == 9 else GERMANY
            assert key == told[0] == (kind if group is pair[0] else (kind, packed(f"9.{n}.0.0")))
            held.append(sum(len(one.by_source) + len(one.by_options) for one in pair))
    assert 0 < max(held) <= 5


def test_a_group_that_tells_nobody_apart_remembers_nothing():
    group = ClientGroup(one_class(TABLE), longest=LONGEST)
    for n in range(9):
        sent = payload(f"9.{n}.0.0/{20 + n}")
        echo = option(8, sent)
        assert group.learn_options(echo) == (0, len(echo).to_bytes(2, "big") + echo)
        assert group.learn_source(packed(f"9.{n}.0.1")) == 0
    assert group.learn_options(b"") == (0, b"\0\0")
    assert group.learn_options(option(8, b"\0\1\x18\x18\x09\1\2")) is None
    assert group.by_options == group.by_source == {}


def test_a_key_means_its_signature_and_has_a_place():
    plain, sticky = make_group(), make_group(networks=(24, 56))
    client = sticky.client(packed("9.1.2.3"), None)
    assert sticky.signature(client.key) == plain.signature(GERMANY)
    assert sticky.representative(client.key) == plain.representative(GERMANY) == DE
    assert plain.signature(GERMANY) != plain.signature(ELSEWHERE)
    assert (network_of(client.key), network_of(GERMANY)) == (packed("9.1.2.0"), b"")


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("9.1.2.3", "9.1.2.3"),
        ("::ffff:9.1.2.3", "9.1.2.3"),
        ("::9.1.2.3", "::9.1.2.3"),
        ("2a00::1", "2a00::1"),
    ],
)
def test_an_ipv4_address_inside_ipv6_is_the_ipv4_address(text, plain):
    assert plain_address(packed(text)) == ip_address(plain)


@pytest.mark.parametrize(
    ("text", "length", "first"),
    [
        ("9.1.2.3", 24, "9.1.2.0"),
        ("9.1.2.3", 32, "9.1.2.3"),
        ("9.255.2.3", 9, "9.128.0.0"),
        ("9.1.2.3", 0, "0.0.0.0"),
        ("2a00:1:2:3:4::", 56, "2a00:1:2::"),
    ],
)
def test_an_address_is_cut_to_its_network(text, length, first):
    assert cut(ip_address(text), length) == ip_address(first)
