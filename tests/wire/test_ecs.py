from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslb.wire.ecs import compose_ecs, is_private, parse_ecs


@pytest.mark.parametrize(
    ("payload", "source", "address"),
    [
        (b"\0\1\x18\0\x08\x08\x08", 24, "8.8.8.0"),
        (b"\0\1\x20\0\x08\x08\x08\x08", 32, "8.8.8.8"),
        (b"\0\1\x0c\0\x08\xf0", 12, "8.240.0.0"),
        (b"\0\1\0\0", 0, "0.0.0.0"),
        (b"\0\2\x38\0\x20\1\x06\x7c\2\xe8\x22", 56, "2001:67c:2e8:2200::"),
        (b"\0\2\x80\0" + b"\x20" * 16, 128, "2020:2020:2020:2020:2020:2020:2020:2020"),
        (b"\0\0\0\0", 0, None),
    ],
)
def test_a_valid_option_is_read(payload, source, address):
    found = parse_ecs(payload)
    assert found is not None
    assert (found.payload, found.source) == (payload, source)
    assert found.address == (None if address is None else ip_address(address))


@pytest.mark.parametrize(
    "payload",
    [
        *(b"", b"\0", b"\0\1", b"\0\1\x18"),
        b"\0\1\x21\0\x08\x08\x08\x08\x80",
        b"\0\2\x81\0" + b"\x20" * 17,
        b"\0\1\x18\x01\x08\x08\x08",
        b"\0\1\x18\0\x08\x08",
        b"\0\1\x18\0\x08\x08\x08\x08",
        b"\0\1\x17\0\x08\x08\x09",
        b"\0\3\0\0",
        b"\0\0\x08\0\x08",
        b"\0\0\0\0\0",
        b"\1\0\0\0",
    ],
)
def test_a_malformed_option_is_none(payload):
    assert parse_ecs(payload) is None


@given(st.binary(max_size=24))
def test_what_is_read_comes_back_with_the_scope(payload):
    found = parse_ecs(payload)
    if found is not None:
        composed = compose_ecs(found.payload, 17)
        assert composed == b"\0\x08" + len(payload).to_bytes(2, "big") + (
            payload[:3] + b"\x11" + payload[4:]
        )


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("0.1.2.3", True),
        ("9.255.255.255", False),
        ("10.0.0.0", True),
        ("100.63.255.255", False),
        ("100.64.0.0", True),
        ("100.128.0.0", False),
        ("126.255.255.255", False),
        ("127.0.0.1", True),
        ("169.254.1.1", True),
        ("172.15.255.255", False),
        ("172.16.0.0", True),
        ("172.32.0.0", False),
        ("192.0.2.1", False),  # documentation: labs map it
        ("192.168.0.0", True),
        ("223.255.255.255", False),
        ("224.0.0.0", True),
        ("255.255.255.255", True),
        ("::", True),
        ("::ffff:8.8.8.8", True),
        ("100::", False),
        ("2001:db8::", False),
        ("fbff::", False),
        ("fc00::", True),
        ("fe7f::", False),
        ("fe80::1", True),
        ("ff02::1", True),
    ],
)
def test_private_addresses_say_nothing_about_a_place(address, expected):
    parsed = ip_address(address)
    assert is_private(parsed.max_prefixlen, int(parsed)) is expected
