"""The event loop that proxies run on."""

from __future__ import annotations

import asyncio

from gslb.telemetry.logs import get_logger

log = get_logger(__name__)


def pick_loop() -> type[asyncio.AbstractEventLoop] | None:
    """uvloop's, or None for asyncio's own where it is not installed."""
    try:
        import uvloop
    except ImportError:
        log.warning("uvloop is not installed: requests cost more CPU, idle TLS clients more memory")
        return None
    return uvloop.Loop
