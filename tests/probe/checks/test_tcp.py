import asyncio
import socket
from ipaddress import ip_address

import pytest

from gslb.model.check import TcpCheck
from gslb.probe.checks.connection import _refuse_own_reflection
from gslb.probe.checks.tcp import check_tcp
from gslb.probe.outcome import Outcome
from tests.probe.servers import LOOPBACK, Script, free_port, serve, silent_port


def test_a_site_that_accepts_is_well():
    async def run():
        async with serve(Script(b"", before_request=True)) as port:
            outcome = await check_tcp(TcpCheck(port), LOOPBACK, 2.0)
        assert (outcome.ok, outcome.reason) == (True, "")
        assert 0 < outcome.rtt_ms < 2000

    asyncio.run(run())


def test_a_site_that_accepts_over_ipv6_is_well():
    async def run():
        async with serve(Script(b"", before_request=True), host="::1") as port:
            assert (await check_tcp(TcpCheck(port), ip_address("::1"), 2.0)).ok

    asyncio.run(run())


def test_a_refused_connection_is_a_failure():
    outcome = asyncio.run(check_tcp(TcpCheck(free_port()), LOOPBACK, 2.0))
    assert outcome == Outcome(ok=False, rtt_ms=None, reason="connection refused")


def test_a_connection_that_hangs_is_a_failure_after_the_timeout():
    async def run():
        async with silent_port() as port:
            return await check_tcp(TcpCheck(port), LOOPBACK, 0.1)

    assert asyncio.run(run()) == Outcome(False, None, "no connection within 0.1 s")


def test_a_socket_connected_to_itself_counts_as_refused():
    with socket.socket() as alone:
        alone.bind(("127.0.0.1", 0))
        alone.connect(alone.getsockname())
        with pytest.raises(ConnectionRefusedError, match="met itself"):
            _refuse_own_reflection(alone)
