"""The manual pages: what the program would write, and what mandoc says of them."""

import shutil
import subprocess
from pathlib import Path

import pytest

from gslb.cli.main import COMMANDS, app
from gslb.cli.manual import compose_commands_page, compose_file_page
from gslb.cli.tree import read_commands
from gslb.config.schema import MainFile

FOLDER = Path(__file__).parents[2] / "packaging" / "man"
PAGES = {"gslb.1": compose_commands_page, "gslb.yaml.5": compose_file_page}


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_what_the_program_would_write(name):
    told = f"packaging/man/{name} is old: run python -m gslb.cli.manual"
    assert (FOLDER / name).read_text() == PAGES[name](), told


@pytest.mark.parametrize("name", PAGES)
def test_mandoc_has_nothing_to_say(name):
    program = shutil.which("mandoc")
    if program is None:
        pytest.skip("mandoc is not installed")
    argv = [program, "-Tlint", str(FOLDER / name)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def rendered(name: str) -> str:
    """The page as people see it, on one line."""
    program = shutil.which("mandoc")
    if program is None:
        pytest.skip("mandoc is not installed")
    argv = [program, "-Tascii", "-Owidth=500", str(FOLDER / name)]
    text = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    while "\b" in text:  # bold is a letter over itself
        at = text.index("\b")
        text = text[: at - 1] + text[at + 1 :]
    return " ".join(text.split())


def test_every_command_and_option_is_read():
    page = rendered("gslb.1")
    commands = read_commands(app)
    names = {one.__name__.replace("_", "-") for one in COMMANDS}
    assert names <= {one.words[0] for one in commands}
    for command in commands:
        assert f"gslb {' '.join((*command.words, *command.arguments))} {command.help}" in page
        for option in command.options:
            assert f"{', '.join(option.names)} {option.metavar}".rstrip() in page
            assert option.help in page


def test_every_key_of_the_main_file_is_read():
    page = rendered("gslb.yaml.5")
    for key in MainFile.model_fields:
        assert f" {key} " in page
