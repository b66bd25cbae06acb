"""What runs beside answering is started again when it fails."""

from __future__ import annotations

import asyncio

import pytest

from gslb.app import process


def test_keep_running_starts_again_what_fails_or_ends(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(process, "RESTART_S", 0.0)
    reached = asyncio.Event()
    runs = iter(("fail", "end", "stay"))

    async def run() -> None:
        match next(runs):
            case "fail":
                raise ZeroDivisionError("a fault of ours")
            case "stay":
                reached.set()
                await asyncio.Event().wait()

    async def main() -> None:
        task = asyncio.create_task(process.keep_running("probes", run))
        async with asyncio.timeout(5):
            await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    told = [record.getMessage() for record in caplog.records]
    assert [line.partition(",")[0] for line in told] == ["failed", "ended by itself"]
