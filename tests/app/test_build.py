"""How other processes of the same build are started."""

from __future__ import annotations

import subprocess
from pathlib import Path

import gslb
from gslb.app.build import VERSION, command_of


def test_nothing_of_the_folder_is_imported(tmp_path, monkeypatch):
    (tmp_path / "gslb").mkdir()
    (tmp_path / "gslb" / "__init__.py").write_text("raise SystemExit('a stranger ran')")
    monkeypatch.chdir(tmp_path)
    done = subprocess.run(
        [*command_of("gslb"), "--version"], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == (f"gslb {VERSION}\n", "")


def test_a_build_that_lies_in_the_folder_is_the_one_that_runs(monkeypatch):
    monkeypatch.chdir(Path(gslb.__file__).parents[1])
    assert "-P" not in command_of("gslb")
