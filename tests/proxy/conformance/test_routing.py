"""Which route takes a request, and what becomes of it: the same with both engines."""

from __future__ import annotations

import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.proxy.conformance.engines import STRANGER, Engine
from tests.proxy.conformance.world import TOKEN_KEY, World

Case = tuple[str, str, dict[str, Any], str | None]

TAKEN: tuple[Case, ...] = (
    ("exact", "/exact", {}, "exact"),
    ("exact-with-query", "/exact?a=/b", {}, "exact"),
    ("exact-is-all", "/exact/", {}, None),
    ("case-counts-in-paths", "/Exact", {}, None),
    ("prefix-itself", "/segment", {}, "segment"),
    ("prefix-below", "/segment/x", {}, "segment"),
    ("prefix-ends-at-a-border", "/segments", {}, None),
    ("prefix-with-slash", "/p/x", {}, "plain"),
    ("prefix-with-slash-not-itself", "/p", {}, None),
    ("regex", "/items/17", {}, "regex"),
    ("regex-second-branch", "/things", {}, "regex"),
    ("regex-fits-the-whole", "/items/17/x", {}, None),
    ("regex-fits-from-the-start", "/x/things", {}, None),
    ("escapes-stay", "/%65xact", {}, None),
    ("host", "/", {"Host": "www.host.example"}, "host"),
    ("host-knows-no-case", "/", {"Host": "WWW.Host.example"}, "host"),
    ("host-without-its-port", "/", {"Host": "www.host.example:8080"}, "host"),
    ("host-without-its-dot", "/", {"Host": "www.host.example."}, "host"),
    ("host-is-all", "/", {"Host": "x.www.host.example"}, None),
    ("wildcard", "/", {"Host": "a.wild.example"}, "wild"),
    ("wildcard-deep", "/", {"Host": "a.b.wild.example"}, "wild"),
    ("wildcard-not-itself", "/", {"Host": "wild.example"}, None),
    ("wildcard-at-a-dot", "/", {"Host": "xwild.example"}, None),
    ("host-beside-wildcard", "/", {"Host": "also.example"}, "wild"),
    ("header", "/", {"X-Version": "v2"}, "version"),
    ("header-case-counts", "/", {"X-Version": "V2"}, None),
    ("header-prefix", "/", {"X-Version": "beta-7"}, "prefixed"),
    ("header-regex", "/", {"x-version": "abc"}, "fits"),
    ("header-regex-fits-the-whole", "/", {"X-Version": "abcd"}, None),
    ("header-there", "/", {"X-There": "0"}, "there"),
    ("header-there-and-empty", "/", {"X-There": ""}, "there"),
    ("cookie", "/", {"Cookie": "a=b; plan=gold; c=d"}, "cookie"),
    ("cookie-other-value", "/", {"Cookie": "plan=golden"}, None),
    ("cookie-other-name", "/", {"Cookie": "myplan=gold"}, None),
    ("query", "/?x=1&kind=a+b", {}, "query"),
    ("query-escaped", "/?kind=a%20b", {}, "query"),
    ("query-other-value", "/?kind=ab", {}, None),
    ("network-through-trusted", "/", {"X-Forwarded-For": "203.0.113.7"}, "network"),
    ("network-ipv6", "/", {"X-Forwarded-For": "2001:db8::7"}, "network"),
    (
        "network-through-two-trusted",
        "/",
        {"X-Forwarded-For": "10.0.0.1, 203.0.113.7, 192.0.2.4"},
        "network",
    ),
    (
        "network-nearest-untrusted-counts",
        "/",
        {"X-Forwarded-For": "203.0.113.7, 198.51.100.1"},
        None,
    ),
    ("language", "/speak", {"Accept-Language": "de-AT, en;q=0.5"}, "german"),
    ("language-second", "/speak", {"Accept-Language": "en, de;q=0.5"}, None),
    ("first-of-two", "/exact", {"X-Version": "v2"}, "exact"),
    ("none", "/", {}, None),
)


@pytest.mark.parametrize(
    ("path", "headers", "route"),
    [pytest.param(*case[1:], id=case[0]) for case in TAKEN],
)
def test_the_first_route_that_matches_takes_a_request(engine: Engine, path, headers, route):
    answer = engine.ask(path, headers=headers)
    assert (answer.status, answer.headers.get("x-route")) == (200 if route else 404, route)


@pytest.mark.parametrize(("method", "status"), [("DELETE", 200), ("PATCH", 200), ("GET", 404)])
def test_a_method_is_one_of_the_routes(engine: Engine, method, status):
    assert engine.ask("/m/x", method).status == status


def test_a_stranger_is_in_the_network_of_its_own_address(engine: Engine):
    headers = {"X-Forwarded-For": "203.0.113.7"}
    assert engine.ask("/", headers=headers, source=STRANGER).status == 404


REDIRECTS = (
    ("path", "/old?a=b", 301, "http://h.example:81/new?a=b"),
    ("scheme-takes-the-port-along", "/secure/x?a=b", 308, "https://h.example/secure/x?a=b"),
    ("host-and-query", "/away?a=b", 302, "http://other.example:8443/x?y=1"),
)


@pytest.mark.parametrize(
    ("path", "status", "location"), [pytest.param(*case[1:], id=case[0]) for case in REDIRECTS]
)
def test_a_redirect_keeps_what_it_does_not_change(engine: Engine, path, status, location):
    answer = engine.ask(path, headers={"Host": "h.example:81"})
    assert (answer.status, answer.headers["location"]) == (status, location)


REWRITES = (
    ("strip", "/shop/cart?a=/shop", "/cart?a=/shop"),
    ("strip-all", "/shop", "/"),
    ("strip-once", "/shop/shop/x", "/shop/x"),
    ("regex-everywhere-then-prefix", "/rw/a1/b22?c3", "/v1/rw/1-a/22-b?c3"),
    ("regex-that-does-not-match", "/rw/x", "/v1/rw/x"),
    ("nothing", "/p//a/%7e%7E/b;c?x=%2F/../", "/p//a/%7e%7E/b;c?x=%2F/../"),
)


@pytest.mark.parametrize(
    ("path", "target"), [pytest.param(*case[1:], id=case[0]) for case in REWRITES]
)
def test_a_rewrite_changes_the_path_and_leaves_the_query(engine: Engine, path, target):
    assert engine.ask(path).seen["target"] == target


def test_a_rewritten_host_is_told_beside_the_one_asked_for(engine: Engine):
    answer = engine.ask("/shop/x", headers={"Host": "www.out.example"})
    assert answer.sent("host") == ["in.example:81"]
    assert answer.sent("x-forwarded-host") == ["www.out.example"]


def test_header_changes_remove_then_set_then_add(engine: Engine):
    sent = {"X-Gone": "1", "x-twice": "old", "X-Add": "first", "X-Stays": "yes"}
    answer = engine.ask("/changes", headers=sent)
    assert answer.sent("x-gone") == []
    assert answer.sent("x-twice") == ["new"]
    assert answer.sent("x-set") == ["100% 'sure'"]
    assert answer.sent("x-add") == ["first", "second"]
    assert answer.sent("x-stays") == ["yes"]


def test_a_header_may_be_set_to_nothing(engine: Engine):
    assert engine.ask("/changes").headers["x-empty"] == ""


def test_changes_of_answers(engine: Engine):
    answer = engine.ask("/answers")
    assert answer.headers["x-backend"] == "hidden"
    assert "date" not in answer.headers


def test_what_a_stranger_says_of_itself_is_replaced(engine: Engine):
    said = {
        "Host": "h.example",
        "X-Forwarded-For": "1.2.3.4",
        "X-Real-IP": "1.2.3.4",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Prefix": "/evil",
        "Forwarded": "for=1.2.3.4",
        "X-Request-ID": "mine",
    }
    answer = engine.ask("/exact", headers=said, source=STRANGER)
    told = {name: answer.sent(name.lower()) for name in said if name != "X-Request-ID"}
    assert told == {
        "Host": ["h.example"],
        "X-Forwarded-For": [STRANGER],
        "X-Real-IP": [STRANGER],
        "X-Forwarded-Proto": ["http"],
        "X-Forwarded-Host": ["h.example"],
        "X-Forwarded-Prefix": [],
        "Forwarded": [],
    }
    (number,) = answer.sent("x-request-id")
    assert number != "mine"


def test_what_a_trusted_proxy_says_is_kept(engine: Engine):
    said = {
        "X-Forwarded-For": "203.0.113.99, 192.0.2.1",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "www.out.example",
        "X-Request-ID": "mine",
    }
    answer = engine.ask("/exact", headers=said)
    chain = ", ".join(answer.sent("x-forwarded-for"))
    assert chain == "203.0.113.99, 192.0.2.1, 127.0.0.1"
    assert answer.sent("x-real-ip") == ["203.0.113.99"]
    assert answer.sent("x-forwarded-proto") == ["https"]
    assert answer.sent("x-forwarded-host") == ["www.out.example"]
    assert answer.sent("x-request-id") == ["mine"]


def test_a_client_stays_in_its_part_of_a_split(engine: Engine):
    parts = {}
    for number in range(24):
        headers = {"X-Forwarded-For": f"198.51.100.{number}"}
        (parts[number],) = set(engine.names("/split", 2, headers=headers))
    # Each engine has its own hash, so who is where differs, but neither leaves a pool without any.
    assert set(parts.values()) == {"one", "two"}


def test_a_pool_of_weight_0_gets_nobody(engine: Engine):
    assert set(engine.names("/shut", 4)) == {"two"}


def test_a_rate_limit_is_of_each_client(engine: Engine):
    def ask(client: str) -> list[str]:
        return engine.names("/limited", 5, headers={"X-Forwarded-For": client})

    assert ask("198.51.100.1") == ["one"] * 3 + ["429"] * 2
    assert ask("198.51.100.2")[:3] == ["one"] * 3
    refused = engine.ask("/limited", headers={"X-Forwarded-For": "198.51.100.1"})
    assert int(refused.headers["retry-after"]) >= 1


def test_compression_is_for_who_takes_it(engine: Engine):
    packed = engine.ask("/size/2000", headers={"Accept-Encoding": "gzip"})
    plain = engine.ask("/size/2000")
    assert packed.headers.get("content-encoding") == "gzip"
    assert len(packed.body) < 200
    assert plain.body == b"x" * 2000


def test_a_cache_answers_for_the_backend(engine: Engine, world: World):
    path = f"/kept/{engine.kind}"
    answers = [engine.ask(path) for _ in range(3)]
    assert [each.status for each in answers] == [200] * 3
    assert len({each.body for each in answers}) == 1
    assert world.echo["one"].asked.count(path) == 1


# ---------------------------------------------------------------- tokens

GOOD = {"plan": "beta", "adult": True, "iss": "us"}
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)

TOKENS: tuple[tuple[str, dict[str, Any], Any, str | None], ...] = (
    ("good", GOOD, TOKEN_KEY, "beta"),
    ("not-expired", GOOD | {"exp": +60}, TOKEN_KEY, "beta"),
    ("expired", GOOD | {"exp": -5}, TOKEN_KEY, None),
    ("begun", GOOD | {"nbf": -5}, TOKEN_KEY, "beta"),
    ("clocks-may-differ", GOOD | {"nbf": +5}, TOKEN_KEY, "beta"),
    ("not-begun", GOOD | {"nbf": +60}, TOKEN_KEY, None),
    ("other-key", GOOD, OTHER_KEY, None),
    ("other-plan", GOOD | {"plan": "alpha"}, TOKEN_KEY, None),
    ("other-truth", GOOD | {"adult": False}, TOKEN_KEY, None),
    ("other-issuer", GOOD | {"iss": "them"}, TOKEN_KEY, None),
    ("no-claims", {}, TOKEN_KEY, None),
    ("of-the-second-route", {"n": 1}, TOKEN_KEY, "beta-too"),
    ("of-the-second-route-expired", {"n": 1, "exp": -5}, TOKEN_KEY, None),
)


@pytest.mark.parametrize(
    ("claims", "key", "route"), [pytest.param(*case[1:], id=case[0]) for case in TOKENS]
)
def test_a_token_opens_its_route(engine: Engine, claims, key, route):
    at = int(time.time())
    moved = {name: at + claims[name] for name in ("exp", "nbf") if name in claims}
    token = jwt.encode(claims | moved, key, algorithm="RS256")
    answer = engine.ask("/beta", headers={"Authorization": f"Bearer {token}"})
    assert answer.headers.get("x-route") == route


@pytest.mark.parametrize("field", ["", "Bearer", "Bearer x.y.z", "Basic eHg6eXk="])
def test_what_is_no_token_opens_nothing(engine: Engine, field):
    assert engine.ask("/beta", headers={"Authorization": field}).status == 404


def test_an_unsigned_token_opens_nothing(engine: Engine):
    token = jwt.encode(GOOD, None, algorithm="none")
    assert engine.ask("/beta", headers={"Authorization": f"Bearer {token}"}).status == 404
