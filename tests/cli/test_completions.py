"""The completions: what the program would write, and what a real shell makes of them."""

import shutil
import subprocess
from pathlib import Path

import pytest

from gslb.cli.completions import SCRIPTS

FOLDER = Path(__file__).parents[2] / "packaging" / "completions"


def shell(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_script_is_what_the_program_would_write(name):
    told = f"packaging/completions/{name} is old: run python -m gslb.cli.completions"
    assert (FOLDER / name).read_text() == SCRIPTS[name](), told


PRESS_TAB = """\
. {script}
COMP_WORDS=({words})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_gslb
printf '%s\\n' "${{COMPREPLY[@]}}"
complete -p gslb
"""


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("gslb dr", ["drain"]),
        ("gslb un", ["undrain", "unforce", "unmaint"]),
        ("gslb --v", ["--version"]),
        ("gslb geo ''", ["build", "lookup", "--help"]),
        ("gslb geo l", ["lookup"]),
        ("gslb geo lookup --j", ["--json"]),
        ("gslb proxy gslb.yaml --re", ["--replace", "--render"]),
        ("gslb healthcheck gslb.yaml --watch --on", ["--on-up", "--on-down"]),
        ("gslb serve zo", []),  # files are bash's own business (-o default)
        ("gslb nothing -", []),
    ],
)
def test_tab_in_bash(words, offered):
    script = PRESS_TAB.format(script=FOLDER / "gslb.bash", words=words)
    argv = [shell("bash"), "--norc", "-eu", "-c", script]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    *told, registered = done.stdout.splitlines()
    assert [word for word in told if word] == offered
    assert registered == "complete -o default -F _gslb gslb"


@pytest.mark.parametrize(("line", "offered"), [("gslb dr", "drain"), ("gslb geo l", "lookup")])
def test_tab_in_fish(line, offered, tmp_path):
    script = f"source {FOLDER / 'gslb.fish'}; complete -C '{line}'"
    done = subprocess.run(
        [shell("fish"), "--no-config", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    assert [told.split("\t")[0] for told in done.stdout.splitlines()] == [offered]


def test_zsh_reads_the_script():
    done = subprocess.run(
        [shell("zsh"), "-n", str(FOLDER / "_gslb")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
