from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from http.cookies import SimpleCookie

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslb.model.proxy import AffinitySettings
from gslb.route.affinity import Affinity, AffinityCookie

SECRET = b"a secret of this test"


def make(backends=("web1", "web2"), *, secret=SECRET, pool="web", **settings):
    settings = AffinitySettings(**{"cookie": "SERVERID", **settings})
    return AffinityCookie(settings, secret=secret, pool=pool, backends=backends)


def value(cookie, backend="web1"):
    line = cookie.issue(backend, is_secure=False)
    (morsel,) = SimpleCookie(line.removeprefix(b"Set-Cookie: ").decode()).values()
    return morsel.value.encode()


COOKIE = make()
WEB1, WEB2 = value(COOKIE), value(COOKIE, "web2")


def test_law_1_the_value_is_the_keyed_hash_of_pool_and_backend():
    octets = hmac.new(SECRET, b"3:webweb1", hashlib.sha256).digest()[:16]
    assert urlsafe_b64encode(octets).rstrip(b"=") == WEB1
    assert len(WEB1) == 22
    assert b"web" not in WEB1


@pytest.mark.parametrize(
    ("field", "found"),
    [
        (None, (Affinity.MISS, None)),
        (b"", (Affinity.MISS, None)),
        (b"a=1", (Affinity.MISS, None)),
        (b"XSERVERID=" + WEB1, (Affinity.MISS, None)),
        (b"a=SERVERID; serverid=" + WEB1, (Affinity.MISS, None)),
        (b"SERVERID=" + WEB1, (Affinity.HIT, "web1")),
        (b"a=1; SERVERID=" + WEB2 + b"; b=2", (Affinity.HIT, "web2")),
        (b"a=1;SERVERID=" + WEB2, (Affinity.HIT, "web2")),
        (b'SERVERID="' + WEB1 + b'"', (Affinity.HIT, "web1")),
        (b"SERVERID=old; SERVERID=" + WEB1, (Affinity.HIT, "web1")),
        (b"SERVERID=" + WEB1[:-1], (Affinity.BROKEN, None)),
        (b"SERVERID=" + WEB1 + b"A", (Affinity.BROKEN, None)),
        (b"SERVERID=", (Affinity.BROKEN, None)),
        (b"SERVERID=web1", (Affinity.BROKEN, None)),
    ],
)
def test_read(field, found):
    assert COOKIE.read(field) == found


@pytest.mark.parametrize(
    ("other", "found"),
    [
        pytest.param(make(), Affinity.HIT, id="another proxy, the same secret"),
        pytest.param(make(("web0", "web1", "web9")), Affinity.HIT, id="other neighbours"),
        pytest.param(make(secret=b"another, just as long"), Affinity.BROKEN, id="another secret"),
        pytest.param(make(pool="web-v2"), Affinity.BROKEN, id="another pool"),
        pytest.param(make(("web2",)), Affinity.BROKEN, id="a backend that is gone"),
        pytest.param(make(("1",), pool="webweb"), Affinity.BROKEN, id="the same letters"),
    ],
)
def test_laws_3_and_4_who_knows_a_cookie(other, found):
    assert other.read(b"SERVERID=" + WEB1)[0] is found


@pytest.mark.parametrize(
    ("is_secure", "max_age_s", "end"),
    [
        (False, None, b""),
        (True, None, b"; Secure"),
        (False, 3600, b"; Max-Age=3600"),
        (True, 0, b"; Secure; Max-Age=0"),
    ],
)
def test_issue(is_secure, max_age_s, end):
    line = make(max_age_s=max_age_s).issue("web1", is_secure=is_secure)
    assert line == (
        b"Set-Cookie: SERVERID=" + WEB1 + b"; Path=/; HttpOnly; SameSite=Lax" + end + b"\r\n"
    )


@pytest.mark.parametrize(
    ("field", "left"),
    [
        (b"a=1; SERVERID=x; b=2", b"a=1; b=2"),
        (b"SERVERID=x; b=2", b"b=2"),
        (b"b=2; SERVERID=x", b"b=2"),
        (b"SERVERID=x;SERVERID=y", b""),
        (b"SERVERID", b""),
        (b"a=SERVERID", b"a=SERVERID"),
        (b"serverid=x;  b", b"serverid=x;  b"),
    ],
)
def test_strip(field, left):
    assert COOKIE.strip(field) == left


@given(st.binary(max_size=60))
def test_any_field_is_read_and_what_is_stripped_is_missed(octets):
    for field in (octets, b"SERVERID=" + octets, octets + b";SERVERID=" + WEB1):
        COOKIE.read(field)
        assert COOKIE.read(COOKIE.strip(field)) == (Affinity.MISS, None)


@pytest.mark.parametrize("name", [None, "", "a b", "a;b", "a=b", "a\r\n", "ä"])
def test_a_name_that_no_cookie_can_have(name):
    with pytest.raises(ValueError, match="is no name of a cookie"):
        make(cookie=name)


@pytest.mark.parametrize("length", [0, 15])
def test_a_secret_that_can_be_guessed(length):
    with pytest.raises(ValueError, match=f"^affinity of pool web: the secret has {length} octets"):
        make(secret=b"x" * length)
    assert make(secret=b"x" * 16).read(None) == (Affinity.MISS, None)
