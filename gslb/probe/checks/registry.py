"""Which function does which kind of check. A new kind is one module, one line here, one test file,
one docs section.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from gslb.model.check import Check, HttpCheck, TcpCheck
from gslb.model.place import Address
from gslb.probe.checks.http import check_http
from gslb.probe.checks.tcp import check_tcp
from gslb.probe.outcome import Outcome, failed

log = logging.getLogger(__name__)

CheckFunction = Callable[[Any, Address, float], Awaitable[Outcome]]
"""(kind, address, timeout_s) -> Outcome. It keeps the timeout by itself, since it knows what was
achieved by then.
"""

CHECKS: Mapping[type, CheckFunction] = {
    HttpCheck: check_http,
    TcpCheck: check_tcp,
}


async def run_check(check: Check, address: Address) -> Outcome:
    """Ask one address once. Whatever goes wrong is an Outcome: here is the border of a round."""
    try:
        return await CHECKS[type(check.kind)](check.kind, address, check.timeout_s)
    except Exception as error:
        log.warning("check of %s failed in an unforeseen way", address, exc_info=error)
        return failed(f"the check itself failed: {error!r}")
