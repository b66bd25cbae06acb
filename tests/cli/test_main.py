import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gslb import __version__
from gslb.cli.main import COMMANDS, GROUPS, app, main
from gslb.errors import GeoError, ListenError

ROOT = Path(__file__).parents[2]


def run(*arguments: str):
    return CliRunner().invoke(app, arguments)


def test_version():
    found = run("--version")
    assert (found.exit_code, found.stdout) == (0, f"gslb {__version__}\n")


def test_help_lists_every_command_with_a_line_about_it():
    shown = run("--help").stdout
    for name in (*(one.__name__.replace("_", "-") for one in COMMANDS), *GROUPS):
        assert re.search(rf"{name} +\S", shown), name
    assert all(one.__doc__ for one in COMMANDS)


@pytest.mark.parametrize("arguments", [["none"], ["check"], ["check", "--no"], ["delegation"]])
def test_usage_error_is_status_2(arguments):
    assert run(*arguments).exit_code == 2


def test_module_runs_as_the_command():
    command = [sys.executable, "-m", "gslb", "check", "none.yaml", "--json"]
    found = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (found.returncode, found.stderr) == (1, "")
    assert json.loads(found.stdout)["problems"][0]["file"] == "none.yaml"


@pytest.mark.parametrize("error", [GeoError("no database"), ListenError("port 53 is in use")])
def test_error_of_a_family_is_one_line_and_status_1(monkeypatch, capsys, error):
    def fail(**_):
        raise error

    monkeypatch.setattr("gslb.cli.main.app", fail)
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 1
    assert capsys.readouterr().err == f"gslb: {error}\n"


def test_config_error_is_one_line_a_problem_and_status_1(monkeypatch, capsys, tmp_path):
    path = tmp_path / "gslb.yaml"
    path.write_text("node: 5\nfoo: 1\n")
    monkeypatch.setattr(sys, "argv", ["gslb", "delegation", "a.example", "--config", str(path)])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[1:3] for line in lines] == [
        [f"{path}:1:7", "node"],
        [f"{path}:2:1", "foo"],
    ]
