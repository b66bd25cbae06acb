"""Messages and connections: what goes through as it came, with both engines."""

from __future__ import annotations

import hashlib
import ssl
from http.client import HTTPConnection
from pathlib import Path

import pytest
from websockets.sync.client import connect

from gslb.http1.proxy_header import compose_proxy_header
from tests.proxy.conformance.engines import (
    GSLB,
    HAPROXY,
    STRANGER,
    TRUSTED,
    Engine,
    read_all,
    read_answer,
)

MEGABYTE = 1024 * 1024


@pytest.mark.parametrize("status", [200, 201, 204, 304, 404, 418, 500])
def test_a_status_and_its_body_pass(engine: Engine, status):
    answer = engine.ask(f"/p/status/{status}")
    assert answer.status == status
    assert bool(answer.body) == (status not in (204, 304))


def test_head_tells_the_length_and_brings_nothing(engine: Engine):
    answer = engine.ask("/p/size/1000", "HEAD")
    assert (answer.status, answer.headers["content-length"], answer.body) == (200, "1000", b"")


def test_a_connection_is_kept(engine: Engine):
    connection = HTTPConnection("127.0.0.1", engine.ports["http"], timeout=5)
    try:
        for number, method in enumerate(["GET", "HEAD", "POST", "GET"]):
            connection.request(method, f"/p/{number}", b"x" if method == "POST" else None)
            answer = read_answer(connection.getresponse())
            assert answer.status == 200
            sock = connection.sock
            assert sock is not None
            if method != "HEAD":
                assert answer.seen["target"] == f"/p/{number}"
    finally:
        connection.close()


def test_pipelined_requests_are_answered_in_order(engine: Engine):
    requests = b"".join(
        b"GET /p/%d HTTP/1.1\r\nHost: h%b\r\n\r\n"
        % (number, b"\r\nConnection: close" if number == 3 else b"")
        for number in range(4)
    )
    got = engine.ask_octets(requests)
    places = [got.index(b'"target": "/p/%d"' % number) for number in range(4)]
    assert places == sorted(places)


def test_a_client_of_http_1_0_gets_no_chunks_and_an_end(engine: Engine):
    got = engine.ask_octets(b"GET /p/size/10 HTTP/1.0\r\nHost: h\r\n\r\n")
    head, _, body = got.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head.lower()
    assert body == b"x" * 10


def test_large_bodies_pass_both_ways(engine: Engine):
    body = bytes(range(256)) * 4096 * 3
    seen = engine.ask("/p/", "POST", body=body).seen
    assert (seen["length"], seen["digest"]) == (len(body), hashlib.sha256(body).hexdigest())
    assert engine.ask(f"/p/size/{5 * MEGABYTE}").body == b"x" * (5 * MEGABYTE)


def test_a_chunked_upload_passes(engine: Engine):
    pieces = [b"%d" % number * 1000 for number in range(50)]
    seen = engine.ask("/p/", "PUT", body=iter(pieces)).seen
    whole = b"".join(pieces)
    assert (seen["length"], seen["digest"]) == (len(whole), hashlib.sha256(whole).hexdigest())


def test_a_body_over_the_limit_is_413(engine: Engine):
    got = engine.ask_octets(
        b"POST /p/ HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % (9 * MEGABYTE)
    )
    assert got.startswith(b"HTTP/1.1 413 ")


def test_a_client_may_wait_to_be_asked_for_its_body(engine: Engine):
    with engine.connect() as connection:
        connection.settimeout(3)
        connection.sendall(
            b"POST /p/ HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n"
            b"Expect: 100-continue\r\nConnection: close\r\n\r\n"
        )
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"abc")
        assert b'"length": 3' in read_all(connection)


def test_websockets_pass(engine: Engine):
    uri = f"ws://127.0.0.1:{engine.ports['http']}/talk/"
    with connect(uri, compression=None) as talk:
        for message in ("hello", b"\0\1" * 50_000, ""):
            talk.send(message)
            assert talk.recv(timeout=5) == message


def test_upgrades_to_anything_else_are_plain_requests(engine: Engine):
    headers = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMA"}
    answer = engine.ask("/p/", headers=headers)
    assert answer.sent("upgrade") == []
    assert answer.status == 200


def test_names_with_an_underscore_are_gone(engine: Engine):
    assert engine.ask("/p/", headers={"X_User": "root"}).sent("x_user") == []


# ---------------------------------------------------------------- TLS, PROXY, TCP


@pytest.mark.parametrize(
    ("asked", "served"),
    [
        ("first.example", "first.example"),
        ("second.example", "second.example"),
        ("else.example", "first.example"),
    ],
)
def test_the_certificate_is_that_of_the_server_name(engine: Engine, folder: Path, asked, served):
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    context.check_hostname = False
    with (
        engine.connect("tls") as plain,
        context.wrap_socket(plain, server_hostname=asked) as session,
    ):
        names = [name for _, name in session.getpeercert()["subjectAltName"]]  # type: ignore[index]
        session.sendall(b"GET /sticky/ HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        got = read_all(session)
    assert names == [served]
    assert b'"x-forwarded-proto", "https"' in got
    assert b"; Secure" in got


@pytest.mark.parametrize("version", [1, 2])
def test_a_trusted_proxy_announces_its_client(engine: Engine, version):
    header = compose_proxy_header(version, ("203.0.113.9", 1234), ("127.0.0.1", 80))
    request = b"GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 1.2.3.4\r\nConnection: close\r\n\r\n"
    got = engine.ask_octets(header + request, "announced")
    assert b"x-route: network" in got.lower()
    # The announced client is not trusted for its proxy's sake.
    assert b'["x-forwarded-for", "203.0.113.9"]' in got


def test_a_stranger_needs_no_announcement(engine: Engine):
    request = b"GET /exact HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    got = engine.ask_octets(request, "announced", STRANGER)
    assert f'["x-real-ip", "{STRANGER}"]'.encode() in got


def test_a_stranger_that_announces_somebody_is_not_believed(engine: Engine):
    header = compose_proxy_header(1, ("203.0.113.9", 1234), ("127.0.0.1", 80))
    request = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    got = engine.ask_octets(header + request, "announced", STRANGER)
    # gslb closes the connection; HAProxy reads the header as a request, which it refuses.
    assert got[:13] == {GSLB: b"", HAPROXY: b"HTTP/1.1 400 "}[engine.kind]


def test_tcp_connections_pass_whole_and_end_by_halves(engine: Engine):
    names = []
    for _ in range(4):
        with engine.connect("lines", source=TRUSTED) as connection:
            connection.settimeout(5)
            connection.sendall(b"one\n" + b"y" * 100_000 + b"\n")
            connection.shutdown(1)
            name, one, long, count = read_all(connection).splitlines()
        names.append(name)
        assert (one, len(long), count) == (b"one", 100_000, b"100005 octets")
    assert sorted(names) == [b"l1", b"l1", b"l2", b"l2"]
