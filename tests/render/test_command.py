"""`gslb proxy FILE --render haproxy`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from gslb.cli.main import app
from gslb.errors import ConfigError
from tests.render.making import with_pool, with_proxy


def run(folder: Path, proxies: dict[str, dict[str, Any]], *more: str) -> Result:
    file = folder / "gslb.yaml"
    named = {name: {"site": "s", **proxy} for name, proxy in proxies.items()}
    file.write_text(yaml.safe_dump({"node": "n", "proxies": named}))
    return CliRunner().invoke(app, ["proxy", str(file), *more, "--render", "haproxy"])


def test_the_status_is_0_where_nothing_is_missing(tmp_path: Path):
    found = run(tmp_path, {"one": with_proxy()})
    assert found.exit_code == 0
    assert "frontend one\n" in found.stdout
    assert {line.partition(":")[0] for line in found.stderr.splitlines()} == {"approximated"}


def test_the_status_is_3_where_something_is_missing(tmp_path: Path):
    found = run(tmp_path, {"one": with_pool(hedge={})})
    assert found.exit_code == 3
    assert "frontend one\n" in found.stdout
    assert "missing: proxies.one.pools.w.hedge: no second request is sent\n" in found.stderr


def test_only_the_named_proxies_are_rendered(tmp_path: Path):
    proxies = {"one": with_proxy(), "two": with_pool(hedge={})}
    proxies["two"]["listen"] = [{"address": "127.0.0.1:18081"}]
    found = run(tmp_path, proxies, "one")
    assert found.exit_code == 0
    assert "two" not in found.stdout + found.stderr


def test_a_wrong_file_is_no_configuration(tmp_path: Path):
    found = run(tmp_path, {"one": with_proxy(workers=0)})
    assert isinstance(found.exception, ConfigError)  # which the command line answers with 1
    assert found.stdout == ""


@pytest.mark.parametrize("engine", ["nginx", ""])
def test_another_engine_is_a_wrong_command_line(tmp_path: Path, engine: str):
    file = tmp_path / "gslb.yaml"
    found = CliRunner().invoke(app, ["proxy", str(file), "--render", engine])
    assert found.exit_code == 2
