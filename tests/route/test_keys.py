from __future__ import annotations

from ipaddress import ip_address

import pytest

from gslb.model.proxy import KeyKind, KeySpec
from gslb.route.keys import client_hash, key_octets, mix, network_octets
from tests.route.values import CLIENT, ask

REQUEST = ask("/a/b?c=d%20e&f", "X-User: ada", "Cookie: s=1; t=2", host="Shop.Example:80")
ADDRESS = bytes((203, 0, 113, 7))


@pytest.mark.parametrize(
    ("spec", "octets"),
    [
        (KeySpec(KeyKind.CLIENT_IP), ADDRESS),
        (KeySpec(KeyKind.HOST), b"shop.example"),
        (KeySpec(KeyKind.PATH), b"/a/b"),
        (KeySpec(KeyKind.URI), b"/a/b?c=d%20e&f"),
        (KeySpec(KeyKind.HEADER, "x-USER"), b"ada"),
        (KeySpec(KeyKind.COOKIE, "t"), b"2"),
        (KeySpec(KeyKind.QUERY, "c"), b"d e"),
        (KeySpec(KeyKind.QUERY, "f"), b""),
        (KeySpec(KeyKind.HEADER, "X-None"), ADDRESS),
        (KeySpec(KeyKind.COOKIE, "T"), ADDRESS),
        (KeySpec(KeyKind.QUERY, "x"), ADDRESS),
    ],
    ids=lambda value: f"{value.kind}:{value.name}" if isinstance(value, KeySpec) else "",
)
def test_law_3_what_is_hashed(spec, octets):
    assert key_octets(spec, REQUEST, CLIENT) == octets


@pytest.mark.parametrize(
    ("address", "octets"),
    [
        ("192.0.2.1", bytes((192, 0, 2, 1))),
        ("::ffff:192.0.2.1", bytes((192, 0, 2, 1))),
        ("2001:db8:1:2:3::4", bytes.fromhex("20010db800010002")),
        ("2001:db8:1:2::", bytes.fromhex("20010db800010002")),
        ("2001:db8:1:3::", bytes.fromhex("20010db800010003")),
    ],
)
def test_laws_1_and_2_networks(address, octets):
    assert network_octets(ip_address(address)) == octets


def test_law_1_a_household_has_one_hash():
    one, same, other = (
        client_hash(ip_address(f"2001:db8::{rest}")) for rest in ("1", "ffff:0:0:1", "1:0:0:0:1")
    )
    assert one == same != other
    assert client_hash(ip_address("::192.0.2.1")) != client_hash(ip_address("192.0.2.1"))


def test_law_4_mix_gives_every_number_once():
    assert len({mix(n << shift) for n in range(1000) for shift in (0, 20, 50)}) == len(
        {n << shift for n in range(1000) for shift in (0, 20, 50)}
    )
    assert client_hash(ip_address("192.0.2.1")) == 0x832B7033E6821769
