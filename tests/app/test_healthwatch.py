"""`gslb healthcheck --watch` as a process, beside a name server that is stopped and continued."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gslb.app import healthwatch
from gslb.app.healthwatch import Watch, Wishes, load_subject
from gslb.model.check import Check
from tests.app.world import DEADLINE_S, ROOT, Files, Serving, serving_files, wait_for

COMMAND = """\
#!/bin/sh
echo "$GSLB_STATE $*" >>{folder}/told
test ! -e {folder}/fails
"""


class Watching:
    """A watch whose command writes down what it is told."""

    def __init__(self, files: Files, *options: str) -> None:
        self.folder = files.folder
        self.command = self.folder / "tell"
        self.command.write_text(COMMAND.format(folder=self.folder))
        self.command.chmod(0o755)
        pace = ["--interval", "0.1", "--timeout", "0.3", "--rise", "2", "--fall", "2"]
        commands = ["--on-up", f"{self.command} 'a b' c", "--on-down", f"{self.command} d"]
        with (self.folder / "watch.log").open("wb") as log:
            argv = [sys.executable, "-m", "gslb", "healthcheck", str(files.main), "--watch"]
            argv += [*pace, *commands, *options]
            self.process = subprocess.Popen(argv, cwd=ROOT, stderr=log)

    def told(self) -> list[str]:
        path = self.folder / "told"
        return path.read_text().splitlines() if path.exists() else []

    def log(self, event: str) -> list[dict[str, Any]]:
        whole = (self.folder / "watch.log").read_text().rpartition("\n")[0].splitlines()
        return [line for line in map(json.loads, whole) if line["event"] == event]

    def until_told(self, *lines: str) -> None:
        wait_for(lambda: self.told() == list(lines) or self.process.poll() is not None)
        assert self.told() == list(lines)

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(DEADLINE_S)


@contextmanager
def watching(files: Files, *options: str) -> Iterator[Watching]:
    made = Watching(files, *options)
    try:
        yield made
    finally:
        if made.process.poll() is None:
            made.process.kill()
        made.process.wait()


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[tuple[Files, Serving]]:
    files = Files(tmp_path_factory.mktemp("watched"))
    with serving_files(files) as server:
        yield files, server


@pytest.fixture
def files(served) -> Files:
    """The files of the running server; nothing of another test's watch is left in them."""
    files, _ = served
    for name in ("told", "fails"):
        (files.folder / name).unlink(missing_ok=True)
    return files


UP, DOWN = "up a b c", "down d"


def test_watch_tells_each_change_and_withdraws_at_the_end(served, files):
    _, server = served
    with watching(files) as watch:
        watch.until_told(UP)
        server.signal(signal.SIGSTOP)
        try:
            watch.until_told(UP, DOWN)
        finally:
            server.signal(signal.SIGCONT)
        watch.until_told(UP, DOWN, UP)
        assert watch.stop() == 0
        assert watch.told() == [UP, DOWN, UP, DOWN]
        assert [line["state"] for line in watch.log("state")] == ["up", "down", "up"]
        assert "no answer within 0.3 s" in watch.log("state")[1]["problem"]


def test_watch_that_starts_before_the_server_tells_down_first(tmp_path):
    files = Files(tmp_path)
    with watching(files) as watch:
        watch.until_told(DOWN)
        with serving_files(files):
            watch.until_told(DOWN, UP)
        watch.until_told(DOWN, UP, DOWN)


def test_a_command_that_fails_is_run_again_until_it_succeeds(files):
    (files.folder / "fails").touch()
    with watching(files) as watch:
        wait_for(lambda: len(watch.told()) >= 3)
        (files.folder / "fails").unlink()
        wait_for(lambda: watch.log("command ended"))
        told = watch.told()
        assert set(told) == {UP}
        asked = len(watch.log("command failed"))
        assert asked == len(told) - 1


def test_a_broken_file_changes_nothing(served, files):
    before = files.main.read_text()
    try:
        with watching(files) as watch:
            watch.until_told(UP)
            moved = before.replace(f"127.0.0.1:{files.dns}", "127.0.0.1:1")
            files.main.write_text(moved + "wrong: true\n")
            wait_for(lambda: watch.log("reload refused, nothing changed"))
            assert watch.told() == [UP]
            files.main.write_text(moved)
            watch.until_told(UP, DOWN)
    finally:
        files.main.write_text(before)


def test_stopped_while_a_command_runs_it_withdraws_at_once(files):
    hanging = f"/bin/sleep {2 * DEADLINE_S:g}"
    with watching(files, "--on-up", hanging) as watch:
        wait_for(lambda: _children(watch.process.pid))
        assert watch.stop() == 0
        assert watch.told() == [DOWN]


def test_it_ends_with_1_when_it_could_not_withdraw(files):
    with watching(files) as watch:
        watch.until_told(UP)
        wait_for(lambda: watch.log("command ended"))
        (files.folder / "fails").touch()
        assert watch.stop() == 1


def test_a_command_that_hangs_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(healthwatch, "COMMAND_TIMEOUT_S", 0.2)
    files = Files(tmp_path)
    wishes = Wishes(files.main, None, Check(()), on_up=("/bin/sleep", "60"))
    watch = Watch(wishes, load_subject(files.main, None))
    assert asyncio.run(watch.tell(is_up=True)) is False
    assert asyncio.run(watch.tell(is_up=False)) is True  # none is asked for


def _children(pid: int) -> list[str]:
    """Processes that it has started itself."""
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
