"""The repository itself: pinned requirements, and that a wrong import cannot get in."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
REQUIREMENTS = ("requirements.txt", "requirements-dev.txt")


def pinned(file: str) -> dict[str, str]:
    """Package -> version, from a requirements file."""
    lines = (ROOT / file).read_text().splitlines()
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", "\n".join(lines), re.MULTILINE))


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=~!\[; ]", each)[0].lower() for each in requirements}


@pytest.mark.parametrize("file", REQUIREMENTS)
def test_every_pin_has_hashes_and_no_address(file: str):
    text = (ROOT / file).read_text()
    assert "://" not in text
    blocks = re.split(r"^(?=[a-z0-9-]+==)", text, flags=re.MULTILINE)[1:]
    assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []


def test_what_the_project_needs_is_pinned():
    project = PROJECT["project"]
    needed = names(project["dependencies"] + project["optional-dependencies"]["build"])
    assert needed <= set(pinned("requirements.txt"))
    assert names(project["optional-dependencies"]["dev"]) <= set(pinned("requirements-dev.txt"))


def test_tests_run_with_what_users_run_with():
    assert pinned("requirements.txt").items() <= pinned("requirements-dev.txt").items()


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "gslb", tmp_path / "gslb", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_a_room_without_a_place_breaks_the_contract(checkout: Path):
    (checkout / "gslb" / "attic").mkdir()
    (checkout / "gslb" / "attic" / "__init__.py").write_text("")
    result = lint_imports(checkout)
    assert result.returncode == 1
    assert "attic" in result.stdout


@pytest.mark.parametrize(
    ("module", "line", "told"),
    [
        ("wire", "import time", "gslb.wire -> time"),
        ("engine", "from asyncio import sleep", "gslb.engine -> asyncio"),
        ("model", "from gslb.errors import GslbError; import gslb.wire", "gslb.model -> gslb.wire"),
    ],
)
def test_a_wrong_import_breaks_the_contract(checkout: Path, module: str, line: str, told: str):
    with (checkout / "gslb" / module / "__init__.py").open("a") as file:
        file.write(f"\n{line}\n")
    result = lint_imports(checkout)
    assert result.returncode == 1
    assert told in result.stdout
