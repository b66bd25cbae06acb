"""Reports brought to a store; the module's laws bear their numbers."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gslb.app.courier import FIRST_RETRY_S, LAST_RETRY_S, PATIENCE, Courier
from gslb.errors import StoreError
from gslb.model.agent import Agent
from gslb.model.report import Report, SiteReport
from gslb.store.envelope import unseal
from gslb.store.memory import MemoryStore
from tests.probe.virtual import run_virtually

KEY = Ed25519PrivateKey.generate()
AGENT = Agent("fra", "fra", (KEY.public_key().public_bytes_raw(),))
REPORT = Report("fra", "b", 1, 1.5, {"eu": SiteReport(up=True)})


class AwayStore(MemoryStore):
    """Cannot be reached, or hangs."""

    def __init__(self) -> None:
        super().__init__()
        self.is_away = True
        self.hangs_s = 0.0
        self.tries = 0

    async def put_report(self, agent: str, octets: bytes) -> None:
        self.tries += 1
        await asyncio.sleep(self.hangs_s)
        if self.is_away:
            raise StoreError("gone")
        await super().put_report(agent, octets)


def test_reports_come_signed():
    async def main() -> None:
        store = MemoryStore()
        await Courier(store, KEY, 1.0).deliver(REPORT)
        octets = (await store.read(["fra"])).reports["fra"]
        assert unseal(octets, AGENT) == REPORT

    asyncio.run(main())


def deliver_often(store: AwayStore, *, for_s: float, draw: float) -> list[float]:
    """The virtual times at which the store was asked, when a report comes every 10 ms."""

    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        courier = Courier(store, KEY, 1.0, draw=lambda: draw)
        asked: list[float] = []
        while loop.time() < for_s:
            tries, started = store.tries, loop.time()
            with suppress(StoreError):
                await courier.deliver(REPORT)
            if store.tries > tries:
                asked.append(started)
            await asyncio.sleep(0.01)
        return asked

    return run_virtually(main())


def pauses(asked: list[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(asked)]


def test_law_3_r23_a_store_that_failed_is_left_alone_for_longer_and_longer():
    found = pauses(deliver_often(AwayStore(), for_s=20.0, draw=1.0))
    wanted = [FIRST_RETRY_S, 0.4, 0.8, 1.6, 3.2, LAST_RETRY_S]
    assert found[: len(wanted)] == pytest.approx(wanted, abs=0.011)
    assert found[len(wanted) :] == pytest.approx([LAST_RETRY_S] * (len(found) - 6), abs=0.011)
    # Full jitter: the least pause is none at all.
    assert pauses(deliver_often(AwayStore(), for_s=1.0, draw=0.0)) == pytest.approx([0.01] * 99)


def test_law_3_after_a_success_the_pauses_begin_anew():
    async def main() -> None:
        store = AwayStore()
        courier = Courier(store, KEY, 1.0, draw=lambda: 1.0)
        for pause_s in (0.2, 0.4, 0.8):
            with pytest.raises(StoreError, match="gone"):
                await courier.deliver(REPORT)
            await asyncio.sleep(pause_s)
        store.is_away = False
        await courier.deliver(REPORT)
        store.is_away = True
        with pytest.raises(StoreError, match="gone"):
            await courier.deliver(REPORT)
        with pytest.raises(StoreError, match="it is tried again soon"):
            await courier.deliver(REPORT)
        await asyncio.sleep(FIRST_RETRY_S)
        with pytest.raises(StoreError, match="gone"):
            await courier.deliver(REPORT)

    run_virtually(main())


def test_law_2_a_report_that_is_not_taken_in_time_is_given_up():
    async def main() -> None:
        store = AwayStore()
        store.hangs_s = 3600.0
        with pytest.raises(StoreError, match=r"not taken within 2 s"):
            await Courier(store, KEY, 0.5).deliver(REPORT)
        assert asyncio.get_running_loop().time() == PATIENCE * 0.5

    run_virtually(main())


def test_a_report_that_cannot_be_sealed_is_an_error_of_the_store():
    async def main() -> None:
        with pytest.raises(StoreError):
            await Courier(MemoryStore(), KEY, 1.0).deliver(replace(REPORT, at=float("nan")))

    asyncio.run(main())
