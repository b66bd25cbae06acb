from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslb.http1.errors import HttpError
from gslb.http1.target import has_dot_segment
from gslb.model.proxy import Redirect, Rewrite, Route
from gslb.route.lane import Lane
from tests.route.values import ask


def rewrite(target, **settings):
    method = "OPTIONS" if target == "*" else "GET"
    return Lane(Route("r", rewrite=Rewrite(**settings))).rewrite(ask(target, method=method))


@pytest.mark.parametrize(
    ("settings", "target", "forwarded"),
    [
        ({"strip_prefix": "/shop"}, "/shop", b"/"),
        ({"strip_prefix": "/shop"}, "/shop?q=/shop", b"/?q=/shop"),
        ({"strip_prefix": "/shop"}, "/shop/", b"/"),
        ({"strip_prefix": "/shop"}, "/shop/x?", b"/x?"),
        ({"strip_prefix": "/shop"}, "/shop/shop/x", b"/shop/x"),
        ({"strip_prefix": "/shop"}, "/shopping", b"/shopping"),
        ({"strip_prefix": "/shop"}, "/a/shop", b"/a/shop"),
        ({"strip_prefix": "/shop/"}, "/shop/x", b"/x"),
        ({"strip_prefix": "/"}, "/x", b"/x"),
        ({"strip_prefix": "/shop"}, "*", b"*"),
        ({"add_prefix": "/v1"}, "/x?y", b"/v1/x?y"),
        ({"add_prefix": "/v1/"}, "/x", b"/v1/x"),
        ({"add_prefix": "v1"}, "/x", b"/v1/x"),
        ({"add_prefix": "/a b"}, "/x", b"/a%20b/x"),
        ({"strip_prefix": "/a", "add_prefix": "/b"}, "/a/x", b"/b/x"),
        ({"regex": "^/item/([0-9]+)$", "replacement": r"/i/\1"}, "/item/12?a", b"/i/12?a"),
        ({"regex": "^/item/([0-9]+)$", "replacement": r"/i/\1"}, "/item/x", b"/item/x"),
        ({"regex": "a", "replacement": "b"}, "/aa", b"/bb"),
        ({"regex": "^/", "replacement": ""}, "/x", b"/x"),
        ({"regex": "^/.*$", "replacement": ""}, "/x?y", b"/?y"),
        ({"regex": "x", "replacement": "a b?c#d\\r\\n"}, "/x?y", b"/a%20b%3Fc%23d%0D%0A?y"),
        ({"regex": "x", "replacement": "ü"}, "/x", b"/%C3%BC"),
        (
            {"regex": "b", "replacement": "c", "strip_prefix": "/b", "add_prefix": "/b"},
            "/b/b",
            b"/b/c",
        ),
    ],
)
def test_paths_are_rewritten(settings, target, forwarded):
    assert rewrite(target, **settings) == (forwarded, None)


@pytest.mark.parametrize("path", ["/.~./etc", "/~../etc", "/%2~e%2e/etc", "/x/..~"])
def test_law_4_no_dot_segment_is_made_of_what_a_client_sent(path):
    with pytest.raises(HttpError, match="dot_segment"):
        rewrite(path, regex="~")


def test_a_host_is_replaced():
    assert rewrite("/x", host="backend.example") == (b"/x", b"backend.example")
    lane = Lane(Route("r", rewrite=Rewrite(host="backend.example")))
    assert lane.is_rewriting
    assert not Lane(Route("r", rewrite=Rewrite())).is_rewriting


ANY = st.text(st.characters(max_codepoint=0x17F), max_size=8)
PATHS = (
    st.text("/ab%.;~", max_size=12)
    .map("/{}".format)
    .filter(lambda path: not has_dot_segment(path.encode()))  # refused before there is a route
)


@given(ANY, ANY, ANY, PATHS)
def test_law_4_a_rewritten_path_is_a_path(strip, add, replacement, path):
    settings = Rewrite(strip, "[ab]", replacement.replace("\\", "\\\\"), add)
    try:
        target, _ = Lane(Route("r", rewrite=settings)).rewrite(ask(path + "?x=%0a"))
    except HttpError:
        return  # it has become one with a dot segment
    assert not has_dot_segment(target.partition(b"?")[0])
    assert target[:1] == b"/"
    assert target.count(b"?") == 1
    assert target.endswith(b"?x=%0a")
    assert all(0x21 <= octet <= 0x7E and octet != ord("#") for octet in target)


def redirect(settings, request, scheme=b"http"):
    return Lane(Route("r", redirect=settings)).redirect(request, scheme=scheme)


@pytest.mark.parametrize(
    ("settings", "host", "location"),
    [
        ({"scheme": "https"}, "Shop.Example", b"https://Shop.Example/a/b?c"),
        ({"scheme": "https"}, "shop.example:8080", b"https://shop.example/a/b?c"),
        ({"scheme": "http"}, "shop.example:8080", b"http://shop.example:8080/a/b?c"),
        ({"scheme": "https"}, "[2001:db8::1]:80", b"https://[2001:db8::1]/a/b?c"),
        ({"host": "www.example"}, "shop.example:8080", b"http://www.example/a/b?c"),
        ({"path": "/new"}, "shop.example:8080", b"http://shop.example:8080/new?c"),
        ({"path": "/new?d"}, "shop.example", b"http://shop.example/new?d"),
        ({"path": "/a b\r\n"}, "shop.example", b"http://shop.example/a%20b%0D%0A?c"),
        ({"host": "a\r\nb"}, "shop.example", b"http://a%0D%0Ab/a/b?c"),
    ],
)
def test_redirects(settings, host, location):
    request = ask("/a/b?c", host=host)
    assert redirect(Redirect(**settings), request) == (302, location)
    assert redirect(Redirect(301, **settings), request) == (301, location)


def test_a_redirect_of_a_request_without_a_host_stays_here():
    request = ask("//evil.example/a")
    request.host = request.authority = b""
    assert redirect(Redirect(scheme="https"), request) == (302, b"/evil.example/a")


def test_a_redirect_of_no_path_leads_to_the_root():
    where = redirect(Redirect(scheme="https"), ask("*", method="OPTIONS"))
    assert where == (302, b"https://shop.example/")


@given(PATHS, ANY, ANY)
def test_a_location_is_one_line(path, host, new):
    settings = Redirect(host=host or None, path=new or None)
    _, location = redirect(settings, ask(path), b"https")
    assert location.startswith(b"https://")
    assert all(0x21 <= octet <= 0x7E for octet in location)
