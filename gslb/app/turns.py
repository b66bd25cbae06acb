"""Long work beside answering, done in slices between which queries have their turn."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import TypeVar

TURN_S = 0.0001
"""What goes on beside answering gives queries their turn after this long, which costs a third."""

Result = TypeVar("Result")


async def run_in_turns(steps: Generator[None, None, Result]) -> tuple[Result, float]:
    """What steps return, and the seconds that they took, queries in between not counted."""
    clock, busy_s = asyncio.get_running_loop().time, 0.0
    began = clock()
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value, busy_s + clock() - began
        passed_s = clock() - began
        if passed_s >= TURN_S:
            busy_s += passed_s
            await asyncio.sleep(0)
            began = clock()
