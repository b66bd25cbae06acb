"""Reloading inside one process, with short ticks."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gslb.app import reload as module
from gslb.app.assemble import Assembled, assemble
from gslb.app.reload import Reloader
from gslb.config.load import load
from tests.app.world import DEADLINE_S, EUROPE, ZONE, Files, until
from tests.geo.samples import DE, US, compose

NEW = ZONE + "  new: {answers: {eu: {}}}\n"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    monkeypatch.setattr(module, "TICK_S", 0.02)
    return Files(tmp_path)


class Watching:
    """A reloader at work, and what it has applied."""

    def __init__(self, files: Files) -> None:
        self.applied: list[Assembled] = []
        self.first = assemble(files.main)
        self.reloader = Reloader(self.first, self.applied.append)

    @property
    def error(self) -> str | None:
        return self.reloader.state.error

    async def ticks(self, monkeypatch: pytest.MonkeyPatch, number: int = 4) -> None:
        """Lets some ticks pass: files are looked at once in each."""
        seen = 0
        look = Assembled.look

        def count(assembled):
            nonlocal seen
            seen += 1
            return look(assembled)

        with monkeypatch.context() as patch:
            patch.setattr(Assembled, "look", count)
            await until(lambda: seen >= number)


def watch(files: Files, script: Callable[[Watching], Awaitable[None]]) -> None:
    """Runs a script while a reloader watches the files."""

    async def run() -> None:
        watching = Watching(files)
        task = asyncio.create_task(watching.reloader.run(), name="reload")
        try:
            await script(watching)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "gslb.app.reload"]


def services(assembled: Assembled) -> set[str]:
    return {one.name for zone in assembled.system.zones for one in zone.services}


def test_a_changed_file_is_applied_once_and_no_change_never(files, monkeypatch):
    async def script(watching: Watching) -> None:
        await watching.ticks(monkeypatch)
        assert watching.applied == []
        files.zone.write_text(NEW)
        await until(lambda: watching.applied)
        await watching.ticks(monkeypatch)
        (applied,) = watching.applied
        assert "new" in services(applied)
        assert applied.watched is watching.first.watched

    watch(files, script)


def test_a_touched_file_is_read_but_not_applied(files, monkeypatch):
    async def script(watching: Watching) -> None:
        loads = 0

        def count(*arguments):
            nonlocal loads
            loads += 1
            return assemble(*arguments)

        monkeypatch.setattr("gslb.app.assemble.assemble", count)
        files.zone.write_text(ZONE)
        await until(lambda: loads)
        await watching.ticks(monkeypatch)
        assert (loads, watching.applied) == (1, [])

    watch(files, script)


def test_asking_applies_even_what_is_the_same(files):
    async def script(watching: Watching) -> None:
        watching.reloader.ask()
        await until(lambda: watching.applied)
        assert watching.applied[0].system.digest == watching.first.system.digest

    watch(files, script)


def test_an_invalid_file_is_refused_once_until_it_changes(files, monkeypatch, caplog):
    async def script(watching: Watching) -> None:
        files.write("foo: 1\nbar: 2\n")
        await until(lambda: watching.error)
        await watching.ticks(monkeypatch, 6)
        assert events(caplog) == ["reload refused, nothing changed"] * 2  # a line a problem
        assert watching.applied == []
        assert [line.split(": ")[1] for line in watching.error.splitlines()] == ["foo", "bar"]
        assert watching.reloader.state.failed_at > watching.reloader.state.applied_at
        files.zone.write_text(NEW)
        files.write()
        await until(lambda: watching.applied)
        assert watching.error is None

    with caplog.at_level(logging.ERROR):
        watch(files, script)


def test_the_error_is_over_when_the_file_is_as_before(files):
    async def script(watching: Watching) -> None:
        files.write("foo: 1\n")
        await until(lambda: watching.error)
        files.write()
        await until(lambda: watching.error is None)
        assert watching.applied == []

    watch(files, script)


class Growing:
    """Something whose file looks otherwise at each of its first looks; any value can be reloaded
    that can say what `Loaded` asks.
    """

    stale = None

    def __init__(self, changes: int) -> None:
        self.looks = 0
        self.looks_at_load: list[int] = []
        self._changes = changes

    def as_read(self):
        return (("file", None),)

    def look(self):
        self.looks += 1
        return (("file", (min(self.looks, self._changes), 0, 0)),)

    def load_again(self):
        self.looks_at_load.append(self.looks)
        return self

    def is_same(self, other):
        return False

    def summary(self):
        return {}


def test_law_2_a_file_that_still_grows_is_not_loaded(files):
    async def run() -> None:
        growing, applied = Growing(changes=5), []
        task = asyncio.create_task(Reloader(growing, applied.append).run())
        await until(lambda: growing.looks >= 12)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        # The 6th look is like the 5th; the 7th is the one before loading (law 3).
        assert (growing.looks_at_load, applied) == ([7], [growing])

    asyncio.run(run())


def test_a_zone_file_that_appears_is_taken_up(files):
    async def script(watching: Watching) -> None:
        files.zone.with_name("x.yaml").write_text(ZONE.replace("w.test", "x.test"))
        await until(lambda: watching.applied)
        origins = [zone.origin for zone in watching.applied[0].system.zones]
        assert origins == ["w.test", "x.test"]

    watch(files, script)


def test_a_zone_file_that_appears_broken_is_taken_up_when_it_is_mended_in_place(files):
    async def script(watching: Watching) -> None:
        path = files.zone.with_name("x.yaml")
        path.write_text("zone: 5\n")
        await until(lambda: watching.error)
        with path.open("r+") as opened:  # the folder looks the same after this
            opened.write(ZONE.replace("w.test", "x.test"))
        await until(lambda: watching.applied)
        assert watching.error is None

    watch(files, script)


def test_what_changes_while_files_are_loaded_is_seen_at_the_next_tick(files, monkeypatch):
    async def script(watching: Watching) -> None:
        is_first = True

        def change_behind(*arguments):
            nonlocal is_first
            made = load(*arguments)
            if is_first:
                is_first = False
                files.zone.write_text(NEW + "  newer: {answers: {eu: {}}}\n")
            return made

        monkeypatch.setattr("gslb.app.assemble.load", change_behind)
        files.zone.write_text(NEW)
        await until(lambda: len(watching.applied) == 2)
        assert "newer" not in services(watching.applied[0])
        assert "newer" in services(watching.applied[1])

    watch(files, script)


def test_what_changed_between_start_and_watching_is_seen(files):
    async def run() -> None:
        watching = Watching(files)
        files.zone.write_text(NEW)  # before the first tick
        watching.reloader = Reloader(watching.first, watching.applied.append)
        task = asyncio.create_task(watching.reloader.run())
        await until(lambda: watching.applied)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())


def test_a_replaced_database_is_taken_up_and_a_broken_one_keeps_the_old(files, caplog):
    async def script(watching: Watching) -> None:
        files.locate({EUROPE: US})
        await until(lambda: watching.applied)
        table = watching.applied[-1].watched.table
        assert table is not watching.first.watched.table

        files.database.write_bytes(compose({EUROPE: DE})[:-20])
        await until(lambda: watching.error)
        assert watching.error.startswith(f"{files.database}: ")
        assert watching.applied[-1].watched.table is table
        assert "not all was reloaded, the old part holds" in events(caplog)

        files.locate({EUROPE: DE})
        await until(lambda: watching.error is None)
        assert watching.applied[-1].watched.table is not table

    with caplog.at_level(logging.ERROR):
        watch(files, script)


def test_a_fault_of_ours_in_loading_changes_nothing(files, monkeypatch, caplog):
    def fail(*_):
        raise RuntimeError("ours")

    async def script(watching: Watching) -> None:
        monkeypatch.setattr("gslb.app.assemble.assemble", fail)
        assert not await watching.reloader.reload()
        assert (watching.error, watching.applied) == ("ours", [])

    with caplog.at_level(logging.ERROR):
        watch(files, script)
    assert events(caplog)[-1] == "reload failed, this is a fault of the program"


def test_the_loop_goes_on_while_files_are_loaded(files, monkeypatch):
    async def script(watching: Watching) -> None:
        loop = asyncio.get_running_loop()
        turned = asyncio.Event()

        def wait_for_the_loop(*arguments):
            loop.call_soon_threadsafe(turned.set)
            future = asyncio.run_coroutine_threadsafe(turned.wait(), loop)
            assert future.result(DEADLINE_S)
            return assemble(*arguments)

        monkeypatch.setattr("gslb.app.assemble.assemble", wait_for_the_loop)
        assert await watching.reloader.reload()

    watch(files, script)


def test_the_applied_digest_is_logged(files, caplog):
    async def script(watching: Watching) -> None:
        assert await watching.reloader.reload()

    with caplog.at_level(logging.INFO, logger="gslb"):
        watch(files, script)
    (record,) = (one for one in caplog.records if one.getMessage() == "reloaded")
    fields = json.loads(json.dumps(record.gslb_fields))
    assert fields["zones"] == 1
    assert len(fields["digest"]) == 12
