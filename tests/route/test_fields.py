from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslb.route.fields import (
    COOKIE_OCTETS,
    LANGUAGES,
    PARAMETERS,
    decode_percent,
    find_cookie,
    find_language,
    find_parameter,
)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (b"a=1", b"1"),
        (b"b=2; a=1", b"1"),
        (b"b=2;a=1", b"1"),
        (b" a = 1 ", b"1"),
        (b'a="1 2"', b"1 2"),
        (b'a="', b'"'),
        (b"a=1=2", b"1=2"),
        (b"a=", b""),
        (b"a=1; a=2", b"1"),
        (b"a", None),
        (b"a; a=2", b"2"),
        (b"ba=1", None),
        (b"b=a", None),
        (b"A=1", None),
        (b";;=;a=1", b"1"),
        (b"", None),
    ],
)
def test_find_cookie(field, value):
    assert find_cookie(field, b"a") == value


def test_law_3_cookies_past_the_bound_are_not_read():
    assert find_cookie(b"b=" + b"x" * (COOKIE_OCTETS - 6) + b";a=1", b"a") == b"1"
    assert find_cookie(b"b=" + b"x" * COOKIE_OCTETS + b";a=1", b"a") is None


@pytest.mark.parametrize(
    ("query", "value"),
    [
        (b"a=1", b"1"),
        (b"b&a=1%202", b"1 2"),
        (b"a=1+2", b"1 2"),
        (b"a=%zz%4", b"%zz%4"),
        (b"a=%2526", b"%26"),
        (b"%61=1", b"1"),
        (b"a", b""),
        (b"a=1&a=2", b"1"),
        (b"A=1", None),
        (b"", None),
    ],
)
def test_find_parameter(query, value):
    assert find_parameter(query, b"a") == value


def test_law_3_parameters_past_the_bound_are_not_read():
    assert find_parameter(b"b&" * (PARAMETERS - 1) + b"a=1", b"a") == b"1"
    assert find_parameter(b"b&" * PARAMETERS + b"a=1", b"a") is None


@pytest.mark.parametrize(
    ("field", "language"),
    [
        (b"de", b"de"),
        (b"en-GB,de", b"en-gb"),
        (b"en;q=0.5,de;q=0.7,fr;q=0.7", b"de"),
        (b"en; q=0.5 , de ;Q=0.6", b"de"),
        (b"en;q=2,de;q=0.1", b"de"),
        (b"en;q=nan,de;q=0.1", b"de"),
        (b"en;x=1,de;q=0.1", b"de"),
        (b"*", None),
        (b",,", None),
        (b"de;q=0.000", None),
    ],
)
def test_find_language(field, language):
    assert find_language(field) == language


def test_law_3_languages_past_the_bound_are_not_read():
    assert find_language(b"a;q=0.1," * (LANGUAGES - 1) + b"de") == b"de"
    assert find_language(b"a;q=0.1," * LANGUAGES + b"de") == b"a"


@given(st.binary(max_size=60))
def test_law_1_nothing_raises(octets):
    find_cookie(octets, b"a")
    find_parameter(octets, b"a")
    find_language(octets)


@given(st.binary(max_size=60))
def test_what_is_encoded_is_decoded(octets):
    assert decode_percent(b"".join(b"%%%02x" % octet for octet in octets)) == octets
