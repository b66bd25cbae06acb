"""The golden table: what is refused, how the rest is read, and what of it a backend sees."""

from __future__ import annotations

import pytest

from gslb.http1.compose import Forwarding, compose_request
from gslb.http1.head import HttpError, find_head_end, parse_request
from gslb.model.proxy import HttpLimits
from tests.http1.framing_cases import ROWS, Row, Taken

_LIMITS = HttpLimits(body_octets=1000)
_OURS = (
    b"X-Forwarded-For: 203.0.113.7",
    b"X-Real-IP: 203.0.113.7",
    b"X-Forwarded-Proto: https",
    b"X-Request-ID: id-1",
)
_REFUSED = [row for row in ROWS if isinstance(row.verdict, int)]
_TAKEN = [(row, row.verdict) for row in ROWS if isinstance(row.verdict, Taken)]


def _via() -> Forwarding:
    return Forwarding(b"203.0.113.7", is_trusted=False, scheme=b"https", request_id=b"id-1")


def test_names_of_rows_are_unique_and_reasons_told() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert all(row.why for row in ROWS)


@pytest.mark.parametrize("row", _REFUSED, ids=lambda row: row.name)
def test_request_is_refused_with_its_status(row: Row) -> None:
    head = row.octets[: find_head_end(row.octets)]
    with pytest.raises(HttpError) as refusal:
        parse_request(head, _LIMITS)
    assert refusal.value.status == row.verdict, row.why
    assert row.reason in ("", refusal.value.reason), row.why


@pytest.mark.parametrize(("row", "taken"), _TAKEN, ids=[row.name for row, _ in _TAKEN])
def test_request_is_taken_and_goes_on_as_it_was_read(row: Row, taken: Taken) -> None:
    request = parse_request(row.octets, _LIMITS)
    assert (request.target, request.host, request.body, request.keep_alive) == (
        taken.target,
        taken.host,
        taken.body,
        taken.keep_alive,
    ), row.why
    head = compose_request(
        request,
        target=request.target,
        host=None,
        via=_via(),
        changes=None,
        body=request.body,
        keep_expect=request.expects_continue,
    )
    start, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    assert start == b"%b %b HTTP/1.1" % (request.method, taken.target)
    named = [b"X-Forwarded-Host: " + request.authority] if request.authority else []
    expected = [b"Host: " + request.authority, *taken.sent, *_OURS, *named]
    assert sorted(lines) == sorted(expected), row.why
    again = parse_request(head, HttpLimits(headers=200)) if request.authority else request
    assert (again.target, again.host, again.body) == (request.target, request.host, request.body)
