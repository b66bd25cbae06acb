from collections.abc import Callable
from pathlib import Path

import pytest

from gslb.config.load import load
from gslb.errors import ConfigError

Rows = Callable[..., list[str]]


@pytest.fixture
def write(tmp_path, monkeypatch) -> Callable[..., Path]:
    """Writes files into an empty current directory; gives the path of the main file, relative."""
    monkeypatch.chdir(tmp_path)

    def write_files(main: str | bytes, **others: str | bytes) -> Path:
        for name, text in {"gslb.yaml": main, **others}.items():
            path = Path(name.replace("__", "/"))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return Path("gslb.yaml")

    return write_files


@pytest.fixture
def rows(write) -> Rows:
    """The problems of a configuration, one text each, in order; empty if it loads."""

    def read(main: str | bytes, **others: str | bytes) -> list[str]:
        try:
            load(write(main, **others))
        except ConfigError as error:
            return [str(problem) for problem in error.problems]
        return []

    return read
