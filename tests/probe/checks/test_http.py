import asyncio
import socket
import ssl
import struct
from ipaddress import ip_address
from pathlib import Path

import pytest

from gslb.model.check import HttpCheck
from gslb.probe.checks import http
from gslb.probe.checks.http import MAX_BODY, check_http
from tests.probe.servers import LOOPBACK, Script, free_port, serve, silent_port

TLS = Path(__file__).parent.parent / "tls"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ENDLESS = b"HTTP/1.1 200 OK\r\n\r\n"


def ask(script, *, address=LOOPBACK, timeout_s=2.0, tls=None, **kind):
    """The outcome of one check against a server that runs a script."""

    async def run():
        async with serve(script, host=str(address), ssl=tls) as port:
            return await check_http(HttpCheck(port, **kind), address, timeout_s)

    return asyncio.run(run())


# ---------------------------------------------------------------- the request


def test_a_good_answer_passes_with_the_connect_time():
    outcome = ask(Script(OK), expect_body="ok")
    assert (outcome.ok, outcome.reason) == (True, "")
    assert 0 < outcome.rtt_ms < 2000


def test_a_good_answer_over_ipv6_passes():
    assert ask(Script(OK), address=ip_address("::1")).ok


def test_the_request_is_one_get_with_the_path_and_host_as_told():
    script = Script(OK)
    ask(script, path="/healthz?deep=%2F", host="www.gslb.shop.example")
    line, *fields, _, _ = script.heads[0].decode().split("\r\n")
    assert line == "GET /healthz?deep=%2F HTTP/1.1"
    assert sorted(field.lower() for field in fields) == [
        "accept-encoding: identity",
        "accept: */*",
        "connection: close",
        "host: www.gslb.shop.example",
        "user-agent: gslb-probe",
    ]


def test_without_a_host_the_address_is_sent():
    script = Script(OK)
    ask(script)
    assert b"\r\nHost: 127.0.0.1:" in script.heads[0]


def test_every_check_opens_a_new_connection():
    async def run():
        script = Script(OK, hold=True)
        async with serve(script) as port:
            for _ in range(3):
                assert (await check_http(HttpCheck(port), LOOPBACK, 2.0)).ok
        return script.connections

    assert asyncio.run(run()) == 3


def test_a_proxy_from_the_environment_is_not_used(monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    assert ask(Script(OK)).ok


# ---------------------------------------------------------------- the answer


@pytest.mark.parametrize(
    ("answer", "kind", "reason"),
    [
        pytest.param(
            b"HTTP/1.1 503 Sorry\r\nContent-Length: 0\r\n\r\n",
            {},
            "HTTP status 503, expected 200",
            id="wrong status",
        ),
        pytest.param(
            b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
            {"expect_status": (200, 204)},
            "HTTP status 302, expected 200, 204",
            id="redirect is not followed",
        ),
        pytest.param(OK, {"expect_body": "fine"}, "'fine' is not in the body", id="body"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nok",
            {"expect_body": "fine"},
            "the body broke off: ",
            id="short body",
        ),
        pytest.param(b"", {}, "the connection was closed without an answer", id="closed"),
        pytest.param(b"SSH-2.0-OpenSSH_9.9\r\n", {}, "not a valid HTTP answer: ", id="junk"),
        pytest.param(bytes(range(256)), {}, "not a valid HTTP answer: ", id="all octets"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nbad field\r\n\r\n", {}, "not a valid HTTP answer: ", id="field"
        ),
        pytest.param(b"HTTP/1.1 999999 OK\r\n\r\n", {}, "not a valid HTTP answer: ", id="status"),
        pytest.param(
            CHUNKED + b"zz\r\nok",
            {"expect_body": "k"},
            "not a valid HTTP answer: ",
            id="chunk size",
        ),
    ],
)
def test_a_bad_answer_is_a_failure_with_its_reason(answer, kind, reason):
    outcome = ask(Script(answer), **kind)
    assert not outcome.ok
    assert outcome.reason.startswith(reason)
    assert outcome.rtt_ms > 0
    assert len(outcome.reason) <= 200
    assert outcome.reason.isascii()
    assert outcome.reason.isprintable()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        pytest.param(b"HTTP/1.1 204 Fine\r\n\r\n", {"expect_status": (200, 204)}, id="204"),
        pytest.param(
            CHUNKED + b"1\r\no\r\n1\r\nk\r\n0\r\n\r\n", {"expect_body": "ok"}, id="chunks"
        ),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" + OK, {"expect_body": "ok"}, id="1xx before"),
        pytest.param(
            b"HTTP/1.0 200 OK\r\n\r\nstill ok", {"expect_body": "ok"}, id="HTTP/1.0 until closed"
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\ncaf\xc3\xa9\n",
            {"expect_body": "caf\u00e9"},
            id="UTF-8",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nok\n",
            {"expect_body": "ok"},
            id="not decompressed",
        ),
    ],
)
def test_a_good_answer_passes(answer, kind):
    assert ask(Script(answer), **kind).reason == ""


@pytest.mark.parametrize(
    ("filler", "is_found"),
    [
        pytest.param(MAX_BODY - 2, True, id="ends at the last octet"),
        pytest.param(MAX_BODY - 1, False, id="one octet too late"),
    ],
)
def test_only_the_first_64_kib_of_a_body_are_searched(filler, is_found):
    outcome = ask(Script(ENDLESS, b"." * filler + b"ok" + b"." * 10), expect_body="ok")
    assert outcome.ok is is_found


# ---------------------------------------------------------------- no answer, endless answers


def test_a_refused_connection_is_a_failure():
    outcome = asyncio.run(check_http(HttpCheck(free_port()), LOOPBACK, 2.0))
    assert (outcome.ok, outcome.rtt_ms, outcome.reason) == (False, None, "connection refused")


def test_a_connection_that_hangs_is_a_failure():
    async def run():
        async with silent_port() as port:
            return await check_http(HttpCheck(port), LOOPBACK, 0.1)

    assert asyncio.run(run()).reason == "no connection within 0.1 s"


def test_a_connection_that_is_reset_is_a_failure_and_is_not_tried_again():
    connections = []

    async def reset(reader, writer):
        connections.append(await reader.readuntil(b"\r\n\r\n"))
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()

    outcome = ask(reset)
    assert outcome.reason == "the connection was closed without an answer"
    assert len(connections) == 1


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        pytest.param(Script(hold=True), {}, id="silence"),
        pytest.param(
            Script(b"HTTP/1.1 200 OK\r\nX: ", *[b"x"] * 99, pause_s=0.05), {}, id="dripped head"
        ),
        pytest.param(
            Script(ENDLESS, *[b"."] * 99, pause_s=0.05), {"expect_body": "ok"}, id="dripped body"
        ),
        pytest.param(
            Script(b"HTTP/1.1 100 Continue\r\n\r\n", pause_s=0.001, repeat=True), {}, id="only 1xx"
        ),
    ],
)
def test_an_answer_that_does_not_come_in_time_is_a_failure(script, kind):
    outcome = ask(script, timeout_s=0.2, **kind)
    assert outcome.reason == "no answer within 0.2 s"
    assert outcome.rtt_ms > 0


def test_endless_header_fields_are_a_failure_long_before_the_timeout():
    async def endless(reader, writer):
        await Script(b"HTTP/1.1 200 OK\r\n")(reader, _Open(writer))
        await Script(b"X-A: b\r\n" * 100, repeat=True, before_request=True)(reader, writer)

    outcome = ask(endless, timeout_s=30.0)
    assert outcome.reason.startswith("not a valid HTTP answer: ")


def test_an_endless_header_field_is_a_failure_long_before_the_timeout():
    async def endless(reader, writer):
        await Script(b"HTTP/1.1 200 OK\r\nX-A: ")(reader, _Open(writer))
        await Script(b"b" * 1000, repeat=True, before_request=True)(reader, writer)

    outcome = ask(endless, timeout_s=30.0)
    assert outcome.reason.startswith("not a valid HTTP answer: ")


def test_an_endless_body_is_read_to_its_bound_only():
    async def endless(reader, writer):
        await Script(ENDLESS)(reader, _Open(writer))
        await Script(b"." * 4096, repeat=True, before_request=True)(reader, writer)

    outcome = ask(endless, timeout_s=30.0, expect_body="ok")
    assert outcome.reason == "'ok' is not in the body"


def test_an_endless_body_that_nobody_asked_for_passes():
    async def endless(reader, writer):
        await Script(ENDLESS)(reader, _Open(writer))
        await Script(b"." * 4096, repeat=True, before_request=True)(reader, writer)

    assert ask(endless, timeout_s=30.0).ok


def test_a_host_that_is_no_header_field_is_a_failure():
    script = Script(OK)
    assert not ask(script, host="a\r\nX: y").ok
    assert script.heads == []


@pytest.mark.parametrize("path", ["/a\r\nX: y", "/a HTTP/1.1\r\nX: y\r\n\r\n"])
def test_a_path_cannot_add_header_fields(path):
    script = Script(OK)
    ask(script, path=path)
    assert not any(b"\r\nX: y" in head for head in script.heads)


@pytest.mark.parametrize("path", ["", "healthz", "@other.invalid/", "9/"])
def test_a_path_without_a_slash_is_a_failure(path):
    script = Script(OK)
    outcome = ask(script, path=path)
    assert (outcome.ok, outcome.reason) == (False, "the path of the check does not begin with /")
    assert script.heads == []


class _Open:
    """A writer whose script does not close it."""

    def __init__(self, writer):
        self._writer = writer
        self.write, self.drain = writer.write, writer.drain

    def close(self):
        pass


# ---------------------------------------------------------------- TLS


@pytest.fixture
def authority(monkeypatch):
    """The tests' own authority is the only one that the system trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(TLS / "ca.pem"))
    http._tls_context.cache_clear()
    yield
    http._tls_context.cache_clear()


def server_tls(name="server.pem"):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / name)
    return context


def ask_tls(script=None, *, tls=None, **kind):
    kind = {"scheme": "https", "host": "www.probe.test"} | kind
    return ask(script or Script(OK), tls=tls or server_tls(), **kind)


def test_https_with_a_valid_certificate_passes(authority):
    outcome = ask_tls(expect_body="ok")
    assert (outcome.ok, outcome.reason) == (True, "")


def test_https_asks_for_the_host_by_name_without_its_port(authority):
    names = []
    tls = server_tls()
    tls.sni_callback = lambda _socket, name, _context: names.append(name)
    assert ask_tls(tls=tls, host="www.probe.test:8443").ok
    assert names == ["www.probe.test"]


@pytest.mark.parametrize(
    ("kind", "certificate", "reason"),
    [
        ({"host": "other.test"}, "server.pem", "Hostname mismatch"),
        ({"host": None}, "server.pem", "IP address mismatch"),
        ({}, "expired.pem", "certificate has expired"),
    ],
)
def test_https_with_a_wrong_certificate_is_a_failure(authority, kind, certificate, reason):
    outcome = ask_tls(tls=server_tls(certificate), **kind)
    assert not outcome.ok
    assert outcome.reason.startswith("TLS: ")
    assert reason in outcome.reason
    assert outcome.rtt_ms > 0


def test_https_with_an_unknown_authority_is_a_failure():
    http._tls_context.cache_clear()
    assert ask_tls().reason.startswith("TLS: ")


@pytest.mark.parametrize("certificate", ["server.pem", "expired.pem"])
def test_https_without_verify_takes_any_certificate(certificate):
    assert ask_tls(tls=server_tls(certificate), host=None, verify=False).ok


def test_https_against_a_plain_server_is_a_failure(authority):
    async def plain(reader, writer):
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    outcome = ask(plain, scheme="https", host="www.probe.test")
    assert outcome.reason.startswith("TLS: ")


def test_https_against_a_server_that_says_nothing_is_a_failure(authority):
    outcome = ask(
        Script(hold=True, before_request=True), timeout_s=0.1, scheme="https", host="www.probe.test"
    )
    assert outcome.reason == "no answer within 0.1 s"


# ---------------------------------------------------------------- what is left behind


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        pytest.param(Script(OK, hold=True), {}, id="passes"),
        pytest.param(Script(b""), {}, id="closed"),
        pytest.param(Script(hold=True), {}, id="silence"),
        pytest.param(Script(OK), {"host": "a\nb"}, id="not sent"),
        pytest.param(Script(OK), {"path": "no slash"}, id="not even taken"),
        pytest.param(
            Script(b".", hold=True, before_request=True), {"scheme": "https"}, id="no TLS"
        ),
        pytest.param(Script(hold=True, before_request=True), {"scheme": "https"}, id="TLS hangs"),
    ],
)
def test_no_check_leaves_a_socket_behind(authority, script, kind):
    """A server sees the end of each connection, and no descriptor is left when the loop ends."""

    async def run():
        async with serve(script) as port:
            for _ in range(3):
                await check_http(HttpCheck(port, **kind), LOOPBACK, 0.05)

    before = len(list(Path("/proc/self/fd").iterdir()))
    asyncio.run(run())
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_check_that_is_cancelled_leaves_no_socket_behind():
    async def run():
        async with serve(Script(hold=True)) as port:
            task = asyncio.create_task(check_http(HttpCheck(port), LOOPBACK, 60.0))
            await asyncio.wait({task}, timeout=0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    before = len(list(Path("/proc/self/fd").iterdir()))
    asyncio.run(run())
    assert len(list(Path("/proc/self/fd").iterdir())) == before
