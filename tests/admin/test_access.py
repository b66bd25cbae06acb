"""Who may use the admin port, as tables over a clock that is turned by hand."""

from __future__ import annotations

from hashlib import sha256

import pytest

from gslb.admin.access import MAX_ADDRESSES, MAX_FAILURES, WINDOW_S, Access, Asked, Failures
from gslb.model.system import AdminSettings

TOKEN = "a-token"
DIGESTS = (sha256(b"other").hexdigest(), sha256(TOKEN.encode()).hexdigest().upper())
RIGHT = f"Bearer {TOKEN}"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def guarded(clock: Clock | None = None) -> Access:
    return Access(AdminSettings(DIGESTS), clock or Clock())


def unguarded() -> Access:
    return Access(AdminSettings(), Clock())


def get(path: str = "/metrics", peer: str = "192.0.2.1", **more) -> Asked:
    return Asked("GET", path, peer, **more)


def reason(access: Access, asked: Asked) -> str:
    refusal = access.maybe_refuse(asked)
    return "" if refusal is None else refusal.reason


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_law_1_everybody_may_ask_whether_it_lives(path):
    assert reason(guarded(), get(path)) == ""
    assert reason(unguarded(), get(path, hosts=("evil.example",))) == ""


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        (RIGHT, ""),
        ("bearer " + TOKEN, ""),
        ("Bearer other", ""),
        (None, "token"),
        ("", "token"),
        ("Bearer ", "token"),
        (TOKEN, "token"),
        ("Basic " + TOKEN, "token"),
        ("Bearer " + TOKEN + "x", "token"),
        ("Bearer " + DIGESTS[1], "token"),
        ("Bearer \udcff", "token"),
    ],
)
def test_law_2_only_a_token_opens(authorization, expected):
    assert reason(guarded(), get(authorization=authorization)) == expected


@pytest.mark.parametrize("path", ["/metrics", "/api/v1/status", "/none", "/livez/", "/livez/../x"])
def test_law_2_every_other_path_needs_it(path):
    refusal = guarded().maybe_refuse(get(path))
    assert (refusal.status, dict(refusal.headers)) == (401, {"WWW-Authenticate": "Bearer"})


def test_law_3_after_ten_wrong_tokens_the_minute_is_over_even_for_right_ones():
    clock = Clock()
    access = guarded(clock)
    for _ in range(MAX_FAILURES):
        assert reason(access, get(authorization="Bearer x")) == "token"
        clock.now += 1
    refusal = access.maybe_refuse(get(authorization=RIGHT))
    assert (refusal.status, refusal.headers["Retry-After"]) == (429, "51")
    assert reason(access, get(peer="192.0.2.2", authorization=RIGHT)) == ""
    clock.now = 1000 + WINDOW_S
    assert reason(access, get(authorization=RIGHT)) == ""
    assert reason(access, get(authorization="Bearer x")) == "token"


def test_law_3_right_tokens_between_wrong_ones_change_nothing_and_none_is_no_guess():
    access = guarded()
    for _ in range(MAX_FAILURES - 1):
        reason(access, get(authorization="Bearer x"))
        assert reason(access, get(authorization=RIGHT)) == ""
        assert reason(access, get()) == "token"
    reason(access, get(authorization="Bearer x"))
    assert reason(access, get(authorization=RIGHT)) == "rate"


def test_law_3_a_network_of_ipv6_counts_as_one():
    failures = Failures(Clock())
    for number in range(MAX_FAILURES):
        failures.add(f"2001:db8::{number:x}")
    assert failures.wait_s("2001:db8::ffff") > 0
    assert failures.wait_s("2001:db8:0:1::1") == 0


def test_law_3_memory_is_bounded_and_the_oldest_is_forgotten():
    failures = Failures(Clock())
    for number in range(MAX_ADDRESSES + 5):
        failures.add(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(failures) == MAX_ADDRESSES
    for _ in range(MAX_FAILURES):
        failures.add("10.0.0.9")
    assert failures.wait_s("10.0.0.9") > 0
    assert len(failures) == MAX_ADDRESSES


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1:8053", ""),
        ("127.8.9.1", ""),
        ("localhost", ""),
        ("LocalHost:1", ""),
        ("[::1]:8053", ""),
        ("evil.example:8053", "host"),
        ("127.0.0.1.evil.example", "host"),
        ("localhost.evil.example", "host"),
        ("192.0.2.1", "host"),
        ("0.0.0.0", "host"),
        ("[::]", "host"),
        ("127.1", "host"),
        ("", "host"),
    ],
)
def test_law_4_a_foreign_host_is_refused(host, expected):
    assert reason(unguarded(), get(hosts=(host,))) == expected


@pytest.mark.parametrize("hosts", [(), ("127.0.0.1", "evil.example")])
def test_law_4_there_is_one_host(hosts):
    assert reason(unguarded(), get(hosts=hosts)) == "host"


def post(**more) -> Asked:
    return Asked("POST", "/api/v1/orders", "127.0.0.1", ("127.0.0.1",), **more)


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:8053", "null", ""])
def test_law_4_a_web_page_cannot_post(origin):
    asked = post(origins=(origin,), content_type="application/json")
    assert reason(unguarded(), asked) == "origin"


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("application/json", ""),
        ("text/plain", "content_type"),
        ("application/x-www-form-urlencoded", "content_type"),
        ("multipart/form-data", "content_type"),
        ("", "content_type"),
    ],
)
def test_law_5_a_post_is_json(content_type, expected):
    assert reason(unguarded(), post(content_type=content_type)) == expected
    assert reason(guarded(), post(content_type=content_type, authorization=RIGHT)) == expected
