import asyncio
import os
import socket
import ssl
import struct
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import trustme
from cryptography import x509

from gslb.model.check import HttpCheck
from gslb.probe.checks import http
from gslb.probe.checks.connection import MAX_ANSWER
from gslb.probe.checks.http import MAX_RECEIVED, check_http
from tests.ports import free_port
from tests.probe.servers import HERE, LOOPBACK, Script, Unclosed, at, serve, silent_port

TLS = Path(__file__).parent.parent / "tls"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ENDLESS = b"HTTP/1.1 200 OK\r\n\r\n"


def ask(script, *, address=LOOPBACK, timeout_s=2.0, tls=None, **kind):
    """The outcome of one check against a server that runs a script."""

    async def run():
        async with serve(script, host=str(address), ssl=tls) as port:
            return await check_http(HttpCheck(port, **kind), at(address), timeout_s)

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
                assert (await check_http(HttpCheck(port), HERE, 2.0)).ok
        return script.connections

    assert asyncio.run(run()) == 3


def test_a_proxy_from_the_environment_is_not_used(monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    assert ask(Script(OK)).ok


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
def test_the_method_is_as_told_and_nothing_is_sent_besides(method):
    script = Script(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert ask(script, method=method).ok
    assert script.heads[0].startswith(f"{method} / HTTP/1.1\r\n".encode())
    assert b"chunked" not in script.heads[0]


def test_the_answer_to_head_has_no_body_whatever_it_says():
    script = Script(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n", hold=True)
    assert ask(script, method="HEAD", max_ms=2000.0, timeout_s=60.0).ok


def test_header_fields_are_sent_and_replace_ours():
    script = Script(OK)
    headers = (("X-Probe", "1"), ("X-Probe", "2"), ("user-agent", "me"), ("ACCEPT", "text/plain"))
    ask(script, headers=headers)
    fields = [line for line in script.heads[0].decode().split("\r\n")[1:] if line]
    sent = [tuple(field.split(": ", 1)) for field in fields]
    assert [text for name, text in sent if name.lower() == "x-probe"] == ["1", "2"]
    assert [text for name, text in sent if name.lower() == "user-agent"] == ["me"]
    assert [text for name, text in sent if name.lower() == "accept"] == ["text/plain"]


@pytest.mark.parametrize("field", [("X", "a\r\nY: b"), ("X\r\nY", "b"), ("X\n", "b")])
def test_a_header_field_cannot_add_another(field):
    script = Script(OK)
    assert not ask(script, headers=(field,)).ok
    assert script.heads == []


def test_the_checks_own_address_is_asked_instead_of_the_sites():
    async def run():
        script = Script(OK, repeat=False)
        async with serve(script, host="127.0.0.2") as port:
            kind = HttpCheck(port, address=ip_address("127.0.0.2"))
            outcomes = [await check_http(kind, at(address), 2.0) for address in (LOOPBACK, None)]
        assert b"Host: 127.0.0.2:" in script.heads[0]
        return [outcome.ok for outcome in outcomes]

    assert asyncio.run(run()) == [True, True]


def test_r17_no_name_is_looked_up(authority, monkeypatch):
    """R17: nothing that watches depends on DNS; names are only sent, as Host and for TLS."""

    def refuse(*_):
        raise AssertionError("a name was looked up")

    for function in ("getaddrinfo", "gethostbyname", "getnameinfo", "gethostbyaddr"):
        monkeypatch.setattr(socket, function, refuse)
    assert ask(Script(OK), host="www.probe.test").ok
    assert ask(Script(OK), address=ip_address("::1"), host="www.probe.test").ok
    assert ask_tls().ok


# ---------------------------------------------------------------- the answer


def test_a_redirect_to_itself_is_one_request_and_its_status():
    script = Script(b"HTTP/1.1 301 Moved\r\nLocation: /\r\nContent-Length: 0\r\n\r\n")
    assert ask(script).reason == "HTTP status 301, expected 200"
    assert script.connections == 1
    assert ask(script, expect_status=(301,)).ok


def test_the_first_octet_is_timed_from_the_start():
    async def slow(reader, writer):
        await asyncio.sleep(0.1)
        await Script(b"H", b"TTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", pause_s=0.2)(
            reader, writer
        )

    outcome = ask(slow)
    assert outcome.ok
    assert outcome.rtt_ms < 100 <= outcome.first_byte_ms < 290


def test_a_failure_keeps_the_times_that_were_achieved():
    outcome = ask(Script(b"HTTP/1.1 200 OK\r\n", hold=True), timeout_s=0.1)
    assert (outcome.ok, outcome.reason) == (False, "no answer within 0.1 s")
    assert 0 < outcome.rtt_ms <= outcome.first_byte_ms


def document(body):
    return Script(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"db": {"ok": true}}', ""),
        (b'{"db": {"ok": 1}}', "JSON: db.ok is 1, expected true"),
        (b'{"db": {}}', "JSON: there is no db.ok"),
        (b"<html>", "the body is not JSON: Expecting value: line 1 column 1 (char 0)"),
        (b"[" * 60_000, "the body is not acceptable JSON: nested too deep"),
        (b"[" * 100_000, "the body is too long for JSON: over 65536 octets"),
        (b'{"db": {"ok": true}}'.ljust(65_536), ""),
        (b'{"db": {"ok": true}}'.ljust(65_537), "the body is too long for JSON: over 65536 octets"),
    ],
)
def test_a_json_body_must_be_as_expected(body, reason):
    assert ask(document(body), expect_json=(("db.ok", True),)).reason == reason


def test_text_and_json_are_expected_of_the_same_body():
    expected = {"expect_json": (("a", 1),)}
    assert ask(document(b'{"a": 1, "b": "ok"}'), expect_body="ok", **expected).ok
    assert not ask(document(b'{"a": 1, "b": "no"}'), expect_body="ok", **expected).ok
    assert not ask(document(b'{"a": 2, "b": "ok"}'), expect_body="ok", **expected).ok


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(Script(hold=True), id="silence"),
        pytest.param(Script(ENDLESS, b"ok", hold=True), id="the body does not end"),
        pytest.param(Script(ENDLESS, *[b"."] * 99, pause_s=0.05), id="the body drips"),
    ],
)
@pytest.mark.parametrize("expect_body", [None, "ok"])
def test_a_whole_answer_after_max_ms_is_a_failure_long_before_the_timeout(script, expect_body):
    outcome = ask(script, timeout_s=60.0, max_ms=100.0, expect_body=expect_body)
    assert outcome.reason == "no answer within 0.1 s"


def test_a_whole_answer_before_max_ms_passes():
    assert ask(Script(OK), max_ms=2000.0).ok
    assert ask(Script(ENDLESS, b"." * (2 * MAX_ANSWER), hold=True), max_ms=2000.0).ok


def test_max_ms_over_the_timeout_changes_nothing():
    assert ask(Script(hold=True), timeout_s=0.1, max_ms=9000.0).reason == "no answer within 0.1 s"


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
        pytest.param(MAX_ANSWER - 2, True, id="ends at the last octet"),
        pytest.param(MAX_ANSWER - 1, False, id="one octet too late"),
    ],
)
def test_only_the_first_64_kib_of_a_body_are_searched(filler, is_found):
    outcome = ask(Script(ENDLESS, b"." * filler + b"ok" + b"." * 10), expect_body="ok")
    assert outcome.ok is is_found


# ---------------------------------------------------------------- no answer, endless answers


def test_a_refused_connection_is_a_failure():
    outcome = asyncio.run(check_http(HttpCheck(free_port()), HERE, 2.0))
    assert (outcome.ok, outcome.rtt_ms, outcome.reason) == (False, None, "connection refused")


def test_a_connection_that_hangs_is_a_failure():
    async def run():
        async with silent_port() as port:
            return await check_http(HttpCheck(port), HERE, 0.1)

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
        await Script(b"HTTP/1.1 200 OK\r\n")(reader, Unclosed(writer))
        await Script(b"X-A: b\r\n" * 100, repeat=True, before_request=True)(reader, writer)

    outcome = ask(endless, timeout_s=30.0)
    assert outcome.reason.startswith("not a valid HTTP answer: ")


def test_an_endless_header_field_is_a_failure_long_before_the_timeout():
    async def endless(reader, writer):
        await Script(b"HTTP/1.1 200 OK\r\nX-A: ")(reader, Unclosed(writer))
        await Script(b"b" * 1000, repeat=True, before_request=True)(reader, writer)

    outcome = ask(endless, timeout_s=30.0)
    assert outcome.reason.startswith("not a valid HTTP answer: ")


def test_interim_answers_without_end_are_a_failure_long_before_the_timeout():
    flood = Script(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, repeat=True)
    assert ask(flood, timeout_s=30.0).reason == f"it sent over {MAX_RECEIVED} octets"


def test_a_body_in_chunks_of_one_octet_is_read_to_its_bound():
    chunks = b"".join(b"1\r\n%c\r\n" % octet for octet in b"." * (MAX_ANSWER - 2) + b"ok")
    assert ask(Script(CHUNKED + chunks + b"0\r\n\r\n"), expect_body="ok").reason == ""


def test_an_endless_body_is_read_to_its_bound_only():
    async def endless(reader, writer):
        await Script(ENDLESS)(reader, Unclosed(writer))
        await Script(b"." * 4096, repeat=True, before_request=True)(reader, writer)

    outcome = ask(endless, timeout_s=30.0, expect_body="ok")
    assert outcome.reason == "'ok' is not in the body"


def test_an_endless_body_that_nobody_asked_for_passes():
    async def endless(reader, writer):
        await Script(ENDLESS)(reader, Unclosed(writer))
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


def issue(**options):
    """The server's side of a certificate of a new authority that nobody trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("www.probe.test", **options).configure_cert(context)
    return context


@pytest.mark.parametrize("is_expired", [False, True])
def test_the_end_of_a_certificate_is_reported_even_if_nothing_is_verified(is_expired):
    now = datetime.now(UTC).replace(microsecond=0)
    ends = now + timedelta(days=-1 if is_expired else 12)
    tls = issue(not_before=now - timedelta(days=30), not_after=ends)
    outcome = ask_tls(tls=tls, verify=False)
    assert (outcome.ok, outcome.certificate_until_at) == (True, ends.timestamp())


def test_the_end_of_a_verified_certificate_is_reported_also_when_the_answer_is_wrong(authority):
    pem = x509.load_pem_x509_certificate((TLS / "server.pem").read_bytes())
    outcome = ask_tls(expect_body="fine")
    assert not outcome.ok
    assert outcome.certificate_until_at == pem.not_valid_after_utc.timestamp()


def test_plain_http_has_no_certificate():
    assert ask(Script(OK)).certificate_until_at is None


def test_a_self_signed_certificate_is_a_failure(authority):
    outcome = ask_tls(tls=issue())
    assert outcome.reason == "TLS: unable to get local issuer certificate"
    assert outcome.rtt_ms > 0


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
                await check_http(HttpCheck(port, **kind), HERE, 0.05)

    before = len(list(Path("/proc/self/fd").iterdir()))
    asyncio.run(run())
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_site_that_never_ends_tls_holds_no_socket_of_ours(authority):
    """The connection is cut after the answer, not ended politely: that would take another side."""
    is_over = threading.Event()

    def answer(listener):
        with server_tls().wrap_socket(listener.accept()[0], server_side=True) as connection:
            connection.recv(MAX_ANSWER)
            connection.sendall(OK)
            is_over.wait()

    async def run(port):
        kind = HttpCheck(port, "https", host="www.probe.test")
        assert (await check_http(kind, HERE, 2.0)).ok
        await asyncio.sleep(0)  # the transport is closed in the next turn of the loop
        return [descriptor for descriptor in sockets() if descriptor not in before]

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,), name="a site with TLS")
        before = sockets()
        thread.start()
        try:
            left = asyncio.run(run(listener.getsockname()[1]))
        finally:
            is_over.set()
            thread.join()
    assert len(left) <= 3, left  # the other side, and the pair by which a loop wakes itself


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_check_that_is_given_up_at_any_moment_leaves_no_descriptor_registered(scheme):
    """Each turn of the loop is a moment; the next socket would get the same descriptor."""

    async def run():
        loop = asyncio.get_running_loop()
        async with serve(
            Script(OK, hold=True), ssl=server_tls() if scheme == "https" else None
        ) as port:
            kind = HttpCheck(port, scheme, host="www.probe.test", verify=False)
            for turns in range(40):
                task = asyncio.create_task(check_http(kind, HERE, 60.0))
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait({task})
                for _ in range(5):
                    await asyncio.sleep(0)
                assert not closed_but_registered(loop), turns
            assert (await check_http(kind, HERE, 5.0)).reason == ""

    asyncio.run(run())


def closed_but_registered(loop):
    """Descriptors that the loop watches although they are closed."""
    watched = {key.fd for key in loop._selector.get_map().values()}
    return watched - {int(descriptor) for descriptor in os.listdir("/proc/self/fd")}


def sockets():
    """The sockets that are open in this process."""
    found = []
    for descriptor in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            name = str(Path(f"/proc/self/fd/{descriptor}").readlink())
            found += [name] if name.startswith("socket:") else []
    return found


def test_a_check_that_is_cancelled_leaves_no_socket_behind():
    async def run():
        async with serve(Script(hold=True)) as port:
            task = asyncio.create_task(check_http(HttpCheck(port), HERE, 60.0))
            await asyncio.wait({task}, timeout=0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    before = len(list(Path("/proc/self/fd").iterdir()))
    asyncio.run(run())
    assert len(list(Path("/proc/self/fd").iterdir())) == before
