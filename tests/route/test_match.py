from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslb.model.proxy import Match, Route, TextMatch, TextTest
from gslb.route.router import Router
from tests.route.values import CLIENT, NOON, ask

EXACT, PREFIX, REGEX, PRESENT = TextTest


def is_taken(match, request, client=CLIENT):
    router = Router([Route("r", match)], keys={})
    taken = router.pick(request, client=client, at=NOON) is not None
    ((_, why),) = router.explain(request, client=client, at=NOON)
    assert (why == "matches") is taken
    return taken


@pytest.mark.parametrize(
    ("match", "path", "taken"),
    [
        ({"path": "/a"}, "/a", True),
        ({"path": "/a"}, "/a?b", True),
        ({"path": "/a"}, "/a/", False),
        ({"path_prefix": "/api"}, "/api", True),
        ({"path_prefix": "/api"}, "/api/x", True),
        ({"path_prefix": "/api"}, "/api?x", True),
        ({"path_prefix": "/api"}, "/apis", False),
        ({"path_prefix": "/api"}, "/ap", False),
        ({"path_prefix": "/api"}, "//api", False),
        ({"path_prefix": "/api/"}, "/api/", True),
        ({"path_prefix": "/api/"}, "/api//x", True),
        ({"path_prefix": "/api/"}, "/api", False),
        ({"path_prefix": "/"}, "/anything", True),
        ({"path_regex": "/v[0-9]+/.*"}, "/v12/x", True),
        ({"path_regex": "/v[0-9]+"}, "/v12/x", False),
        ({"path_regex": "/v[0-9]+"}, "/old/v12", False),
        ({"path_regex": ".*", "path_prefix": "/b"}, "/a", False),
    ],
)
def test_laws_2_3_and_6_paths(match, path, taken):
    assert is_taken(Match(**match), ask(path)) is taken


@pytest.mark.parametrize(("method", "taken"), [("GET", True), ("HEAD", True), ("POST", False)])
def test_methods(method, taken):
    request = ask("/", "Content-Length: 0", method=method)
    assert is_taken(Match(methods=("GET", "HEAD")), request) is taken


VALUES = [
    (TextMatch(EXACT, "b"), "b", True),
    (TextMatch(EXACT, "b"), "B", False),
    (TextMatch(EXACT, "b"), "bb", False),
    (TextMatch(EXACT, ""), None, False),
    (TextMatch(PREFIX, "b"), "bc", True),
    (TextMatch(PREFIX, "b"), "cb", False),
    (TextMatch(PREFIX, ""), None, False),
    (TextMatch(REGEX, "b+"), "bbb", True),
    (TextMatch(REGEX, "b+"), "bbbc", False),
    (TextMatch(REGEX, "b|bc"), "bc", True),
    (TextMatch(REGEX, ".*"), None, False),
    (TextMatch(PRESENT), "b", True),
    (TextMatch(PRESENT), "", True),
    (TextMatch(PRESENT), None, False),
]


@pytest.mark.parametrize(("text", "value", "taken"), VALUES)
@pytest.mark.parametrize("part", ["headers", "cookies", "query"])
def test_law_5_values(part, text, value, taken):
    there = value is not None
    request = {
        "headers": lambda: ask("/", *([f"a: {value}"] if there else [])),
        "cookies": lambda: ask("/", *([f"Cookie: z=1; A={value}; y=2"] if there else [])),
        "query": lambda: ask("/?z=1" + (f"&A={value}&y" if there else "")),
    }[part]()
    assert is_taken(Match(**{part: {"A": text}}), request) is taken


@pytest.mark.parametrize(
    ("match", "request_", "taken"),
    [
        pytest.param(
            {"headers": {"A": TextMatch(EXACT, "b, c")}}, ask("/", "A: b", "a: c"), True, id="list"
        ),
        pytest.param(
            {"headers": {"A": TextMatch(EXACT, "b")}}, ask("/", "A: b", "a: c"), False, id="not one"
        ),
        pytest.param(
            {"cookies": {"a": TextMatch(PRESENT)}}, ask("/", "Cookie: A=1"), False, id="cookie case"
        ),
        pytest.param(
            {"query": {"a b": TextMatch(EXACT, "ü")}}, ask("/?a+b=%C3%bc"), True, id="decoded"
        ),
        pytest.param(
            {"query": {"a": TextMatch(EXACT, "1")}}, ask("/?a=2&a=1"), False, id="the first counts"
        ),
        pytest.param({"query": {"a": TextMatch(PRESENT)}}, ask("/?a"), True, id="no value"),
    ],
)
def test_law_5_what_is_there_several_times(match, request_, taken):
    assert is_taken(Match(**match), request_) is taken


@pytest.mark.parametrize(
    ("field", "taken"),
    [
        ("de", True),
        ("de-AT", True),
        ("DE-at, en", True),
        ("en;q=0.8, de;q=0.9", True),
        ("de;q=0.8, en", False),
        ("de, en", True),
        ("en, de", False),
        ("den", False),
        ("*", False),
        ("de;q=0", False),
        ("*, de;q=0.1", True),
        ("", False),
    ],
)
def test_law_7_languages(field, taken):
    assert is_taken(Match(languages=("de",)), ask("/", f"Accept-Language: {field}")) is taken


def test_law_7_a_language_of_a_region_is_not_for_others_of_it():
    match = Match(languages=("en-GB", "fr"))
    assert not is_taken(match, ask("/", "Accept-Language: en"))
    assert is_taken(match, ask("/", "Accept-Language: en-gb"))
    assert not is_taken(match, ask("/"))


NETWORKS = tuple(
    map(ip_network, ("10.0.0.0/8", "10.1.0.0/16", "192.0.2.0/24", "192.0.3.0/24", "2001:db8::/32"))
)


@pytest.mark.parametrize(
    ("client", "taken"),
    [
        ("9.255.255.255", False),
        ("10.0.0.0", True),
        ("10.2.0.1", True),
        ("10.255.255.255", True),
        ("11.0.0.0", False),
        ("192.0.3.255", True),
        ("192.0.4.0", False),
        ("::ffff:10.0.0.1", True),
        ("2001:db8:ffff::1", True),
        ("2001:db9::", False),
        ("::a00:1", False),
    ],
)
def test_client_networks(client, taken):
    assert is_taken(Match(client_networks=NETWORKS), ask("/"), ip_address(client)) is taken


@given(
    st.lists(st.integers(0, 255).flatmap(lambda n: st.integers(24, 32).map(lambda p: (n, p)))),
    st.integers(0, 255),
)
def test_client_networks_say_what_ipaddress_says(networks, number):
    nets = tuple(ip_network((0x0A000000 + n, p), strict=False) for n, p in networks)
    client = ip_address(0x0A000000 + number)
    match = Match(client_networks=nets)
    assert is_taken(match, ask("/"), client) is (not nets or any(client in net for net in nets))


def test_law_1_all_conditions_must_hold():
    match = Match(path_prefix="/a", methods=("GET",), headers={"X": TextMatch(PRESENT)})
    assert is_taken(match, ask("/a", "X: 1"))
    assert not is_taken(match, ask("/b", "X: 1"))
    assert not is_taken(match, ask("/a"))
    assert is_taken(Match(), ask("/"))


def test_what_is_told_of_a_request_is_short_and_no_value():
    router = Router([Route("r", Match(path="/a"))], keys={})
    ((_, why),) = router.explain(ask("/" + "x" * 500), client=CLIENT, at=NOON)
    assert why == f"path /{'x' * 79}... is not /a"
    router = Router([Route("r", Match(cookies={"a": TextMatch(EXACT, "b")}))], keys={})
    ((_, why),) = router.explain(ask("/", "Cookie: a=secret"), client=CLIENT, at=NOON)
    assert why == "cookie a is not b"
