"""The TCP check: the site is well when it accepts a connection. Nothing is sent."""

from __future__ import annotations

import asyncio

from gslb.model.check import TcpCheck
from gslb.model.place import Address
from gslb.probe.checks.connection import open_socket
from gslb.probe.outcome import Outcome, describe_error, failed


async def check_tcp(kind: TcpCheck, address: Address, timeout_s: float) -> Outcome:
    """What connecting to the check's port found."""
    try:
        async with asyncio.timeout(timeout_s):
            opened, rtt_ms = await open_socket(address, kind.port)
    except TimeoutError:
        return failed(f"no connection within {timeout_s:g} s")
    except OSError as error:
        return failed(describe_error(error))
    opened.close()
    return Outcome(ok=True, rtt_ms=rtt_ms)
