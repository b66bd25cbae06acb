"""The TCP check: the site is well when it accepts a connection and, if asked, says the right thing.

Laws:
1. Nothing is sent unless `send` says so, and nothing is read unless `expect` says so.
2. At most MAX_ANSWER octets are read, and everything together is over within the timeout.
"""

from __future__ import annotations

import asyncio
import socket

from gslb.model.check import TcpCheck
from gslb.probe.checks.connection import Search, address_of, limit_of, open_socket
from gslb.probe.outcome import Findings, Outcome, describe_error
from gslb.probe.target import Target


async def check_tcp(kind: TcpCheck, target: Target, timeout_s: float) -> Outcome:
    """What connecting to the check's port found."""
    findings = Findings()
    limit_s = limit_of(kind, timeout_s)
    try:
        async with asyncio.timeout(limit_s):
            complaint = await _talk(kind, target, findings)
    except TimeoutError:
        what = "connection" if findings.rtt_ms is None else "answer"
        complaint = f"no {what} within {limit_s:g} s"
    except (OSError, ValueError) as error:
        complaint = describe_error(error)
    return findings.conclude(complaint)


async def _talk(kind: TcpCheck, target: Target, findings: Findings) -> str:
    """Connect, send, listen: what is wrong, or an empty text."""
    started = asyncio.get_running_loop().time()
    opened, findings.rtt_ms = await open_socket(address_of(kind, target), kind.port)
    with opened:
        if kind.send is not None:
            await asyncio.get_running_loop().sock_sendall(opened, kind.send.encode())
        if kind.expect is None:
            return ""
        return await _listen(kind.expect, opened, started=started, findings=findings)


async def _listen(expect: str, opened: socket.socket, *, started: float, findings: Findings) -> str:
    loop = asyncio.get_running_loop()
    search = Search(expect.encode())
    while not search.is_found:
        if not search.room:
            return f"{expect!a} is not in the answer"
        piece = await loop.sock_recv(opened, search.room)
        if not piece:
            return f"the connection was closed before {expect!a} came"
        if findings.first_byte_ms is None:
            findings.first_byte_ms = (loop.time() - started) * 1000
        search.add(piece)
    return ""
