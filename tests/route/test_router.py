from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslb.model.proxy import (
    HeaderChanges,
    JwtMatch,
    Match,
    Priority,
    Redirect,
    Rewrite,
    Route,
    TextMatch,
    TextTest,
)
from gslb.route.router import Router
from tests.route.values import CLIENT, CONTRACT, KEYS, NOON, ask, token

ROUTER = Router(CONTRACT, keys=KEYS)
BETA = f"Authorization: Bearer {token({'plan': 'beta'})}"
FREE = f"Authorization: Bearer {token({'plan': 'free'})}"


def pick(request):
    lane = ROUTER.pick(request, client=CLIENT, at=NOON)
    return lane and lane.name


@pytest.mark.parametrize(
    ("request_", "route"),
    [
        pytest.param(ask("/api/x", "X-Version: v2"), "canary", id="first match wins"),
        pytest.param(ask("/", "x-version: v2"), "canary", id="names of headers know no case"),
        pytest.param(ask("/", "X-Version: v22"), "default", id="another version"),
        pytest.param(ask("/api/x", host="www.gslb.shop.example"), "api", id="exact host"),
        pytest.param(ask("/api/", host="WWW.GSLB.Shop.example.:8080"), "api", id="host as written"),
        pytest.param(ask("/api/x", host="eu.api.example"), "api", id="wildcard"),
        pytest.param(ask("/api/x", host="a.b.api.example"), "api", id="wildcard of any depth"),
        pytest.param(ask("/api/x", host="api.example"), "default", id="wildcard, not its domain"),
        pytest.param(ask("/api/x", host="myapi.example"), "default", id="wildcard, not its tail"),
        pytest.param(ask("/api", host="eu.api.example"), "default", id="prefix with a slash"),
        pytest.param(ask("/static/a.css?v=2"), "static", id="static"),
        pytest.param(ask("/statics/a.css"), "default", id="not static"),
        pytest.param(ask("/%73tatic/a.css"), "default", id="the path as it came"),
        pytest.param(ask("/Static/a.css"), "default", id="paths know case"),
        pytest.param(ask("/ws/chat"), "sockets", id="sockets"),
        pytest.param(ask("/drill/"), "drill", id="drill"),
        pytest.param(ask("/", BETA), "beta", id="token"),
        pytest.param(ask("/static/", BETA), "static", id="token, but an earlier route"),
        pytest.param(ask("/", FREE), "default", id="token that claims something else"),
        pytest.param(ask("/"), "default", id="default"),
        pytest.param(ask("*", method="OPTIONS"), "default", id="no path"),
    ],
)
def test_the_contract_routes(request_, route):
    assert pick(request_) == route
    assert ROUTER.explain(request_, client=CLIENT, at=NOON)[-1] == (route, "matches")


def test_explain_tells_why_each_route_before_the_one_taken_is_not():
    told = ROUTER.explain(ask("/", FREE, "X-Version: v1"), client=CLIENT, at=NOON)
    assert told == [
        ("canary", "header X-Version is not v2"),
        ("api", "host shop.example is not among its hosts"),
        ("static", "path / does not begin with /static/"),
        ("sockets", "path / does not begin with /ws/"),
        ("drill", "path / does not begin with /drill/"),
        ("beta", 'jwt: claim plan is not "beta"'),
        ("default", "matches"),
    ]


def test_no_route_is_taken_where_none_matches():
    router = Router(CONTRACT[:2], keys={})
    assert router.pick(ask("/"), client=CLIENT, at=NOON) is None
    assert [name for name, _ in router.explain(ask("/"), client=CLIENT, at=NOON)] == [
        "canary",
        "api",
    ]
    assert Router((), keys={}).pick(ask("/"), client=CLIENT, at=NOON) is None


def test_a_token_counts_until_it_expires_though_it_was_seen_before():
    request = ask("/", f"Authorization: Bearer {token({'plan': 'beta', 'exp': NOON + 60})}")
    taken = [ROUTER.pick(request, client=CLIENT, at=NOON + later) for later in (0, 59.9, 60, 0)]
    assert [lane and lane.name for lane in taken] == ["beta", "beta", "default", "beta"]


def test_a_lane_says_what_its_route_says():
    api, default = ROUTER.lanes[1], ROUTER.lanes[-1]
    assert (api.name, api.cost, api.priority, api.route) == ("api", 3.0, Priority.HIGH, CONTRACT[1])
    assert (api.single_pool, api.request_changes, api.response_changes) == ("api", None, None)
    assert api.pool_for(0) == "api"
    assert not api.is_rewriting
    assert default.single_pool is None
    assert default.pool_for(0) in ("web", "web-v2")
    assert default.request_changes is not None
    assert default.request_changes.apply([b"GET / HTTP/1.1", b"x-debug: 1", b"A: b"]) == [
        b"GET / HTTP/1.1",
        b"A: b",
        b"X-Region: eu-west",
    ]


@pytest.mark.parametrize(
    ("route", "told"),
    [
        pytest.param(Route("r", Match(path_regex="(")), "route r: '('", id="path"),
        pytest.param(
            Route("r", Match(headers={"A": TextMatch(TextTest.REGEX, "[")})),
            "route r: '['",
            id="header",
        ),
        pytest.param(
            Route("r", rewrite=Rewrite(regex="a", replacement=r"\1")),
            "route r: rewrite: 'a'",
            id="replacement",
        ),
        pytest.param(Route("r", rewrite=Rewrite(host="a\r\nb")), "route r: rewrite: 'a", id="host"),
        pytest.param(
            Route("r", Match(jwt=JwtMatch("tls/missing.pub"))),
            "route r: jwt: tls/missing.pub: the key was not read",
            id="key",
        ),
        pytest.param(
            Route("r", request_headers=HeaderChanges(remove=("Host",))),
            "route r: Host",
            id="change",
        ),
    ],
)
def test_a_route_that_cannot_be_used_is_named(route, told):
    with pytest.raises(ValueError, match="^" + told.replace("(", r"\(").replace("[", r"\[")):
        Router([route], keys={})


texts = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"))
everything = Router(
    [
        Route(
            f"r{index}",
            Match(**{"path_prefix": "/a", **more}),
        )
        for index, more in enumerate(
            [
                {"cookies": {"a": TextMatch(TextTest.EXACT, "b")}},
                {"query": {"a": TextMatch(TextTest.REGEX, "b+")}},
                {"languages": ("de", "en-GB")},
                {"jwt": JwtMatch(next(iter(KEYS)), {"plan": "beta"})},
                {"headers": {"accept": TextMatch(TextTest.PREFIX, "text/")}, "methods": ("GET",)},
            ]
        )
    ],
    keys=KEYS,
)


@given(
    path=st.text("abc/%?&=;+.123", max_size=20),
    fields=st.tuples(texts, texts, texts, texts),
    client=st.ip_addresses(),
)
def test_any_request_gets_an_answer(path, fields, client):
    names = ("Cookie", "Accept-Language", "Authorization", "Accept")
    lines = [f"{name}: {value}" for name, value in zip(names, fields, strict=True)]
    request = ask("/a" + path, *lines)
    taken = everything.pick(request, client=client, at=NOON)
    told = everything.explain(request, client=client, at=NOON)
    assert [name for name, why in told if why == "matches"] == ([taken.name] if taken else [])


REDIRECT = Route("r", redirect=Redirect(308, scheme="https"))


def test_a_redirecting_route_says_where_to_and_has_no_pool():
    (lane,) = Router([REDIRECT], keys={}).lanes
    where = lane.redirect(ask("/a?b=c", host="shop.example:8080"), scheme=b"http")
    assert where == (308, b"https://shop.example/a?b=c")
    assert (lane.single_pool, lane.pool_for(1)) == (None, None)
    assert ROUTER.lanes[0].redirect(ask("/"), scheme=b"http") is None


def test_clients_of_either_ip_version_are_routed():
    for address in ("192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"):
        assert ROUTER.pick(ask("/"), client=ip_address(address), at=NOON).name == "default"


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/a/b/c", "deep"),
        ("/a/b", "deep"),
        ("/a/c", "a"),
        ("/a/", "a"),
        ("/a", "bare"),
        ("/ab/c", "below"),
        ("/c/x.png", "images"),
        ("/c/x", "rest"),
        ("//a/b", "rest"),
        ("/", "rest"),
    ],
)
def test_the_first_route_that_matches_is_taken_whatever_segment_it_names(path, route):
    matches = {
        "images": Match(path_regex=".*[.]png"),
        "deep": Match(path_prefix="/a/b"),
        "a": Match(path_prefix="/a/"),
        "bare": Match(path="/a"),
        "below": Match(path_prefix="/ab"),
        "rest": Match(path_prefix="/"),
    }
    router = Router(
        [Route(name, match=match, pools={"web": 1}) for name, match in matches.items()], keys={}
    )
    lane = router.pick(ask(path), client=CLIENT, at=NOON)
    assert lane is not None
    assert lane.name == route
    assert router.explain(ask(path), client=CLIENT, at=NOON)[-1] == (route, "matches")
