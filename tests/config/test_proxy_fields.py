"""Values under `proxies`, one by one."""

import re
import time

import pytest

from gslb.config.proxy_fields import (
    parse_authority,
    parse_backend_address,
    parse_changed_header,
    parse_host_pattern,
    parse_key,
    parse_regex,
    tell_key,
)
from gslb.http1.changes import UNCHANGEABLE
from gslb.model.endpoint import Endpoint
from gslb.model.proxy import KeyKind, KeySpec


@pytest.mark.parametrize(
    "regex",
    [
        "(a+)+",
        "(a*)*",
        "(?:a+)*b",
        "(?P<x>[a-z]+)+",
        r"(\w+\s?)*",
        "(a?b*)+",
        "(a+){2,}",
        "x(a{1,})+y",
        "([^/]+)+",
    ],
)
def test_a_repetition_of_nothing_but_repetitions_is_refused(regex):
    with pytest.raises(ValueError, match="repeats what repeats"):
        parse_regex(regex)


@pytest.mark.parametrize(
    "regex",
    [
        *("a+", "(a)+", "(a+)", "(a+)?", "(a+){2}", "(/[a-z]+)+", "(a+b)*", "(a|b)+", r"\(a+\)+"),
        *("(?:a?)+b", "[(a+)+]", "(a+)++", "(a++)*", "/v[0-9]+/.*", r"(\.[a-z]+)*"),
    ],
)
def test_other_repetitions_are_taken(regex):
    assert parse_regex(regex) == regex


@pytest.mark.parametrize(
    ("regex", "told"),
    [
        ("(", "missing )"),
        ("*", "nothing to repeat"),
        ("[z-a]", "bad character range"),
        ("(?u)a", "is not a regular expression"),
    ],
)
def test_no_regex(regex, told):
    with pytest.raises(ValueError, match=re.escape(told)):
        parse_regex(regex)


def test_judging_the_longest_regex_takes_no_time():
    begin = time.process_time()
    for unit in ("(a+", "a?", "(", "[a", "(a*a*", r"\w+"):
        regex = (unit * 1000)[:1000]
        try:
            parse_regex(regex)
        except ValueError:
            continue
    assert time.process_time() - begin < 2


KEYS = [
    ("client_ip", KeySpec(KeyKind.CLIENT_IP)),
    ("host", KeySpec(KeyKind.HOST)),
    ("path", KeySpec(KeyKind.PATH)),
    ("uri", KeySpec(KeyKind.URI)),
    ("header:x-user", KeySpec(KeyKind.HEADER, "x-user")),
    ("cookie:Sid", KeySpec(KeyKind.COOKIE, "Sid")),
    ("query:a[]", KeySpec(KeyKind.QUERY, "a[]")),
]


@pytest.mark.parametrize(("text", "key"), KEYS)
def test_key_there_and_back(text, key):
    assert parse_key(text) == key
    assert tell_key(key) == text


def test_the_name_of_a_header_is_in_lower_case():
    assert parse_key("header:X-User") == KeySpec(KeyKind.HEADER, "x-user")


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("WWW.Shop.example", "www.shop.example"),
        ("*.API.example", "*.api.example"),
        ("shop.example.", "shop.example"),
        ("192.0.2.1", "192.0.2.1"),
        ("localhost", "localhost"),
    ],
)
def test_host_pattern(text, host):
    assert parse_host_pattern(text) == host


@pytest.mark.parametrize(
    ("text", "authority"), [("A.example", "a.example"), ("a.example:8443", "a.example:8443")]
)
def test_authority(text, authority):
    assert parse_authority(text) == authority


@pytest.mark.parametrize("text", ["a.example:", "a.example:0", "a.example:65536", "a:b:1", ""])
def test_no_authority(text):
    with pytest.raises(ValueError, match=r"."):
        parse_authority(text)


@pytest.mark.parametrize("name", sorted(name.decode() for name in UNCHANGEABLE))
def test_what_a_route_may_not_change(name):
    with pytest.raises(ValueError, match="cannot be changed"):
        parse_changed_header(name.title())


def test_backend_address():
    assert parse_backend_address("[2001:db8::1]:80") == Endpoint("2001:db8::1", 80)
    for value in ("web:80", "web.example:80"):
        with pytest.raises(ValueError, match="must be IP:PORT"):
            parse_backend_address(value)
    for value in ("[::]:80", "224.0.0.1:80", "192.0.2.1", 80, None, "[2001:db8::1]"):
        with pytest.raises(ValueError, match=r"must be an address and port|cannot be the address"):
            parse_backend_address(value)
