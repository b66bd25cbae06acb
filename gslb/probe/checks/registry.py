"""Which function does which kind of check, and a round of all kinds of one. A new kind is one
module, one line here, one test file, one docs section.

Laws:
1. The kinds of a check are asked at once. The round passes as soon as `need` of them have passed;
   the rest are given up. It fails when all have ended and too few have passed.
2. Times and certificates are those of the first kind, as configured, that has them.
3. Whatever goes wrong within a kind is a failure of that kind and of nothing else.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from gslb.model.check import Check, CheckKind, CommandCheck, HttpCheck, TcpCheck
from gslb.probe.checks.command import check_command
from gslb.probe.checks.http import check_http
from gslb.probe.checks.tcp import check_tcp
from gslb.probe.outcome import MAX_REASON, Outcome, failed
from gslb.probe.target import Target

log = logging.getLogger(__name__)

CheckFunction = Callable[[Any, Target, float], Awaitable[Outcome]]
"""(kind, target, timeout_s) -> Outcome. It keeps the timeout by itself, since it knows what was
achieved by then.
"""

CHECKS: Mapping[type[CheckKind], CheckFunction] = {
    HttpCheck: check_http,
    TcpCheck: check_tcp,
    CommandCheck: check_command,
}


async def run_check(target: Target, slots: asyncio.Semaphore) -> Outcome:
    """One round of a check. slots: each kind takes one while it is asked."""
    check = target.check
    if len(check.kinds) == 1:  # the usual case, without tasks
        return await _ask(check.kinds[0], target, slots)
    ended = await _ask_all(target, slots)
    outcomes = [outcome for _, outcome in ended]
    is_passed = sum(outcome.ok for outcome in outcomes) >= check.need
    return Outcome(
        ok=is_passed,
        rtt_ms=_first(outcome.rtt_ms for outcome in outcomes),
        reason="" if is_passed else _complain(check, ended),
        first_byte_ms=_first(outcome.first_byte_ms for outcome in outcomes),
        certificate_until_at=_first(outcome.certificate_until_at for outcome in outcomes),
    )


async def _ask(kind: CheckKind, target: Target, slots: asyncio.Semaphore) -> Outcome:
    """Ask one thing once. Whatever goes wrong is an Outcome: here is the border of a round."""
    try:
        async with slots:
            return await CHECKS[type(kind)](kind, target, target.check.timeout_s)
    except Exception as error:
        log.warning("check of %s failed in an unforeseen way", _name(target), exc_info=error)
        return failed(f"the check itself failed: {error!r}")


async def _ask_all(target: Target, slots: asyncio.Semaphore) -> list[tuple[CheckKind, Outcome]]:
    """All kinds that were not given up, in their order, with their outcomes."""
    kinds = target.check.kinds
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_ask(kind, target, slots), name=f"{_label(kind)} {_name(target)}")
            for kind in kinds
        ]
        passed = 0
        for ended in asyncio.as_completed(tasks):
            passed += (await ended).ok
            if passed >= target.check.need:
                break
        for task in tasks:
            task.cancel()  # does nothing to those that have ended
    pairs = zip(kinds, tasks, strict=True)
    return [(kind, task.result()) for kind, task in pairs if not task.cancelled()]


def _first(values: Iterable[float | None]) -> float | None:
    return next((value for value in values if value is not None), None)


def _complain(check: Check, ended: Sequence[tuple[CheckKind, Outcome]]) -> str:
    """Which kinds failed and why, each with its share of the room."""
    failures = [(_label(kind), outcome.reason) for kind, outcome in ended if not outcome.ok]
    head = f"{check.need} of {len(check.kinds)} must pass: "
    room = (MAX_REASON - len(head)) // len(failures) - len("; ")
    return head + "; ".join(f"{label}: {why}"[:room] for label, why in failures)


def _label(kind: CheckKind) -> str:
    match kind:
        case HttpCheck():
            return kind.scheme
        case TcpCheck():
            return "tcp"
        case CommandCheck():
            return "command"


def _name(target: Target) -> str:
    return target.site or "a canary"
