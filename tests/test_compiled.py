"""What is compiled stays Python that mypyc understands as Python does (docs/decisions/0007)."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HOOK = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"][
    "wheel"
]["hooks"]["mypyc"]
MODULES = sorted(
    str(path.relative_to(ROOT))
    for pattern in HOOK["include"]
    for path in ROOT.glob(pattern)
    if path.name not in HOOK["exclude"]
)


def test_each_pattern_finds_modules():
    assert all(any(ROOT.glob(pattern)) for pattern in HOOK["include"])
    assert "gslb/proxy/client.py" in MODULES


def find_reused_names(source: str) -> Iterator[str]:
    """Names by which one function catches errors of several types: compiled, a name has the type of
    the first, and another error raises a TypeError in its place.
    """
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            caught: dict[str, str] = {}
            for one in ast.walk(function):
                if isinstance(one, ast.ExceptHandler) and one.name and one.type:
                    types = ast.unparse(one.type)
                    if caught.setdefault(one.name, types) != types:
                        yield f"{function.name}, line {one.lineno}: {one.name}"


@pytest.mark.parametrize("module", MODULES)
def test_each_type_of_error_has_a_name_of_its_own(module: str):
    assert list(find_reused_names((ROOT / module).read_text())) == []


def test_a_name_for_two_types_is_found():
    source = "def f():\n try: g()\n except OSError as e: h(e)\n except ValueError as e: h(e)"
    assert list(find_reused_names(source)) == ["f, line 4: e"]
