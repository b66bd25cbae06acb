"""The command check: a program that says by its exit status whether the site is well.

gslb.probe.program has the laws by which it runs. It is told GSLB_SITE and GSLB_ADDRESS.
"""

from __future__ import annotations

from gslb.model.check import CommandCheck
from gslb.probe.outcome import Outcome, failed
from gslb.probe.program import run_program
from gslb.probe.target import Target


async def check_command(kind: CommandCheck, target: Target, timeout_s: float) -> Outcome:
    """What running the program found."""
    address = "" if target.address is None else str(target.address)
    variables = {"GSLB_SITE": target.site, "GSLB_ADDRESS": address}
    ended = await run_program(kind.argv, variables, timeout_s)
    return failed(ended.problem) if ended.problem else Outcome(ok=True)
