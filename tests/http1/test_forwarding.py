"""What a trusted peer may say of its client, what the operator may change, and our own answers."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network

import pytest

from gslb.http1.changes import compile_changes, find_fault
from gslb.http1.compose import Forwarding, client_address, compose_plain, compose_request
from gslb.http1.head import parse_request
from gslb.model.proxy import HeaderChanges, HttpLimits

_NONE = HeaderChanges()
_TRUSTED = (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))


@pytest.mark.parametrize(
    ("peer", "chain", "client"),
    [
        ("192.0.2.1", b"198.51.100.1", "192.0.2.1"),
        ("10.0.0.1", b"", "10.0.0.1"),
        ("10.0.0.1", b"198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", b"1.1.1.1, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", b"198.51.100.1,10.0.0.2 , 10.0.0.3", "198.51.100.1"),
        ("10.0.0.1", b"10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", b"198.51.100.1, unknown", "10.0.0.1"),
        ("10.0.0.1", b"198.51.100.1, _x, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", b"198.51.100.1, 10.0.0.2,", "10.0.0.1"),
        ("10.0.0.1", b"198.51.100.1:4711", "198.51.100.1"),
        ("10.0.0.1", b"[2001:db9::1]:4711", "2001:db9::1"),
        ("10.0.0.1", b"::ffff:198.51.100.1", "198.51.100.1"),
        ("2001:db8::1", b"2001:db9::1", "2001:db9::1"),
        ("10.0.0.1", b"198.51.100.1, " + b", ".join([b"10.0.0.2"] * 30), "10.0.0.2"),
    ],
)
def test_client_is_the_first_from_the_right_that_is_not_trusted(
    peer: str, chain: bytes, client: str
) -> None:
    fields = {b"x-forwarded-for": chain}
    assert client_address(fields, ip_address(peer), _TRUSTED) == ip_address(client)


def _compose(*lines: bytes, changes: HeaderChanges = _NONE, real: bytes = b"") -> bytes:
    head = b"\r\n".join([b"GET / HTTP/1.1", b"Host: a.test", *lines]) + b"\r\n\r\n"
    request = parse_request(head, HttpLimits())
    via = Forwarding(b"10.0.0.1", is_trusted=True, scheme=b"http", request_id=b"ours", real=real)
    return compose_request(
        request,
        target=b"/b",
        host=b"b.test",
        via=via,
        changes=compile_changes(changes),
        body=0,
        keep_expect=False,
    )


def test_trusted_peer_is_believed_and_added() -> None:
    head = _compose(
        b"X-Forwarded-For: 198.51.100.1",
        b"X-Forwarded-For: 10.0.0.2",
        b"X-Forwarded-Proto: HTTPS",
        b"X-Forwarded-Host: shop.test",
        b"X-Forwarded-Port: 443",
        b"X-Request-ID: theirs-1",
        real=b"198.51.100.1",
    )
    assert head.split(b"\r\n") == [
        b"GET /b HTTP/1.1",
        b"Host: b.test",
        b"X-Forwarded-Port: 443",
        b"X-Forwarded-For: 198.51.100.1, 10.0.0.2, 10.0.0.1",
        b"X-Real-IP: 198.51.100.1",
        b"X-Forwarded-Proto: https",
        b"X-Request-ID: theirs-1",
        b"X-Forwarded-Host: shop.test",
        b"",
        b"",
    ]


def test_host_that_is_not_known_is_not_told() -> None:
    request = parse_request(b"GET / HTTP/1.0\r\n\r\n", HttpLimits())
    via = Forwarding(b"10.0.0.1", is_trusted=True, scheme=b"http", request_id=b"ours")
    assert via.compose_lines(request).split(b"\r\n") == [
        b"X-Forwarded-For: 10.0.0.1",
        b"X-Real-IP: 10.0.0.1",
        b"X-Forwarded-Proto: http",
        b"X-Request-ID: ours",
    ]


def test_nonsense_of_a_trusted_peer_is_replaced() -> None:
    head = _compose(b"X-Forwarded-Proto: gopher", b"X-Request-ID: a b")
    assert b"X-Forwarded-Proto: http\r\nX-Request-ID: ours\r\n" in head
    assert b"X-Request-ID: ours" in _compose(b"X-Request-ID: " + b"a" * 129)
    assert b"X-Request-ID: " + b"a" * 128 in _compose(b"X-Request-ID: " + b"a" * 128)


def test_chain_keeps_its_nearest_30_addresses() -> None:
    chain = [b"192.0.2.%d" % number for number in range(40)]
    head = _compose(b"X-Forwarded-For: " + b", ".join(chain))
    kept = b", ".join([*chain[11:], b"10.0.0.1"])
    assert b"\r\nX-Forwarded-For: " + kept + b"\r\n" in head


def test_changes_remove_then_set_then_add() -> None:
    changes = HeaderChanges(
        set={"X-Region": "eu-west", "X-Real-IP": "-"}, add={"Accept": "b"}, remove=("X-Debug",)
    )
    head = _compose(b"x-debug: 1", b"X-Region: forged", b"Accept: a", changes=changes)
    lines = head.split(b"\r\n")
    assert lines[-5:] == [b"X-Region: eu-west", b"X-Real-IP: -", b"Accept: b", b"", b""]
    assert [line for line in lines if line.lower().startswith((b"x-debug", b"x-region"))] == [
        b"X-Region: eu-west"
    ]
    assert b"Accept: a" in lines
    assert b"X-Real-IP: 10.0.0.1" not in lines


def test_no_changes_are_none() -> None:
    assert compile_changes(HeaderChanges()) is None


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        (HeaderChanges(set={"X Y": "a"}), "'X Y' is no name of a header"),
        (HeaderChanges(add={"X": "a\r\nY: b"}), "the value of X holds control characters"),
        (
            HeaderChanges(remove=("content-length",)),
            "content-length belongs to the connection and cannot be changed",
        ),
    ],
)
def test_change_that_would_break_heads_is_told(changes: HeaderChanges, fault: str) -> None:
    assert find_fault(changes) == fault
    with pytest.raises(ValueError, match=re.escape(fault)):
        compile_changes(changes)


def test_own_answer_is_whole() -> None:
    assert compose_plain(503, "busy\n", keep_alive=False, extra=b"Retry-After: 2\r\n") == (
        b"HTTP/1.1 503 Service Unavailable\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Length: 5\r\n"
        b"Cache-Control: no-store\r\nConnection: close\r\nRetry-After: 2\r\n\r\nbusy\n"
    )


def test_own_answer_to_head_announces_what_get_would_bring() -> None:
    answer = compose_plain(404, b"no", keep_alive=True, head_only=True)
    assert answer.endswith(b"Content-Length: 2\r\nCache-Control: no-store\r\n\r\n")


def test_own_answer_of_204_has_no_body() -> None:
    answer = compose_plain(204, "x", keep_alive=True)
    assert answer == b"HTTP/1.1 204 No Content\r\nCache-Control: no-store\r\n\r\n"
