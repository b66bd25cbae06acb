"""`gslb proxy`: the regional tier's processes, from the command line to the last answered request.

Laws:
1. Everything that can fail does so before the first client is accepted; a process that replaces
   another one leaves it alone until then.
2. The first SIGTERM drains: health path first, then no new clients, then the requests on their way
   until the deadline. The second ends at once.
3. Whoever was replaced lets its clients go at its own deadline, and touches nothing that is shared.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from gslb.app.process import on_signals, raise_descriptor_limit, settle_memory
from gslb.app.proxy_files import ProxyFiles, load_proxies
from gslb.app.proxy_house import House
from gslb.app.proxy_loop import pick_loop
from gslb.app.proxy_plane import make_plane
from gslb.app.proxy_replace import Takeover, meet
from gslb.telemetry import logs

log = logs.get_logger(__name__)


def run_proxies(path: Path, names: Sequence[str] = (), *, replace: bool = False) -> None:
    """Runs the proxies of a main file that have these names, or all, until SIGTERM or SIGINT.

    replace: take the place of the process that runs them. Raises ConfigError or ListenError when it
    cannot start.
    """
    files = load_proxies(path, names)
    logs.configure(files.system.log)
    for warning in files.configuration.warnings:
        log.warning("configuration", problem=str(warning))
    takeover = meet(files, replace=replace)
    with takeover, asyncio.Runner(loop_factory=pick_loop()) as runner:
        runner.run(_run(files, takeover))


async def _run(files: ProxyFiles, takeover: Takeover) -> None:
    raise_descriptor_limit()
    house = House(files, takeover.taken, make=make_plane)
    on_signals(stop=house.stop, reload=house.reloader.ask)
    settle_memory()
    await house.run(takeover.release)
