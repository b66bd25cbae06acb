"""What is kept on disk across restarts."""

import asyncio
import json
from pathlib import Path

import pytest

from gslb.app.keeper import Keeper, Known, dump_known, load_known, restore
from gslb.health.snapshot import HealthSnapshot, SiteHealth
from gslb.model.order import Order, OrderKind
from gslb.store.state_dir import StateDir
from tests.app.world import until

KNOWN = Known(
    HealthSnapshot(3, {"eu": SiteHealth(up=False, since_at=9.0)}),
    (Order("eu", OrderKind.DRAIN, 7, "alice", "kernel"),),
    {"fra": {"boot": "b"}},
)


def test_what_is_kept_is_what_was_known():
    loaded = load_known(dump_known(KNOWN))
    assert (loaded.health, tuple(loaded.orders), loaded.intake) == (
        KNOWN.health,
        KNOWN.orders,
        KNOWN.intake,
    )


TOLD = json.loads(dump_known(KNOWN))


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        json.dumps(TOLD | {"version": 2}).encode(),
        json.dumps(TOLD | {"orders": {}}).encode(),
        json.dumps(TOLD | {"orders": [{"site": "eu"}]}).encode(),
        json.dumps(TOLD | {"health": None}).encode(),
    ],
    ids=["empty", "list", "no text", "deep", "newer", "orders", "order", "health"],
)
def test_law_3_another_shape_is_as_if_there_were_nothing_r10(octets, tmp_path, caplog):
    folder = StateDir(tmp_path)
    folder.save(octets)
    assert restore(folder) is None
    assert "health on the disk cannot be used" in caplog.messages


def test_nothing_is_restored_from_nothing(tmp_path):
    assert restore(StateDir(tmp_path / "not there")) is None


def test_law_1_a_change_is_written_soon_and_what_is_known_at_the_end(tmp_path):
    known = [KNOWN]

    async def script():
        keeper = Keeper(StateDir(tmp_path), lambda: known[0])
        task = asyncio.create_task(keeper.run())
        keeper.note_change()
        await until(lambda: restore(StateDir(tmp_path)) is not None)
        known[0] = Known(HealthSnapshot(4), (), {})
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(script())
    found = restore(StateDir(tmp_path))
    assert found is not None
    assert found[0].health == HealthSnapshot(4)


def test_law_2_a_disk_that_fails_is_told_once(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("gslb.app.keeper.SAVE_EVERY_S", 0.01)
    file = tmp_path / "a file, not a folder"
    file.write_text("")

    async def script():
        keeper = Keeper(StateDir(file / "state"), lambda: KNOWN)
        task = asyncio.create_task(keeper.run())
        keeper.note_change()
        await until(lambda: caplog.messages)
        keeper.note_change()
        file.unlink()
        await until(lambda: "health is kept on the disk again" in caplog.messages)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    with caplog.at_level("INFO"):
        asyncio.run(script())
    assert caplog.messages.count("health is not kept on the disk") == 1
    assert Path(file / "state").is_dir()
