import asyncio
import socket
from ipaddress import ip_address

import pytest

from gslb.model.check import TcpCheck
from gslb.probe.checks.connection import MAX_ANSWER, _refuse_own_reflection
from gslb.probe.checks.tcp import check_tcp
from gslb.probe.outcome import Outcome
from tests.ports import free_port
from tests.probe.servers import HERE, LOOPBACK, Script, Unclosed, at, serve, silent_port


def test_a_site_that_accepts_is_well():
    async def run():
        async with serve(Script(b"", before_request=True)) as port:
            outcome = await check_tcp(TcpCheck(port), HERE, 2.0)
        assert (outcome.ok, outcome.reason) == (True, "")
        assert 0 < outcome.rtt_ms < 2000

    asyncio.run(run())


def test_a_site_that_accepts_over_ipv6_is_well():
    async def run():
        async with serve(Script(b"", before_request=True), host="::1") as port:
            assert (await check_tcp(TcpCheck(port), at(ip_address("::1")), 2.0)).ok

    asyncio.run(run())


def test_a_refused_connection_is_a_failure():
    outcome = asyncio.run(check_tcp(TcpCheck(free_port()), HERE, 2.0))
    assert outcome == Outcome(ok=False, rtt_ms=None, reason="connection refused")


def test_a_connection_that_hangs_is_a_failure_after_the_timeout():
    async def run():
        async with silent_port() as port:
            return await check_tcp(TcpCheck(port), HERE, 0.1)

    assert asyncio.run(run()) == Outcome(False, None, "no connection within 0.1 s")


def test_a_socket_connected_to_itself_counts_as_refused():
    with socket.socket() as alone:
        alone.bind(("127.0.0.1", 0))
        alone.connect(alone.getsockname())
        with pytest.raises(ConnectionRefusedError, match="met itself"):
            _refuse_own_reflection(alone)


# ---------------------------------------------------------------- what is said


def ask(script, *, timeout_s=5.0, **kind):
    async def run():
        async with serve(script) as port:
            return await check_tcp(TcpCheck(port, **kind), HERE, timeout_s)

    return asyncio.run(run())


def answering(*pieces, pause_s=0.0):
    return Script(*pieces, pause_s=pause_s, before_request=True)


def test_what_is_sent_arrives_and_is_answered():
    script = Script(b"+PONG\r\n")
    outcome = ask(script, send="PING\r\n\r\n", expect="+PONG")
    assert (outcome.ok, outcome.reason) == (True, "")
    assert script.heads == [b"PING\r\n\r\n"]
    assert 0 < outcome.rtt_ms <= outcome.first_byte_ms < 5000


def test_an_expected_text_may_come_in_pieces_and_the_rest_is_not_waited_for():
    async def pieces(reader, writer):
        await answering(*(bytes([octet]) for octet in b"220 mail ready"), pause_s=0.001)(
            reader, Unclosed(writer)
        )
        await reader.read()

    assert ask(pieces, expect="mail ready").ok


def test_the_first_octet_is_timed_not_the_last():
    script = Script(pause_s=0.1)
    script.before_request = True
    script.pieces = (b"2", b"20 ready")
    outcome = ask(script, expect="ready")
    assert outcome.ok
    assert outcome.first_byte_ms < 90


@pytest.mark.parametrize(
    ("pieces", "reason"),
    [
        pytest.param((b"421 busy",), "the connection was closed before '220' came", id="closed"),
        pytest.param((b"." * MAX_ANSWER + b"220",), "'220' is not in the answer", id="too late"),
    ],
)
def test_another_answer_is_a_failure_with_its_times(pieces, reason):
    outcome = ask(answering(*pieces), expect="220")
    assert (outcome.ok, outcome.reason) == (False, reason)
    assert outcome.first_byte_ms > 0


def test_only_the_first_64_kib_are_searched():
    assert ask(answering(b"." * (MAX_ANSWER - 3) + b"220..."), expect="220").ok


@pytest.mark.parametrize("piece", [b".", b"." * 65536])
def test_an_endless_answer_is_a_failure(piece):
    endless = Script(piece, repeat=True, before_request=True)
    outcome = ask(endless, expect="220", timeout_s=0.5 if len(piece) == 1 else 60.0)
    assert outcome.reason in ("no answer within 0.5 s", "'220' is not in the answer")


def test_a_site_that_says_nothing_is_a_failure():
    outcome = ask(Script(hold=True, before_request=True), expect="220", timeout_s=0.1)
    assert outcome.reason == "no answer within 0.1 s"
    assert outcome.rtt_ms > 0


def test_a_site_that_does_not_read_what_is_sent_is_a_failure():
    async def deaf(reader, writer):
        reader._transport.pause_reading()
        await asyncio.Event().wait()

    assert ask(deaf, send="x" * 50_000_000, timeout_s=0.2).reason == "no answer within 0.2 s"


def test_an_answer_after_max_ms_is_a_failure_long_before_the_timeout():
    script = Script(b"220", before_request=True)

    async def late(reader, writer):
        await asyncio.sleep(0.5)
        await script(reader, writer)

    assert ask(late, expect="220", max_ms=100.0, timeout_s=60.0).reason == "no answer within 0.1 s"


def test_the_checks_own_address_is_asked_instead_of_the_sites():
    async def run():
        async with serve(answering(b""), host="127.0.0.2") as port:
            kind = TcpCheck(port, address=ip_address("127.0.0.2"))
            return [await check_tcp(kind, at(address), 2.0) for address in (LOOPBACK, None)]

    assert [outcome.ok for outcome in asyncio.run(run())] == [True, True]


def test_without_any_address_there_is_a_failure():
    outcome = asyncio.run(check_tcp(TcpCheck(1), at(None), 2.0))
    assert outcome.reason == "there is no address to ask"
