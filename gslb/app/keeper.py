"""What a name server knows of health, kept on disk for the next start.

Laws:
1. It is written when it has changed, at most once in SAVE_EVERY_S, and every REFRESH_S in any case:
   the age of what is on the disk tells how long the process has been away.
2. A disk that fails is told once and tried again; nothing else suffers.
3. What is read is checked like a stranger's: any shape but ours is as if there were nothing (R10).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from types import MappingProxyType
from typing import Any

from gslb.errors import StoreError
from gslb.health.plain import dump_health, dump_order, load_health, load_order
from gslb.health.snapshot import HealthSnapshot
from gslb.model.order import Order
from gslb.store.state_dir import StateDir
from gslb.telemetry.logs import get_logger

SAVE_EVERY_S = 1.0
REFRESH_S = 30.0
VERSION = 1

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Known:
    """What is kept. intake: as `Intake.dump` gives it."""

    health: HealthSnapshot
    orders: Sequence[Order]
    intake: Any


def dump_known(known: Known) -> bytes:
    """It as octets."""
    told = {
        "version": VERSION,
        "health": dump_health(known.health),
        "orders": [dump_order(order) for order in known.orders],
        "intake": known.intake,
    }
    return json.dumps(told, separators=(",", ":")).encode()


def load_known(octets: bytes) -> Known:
    """It from octets. Raises ValueError (law 3)."""
    told = json.loads(octets)
    if not isinstance(told, Mapping) or told.get("version") != VERSION:
        raise ValueError(f"not written by a version that this one understands ({VERSION})")
    orders = told.get("orders")
    if not isinstance(orders, list):
        raise ValueError("orders must be a list")
    return Known(
        load_health(told.get("health")), [load_order(each) for each in orders], told.get("intake")
    )


def restore(folder: StateDir) -> tuple[Known, float] | None:
    """What was kept last and when, in Unix seconds; None for nothing that can be used."""
    try:
        found = folder.load()
    except StoreError as error:
        log.warning("no health from the disk", cause=str(error))
        return None
    if found is None:
        return None
    octets, saved_at = found
    try:
        return load_known(octets), saved_at
    except (ValueError, RecursionError) as error:
        log.warning("health on the disk cannot be used", cause=str(error))
        return None


def forget_future(health: HealthSnapshot, at: float) -> HealthSnapshot:
    """The same with no time later than at, in Unix seconds.

    The clock may have been ahead when it was kept, and what lies ahead would hold up withdrawals
    and returns until it has come (R20).
    """
    sites = {
        name: replace(
            one,
            since_at=min(one.since_at, at),
            well_since_at=_earlier(one.well_since_at, at),
            withdrawn_at=_earlier(one.withdrawn_at, at),
        )
        for name, one in health.sites.items()
    }
    return replace(health, sites=MappingProxyType(sites))


def _earlier(moment: float | None, at: float) -> float | None:
    return None if moment is None else min(moment, at)


class Keeper:
    """Writes what is known to a folder. known: asked when it is time to write."""

    def __init__(self, folder: StateDir, known: Callable[[], Known]) -> None:
        self._folder = folder
        self._known = known
        self._has_changed = asyncio.Event()
        self._is_failing = False
        self._writing = Lock()  # the last save may come while a thread still does the one before

    def note_change(self) -> None:
        """Have it written soon."""
        self._has_changed.set()

    async def run(self) -> None:
        """Writes until cancelled, and then once more."""
        try:
            while True:
                await self._wait()
                await self._save()
                await asyncio.sleep(SAVE_EVERY_S)
        finally:
            self._write(dump_known(self._known()))

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(REFRESH_S):
                await self._has_changed.wait()
        except TimeoutError:
            return
        self._has_changed.clear()

    async def _save(self) -> None:
        await asyncio.to_thread(self._write, dump_known(self._known()))

    def _write(self, octets: bytes) -> None:
        try:
            with self._writing:
                self._folder.save(octets)
        except StoreError as error:
            if not self._is_failing:
                log.warning("health is not kept on the disk", cause=str(error))
            self._is_failing = True
        else:
            if self._is_failing:
                log.info("health is kept on the disk again")
            self._is_failing = False
